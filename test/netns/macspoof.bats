#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# macspoofchk: frames with another source MAC than the pod's do not leave it, in any mode; the rules are those of the reference
# plugin.

load lib

VIP4=10.96.0.10
FRAMES=$NBT_ROOT/test/netns/frames.py
MODES="off ebpf assist"

setup_file() {
	local mode
	suite_begin
	for mode in $MODES; do
		node_create "$mode"
		network_write "$mode" net ".plugins[0] |= (.macspoofchk = true | .serviceProxy.mode = \"$mode\")"
		pods_up "$mode" net "${mode}a" "${mode}b"
		serve "${mode}b" tcp 8080
	done
	services_apply ebpf "$(service default/web $VIP4 TCP:80:8080 "$(pod_ip ebpfb 4)")"
	node_create n
	network_write n net '.plugins[0] |= (.macspoofchk = true | .serviceProxy.mode = "off")'
}

teardown_file() {
	suite_end take_down
}

take_down() {
	local mode
	for mode in $MODES; do
		pods_down "$mode" net "${mode}a" "${mode}b"
		no_rules "$mode"
	done
}

# The table and its base chain stay, as the reference plugin leaves them, and go with this.
no_rules() {
	! ns_exec "$1" nft list table bridge nat | grep -E 'veth|cni-br-iface' || return
	ns_exec "$1" nft delete table bridge nat
}

# rules NODE: a line each; the pods' names, MACs and handles masked.
rules() {
	ns_exec "$1" nft list table bridge nat | sed -E 's/veth[0-9a-f]{8}/VETH/g; s/cnitool-[0-9a-f]{20}/ID/g; s/saddr [0-9a-f:]{17}/saddr MAC/'
}

@test "what an honest pod sends goes its way" {
	local mode
	for mode in $MODES; do
		run -0 ask "${mode}a" tcp "$(pod_ip "${mode}b" 4)" 8080
		run -0 ask "${mode}a" tcp "$(pod_ip "${mode}b" 6)" 8080
	done
	run -0 ask ebpfa tcp $VIP4 80
}

@test "frames with another source MAC are dropped, also those that go to a Service" {
	local mode dump=$NBT_DIR/forged to
	for mode in $MODES; do
		capture "${mode}b" eth0 "$dump" "udp or (tcp and src port 7777)"
		to="dst='$(pod_mac "${mode}b")')/IP(src='$(pod_ip "${mode}a" 4)', dst="
		"$FRAMES" make \
			"Ether(src='02:00:00:00:00:99', $to'$(pod_ip "${mode}b" 4)')/UDP(sport=7777, dport=7777)/'forged'" \
			"Ether(src='$(pod_mac "${mode}b")', $to'$(pod_ip "${mode}b" 4)')/UDP(sport=7777, dport=7777)/'forged'" \
			"Ether(src='02:00:00:00:00:99', $to'$VIP4')/TCP(sport=7777, dport=80, flags='S')" \
			"Ether(src='$(pod_mac "${mode}a")', $to'$(pod_ip "${mode}b" 4)')/UDP(sport=7777, dport=7777)/'honest'" |
			ns_exec "${mode}a" "$FRAMES" send eth0
		capture_end "$dump"
		assert_captured 1 "$dump"
	done
}

@test "the rules are the reference plugin's, and each plugin removes the other's" {
	local mine plugin other
	node_create r
	network_write r net '.plugins[0] |= (.type = "bridge" | .macspoofchk = true)'
	pods_up r net ra
	pods_up n net na
	mine=$(rules n)
	[[ $mine = *"iifname \"VETH\" jump cni-br-iface-ID-eth0 comment \"macspoofchk-ID-eth0\""* ]]
	[ "$mine" = "$(rules r)" ] || fail "$mine" "$(rules r)"
	for plugin in "r ra natbridge" "n na bridge"; do
		read -r other pod plugin <<<"$plugin"
		jq ".plugins[0] |= (.type = \"$plugin\" | del(.serviceProxy))" "$NBT_DIR/node-$other/net.d/net.conflist" >"$NBT_DIR/changed"
		cp "$NBT_DIR/changed" "$NBT_DIR/node-$other/net.d/net.conflist"
		pods_down "$other" net "$pod"
		no_rules "$other"
	done
	network_write n net '.plugins[0] |= (.macspoofchk = true | .serviceProxy.mode = "off")'
}

@test "CHECK names the chain that lacks a rule" {
	local chain
	pods_up n net na
	run -0 pod_check n na
	for chain in PREROUTING "cni-br-iface-$(container_id na)-eth0" "cni-br-iface-$(container_id na)-eth0-mac"; do
		ns_exec n nft flush chain bridge nat "$chain"
		run ! pod_check n na
		[[ $output = *"macspoofchk: a rule is missing in chain \"$chain\""* ]] || fail "$output"
		run -0 pod_del n na
		run -0 pod_add n na
		run -0 pod_check n na
	done
	pods_down n net na
	no_rules n
}

@test "C4: DEL without the namespace, twice, and of a pod that never was leaves no rule" {
	pods_up n net na
	ns_delete na
	run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_NETNS=
	run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_NETNS=
	run -0 plugin_call n DEL never "$(plugin_config n net)" CNI_NETNS=
	no_rules n
}

@test "C3: an ADD that fails later leaves no rule" {
	pod_create na
	run ! plugin_call n ADD na "$(plugin_config n net '.ipam = {type: "host-local", ranges: [[{subnet: "10.0.0.0/33"}]]}')"
	no_rules n
	ns_exec n nft 'add table bridge nat; add chain bridge nat PREROUTING { type filter hook output priority 0; }'
	run ! plugin_call n ADD na "$(plugin_config n net)"
	[[ $output = *macspoofchk* ]] || fail "$output"
	run -0 plugin_call n DEL na "$(plugin_config n net)"
	ns_exec n nft delete table bridge nat
	ns_delete na
}

@test "C6: GC removes the rules of attachments that are gone, of this network and of no other" {
	local before config
	network_write n side '.plugins[0] |= (.bridge = "cni1" | .macspoofchk = true | .serviceProxy.mode = "off")'
	pods_up n net na nb-c
	pods_up n side nd
	ns_exec n nft 'add rule bridge nat PREROUTING iifname "veth01234567" drop comment "macspoofchk-other-eth0"'
	before=$(rules n | grep -c jump)
	[ "$before" = 6 ]
	ip -n "$(ns n)" link delete "$(pod_veth n nb-c)"
	config=$(plugin_config n net ".[\"cni.dev/valid-attachments\"] = [{containerID: \"$(container_id na)\", ifname: \"eth0\"}]")
	run -0 plugin_call n GC nb-c "$config"
	[[ $output = *"macspoofchk rules of 1 interfaces removed"* ]] || fail "$output"
	[ "$(rules n | grep -c jump)" = 4 ]
	rules n | grep -q macspoofchk-other-eth0
	run -0 pod_check n na
	run -0 pod_check n nd side
	ns_exec n nft flush chain bridge nat PREROUTING
	pods_down n net na nb-c
	pods_down n side nd
	no_rules n
}
