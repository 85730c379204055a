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

# at_gateway NODE: the links that have the gateway's addresses, a line for both families.
at_gateway() {
	ip -n "$(ns "$1")" -j address show | jq -c --arg four "$GATEWAY4" --arg six "$GATEWAY6" '
		[.[] | .ifname as $name | .addr_info[] | select(.local == $four or .local == $six) | $name] | sort'
}

# static_in NODE POD: the VLANs in which the bridge has a static entry for it.
static_in() {
	bridge -n "$(ns "$1")" -j fdb show dev "$(pod_veth "$1" "$2")" | jq -c --arg mac "$(pod_mac "$2")" '
		[.[] | select(.mac == $mac and .state == "static") | .vlan // 0] | sort'
}

# all_reach NODE MODE POD...: the gateway, each other, a machine beyond the node, and in mode ebpf Services; the host reaches them.
all_reach() {
	local node=$1 mode=$2 pod vip
	shift 2
	for pod in "$@"; do
		run -0 ns_exec "$pod" ping -c 1 -W 2 "$GATEWAY4"
		run -0 ns_exec "$pod" ping -c 1 -W 2 "$GATEWAY6"
		run -0 ns_exec "$node" ping -c 1 -W 2 "$(pod_ip "$pod" 4)"
		run -0 ns_exec "$node" ping -c 1 -W 2 "$(pod_ip "$pod" 6)"
		run -0 ask "$pod" tcp "$(pod_ip "${node}b" 4)" 8080
		run -0 ask "$pod" tcp 192.0.2.2 8080
		run -0 ask "$pod" tcp fd00:c0:0::2 8080
		[ "$mode" = ebpf ] || continue
		for vip in $VIP4 $VIP6 10.96.0.40 fd00:96::40; do
			run -0 ask "$pod" tcp "$vip" 80
		done
	done
}

# changing NODE MODE VLAN: a node with a filtering bridge, two pods, and connections from the first: to the second, and to a machine beyond the node.
changing() {
	local mode=$2
	node_create "$1"
	ip -n "$(ns "$1")" link add cni0 address 02:00:00:00:00:05 type bridge vlan_filtering 1 # else ports change the address
	in_vlan "$1" net "$3" "$mode"
	pods_up "$1" net "${1}a" "${1}b"
	remote_create "$1" "${1}x"
	serve "${1}b" tcp 8080
	serve "${1}x" tcp 8080
	[ "$mode" != ebpf ] || services_apply "$1" \
		"$(service default/web $VIP4,$VIP6 TCP:80:8080 "$(pod_ip "${1}b" 4),$(pod_ip "${1}b" 6)")" \
		"$(service default/far 10.96.0.40,fd00:96::40 TCP:80:8080 "192.0.2.2,fd00:c0:0::2")"
	talk_open direct "${1}a" tcp "$(pod_ip "${1}b" 4)" 8080
	talk_open out "${1}a" tcp 192.0.2.2 8080
	go_on begin
}

go_on() {
	local id
	for id in direct out; do
		talk_say $id "$1"
		[[ $output = *" $1" ]] || fail "$id, $1: $output"
	done
}

# changed NODE POD...: the end of it.
changed() {
	talk_close direct
	talk_close out
	gone "$@"
	ip -n "$(ns "$1")" link delete up0
}

# interfaces NODE: those of the bridge's VLANs.
interfaces() {
	ip -n "$(ns "$1")" -j link show | jq -r '.[].ifname | select(startswith("cni0."))'
}

# changes NODE MODE: from no VLAN to 5, 6, back to none, and to 6 again.
changes() {
	local node=$1 mode=$2 vlan at pod
	changing "$node" "$mode" 0
	for vlan in 5 6 0 6; do
		in_vlan "$node" net $vlan "$mode"
		run ! pod_check "$node" "${node}a"
		if [ $vlan != 0 ]; then
			[[ $output = *"for untagged frames, not $vlan"* ]] || fail "$output"
		else
			[[ $output = *"address $GATEWAY4/24 of \"cni0\" is missing"* ]] || fail "$output"
		fi
		[ ! -e "$(ns_path "$node$vlan")" ] || pods_down "$node" net "$node$vlan"
		pods_up "$node" net "$node$vlan"
		at=cni0
		[ $vlan = 0 ] || at=cni0.$vlan
		[ "$(at_gateway "$node")" = "[\"$at\",\"$at\"]" ] || fail "$mode, $vlan: $(at_gateway "$node")"
		[ "$(interfaces "$node")" = "$([ $vlan = 0 ] || echo "$at")" ] || fail "$mode, $vlan: $(interfaces "$node")"
		for pod in "${node}a" "${node}b"; do
			[ "$(vlans "$node" "$pod")" = "$(vlans "$node" "$node$vlan")" ] || fail "$mode, $vlan: $(vlans "$node" "$pod")"
			[ "$(static_in "$node" "$pod")" = "$(static_in "$node" "$node$vlan")" ] || fail "$mode, $vlan: $(static_in "$node" "$pod")"
			run -0 pod_check "$node" "$pod"
		done
		all_reach "$node" "$mode" "${node}a" "${node}b" "$node$vlan"
		go_on "$mode-$vlan"
	done
	changed "$node" "${node}a" "${node}b" "${node}5" "${node}6" "${node}0"
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

@test "a trunk that names the vlan: untagged frames stay in it, where the reference plugin's port drops them" {
	needs_filtering
	local trunk
	for trunk in '[{id: 5}, {id: 7}]' '[{minID: 4, maxID: 6}]'; do
		node_create v
		network_write v net ".plugins[0] |= (.vlan = 5 | .vlanTrunk = $trunk | .serviceProxy.mode = \"ebpf\")"
		pods_up v net va vb
		serve vb tcp 8080
		services_apply v "$(service default/web $VIP4 TCP:80:8080 "$(pod_ip vb 4)")"
		vlans v va | grep -qxF '[5,null,"PVID,Egress Untagged"]' || fail "$(vlans v va)"
		[ "$(vlans v va | wc -l)" -ge 2 ]
		run -0 ns_exec va ping -c 1 -W 2 "$GATEWAY4"
		run -0 ask va tcp $VIP4 80
		run -0 pod_check v va
		gone v va vb
		ns_delete v
		bpffs_destroy v
		rm -rf "$NBT_DIR/node-v"
	done
	# What it was compared with, so that a newer one that does otherwise is noticed.
	node_create r
	network_write r net '.plugins[0] |= (.vlan = 5 | .vlanTrunk = [{id: 5}] | .type = "bridge")'
	pods_up r net ra
	vlans r ra | grep -qxF '[5,null,""]' || fail "$(vlans r ra)"
	run ! ns_exec ra ping -c 1 -W 1 "$GATEWAY4"
	gone r ra
}

# ---- a changed config ------------------------------------------------------------------------------------------------------

@test "vlan changed under pods: the next ADD brings ports, gateway and Services to it, nothing is left, connections go on" {
	needs_filtering
	changes ke ebpf
	changes ko off
	changes ka assist
}

@test "isGateway switched off under pods of a VLAN: they keep their gateway, and reach through it what they did; and on again" {
	needs_filtering
	local pod
	changing g ebpf 5
	in_vlan g net 5 ebpf '.plugins[0].isGateway = false | .plugins[0].isDefaultGateway = false'
	pods_up g net gn
	all_reach g ebpf ga gb
	go_on without
	for pod in ga gb gn; do
		run pod_check g $pod
		[ "$status" = 0 ] || fail "$pod: $output"
	done
	[ "$(at_gateway g)" = '["cni0.5","cni0.5"]' ] || fail "$(at_gateway g)"
	run -0 ask gn tcp "$(pod_ip gb 4)" 8080
	in_vlan g net 5 ebpf
	pods_up g net gw
	all_reach g ebpf ga gb gw
	go_on again
	changed g ga gb gn gw
}

@test "vlan changed while another network has pods in the old one: its interface stays, and what cannot be is said" {
	needs_filtering
	local side
	changing o ebpf 5
	side='.plugins[0].ipam.ranges = [[{subnet: "fd00:10:245::/64"}]]'
	in_vlan o side 5 ebpf "$side"
	pods_up o side os
	in_vlan o net 6 ebpf
	pods_up o net oc
	[ "$(at_gateway o)" = '["cni0.6","cni0.6"]' ] || fail "$(at_gateway o)"
	run -0 ns_exec os ping -c 1 -W 2 fd00:10:245::1
	run -0 ask os tcp fd00:c0:0::2 8080
	run -0 pod_check o os side
	[ "$(vlans o os)" = '[5,null,"PVID,Egress Untagged"]' ]
	all_reach o ebpf oa ob oc
	go_on moved
	# A network of the same subnet: the host cannot have its address at two places.
	in_vlan o twin 6 ebpf '.plugins[0].ipam.ranges |= [[.[0][0] + {rangeStart: "10.244.0.200"}], [.[1][0] + {rangeStart: "fd00:10:244::200"}]]'
	pods_up o twin ot
	in_vlan o net 7 ebpf
	pod_create oe # the host cannot have the address of one subnet at two places
	run -0 plugin_call o ADD oe "$(plugin_config o net)"
	[[ $output = *"$GATEWAY4/24"*'"cni0.6"'*'"twin"'* ]] || fail "$output"
	run -0 ns_exec ot ping -c 1 -W 2 "$GATEWAY4"
	run -0 plugin_call o DEL oe "$(plugin_config o net)"
	pods_down o side os
	pods_down o twin ot
	ip -n "$(ns o)" link delete cni0.7
	changed o oa ob oc
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

@test "a port that is cut off is noticed in a VLAN with a gateway as well" {
	needs_filtering
	local veth
	node_create cut
	ip -n "$(ns cut)" link add cni0 type bridge vlan_filtering 1
	in_vlan cut net 5 ebpf
	pods_up cut net cuta cutb
	veth=$(pod_veth cut cuta)
	run -0 ctl cut -o json endpoint list
	[ "$(jq -r --arg v "$veth" '[.[] | select(.port == $v) | .state] | unique | .[]' <<<"$output")" = attached ]
	ip -n "$(ns cut)" link set "$veth" down
	run -0 ctl cut -o json endpoint list
	[ "$(jq -r --arg v "$veth" '[.[] | select(.port == $v) | .state] | unique | .[]' <<<"$output")" = down ]
	ip -n "$(ns cut)" link set "$veth" up
	gone cut cuta cutb
}
