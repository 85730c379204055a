#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# How a pod is wired: bridge, veth pair, addresses, routes, gateway, masquerading. No Services here: the datapath is off. That
# all of it looks as the reference plugin leaves it, and that CHECK names what is missing of it, stands in test/parity.

load lib

setup_file() {
	suite_begin
	node_create n
}

teardown_file() {
	suite_end take_down
}

take_down() {
	# the table stays behind; rules of pods must not
	[ -z "$(masq_rules n)" ]
	ns_exec n nft flush ruleset
}

# Addresses that can be given again without having been given back.
STATIC='.ipam = {type: "static", addresses: [{address: "10.244.0.9/24"}, {address: "fd00:10:244::9/64"}]}'

# Each test has a network of its own, on a bridge of the same name.
setup() {
	NET=w$BATS_TEST_NUMBER
}

# The bridge goes, as do the pods of a failed test, which must not make the next ones fail.
teardown() {
	strictly pods_and_bridges_down
}

pods_and_bridges_down() {
	local name
	for name in $(namespaces); do
		[ "$name" != n ] || continue
		pod_del n "$name" "$NET" || true
		ns_delete "$name"
	done
	ip -n "$NBT-n" link del "$NET" || true
} 2>/dev/null

# network [JQ-FILTER]: the filter changes the plugin's config.
network() {
	network_write n "$NET" ".plugins[0] |= (.bridge = \"$NET\" | .serviceProxy.mode = \"off\" | ${1:-.})"
}

masq_rules() {
	ns_exec "$1" nft list table inet cni_plugins_masquerade 2>/dev/null | grep 'comment ".*, net: ' || true
}

bridge_mac() {
	ip -n "$NBT-n" -j link show dev "$NET" | jq -r '.[0].address'
}

# port_of POD: the port's details on the node, as ip prints them in JSON.
port_of() {
	ip -n "$NBT-n" -j -d link show dev "$(pod_veth n "$1")" | jq '.[0]'
}

static_entries() {
	bridge -n "$NBT-n" fdb show br "$NET" | grep -c ' static' || true
}

ports() {
	ip -n "$NBT-n" -j link show master "$NET" | jq '[.[] | select(.ifname)] | length'
}

leases() {
	find "$NBT_DIR/node-n/ipam/$NET" -type f ! -name lock ! -name 'last_reserved_ip.*' 2>/dev/null | wc -l
}

@test "C16: a bridge that is there already keeps its MAC, MTU, addresses and ports" {
	ip -n "$NBT-n" link add "$NET" address 02:00:00:00:00:77 mtu 1300 type bridge
	ip -n "$NBT-n" address add 198.51.100.1/24 dev "$NET"
	ip -n "$NBT-n" link add "$NET-f" mtu 1300 type veth peer name "$NET-g"
	ip -n "$NBT-n" link set "$NET-f" master "$NET"
	network '.isGateway = false | .isDefaultGateway = false | .mtu = 1300'
	pods_up n "$NET" p
	pods_down n "$NET" p
	ip -n "$NBT-n" -j address show dev "$NET" |
		jq -e '.[0] | .address == "02:00:00:00:00:77" and .mtu == 1300 and (.addr_info | any(.local == "198.51.100.1"))'
	[ "$(ports)" = 1 ]
	ip -n "$NBT-n" link del "$NET-f"
}

@test "C3, B27: the pod's MAC stands in the bridge's table from ADD to DEL, and MAC options are followed" {
	local mac=02:12:34:56:78:9a
	network ".capabilities.mac = true"
	pod_create p
	CNI_ARGS="IgnoreUnknown=1;MAC=$mac" pod_add n p "$NET"
	[ "$(pod_mac p)" = $mac ]
	[ "$(jq -r '.interfaces[2].mac' "$NBT_DIR/node-n/results/p.json")" = $mac ]
	[ "$(jq -r '.interfaces[1].mac' "$NBT_DIR/node-n/results/p.json")" = "$(port_of p | jq -r .address)" ]
	bridge -n "$NBT-n" fdb show br "$NET" | grep "^$mac dev $(pod_veth n p) master $NET static"
	CNI_ARGS="IgnoreUnknown=1;MAC=$mac" pod_del n p "$NET"
	CAP_ARGS="{\"mac\": \"$mac\"}" pod_add n p "$NET"
	[ "$(pod_mac p)" = $mac ]
	pods_down n "$NET" p
	[ "$(static_entries)" = 0 ]
	network ".args.cni.mac = \"$mac\""
	pods_up n "$NET" p
	[ "$(pod_mac p)" = $mac ]
	pods_down n "$NET" p
}

@test "C2: pods on isolated ports do not reach each other but do reach the gateway" {
	network '.portIsolation = true'
	pods_up n "$NET" p q
	ns_exec p ping -q -c 1 -W 2 "$GATEWAY4"
	ns_exec p ping -q -c 1 -W 2 "$GATEWAY6"
	run ! ns_exec p ping -q -c 1 -W 1 "$(pod_ip q 4)"
	pods_down n "$NET" p q
}

@test "C3, C16: a gateway address that conflicts is an error, undone with all of the ADD, and stays" {
	network
	ip -n "$NBT-n" link add "$NET" type bridge
	ip -n "$NBT-n" address add 198.51.100.1/24 dev "$NET"
	pod_create p
	run ! pod_add n p "$NET"
	[[ $output = *"already has an IP address different from $GATEWAY4/24"* ]]
	[ "$(ports) $(static_entries) $(leases)" = "0 0 0" ]
	run ! ip -n "$NBT-p" link show dev eth0
	ip -n "$NBT-n" -j address show dev "$NET" | jq -e '.[0].addr_info | any(.local == "198.51.100.1")'
	# an IPv6 address conflicts only if the subnets overlap
	ip -n "$NBT-n" address del 198.51.100.1/24 dev "$NET"
	ip -n "$NBT-n" address add fd00:5::1/64 dev "$NET" nodad
	pod_add n p "$NET"
	pod_del n p "$NET"
	ip -n "$NBT-n" address del "$GATEWAY6/64" dev "$NET"
	ip -n "$NBT-n" address add fd00:10::1/32 dev "$NET" nodad
	run ! pod_add n p "$NET"
	[[ $output = *"already has an IP address different from $GATEWAY6/64"* ]]
	ns_delete p
}

@test "C9: a pair that a killed ADD left without its alias is removed by DEL, and replaced by ADD" {
	local veth
	network "$STATIC"
	pods_up n "$NET" p
	veth=$(pod_veth n p)
	ip -n "$NBT-n" link set dev "$veth" alias ''
	plugin_call n DEL p "$(plugin_config n "$NET")"
	[ "$(ports)" = 0 ]
	pod_add n p "$NET"
	ip -n "$NBT-n" link set dev "$veth" alias ''
	ip -n "$NBT-p" link set dev eth0 down name old
	pod_add n p "$NET"
	[ "$(ports)" = 1 ]
	pods_down n "$NET" p
}

@test "C2: enabledad finds a duplicate address, and ADD then fails and leaves nothing" {
	local filter='.enabledad = true | .ipam = {type: "static", addresses: [{address: "fd00:10:244::99/64"}]} |
		.isGateway = false | .isDefaultGateway = false'
	network "$filter"
	pods_up n "$NET" p
	ip -n "$NBT-p" -j address show dev eth0 | jq -e '.[0].addr_info | all(has("tentative") | not)'
	pod_create q
	run ! pod_add n q "$NET"
	[[ $output = *"fd00:10:244::99"*"in use by another host"* ]]
	[ "$(ports)" = 1 ]
	ns_delete q
	pods_down n "$NET" p
}

@test "C2: IPv6 works in a namespace where it is switched off by default" {
	network
	pod_create p
	ns_exec p sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	pod_add n p "$NET"
	ns_exec p ping -q -c 1 -W 2 "$GATEWAY6"
	pods_down n "$NET" p
}

@test "B26: who talked to the last owner of an address learns the next owner's MAC at once" {
	local v
	network '.ipam = {type: "static"} | .capabilities.ips = true | .isGateway = false | .isDefaultGateway = false'
	pod_create p
	pod_create q
	pod_create r
	CAP_ARGS='{"ips": ["10.244.0.20/24", "fd00:10:244::20/64"]}' pod_add n p "$NET"
	CAP_ARGS='{"ips": ["10.244.0.21/24", "fd00:10:244::21/64"]}' pod_add n q "$NET"
	for v in 10.244.0.21 fd00:10:244::21; do
		ns_exec p ping -q -c 1 -W 2 $v
	done
	CAP_ARGS='{"ips": ["10.244.0.21/24", "fd00:10:244::21/64"]}' pod_del n q "$NET"
	CAP_ARGS='{"ips": ["10.244.0.21/24", "fd00:10:244::21/64"]}' pod_add n r "$NET"
	for v in 10.244.0.21 fd00:10:244::21; do
		wait_for 10 neighbour_is p $v "$(pod_mac r)" || fail "$(ip -n "$NBT-p" neigh show $v)" "$(pod_mac r)"
	done
	pods_down n "$NET" p q r
}

neighbour_is() {
	ip -n "$NBT-$1" neigh show "$2" | grep -q "$3"
}

@test "ipMasq: what leaves the subnet bears the node's address, IPv4 and IPv6; the rest keeps the pod's" {
	network '.ipMasq = true | .ipMasqBackend = "nftables"'
	remote_create n out 1
	serve out tcp 7000
	serve out udp 7000
	pods_up n "$NET" p q
	serve q tcp 7000
	run -0 ask p tcp 192.0.2.6 7000
	assert_answer out 192.0.2.5
	run -0 ask p udp fd00:c0:1::2 7000
	assert_answer out fd00:c0:1::1
	run -0 ask p tcp "$(pod_ip q 4)" 7000
	assert_answer q "$(pod_ip p 4)"
	run -0 ask p tcp "$(pod_ip q 6)" 7000
	assert_answer q "$(pod_ip p 6)"
	ns_exec n nft list chain inet cni_plugins_masquerade postrouting | grep '224.0.0.0/4 return'
	ns_exec n nft list chain inet cni_plugins_masquerade postrouting | grep 'ff00::/8 return'
	pods_down n "$NET" p q
	ns_delete out
}

@test "ipMasq: rules go with their pod alone, also without its namespace, and CHECK misses them" {
	network '.ipMasq = true | .ipMasqBackend = "nftables"'
	pods_up n "$NET" p q
	[ "$(masq_rules n | wc -l)" = 4 ]
	[ "$(masq_rules n | grep -c "id: $(container_id p)")" = 2 ]
	pod_check n p "$NET"
	plugin_call n DEL p "$(plugin_config n "$NET")" CNI_NETNS=
	[ "$(masq_rules n | wc -l)" = 2 ]
	[ "$(masq_rules n | grep -c "id: $(container_id q)")" = 2 ]
	pod_check n q "$NET"
	ns_exec n nft flush chain inet cni_plugins_masquerade masq_checks
	run ! pod_check n q "$NET"
	[[ $output = *"masquerade rule of $(pod_ip q 4)"* ]]
	ns_exec n nft flush chain inet cni_plugins_masquerade postrouting
	run ! pod_check n q "$NET"
	[[ $output = *postrouting* ]]
	# the next ADD puts right what stands before all pods' rules
	plugin_call n DEL q "$(plugin_config n "$NET")"
	pod_add n q "$NET"
	pod_check n q "$NET"
	pods_down n "$NET" p q
	[ "$(masq_rules n | wc -l)" = 0 ]
}

@test "C7: with ipMasq and without libnftables STATUS says 50" {
	local library
	network '.ipMasq = true | .ipMasqBackend = "nftables"'
	library=$(ldconfig -p | awk '$1 == "libnftables.so.1" { print $NF; exit }')
	plugin_call n STATUS n "$(plugin_config n "$NET")"
	run ! node_exec n env CNI_COMMAND=STATUS unshare -m sh -c "mount --bind /dev/null '$library' && exec '$NBT_BUILD/natbridge'" \
		<<<"$(plugin_config n "$NET")"
	[[ $output = *'"code":'*50*"$library"* ]]
}
