#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridge at the head of chains with plugins that others wrote: portmap, firewall, and as the delegate of flannel. Limits of
# the bandwidth plugin are in bandwidth.bats, what tuning changes in tuning.bats. br_netfilter is off everywhere.

load lib
load kube

VIP4=10.96.0.10 VIP6=fd00:96::10
PORT4=10.96.0.11 PORT6=fd00:96::11
NODE4=192.0.2.1 NODE6=fd00:c0::1
MODES="ebpf assist"
export CNI_PATH=$NBT_BUILD:$TEST_BIN_DIR:$NBT_DIR/plugins
PORTS='{"portMappings": [{"hostPort": 18080, "containerPort": 8080, "protocol": "tcp"},
	{"hostPort": 18053, "containerPort": 5353, "protocol": "udp"}]}'

setup_file() {
	suite_begin
}

teardown_file() {
	suite_end
}

# What a test that failed has left, too.
teardown() {
	strictly nodes_down
}

nodes_down() {
	local node network
	for node in $(nodes); do
		network=$(jq -rs '.[0].name' "$NBT_DIR/node-$node"/net.d/*)
		pods_down "$node" "$network" "${node}a" "${node}b" >/dev/null 2>&1 || true
		ns_exec "$node" nft flush ruleset
		ns_delete "${node}r"
		node_delete "$node"
	done
}

# chain NODE MODE PLUGINS [FILTER]: a node whose network has these plugins behind natbridge and is changed by the filter, with pods
# NODEa and NODEb, the latter with the capabilities of $CAPS, and a machine NODEr beyond it. The pods serve TCP 8080 and UDP 5353.
chain() {
	local node=$1 pod
	node_create "$node"
	network_write "$node" net ".plugins[0].serviceProxy.mode = \"$2\" | .plugins += $3 | ${4:-.}"
	pods_up "$node" net "${node}a"
	pod_create "${node}b"
	CAP_ARGS=${CAPS:-} pod_add "$node" "${node}b" net >/dev/null
	remote_create "$node" "${node}r"
	for pod in a b; do
		serve "$node$pod" tcp 8080 $pod
		serve "$node$pod" udp 5353 $pod
	done
}

# backends POD: its addresses, joined by a comma.
backends() {
	echo "$(pod_ip "$1" 4),$(pod_ip "$1" 6)"
}

# A Service of pod b, by natbridge in mode ebpf and by the host's rules in mode assist.
service_of_b() {
	local node=$1
	if [ "$node" = ebpf ]; then
		services_apply "$node" "$(service default/web $VIP4,$VIP6 TCP:80:8080,UDP:53:5353 "$(backends "${node}b")")" \
			"$(service default/port $PORT4,$PORT6 TCP:80:18080,UDP:53:18053 $NODE4,$NODE6)"
	else
		kube_nftables "$node" <<-END
			web tcp $VIP4 80 $(pod_ip "${node}b" 4),8080
			web udp $VIP4 53 $(pod_ip "${node}b" 4),5353
			web tcp $VIP6 80 $(pod_ip "${node}b" 6),8080
			web udp $VIP6 53 $(pod_ip "${node}b" 6),5353
		END
	fi
}

# answered NS BY PORT-TCP PORT-UDP ADDRESS...: by that server, over TCP and UDP.
answered() {
	local ns=$1 by=$2 tcp=$3 udp=$4 address
	shift 4
	for address in "$@"; do
		run ask "$ns" -n 3 tcp "$address" "$tcp"
		[[ $output = "$by "* ]] || fail "$ns to $address tcp $tcp: $output"
		run ask "$ns" -n 3 udp "$address" "$udp"
		[[ $output = "$by "* ]] || fail "$ns to $address udp $udp: $output"
	done
}

refused() {
	run ! ask "$1" -t 300 tcp "$2" "$3"
}

rules() {
	ns_exec "$1" sh -c 'nft list ruleset; iptables-save; ip6tables-save' 2>/dev/null
}

# ---- portmap ---------------------------------------------------------------------------------------------------------------

host_ports() {
	local mode
	for mode in $MODES; do
		CAPS=$PORTS chain "$mode" "$mode" "[{type: \"portmap\", capabilities: {portMappings: true}, backend: \"$1\", snat: true}]"
		service_of_b "$mode"
		[ "$(ns_exec "$mode" sysctl -n net.bridge.bridge-nf-call-iptables)" = 0 ]
		run -0 pod_check "$mode" "${mode}b"
		answered "$mode" b 18080 18053 127.0.0.1 $NODE4 $NODE6 "$GATEWAY4" "$GATEWAY6"
		# From the same bridge the iptables backend masquerades all pods, the nftables backend only the pod itself: of others the
		# answer would be switched past the host, which mode assist alone sees to.
		[ "$mode $1" = "ebpf nftables" ] || answered "${mode}a" b 18080 18053 $NODE4 $NODE6 "$GATEWAY4" "$GATEWAY6"
		answered "${mode}b" b 18080 18053 $NODE4 $NODE6 "$GATEWAY4" "$GATEWAY6"
		answered "${mode}r" b 18080 18053 $NODE4 $NODE6
		# From elsewhere with the client's own address.
		run -0 ask "${mode}r" tcp $NODE4 18080
		assert_answer b 192.0.2.2
		run -0 ask "${mode}r" tcp $NODE6 18080
		assert_answer b fd00:c0::2
		# Beside Services: of the pod, and in mode ebpf of the node's port as well.
		answered "${mode}a" b 80 53 $VIP4 $VIP6
		answered "${mode}b" b 80 53 $VIP4 $VIP6
		[ "$mode $1" != "ebpf iptables" ] || answered "${mode}a" b 80 53 $PORT4 $PORT6
		[ "$mode" = assist ] || answered "${mode}b" b 80 53 $PORT4 $PORT6
		answered "${mode}a" b 8080 5353 "$(pod_ip "${mode}b" 4)" "$(pod_ip "${mode}b" 6)"
		rules "$mode" | grep -qE '18080|18053'
		CAP_ARGS=$PORTS pod_del "$mode" "${mode}b"
		! rules "$mode" | grep -E '18080|18053' || fail "left by DEL"
		refused "${mode}r" $NODE4 18080
	done
}

@test "portmap with iptables: a port of the node leads to a pod, from everywhere, and goes with the pod" {
	host_ports iptables
}

@test "portmap with nftables: a port of the node leads to a pod, from everywhere, and goes with the pod" {
	host_ports nftables
}

# ---- firewall --------------------------------------------------------------------------------------------------------------

firewall_rules() {
	rules "$1" | grep -E -- "-[sd] $(pod_ip "$1b" 4)/"
}

@test "firewall: on a node that forwards nothing else, Services and pods work, and the pod's rules go with it" {
	local mode family
	for mode in $MODES; do
		chain "$mode" "$mode" '[{type: "firewall", backend: "iptables"}]'
		service_of_b "$mode"
		ns_exec "$mode" iptables -P FORWARD DROP
		ns_exec "$mode" ip6tables -P FORWARD DROP
		serve "${mode}r" tcp 8080 r
		serve "${mode}r" udp 5353 r
		run -0 pod_check "$mode" "${mode}b"
		answered "${mode}a" b 80 53 $VIP4 $VIP6
		answered "${mode}b" b 80 53 $VIP4 $VIP6
		answered "${mode}a" b 8080 5353 "$(pod_ip "${mode}b" 4)" "$(pod_ip "${mode}b" 6)"
		answered "${mode}a" r 8080 5353 192.0.2.2 fd00:c0::2
		for family in 4 6; do
			refused "${mode}r" "$(pod_ip "${mode}b" "$family")" 8080
		done
		firewall_rules "$mode"
		ip=$(pod_ip "${mode}b" 4)
		pod_del "$mode" "${mode}b"
		! rules "$mode" | grep -E -- "-[sd] $ip/" || fail "left by DEL"
	done
}

@test "firewall with ingressPolicy same-bridge: one bridge's pods reach each other, by Services too, and another's do not" {
	local mode family vip
	for mode in $MODES; do
		chain "$mode" "$mode" '[{type: "firewall", backend: "iptables", ingressPolicy: "same-bridge"}]'
		network_write "$mode" side ".plugins[0] |= (.bridge = \"cni1\" | .serviceProxy.mode = \"$mode\"
			| .ipam.ranges = [[{subnet: \"10.245.0.0/24\"}], [{subnet: \"fd00:10:245::/64\"}]])
			| .plugins += [{type: \"firewall\", backend: \"iptables\", ingressPolicy: \"same-bridge\"}]"
		pods_up "$mode" side "${mode}x"
		service_of_b "$mode"
		answered "${mode}a" b 80 53 $VIP4 $VIP6
		answered "${mode}b" b 80 53 $VIP4 $VIP6
		answered "${mode}a" b 8080 5353 "$(pod_ip "${mode}b" 4)" "$(pod_ip "${mode}b" 6)"
		for family in 4 6; do
			vip=VIP$family
			refused "${mode}x" "$(pod_ip "${mode}b" "$family")" 8080
			refused "${mode}x" "${!vip}" 80
		done
		# Both would work but for the policy.
		ns_exec "$mode" iptables -D FORWARD 1
		ns_exec "$mode" ip6tables -D FORWARD 1
		for family in 4 6; do
			vip=VIP$family
			run -0 ask "${mode}x" tcp "$(pod_ip "${mode}b" "$family")" 8080
			run -0 ask "${mode}x" tcp "${!vip}" 80
		done
		pods_down "$mode" side "${mode}x"
	done
}

@test "firewall with ingressPolicy isolated cannot hold on one bridge by itself, but with portIsolation" {
	local mode filter
	for mode in $MODES; do
		for filter in . '.plugins[0].portIsolation = true'; do
			chain "$mode" "$mode" '[{type: "firewall", backend: "iptables", ingressPolicy: "isolated"}]' "$filter"
			service_of_b "$mode"
			if [ "$filter" = . ]; then
				run -0 ask "${mode}a" tcp "$(pod_ip "${mode}b" 4)" 8080
				run -0 ask "${mode}a" tcp "$(pod_ip "${mode}b" 6)" 8080
			else
				refused "${mode}a" "$(pod_ip "${mode}b" 4)" 8080
				refused "${mode}a" "$(pod_ip "${mode}b" 6)" 8080
			fi
			# What the host translates in mode assist comes by the policy's rules, what natbridge translates does not.
			if [ "$mode $filter" = "ebpf ." ]; then
				answered "${mode}a" b 80 53 $VIP4 $VIP6
			else
				refused "${mode}a" $VIP4 80
				refused "${mode}a" $VIP6 80
			fi
			teardown
		done
	done
}

# ---- flannel ---------------------------------------------------------------------------------------------------------------

# flannel NODE DELEGATE-JSON: a network of flannel's plugin in that node, with a delegate of this kind. The real plugin where it is
# installed; else what it does, in short: the delegate gets a config that flannel puts together from its own and from the file
# that its daemon writes, it is kept for DEL, which gets it without a result, and CHECK does nothing.
flannel() {
	local node=$1 dir=$NBT_DIR/node-$1
	mkdir -p "$NBT_DIR/plugins"
	[ -x "$TEST_BIN_DIR/flannel" ] || flannel_plugin >"$NBT_DIR/plugins/flannel"
	chmod -R 755 "$NBT_DIR/plugins"
	printf '%s\n' FLANNEL_NETWORK=10.244.0.0/16 FLANNEL_SUBNET=10.244.0.1/24 FLANNEL_IPV6_NETWORK=fd00:10:244::/56 \
		FLANNEL_IPV6_SUBNET=fd00:10:244::1/64 FLANNEL_MTU=1450 FLANNEL_IPMASQ=true >"$dir/subnet.env"
	jq -n --arg dir "$dir" --argjson delegate "$2" '{cniVersion: "1.0.0", name: "cbr0", plugins: [
		{type: "flannel", subnetFile: "\($dir)/subnet.env", dataDir: "\($dir)/flannel", ipam: {dataDir: "\($dir)/ipam"}, delegate: $delegate},
		{type: "portmap", capabilities: {portMappings: true}}]}' >"$dir/net.d/cbr0.conflist"
}

flannel_plugin() {
	cat <<-'END'
		#!/bin/bash
		set -euo pipefail
		conf=$(cat)
		kept=$(jq -r .dataDir <<<"$conf")/$CNI_CONTAINERID
		case $CNI_COMMAND in
		ADD)
			. "$(jq -r .subnetFile <<<"$conf")"
			mkdir -p "${kept%/*}"
			jq --arg v4 "$FLANNEL_SUBNET" --arg v6 "$FLANNEL_IPV6_SUBNET" --arg net4 "$FLANNEL_NETWORK" --arg net6 "$FLANNEL_IPV6_NETWORK" \
				--argjson mtu "$FLANNEL_MTU" --argjson masq "$FLANNEL_IPMASQ" '
				def network: split("/") as [$a, $n] | "\($a | sub("1$"; ""))\(if $a | test(":") then "" else "0" end)/\($n)";
				{mtu: $mtu, ipMasq: ($masq | not)} + .delegate + (if .runtimeConfig then {runtimeConfig} else {} end)
				+ {name, cniVersion, ipam: (.ipam + {type: "host-local", ranges: [[{subnet: ($v4 | network)}], [{subnet: ($v6 | network)}]],
					routes: [{dst: $net4}, {dst: $net6}]})}' <<<"$conf" >"$kept"
			;;
		DEL) [ -e "$kept" ] || exit 0 ;;
		VERSION) exec echo '{"cniVersion": "1.0.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0"]}' ;;
		*) exit 0 ;;
		esac
		IFS=:
		for dir in $CNI_PATH; do
			delegate=$dir/$(jq -r .type "$kept")
			[ -x "$delegate" ] || continue
			"$delegate" <"$kept"
			[ "$CNI_COMMAND" = ADD ] || rm "$kept"
			exit 0
		done
		exit 1
	END
}

# As many files as pods: configs that flannel keeps.
kept() {
	[ "$(find "$NBT_DIR/node-$1/flannel" -type f | wc -l)" = "$2" ]
}

@test "flannel with natbridge as its delegate and portmap behind it" {
	local mode pod
	for mode in $MODES; do
		node_create "$mode"
		remote_create "$mode" "${mode}r"
		flannel "$mode" "{\"type\": \"natbridge\", \"isDefaultGateway\": true, \"hairpinMode\": true, \"serviceProxy\": {\"mode\": \"$mode\"}}"
		pods_up "$mode" cbr0 "${mode}a"
		pod_create "${mode}b"
		CAP_ARGS=$PORTS pod_add "$mode" "${mode}b" cbr0 >/dev/null
		for pod in a b; do
			serve "$mode$pod" tcp 8080 $pod
			serve "$mode$pod" udp 5353 $pod
		done
		service_of_b "$mode"
		kept "$mode" 2
		[ "$(ip -n "$(ns "${mode}a")" -j link show dev eth0 | jq '.[0].mtu')" = 1450 ]
		[ "$(ip -n "$(ns "${mode}a")" -j route show 10.244.0.0/16 | jq -r '.[0].gateway')" = "$GATEWAY4" ]
		run -0 pod_check "$mode" "${mode}a" cbr0
		answered "${mode}a" b 80 53 $VIP4 $VIP6
		answered "${mode}b" b 80 53 $VIP4 $VIP6
		answered "${mode}a" b 8080 5353 "$(pod_ip "${mode}b" 4)" "$(pod_ip "${mode}b" 6)"
		answered "${mode}r" b 18080 18053 $NODE4 $NODE6
		pods_down "$mode" cbr0 "${mode}a" "${mode}b"
		kept "$mode" 0
		# Again, by a runtime that has lost everything about the pod.
		run -0 pod_del "$mode" "${mode}b" cbr0
	done
}

@test "flannel with a delegate that is no gateway: the bridge gets no address, and pods reach each other" {
	node_create ebpf
	flannel ebpf '{"type": "natbridge"}'
	pods_up ebpf cbr0 ebpfa ebpfb
	serve ebpfb tcp 8080 b
	serve ebpfb udp 5353 b
	kept ebpf 2
	[ "$(ip -n "$(ns ebpf)" -j address show dev cni0 scope global | jq '[.[].addr_info[]?] | length')" = 0 ]
	answered ebpfa b 8080 5353 "$(pod_ip ebpfb 4)" "$(pod_ip ebpfb 6)"
	run -0 pod_check ebpf ebpfa cbr0
	pods_down ebpf cbr0 ebpfa ebpfb
	kept ebpf 0
}
