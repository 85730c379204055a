# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What is measured besides paths: runs of the programs, kernel memory, real clients. Needs arms.bash.

# cost NAME NODE COMMAND...: a row "NAME MILLISECONDS KB" for one run in that node.
cost() {
	local name=$1 node=$2
	shift 2
	echo "$name $(node_exec "$node" build/test/bench/cost "$@")"
}

# cost_pod VERB NAME NODE N: one call of the plugin of the node's network for pod N. Its IPAM plugin is a shell script, so that the
# figures are not those of host-local.
cost_pod() {
	local verb=$1 name=$2 node=$3 pod=$3-$4 config type
	config=$(plugin_config "$node" net '.ipam = {type: "fixed"}')
	type=$(jq -r .type <<<"$config")
	[ "$verb" = DEL ] || ns_create "$pod"
	PATH=$NBT_BUILD:$TEST_BIN_DIR:$PATH CNI_PATH=$NBT_DIR CNI_COMMAND=$verb CNI_CONTAINERID="$pod" \
		CNI_NETNS="$(ns_path "$pod")" CNI_IFNAME=eth0 cost "$name" "$node" "$type" <<<"$config"
	[ "$verb" = ADD ] || ns_delete "$pod"
}

cost_ipam() {
	cat >"$NBT_DIR/fixed" <<-'EOF'
		#!/bin/sh
		cat >/dev/null
		n=${CNI_CONTAINERID##*-}
		echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.244.0.'"$n"'/24", "gateway": "10.244.0.1"}]}'
	EOF
	chmod +x "$NBT_DIR/fixed"
}

# cost_many NAME NODE: 64 ADDs at once, for pods 100 to 163, and the DELs of these one by one.
cost_many() {
	local i config type
	config=$(plugin_config "$2" net '.ipam = {type: "fixed"}')
	type=$(jq -r .type <<<"$config")
	for ((i = 100; i < 164; i++)); do
		ns_create "$2-$i"
	done
	PATH=$NBT_BUILD:$TEST_BIN_DIR:$PATH CNI_PATH=$NBT_DIR CNI_COMMAND=ADD CNI_CONTAINERID="$2-%" CNI_NETNS="$(ns_path "$2-%")" \
		CNI_IFNAME=eth0 cost "$1" "$2" -n 64 "$type" <<<"$config"
	for ((i = 100; i < 164; i++)); do
		cost_pod DEL ignored "$2" "$i" >/dev/null
	done
}

bench_costs() {
	local node i mode
	cost_ipam
	for mode in ebpf assist; do
		node_create "cost$mode"
		network_write "cost$mode" net ".plugins[0].serviceProxy.mode = \"$mode\""
		cost_pod ADD "add_first_$mode" "cost$mode" 20
	done
	node_create costbridge
	network_write costbridge net '.plugins[0].type = "bridge"'
	cost_pod ADD add_first_bridge costbridge 20
	for i in 21 22 23 24 25 26 27 28 29; do
		for node in ebpf assist bridge; do
			cost_pod ADD "add_$node" "cost$node" "$i"
		done
		for node in ebpf assist bridge; do
			cost_pod DEL "del_$node" "cost$node" "$i"
		done
	done
	for node in ebpf assist bridge; do
		cost_many "many_$node" "cost$node"
	done
	bench_services 10000 10 >"$NBT_DIR/services.json"
	bench_services 1 10 | jq '.items[1].endpoints |= .[1:]' >"$NBT_DIR/one.json"
	cost apply_10000 costebpf "$NBT_BUILD/natbridgectl" service apply -f "$NBT_DIR/services.json"
	cost apply_same costebpf "$NBT_BUILD/natbridgectl" service apply -f "$NBT_DIR/services.json"
	cost change_one costebpf "$NBT_BUILD/natbridgectl" service apply --keep -f "$NBT_DIR/one.json"
	bench_services 100000 1 >"$NBT_DIR/services.json"
	cost apply_100000 costebpf "$NBT_BUILD/natbridgectl" service apply -f "$NBT_DIR/services.json"
	cost_gone
}

# What the arms are to be measured without.
cost_gone() {
	local name
	for name in $(namespaces | grep ^cost); do
		ns_delete "$name"
	done
	for name in "$NBT_DIR"/node-cost*; do
		umount "$name/bpf"
		rm -rf "$name"
	done
}

# Rows "map|prog NAME BYTES ENTRIES" of a datapath with both modes' objects, and "nf_conn conntrack BYTES 1".
bench_memory() {
	local pin
	for pin in "$NBT_DIR"/node-nat/bpf/natbridge/net/v*/* "$NBT_DIR"/node-assist/bpf/natbridge/net/v*/*assist* \
		"$NBT_DIR"/node-assist/bpf/natbridge/net/v*/flows; do
		bpftool -j map show pinned "$pin" 2>/dev/null | jq -r --arg name "${pin##*/}" 'select(.bytes_memlock) |
			"map \($name) \(.bytes_memlock) \(.max_entries)"' | grep . ||
			bpftool -j prog show pinned "$pin" 2>/dev/null | jq -r --arg name "${pin##*/}" 'select(.bytes_memlock) | "prog \($name) \(.bytes_memlock) 1"' ||
			true # a link, or the note of a build
	done
	awk '$1 == "nf_conntrack" { print "nf_conn conntrack", $4, 1 }' /proc/slabinfo
}

# ---- real clients ----------------------------------------------------------------------------------------------------------

REAL_PATHS="plain-pod nat-vip assist-vip ipt1-vip"
REAL_SECONDS=${REAL_SECONDS:-2}
REAL_ROUNDS=${REAL_ROUNDS:-3}

# real_server TOOL NS: becomes the server for that client, on port LISTEN.
real_server() {
	local tool=$1 ns=$2
	case $tool in
	wrk)
		mkdir -p "$NBT_DIR/nginx"
		cat >"$NBT_DIR/nginx/conf" <<-EOF
			daemon off; worker_processes 1; pid $NBT_DIR/nginx/pid; error_log $NBT_DIR/nginx/error;
			events { worker_connections 1024; }
			http { access_log off; keepalive_requests 1000000; server { listen 8080; listen 8081; return 200 "ok\n"; } }
		EOF
		exec ip netns exec "$(ns "$ns")" taskset -c "$CPU" nginx -c "$NBT_DIR/nginx/conf"
		;;
	iperf3) exec ip netns exec "$(ns "$ns")" taskset -c "$CPU" iperf3 -s -p "$LISTEN" ;;
	sockperf) exec ip netns exec "$(ns "$ns")" taskset -c "$CPU" sockperf server --tcp -p "$LISTEN" ;;
	esac
}

# real_client TOOL NS: prints a figure, more is better: requests in a second, or Mbit/s.
real_client() {
	local run=(ip netns exec "$(ns "$2")" taskset -c "$CPU")
	case $1 in
	wrk) "${run[@]}" wrk -t1 -c16 -d"${REAL_SECONDS}s" "http://$ADDRESS:$PORT/" | awk '/^Requests\/sec/ { print $2 }' ;;
	iperf3) "${run[@]}" iperf3 -c "$ADDRESS" -p "$PORT" -t "$REAL_SECONDS" -J | jq '.end.sum_received.bits_per_second / 1e6' ;;
	sockperf) "${run[@]}" sockperf ping-pong --tcp -i "$ADDRESS" -p "$PORT" -t "$REAL_SECONDS" 2>&1 |
		sed -nE 's/.*Summary: Latency is ([0-9.]+) usec.*/\1/p' | awk '{ print 1e6 / (2 * $1) }' ;;
	esac
}

# Rows "ROUND TOOL PATH FIGURE".
bench_real() {
	local round tool path server value
	for tool in sockperf wrk iperf3; do
		command -v $tool >/dev/null || {
			echo "bench: $tool is not installed; run: sudo scripts/deps.sh bench" >&2
			continue
		}
		for ((round = 1; round <= REAL_ROUNDS; round++)); do
			for path in $REAL_PATHS; do
				[[ " ${ALL[*]} " = *" $path "* ]] || continue
				bench_target "$path" 4
				(real_server $tool "${path%-*}b") >/dev/null 2>&1 3>&- &
				server=$!
				wait_for 20 real_listens "${path%-*}b" "$LISTEN"
				value=$(real_client $tool "${path%-*}a")
				kill "$server" 2>/dev/null || true
				wait "$server" 2>/dev/null || true
				[ -z "$value" ] || echo "$round $tool $path $value"
			done
		done
	done
}

real_listens() {
	ns_exec "$1" ss -Hltn "sport = :$2" | grep -q .
}
