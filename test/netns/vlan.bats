#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vlan, vlanTrunk and preserveDefaultVlan, on kernels that filter VLANs on bridges.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10
FRAMES=$NBT_ROOT/test/netns/frames.py

setup_file() {
	suite_begin
	node_create probe
	! ip -n "$(ns probe)" link add br0 type bridge vlan_filtering 1 2>/dev/null || touch "$NBT_DIR/filtering"
	[ ! -e "$NBT_DIR/filtering" ] || ip -n "$(ns probe)" link delete br0
}

teardown_file() {
	suite_end
}

needs_filtering() {
	[ -e "$NBT_DIR/filtering" ] || skip "this kernel does not filter VLANs on bridges"
}

# in_vlan NODE NETWORK VLAN MODE [JQ-FILTER]: a network in that VLAN.
in_vlan() {
	network_write "$1" "$2" ".plugins[0] |= (.vlan = $3 | .serviceProxy.mode = \"$4\") | ${5:-.}"
}

# vlans NODE POD: those of its port, as "ID FLAGS..." in one line each.
vlans() {
	bridge -n "$(ns "$1")" -j vlan show dev "$(pod_veth "$1" "$2")" | jq -r '.[].vlans[] | [.vlan, .vlanEnd, (.flags // [] | join(","))] | @text'
}

# The gateway's interface stays with the bridge.
gone() {
	local node=$1
	shift
	pods_down "$node" net "$@"
	ip -n "$(ns "$node")" link delete cni0
	ip -n "$(ns "$node")" link delete cni0.5 2>/dev/null || true
	ip -n "$(ns "$node")" link delete cni0.6 2>/dev/null || true
}

@test "ports, the gateway's interface and the result are the reference plugin's" {
	needs_filtering
	local filter mine theirs
	for filter in '.vlan = 5' '.vlan = 5 | .preserveDefaultVlan = true' '.vlanTrunk = [{id: 7}, {minID: 10, maxID: 12}]' \
		'.vlan = 5 | .vlanTrunk = [{minID: 100, maxID: 4094}]' '.vlanTrunk = []'; do
		node_create n
		node_create r
		network_write n net ".plugins[0] |= ($filter | .serviceProxy.mode = \"off\")"
		network_write r net ".plugins[0] |= ($filter | .type = \"bridge\")"
		run -0 plugin_call n STATUS na "$(plugin_config n net)" # no bridge yet
		pods_up n net na
		run -0 plugin_call n STATUS na "$(plugin_config n net)"
		pods_up r net ra
		[ "$(vlans n na)" = "$(vlans r ra)" ] || fail "$filter" "$(vlans n na)" "$(vlans r ra)"
		mine=$(jq -c '[.interfaces[].name | sub("veth.*"; "veth")]' "$NBT_DIR/node-n/results/na.json")
		theirs=$(jq -c '[.interfaces[].name | sub("veth.*"; "veth")]' "$NBT_DIR/node-r/results/ra.json")
		[ "$mine" = "$theirs" ] || fail "$filter" "$mine" "$theirs"
		for node in n r; do
			ip -n "$(ns $node)" -j address show | jq -c '[.[] | {name: (.ifname | sub("veth.*"; "veth")),
				addr: [.addr_info[] | select(.scope == "global") | .local]}] | sort' >"$NBT_DIR/addresses-$node"
		done
		diff "$NBT_DIR/addresses-n" "$NBT_DIR/addresses-r" || fail "$filter"
		run -0 pod_check n na
		gone n na
		gone r ra
		ns_delete n
		ns_delete r
		bpffs_destroy n
		bpffs_destroy r
		rm -rf "$NBT_DIR/node-n" "$NBT_DIR/node-r"
	done
}

@test "pods of one VLAN reach each other, their gateway, and nobody in another VLAN, in any mode" {
	needs_filtering
	local mode
	for mode in off ebpf assist; do
		node_create "$mode"
		in_vlan "$mode" net 5 "$mode"
		pods_up "$mode" net "${mode}a" "${mode}b"
		in_vlan "$mode" net 6 "$mode" '.plugins[0].isGateway = false | .plugins[0].isDefaultGateway = false'
		pods_up "$mode" net "${mode}c"
		serve "${mode}b" tcp 8080
		serve "${mode}c" tcp 8080
		run -0 ask "${mode}a" tcp "$(pod_ip "${mode}b" 4)" 8080
		run -0 ask "${mode}a" tcp "$(pod_ip "${mode}b" 6)" 8080
		run -0 ns_exec "${mode}a" ping -c 1 -W 2 "$GATEWAY4"
		run -0 ns_exec "$mode" ping -c 1 -W 2 "$(pod_ip "${mode}b" 6)"
		run ! ask "${mode}a" -t 500 tcp "$(pod_ip "${mode}c" 4)" 8080
		in_vlan "$mode" net 5 "$mode"
		run -0 pod_check "$mode" "${mode}a"
		gone "$mode" "${mode}a" "${mode}b" "${mode}c"
	done
}

@test "Services in a VLAN: backends on the bridge, the pod itself, behind the host, and none in another VLAN" {
	needs_filtering
	local vip
	node_create s
	in_vlan s net 6 ebpf '.plugins[0].isGateway = false | .plugins[0].isDefaultGateway = false'
	pods_up s net sc
	# The host is where the newest config says that it is.
	in_vlan s net 5 ebpf
	pods_up s net sa sb
	remote_create s sx
	for pod in sa sb sc sx; do
		serve $pod tcp 8080
	done
	services_apply s "$(service default/web $VIP4,$VIP6 TCP:80:8080 "$(pod_ip sb 4),$(pod_ip sb 6)")" \
		"$(service default/self 10.96.0.30,fd00:96::30 TCP:80:8080 "$(pod_ip sa 4),$(pod_ip sa 6)")" \
		"$(service default/far 10.96.0.40,fd00:96::40 TCP:80:8080 "192.0.2.2,fd00:c0:0::2")" \
		"$(service default/other 10.96.0.50,fd00:96::50 TCP:80:8080 "$(pod_ip sc 4),$(pod_ip sc 6)")"
	for vip in $VIP4 $VIP6; do
		run -0 ask sa -n 5 tcp "$vip" 80
		[[ $output = "sb "* ]]
	done
	for vip in 10.96.0.30 fd00:96::30; do
		run -0 ask sa -n 5 tcp "$vip" 80
		[[ $output = "sa "* ]]
	done
	for vip in 10.96.0.40 fd00:96::40; do
		run -0 ask sa -n 5 tcp "$vip" 80
		[[ $output = "sx "* ]]
	done
	for vip in 10.96.0.50 fd00:96::50; do
		run ! ask sa -t 500 tcp "$vip" 80
	done
	[ "$(ctl s -o json conntrack stats | jq '.[0].drop_isolated')" -ge 2 ]
	gone s sa sb sc
	ip -n "$(ns s)" link delete up0
}

@test "a trunk: tagged frames arrive with their tag and untouched, untagged ones are translated" {
	needs_filtering
	local dump=$NBT_DIR/trunk frame
	node_create t
	network_write t net '.plugins[0] |= (.vlanTrunk = [{id: 7}] | .serviceProxy.mode = "ebpf")'
	pods_up t net ta tb
	serve tb tcp 8080
	services_apply t "$(service default/web $VIP4 TCP:80:8080 "$(pod_ip tb 4)")"
	run -0 ask ta tcp $VIP4 80
	capture tb eth0 "$dump" "vlan 7"
	frame="IP(src='$(pod_ip ta 4)', dst='$VIP4')/TCP(sport=7777, dport=80, flags='S')"
	"$FRAMES" make "Ether(src='$(pod_mac ta)', dst='$(pod_mac tb)')/Dot1Q(vlan=7)/$frame" \
		"Ether(src='$(pod_mac ta)', dst='$(pod_mac tb)')/Dot1Q(vlan=8)/$frame" | ns_exec ta "$FRAMES" send eth0
	capture_end "$dump"
	assert_captured 1 "$dump"
	assert_captured 1 "$dump" "vlan 7 and dst host $VIP4"
	gone t ta tb
}

@test "CHECK names a VLAN that is missing, and one that is too many" {
	needs_filtering
	local veth
	node_create c
	network_write c net '.plugins[0] |= (.vlan = 5 | .vlanTrunk = [{id: 7}] | .serviceProxy.mode = "off")'
	pods_up c net ca
	veth=$(pod_veth c ca)
	run -0 pod_check c ca
	bridge -n "$(ns c)" vlan del dev "$veth" vid 7
	run ! pod_check c ca
	[[ $output = *"port \"$veth\" has no VLAN 7"* ]] || fail "$output"
	bridge -n "$(ns c)" vlan add dev "$veth" vid 7
	bridge -n "$(ns c)" vlan add dev "$veth" vid 9
	run ! pod_check c ca
	[[ $output = *"port \"$veth\" has VLAN 9"* ]] || fail "$output"
	bridge -n "$(ns c)" vlan del dev "$veth" vid 9
	bridge -n "$(ns c)" vlan add dev "$veth" vid 6 pvid untagged
	run ! pod_check c ca
	[[ $output = *"for untagged frames"* ]] || fail "$output"
	ip -n "$(ns c)" link delete cni0.5
	gone c ca
}

@test "a bridge that does not filter VLANs is used as it is, with a warning" {
	needs_filtering
	node_create w
	ip -n "$(ns w)" link add cni0 type bridge
	in_vlan w net 5 off
	pod_create wa
	run -0 plugin_call w ADD wa "$(plugin_config w net)"
	[[ $output = *'bridge "cni0" does not filter VLANs'* ]] || fail "$output"
	run -0 plugin_call w DEL wa "$(plugin_config w net)"
	ip -n "$(ns w)" link delete cni0.5
	ip -n "$(ns w)" link delete cni0
	ns_delete wa
}

@test "a kernel that does not filter VLANs: ADD says so and leaves nothing, DEL succeeds" {
	[ ! -e "$NBT_DIR/filtering" ] || skip "this one does"
	pod_create pa
	in_vlan probe net 5 ebpf
	run ! plugin_call probe STATUS pa "$(plugin_config probe net)"
	[[ $output = *CONFIG_BRIDGE_VLAN_FILTERING* ]] || fail "$output"
	run ! plugin_call probe ADD pa "$(plugin_config probe net)"
	[[ $output = *CONFIG_BRIDGE_VLAN_FILTERING* ]] || fail "$output"
	run -0 plugin_call probe DEL pa "$(plugin_config probe net)"
	ns_delete pa
}
