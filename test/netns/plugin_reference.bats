#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The same configuration given to the reference bridge plugin and to natbridge, each in a node of its own: what a runtime is
# told and what pod, bridge and port look like must be the same.

load lib

setup_file() {
	suite_begin
	node_create mine
	node_create theirs
	network_write mine net
	network_write theirs net '.plugins[0].type = "bridge"'
}

teardown_file() {
	suite_end
}

# call NODE COMMAND JQ-FILTER [NAME=VALUE...]: the plugin of that node on its pod, pod-NODE.
call() {
	local node=$1 command=$2 config program=$NBT_BUILD/natbridge
	config=$(plugin_config "$node" net "$3")
	shift 3
	[ "$node" = mine ] || program=$TEST_BIN_DIR/bridge
	run --separate-stderr node_exec "$node" env CNI_COMMAND="$command" CNI_CONTAINERID=pod \
		CNI_NETNS="$(ns_path "pod-$node")" CNI_IFNAME=eth0 "$@" "$program" <<<"$config"
}

# What differs by nature is made equal: MACs, the host end's name, the namespace's path.
result() {
	jq -S 'if .interfaces then .interfaces |= map(del(.mac) | .sandbox |= (. // "" | sub("pod-.*"; "pod"))
		| .name |= sub("^veth.*"; "veth")) else . end' <<<"$output"
}

# looks NODE: pod, bridge and port as the kernel shows them.
looks() {
	local node=$1 ns=$NBT-pod-$1
	echo "== pod"
	ip -n "$ns" -j -d link show dev eth0 2>/dev/null | jq -c '.[0] | [.mtu, .operstate, .linkinfo.info_kind, (.flags | sort)]'
	ip -n "$ns" -j address show dev eth0 2>/dev/null | jq -c '.[0].addr_info[] | select(.scope == "global")
		| [.local, .prefixlen, .scope, .dadfailed, .tentative]'
	ip -n "$ns" -4 route show table all dev eth0 | sort
	ip -n "$ns" -6 route show table all dev eth0 | grep -v 'fe80\|multicast\|anycast' | sort
	ip netns exec "$ns" sysctl -a 2>/dev/null |
		grep -E 'conf\.eth0\.(arp_notify|accept_dad|enhanced_dad|disable_ipv6|keep_addr_on_down) ' || true
	echo "== bridge"
	ip -n "$NBT-$node" -j -d link show dev cni0 | jq -c '.[0] | [.mtu, .operstate, .promiscuity, .linkinfo.info_data.vlan_filtering]'
	ip -n "$NBT-$node" -j address show dev cni0 | jq -c '.[0].addr_info[] | select(.scope == "global") | [.local, .prefixlen]'
	ns_exec "$node" sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.cni0.accept_ra
	echo "== port"
	ip -n "$NBT-$node" -j -d link show master cni0 | jq -c '.[0] | [.mtu, .operstate, (.flags | sort),
		(.linkinfo.info_slave_data | [.hairpin, .isolated, .learning, .flood, .state, .guard])]'
	ns_exec "$node" nft list ruleset | sed 's/ # handle.*//; s/veth[0-9a-f]*/veth/g'
}

# same JQ-FILTER [NAME=VALUE...]: ADD with that change does the same in both nodes, and DEL leaves as little.
same() {
	local node filter=$1
	shift
	for node in mine theirs; do
		pod_create "pod-$node"
		call $node ADD "$filter" "$@"
		[ "$status" -eq 0 ] || fail "$node, $filter: ADD: $output"
		{
			result
			looks $node
		} >"$NBT_DIR/$node"
		call $node DEL "$filter" "$@"
		[ "$status" -eq 0 ] || fail "$node, $filter: DEL: $output"
		ip -n "$NBT-$node" link del cni0
		ns_exec $node nft flush ruleset
		ns_delete "pod-$node"
	done
	diff "$NBT_DIR/theirs" "$NBT_DIR/mine" || fail "differs for: $filter"
}

# both_refuse JQ-FILTER: neither plugin takes it.
both_refuse() {
	local node
	for node in mine theirs; do
		pod_create "pod-$node"
		call $node ADD "$1"
		[ "$status" -ne 0 ] || fail "$node took $1"
		jq -e '.msg | length > 0' <<<"$output" >/dev/null
		call $node DEL "$1" || true
		ns_exec $node nft flush ruleset
		ip -n "$NBT-$node" link del cni0 2>/dev/null || true
		ns_delete "pod-$node"
	done
}

@test "C2: every version" {
	local version
	for version in 0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0; do
		same ".cniVersion = \"$version\""
	done
}

@test "C2: gateways and routes" {
	same '.isDefaultGateway = false'
	same '.isDefaultGateway = false | .isGateway = false'
	same '.isDefaultGateway = false | .ipam.routes = [{dst: "0.0.0.0/0"}, {dst: "10.96.0.0/12"}, {dst: "::/0"}]'
	same '.ipam.routes = [{dst: "0.0.0.0/0", gw: "10.244.0.1"}, {dst: "192.0.2.0/24", gw: "10.244.0.1"}]'
	same '.ipam.routes = [{dst: "192.0.2.0/24", gw: "10.244.0.1", priority: 7, table: 100, scope: 0}]'
}

@test "C2: one family only" {
	same '.ipam.ranges |= .[:1]'
	same '.ipam.ranges |= .[1:]'
	same '.cniVersion = "0.2.0" | .ipam.ranges |= .[1:]'
}

@test "C2: port and bridge options" {
	same '.hairpinMode = true'
	same '.promiscMode = true'
	same '.portIsolation = true'
	same '.mtu = 1400'
	same '.enabledad = true'
	same '.forceAddress = true'
	same '.runtimeConfig.mac = "02:11:22:33:44:55"'
	same '.args.cni.mac = "02-11-22-33-44-66"'
}

@test "C2: no addresses" {
	same '.isDefaultGateway = false | .isGateway = false | del(.ipam)'
	same '.isDefaultGateway = false | .isGateway = false | .ipam = {}'
	same '.isDefaultGateway = false | .isGateway = false | del(.ipam) | .disableContainerInterface = true'
}

@test "C2: dns" {
	same '.dns = {nameservers: ["10.96.0.10"], domain: "cluster.local", search: ["a", "b"], options: ["ndots:5"]}'
	same '.dns = {}'
	same '.dns = {nameservers: []}'
	same '.cniVersion = "0.2.0" | .dns = {nameservers: ["10.96.0.10"]}'
	same '.ipam = {type: "static", addresses: [{address: "10.9.0.2/24"}], dns: {nameservers: ["192.0.2.53"]}}'
	same '.ipam = {type: "static", addresses: [{address: "10.9.0.2/24"}], dns: {nameservers: ["192.0.2.53"]}} | .dns = {search: ["x"]}'
}

@test "C2: masquerading by nftables" {
	same '.ipMasq = true | .ipMasqBackend = "nftables"'
}

@test "C2: both refuse the same" {
	both_refuse '.hairpinMode = true | .promiscMode = true'
	both_refuse '.disableContainerInterface = true'
	both_refuse '.isGateway = 1'
	both_refuse '.name = "a/b"'
	both_refuse 'del(.name)'
	both_refuse '.cniVersion = "0.2.0" | del(.ipam) | .isDefaultGateway = false | .isGateway = false'
	both_refuse '.ipam.type = "../host-local"'
	both_refuse '.bridge = "a name that is far too long"'
	both_refuse '.runtimeConfig.mac = "nonsense"'
	both_refuse '.ipMasq = true | .ipMasqBackend = "pf"'
}

# ---- C18 -------------------------------------------------------------------------------------------------------------------

@test "C18: a pod of one plugin is checked and deleted by the other" {
	local masq='.ipMasq = true | .ipMasqBackend = "nftables" | .serviceProxy.mode = "off"' result
	node_exec mine env CNI_COMMAND=VERSION "$NBT_BUILD/natbridge" >/dev/null
	pod_create pod-mine
	run -0 --separate-stderr node_exec mine env CNI_COMMAND=ADD CNI_CONTAINERID=pod CNI_NETNS="$(ns_path pod-mine)" CNI_IFNAME=eth0 \
		"$TEST_BIN_DIR/bridge" <<<"$(plugin_config mine net "$masq")"
	result=$output
	call mine CHECK "$masq | .prevResult = $result"
	[ "$status" -eq 0 ] || fail "$output"
	call mine DEL "$masq | .prevResult = $result"
	[ "$status" -eq 0 ] || fail "$output"
	ns_exec mine nft flush ruleset
	node_assert_clean mine

	call mine ADD "$masq"
	result=$output
	run -0 --separate-stderr node_exec mine env CNI_COMMAND=CHECK CNI_CONTAINERID=pod CNI_NETNS="$(ns_path pod-mine)" CNI_IFNAME=eth0 \
		"$TEST_BIN_DIR/bridge" <<<"$(plugin_config mine net "$masq | .prevResult = $result")"
	run -0 --separate-stderr node_exec mine env CNI_COMMAND=DEL CNI_CONTAINERID=pod CNI_NETNS="$(ns_path pod-mine)" CNI_IFNAME=eth0 \
		"$TEST_BIN_DIR/bridge" <<<"$(plugin_config mine net "$masq | .prevResult = $result")"
	ns_exec mine nft flush ruleset
	node_assert_clean mine
	ip -n "$NBT-mine" link del cni0
	ns_delete pod-mine
}
