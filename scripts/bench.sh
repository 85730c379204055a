#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Side-by-side figures of one byte there and back between two pods, client and server on one CPU. The paths are measured in
# turn within each round, so that what the machine does meanwhile hits all of them; what counts is the median over the rounds
# of each path's ratio to the plain bridge of the same round. Prints a table; everything goes to build/bench/result.json.
#
# ROUNDS (default 15), MILLISECONDS (of one measurement, default 250: many short rounds even out a noisy machine better than a
# few long ones), FAMILIES ("4 6" by default), PATHS (some of those below; "plain" among them).
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-15}
MILLISECONDS=${MILLISECONDS:-250}
FAMILIES=${FAMILIES:-4 6}
OUT=build/bench
VIP4=10.96.0.10
VIP6=fd00:96::10
CPU=$(($(nproc) - 1))

# lib.bash is made for bats, which has this function.
bats_require_minimum_version() { :; }
# shellcheck source=test/netns/lib.bash
. test/netns/lib.bash
# shellcheck source=test/netns/kube.bash
. test/netns/kube.bash

[ "$(id -u)" = 0 ] || {
	echo "bench: needs root; run: sudo make bench" >&2
	exit 1
}

cleanup() {
	set +e
	suite_destroy
	rm -rf "$NBT_DIR"
}
trap cleanup EXIT

# TCP ports come round again within a second at these rates: a client may use one that is still in TIME_WAIT, and all of them.
tune() {
	ns_exec "$1" sysctl -qw net.ipv4.ip_local_port_range="1024 65535" net.ipv4.tcp_tw_reuse=1
}

declare -A ADDRESS

# One Service of pod $2 by the rules of kube-proxy's iptables mode in node $1.
kube_service() {
	local family vip
	for family in 4 6; do
		vip=VIP$family
		echo "bench tcp ${!vip} 80 $(pod_ip "$2" "$family"),8080"
		echo "bench udp ${!vip} 80 $(pod_ip "$2" "$family"),8080"
	done | kube_iptables "$1"
}

prepare() {
	local name
	mkdir -p "$NBT_DIR" "$OUT"
	node_create plain
	network_write plain net '.plugins[0].type = "bridge"'
	node_create nat
	network_write nat net
	pods_up plain net pa pb
	pods_up nat net na nb
	services_apply nat "$(service default/bench $VIP4,$VIP6 TCP:80:8080,UDP:80:8080 "$(pod_ip nb 4),$(pod_ip nb 6)")"
	node_create assist
	network_write assist net '.plugins[0].serviceProxy.mode = "assist"'
	pods_up assist net aa ab
	kube_service assist ab
	node_create brnf
	network_write brnf net '.plugins[0].type = "bridge"'
	pods_up brnf net ka kb
	kube_service brnf kb
	node_bridge_nf brnf 1
	ns_create va
	ns_create vb
	ip link add eth0 netns "$NBT-va" type veth peer name eth0 netns "$NBT-vb"
	for name in va:1 vb:2; do
		ip -n "$NBT-${name%:*}" address add "10.245.0.${name#*:}/24" dev eth0
		ip -n "$NBT-${name%:*}" address add "fd00:245::${name#*:}/64" dev eth0 nodad
		ip -n "$NBT-${name%:*}" link set eth0 up
	done
	for name in pa pb na nb aa ab ka kb va vb; do
		tune "$name"
		ADDRESS[$name-4]=$(pod_ip $name 4) ADDRESS[$name-6]=$(pod_ip $name 6)
	done
	sleep 2
}

# rate PATH KIND FAMILY: one measurement.
rate() {
	local from to address port=8080 vip=VIP$3
	case $1 in
	plain) from=pa to=pb ;;
	veth) from=va to=vb ;;
	assist*) from=aa to=ab ;;
	brnf*) from=ka to=kb ;;
	*) from=na to=nb ;;
	esac
	address=${ADDRESS[$to-$3]}
	case $1 in
	service | assist_service | brnf_service) address=${!vip} port=80 ;;
	# Port 8080 of that pod is a backend, to which direct connections are tracked; 8081 is unknown to any service.
	direct) port=8081 ;;
	esac
	build/test/bench/rate -c "$CPU" -s "$MILLISECONDS" "/run/netns/$NBT-$from" "/run/netns/$NBT-$to" "$2" \
		"$address" "$port" $((port == 80 ? 8080 : port))
}

read -ra PATHS <<<"${PATHS:-plain service direct backend assist assist_service brnf brnf_service veth}"

run_rounds() {
	local round family kind path value order=("${PATHS[@]}")
	for ((round = 1; round <= ROUNDS; round++)); do
		# Another one comes first in each round.
		order=("${order[@]:1}" "${order[0]}")
		[ ! -t 2 ] || printf '\rround %d of %d ' "$round" "$ROUNDS" >&2
		for family in $FAMILIES; do
			for kind in tcp-rr tcp-crr udp-rr; do
				for path in "${order[@]}"; do
					value=$(rate "$path" "$kind" "$family") || { echo "bench: $path, $kind, IPv$family: no figure" >&2; exit 1; }
					echo "$round $family $kind $path $value"
				done
			done
		done
	done
	[ ! -t 2 ] || printf '\r' >&2
}

# Rows "round family kind path rate cpu-rate" to one object a family, kind and path, with the ratios to the plain bridge.
summarize() {
	jq -R -s --arg kernel "$(uname -r)" --argjson ms "$MILLISECONDS" '
		def quantile(q): sort | ((length - 1) * q) as $at | ($at | floor) as $i
			| .[$i] + (.[[$i + 1, length - 1] | min] - .[$i]) * ($at - $i);
		def median: quantile(0.5);
		def round3: . * 1000 | round / 1000;
		def spread: {median: (median | round3), q1: (quantile(0.25) | round3), q3: (quantile(0.75) | round3)};
		[split("\n")[] | select(. != "") | split(" ")
			| {round: .[0], family: "IPv\(.[1])", kind: .[2], path: .[3], rate: (.[4] | tonumber), cpu: (.[5] | tonumber)}] as $rows
		| {kernel: $kernel, milliseconds: $ms, results: [$rows | group_by([.family, .kind])[]
			| (map(select(.path == "plain") | {(.round): .}) | add) as $plain
			| group_by(.path)[] | {family: .[0].family, kind: .[0].kind, path: .[0].path, rounds: length}
				+ (map(.rate / $plain[.round].rate) | {ratio: spread}) + (map(.cpu / $plain[.round].cpu) | {ratio_cpu: spread})
				+ {per_second: (map(.rate) | median | round), per_cpu_second: (map(.cpu) | median | round)}]}'
}

table() {
	echo
	echo "One byte there and back between two pods on one CPU, $ROUNDS rounds of $MILLISECONDS ms. Ratios to the plain bridge without NAT,"
	echo "br_netfilter off: median (and quartiles, between which half of all rounds lie); above 1 is faster. By the clock, and by"
	echo "CPU time of client and server, which leaves out what else the machine does."
	jq -r --arg paths "${PATHS[*]}" '
		{plain: "plain bridge, pod to pod", service: "natbridge, pod to Service", direct: "natbridge, pod to pod",
			backend: "natbridge, pod to a backend", assist: "mode assist, pod to pod",
			assist_service: "mode assist, pod to Service", brnf: "br_netfilter, pod to pod",
			brnf_service: "br_netfilter, pod to Service", veth: "one veth pair, no bridge"} as $names
		| ($paths | split(" ")) as $order
		| .results | group_by([.family, .kind])[] | "", "\(.[0].family) \(.[0].kind)",
			(sort_by(.path as $p | $order | index($p))[]
			| [$names[.path], .per_second, (.ratio | .median, .q1, .q3), (.ratio_cpu | .median, .q1, .q3)] | @tsv)' "$1" |
		awk -F'\t' 'NF == 8 { printf "  %-28s %6d/s  %.3f (%.3f .. %.3f)  CPU %.3f (%.3f .. %.3f)\n", $1, $2, $3, $4, $5, $6, $7, $8
			next } { print }'
}

# cost NAME NODE COMMAND...: a row "name milliseconds kB" for one run in that node.
cost() {
	local name=$1 node=$2
	shift 2
	echo "$name $(node_exec "$node" build/test/bench/cost "$@")"
}

# cost_add NAME NODE N: one ADD of the plugin of the node's network for a pod with the address 10.244.0.N. Its IPAM plugin is a
# shell script, so that the figures are not those of host-local.
cost_add() {
	local config type pod=$2-$3
	config=$(plugin_config "$2" net '.ipam = {type: "fixed"}')
	type=$(jq -r .type <<<"$config")
	ns_create "$pod"
	PATH=$NBT_BUILD:$TEST_BIN_DIR:$PATH CNI_PATH=$NBT_DIR CNI_COMMAND=ADD CNI_CONTAINERID="$pod" \
		CNI_NETNS="$(ns_path "$pod")" CNI_IFNAME=eth0 cost "$1" "$2" "$type" <<<"$config"
}

make_ipam() {
	cat >"$NBT_DIR/fixed" <<-'EOF'
		#!/bin/sh
		cat >/dev/null
		echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.244.0.'"${CNI_CONTAINERID##*-}"'/24", "gateway": "10.244.0.1"}]}'
	EOF
	chmod +x "$NBT_DIR/fixed"
}

# services N: that many Services of ten backends each.
services() {
	jq -n --argjson n "$1" '{apiVersion: "v1", kind: "List", items: [range($n) | . as $i
		| {apiVersion: "v1", kind: "Service", metadata: {name: "s\($i)", namespace: "bench"},
			spec: {clusterIP: "10.\(100 + ($i / 62500 | floor)).\($i / 250 % 250 | floor).\($i % 250 + 1)", ports: [{port: 80}]}},
		{apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
			metadata: {name: "s\($i)-x", namespace: "bench", labels: {"kubernetes.io/service-name": "s\($i)"}},
			ports: [{port: 80}], endpoints: [range(10) | {addresses: ["10.1.\($i % 250).\(. + 1)"]}]}]}'
}

costs() {
	local i
	make_ipam
	node_create cost
	network_write cost net
	cost_add add_first cost 100
	for i in 101 102 103 104 105 106 107 108 109; do
		cost_add add cost "$i"
		cost_add add_bridge plain "$i"
	done
	services 10000 >"$NBT_DIR/services.json"
	services 1 | jq '.items[1].endpoints |= .[1:]' >"$NBT_DIR/one.json"
	cost apply_10000 cost "$NBT_BUILD/natbridgectl" service apply -f "$NBT_DIR/services.json"
	cost apply_same cost "$NBT_BUILD/natbridgectl" service apply -f "$NBT_DIR/services.json"
	cost change_one cost "$NBT_BUILD/natbridgectl" service apply --keep -f "$NBT_DIR/one.json"
}

# Rows of cost to the medians of each name.
summarize_costs() {
	jq -R -s '[split("\n")[] | select(. != "") | split(" ") | {name: .[0], ms: (.[1] | tonumber), kb: (.[2] | tonumber)}]
		| group_by(.name) | map(sort_by(.ms)[length / 2 | floor]) | map({(.name): {ms, kb}}) | add'
}

table_costs() {
	echo
	echo "Runs of the programs: milliseconds from start to end (median of nine where there are several), and memory at its peak."
	jq -r '{add_first: "first ADD of a network (loads eBPF)", add: "any later ADD",
			add_bridge: "the same by the reference bridge", apply_10000: "apply 10,000 services, 10 backends each",
			apply_same: "apply the same again", change_one: "apply a change of one of them"} as $names
		| .costs | to_entries | sort_by(.key as $k | $names | keys_unsorted | index($k))[]
		| [$names[.key], .value.ms, .value.kb / 1024] | @tsv' "$1" |
		awk -F'\t' '{ printf "  %-42s %8.1f ms %6.1f MB\n", $1, $2, $3 }'
}

prepare
costs >"$OUT/costs.txt"
run_rounds >"$OUT/rounds.txt"
summarize <"$OUT/rounds.txt" | jq --argjson costs "$(summarize_costs <"$OUT/costs.txt")" '. + {costs: $costs}' >"$OUT/result.json"
table "$OUT/result.json"
table_costs "$OUT/result.json"
