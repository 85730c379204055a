#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# DEL under all circumstances, and what is not ours.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net
	network_write n plain '.plugins[0].serviceProxy.mode = "off"'
}

teardown_file() {
	suite_end take_down
}

take_down() {
	ip netns exec "$NBT-n" nft delete table inet cni_plugins_masquerade 2>/dev/null || true
}

setup() {
	pod_create a
}

teardown() {
	ns_delete a
}

# call COMMAND [NETWORK [JQ-FILTER]] [NAME=VALUE...]: the plugin on pod a.
call() {
	local command=$1 config
	config=$(plugin_config n "${2:-net}" "${3:-.}")
	shift "$(($# < 3 ? $# : 3))"
	run --separate-stderr plugin_call n "$command" a "$config" "$@"
}

works() {
	call "$@"
	[ "$status" -eq 0 ] || fail "$1: $output"
}

# The number of rules for pods, of iptables too.
pod_rules() {
	ns_exec n nft list ruleset | grep -ciE 'masquerade( comment.*)?$|jump cni-|macspoofchk-' || true
}

# Everything of the pods is gone, with masquerading rules and all.
clean() {
	local rules
	rules=$(pod_rules)
	[ "$rules" = 0 ] || fail "$rules rules are left"
	node_state n | grep -v ^rules >"$NBT_DIR/now"
	grep -v ^rules "$NBT_DIR/node-n/state" | diff - "$NBT_DIR/now" || fail "something is left"
}

# ---- C4 --------------------------------------------------------------------------------------------------------------------

@test "C4: twice" {
	local network
	for network in net plain; do
		works ADD $network '.ipMasq = true | .ipMasqBackend = "nftables"'
		works DEL $network '.ipMasq = true | .ipMasqBackend = "nftables"'
		clean
		works DEL $network '.ipMasq = true | .ipMasqBackend = "nftables"'
		clean
	done
}

@test "C4: without CNI_NETNS" {
	local network
	for network in net plain; do
		works ADD $network '.ipMasq = true | .ipMasqBackend = "nftables"'
		works DEL $network '.ipMasq = true | .ipMasqBackend = "nftables"' CNI_NETNS=
		clean
	done
}

@test "C4: the namespace is gone" {
	local network
	for network in net plain; do
		works ADD $network '.ipMasq = true | .ipMasqBackend = "nftables"'
		ip netns del "$NBT-a"
		works DEL $network '.ipMasq = true | .ipMasqBackend = "nftables"'
		clean
		pod_create a
	done
}

@test "C4: the namespace's path is no namespace any more" {
	works ADD
	touch "$NBT_DIR/file"
	works DEL net . CNI_NETNS="$NBT_DIR/file"
	clean
}

@test "C4: another pod has the namespace's path now" {
	local network
	for network in net plain; do
		works ADD $network .
		ip netns del "$NBT-a"
		pod_create a
		works ADD $network . CNI_CONTAINERID=other
		works DEL $network .
		ip -n "$NBT-a" link show eth0 >/dev/null || fail "the other pod lost its interface"
		[ "$(node_state n | awk '$1 == "ports" { print $2 }')" = 1 ]
		works DEL $network . CNI_CONTAINERID=other
		clean
	done
}

@test "C4: a container that never was" {
	works DEL net . CNI_CONTAINERID=never
	works DEL net . CNI_CONTAINERID=never CNI_NETNS=
	works DEL net . CNI_CONTAINERID=never CNI_NETNS=/nonexistent
	works DEL plain . CNI_CONTAINERID=never
	works DEL net '.name = "no-such-network"'
	clean
}

@test "C4: a key in another case, which ADD refuses, does not keep DEL and GC from all of their work" {
	local change bpffs=$NBT_DIR/node-n/bpf/own
	local -a changes=('.isgateway = .isGateway | del(.isGateway)' '.Ipam = .ipam | del(.ipam)' '.ipam.Type = .ipam.type | del(.ipam.type)'
		'.NAME = .name | del(.name)' '.CNIVersion = .cniVersion | del(.cniVersion)' '.Mtu = 1400 | .mtu = 1400'
		'.serviceProxy.BPFfs = .serviceProxy.bpffs | del(.serviceProxy.bpffs)' '.ServiceProxy = .serviceProxy | del(.serviceProxy)')
	for change in "${changes[@]}"; do
		mkdir -p "$bpffs"
		works ADD net ".serviceProxy.bpffs = \"$bpffs\""
		call STATUS net ".serviceProxy.bpffs = \"$bpffs\" | $change"
		[ "$status" -ne 0 ] || fail "STATUS took $change"
		works DEL net ".serviceProxy.bpffs = \"$bpffs\" | $change"
		nothing_left
		works ADD net ".serviceProxy.bpffs = \"$bpffs\""
		works GC net ".serviceProxy.bpffs = \"$bpffs\" | .\"cni.dev/valid-attachments\" = [] | $change"
		[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 0 ] || fail "GC left the port: $change"
		works DEL net ".serviceProxy.bpffs = \"$bpffs\"" # the lease, since host-local has no GC
		nothing_left
	done
	rm -r "$bpffs"
}

# Neither pods nor their addresses; the maps below $bpffs know none.
nothing_left() {
	clean
	[ "$(node_exec n "$NBT_BUILD/natbridgectl" --bpffs "$bpffs" -o json endpoint list | jq length)" = 0 ] || fail "$change: the maps have the pod"
}

@test "C4: with a prevResult, with an odd one, with one of another plugin" {
	local prev result
	works ADD
	result=$output
	for prev in "$result" '{}' '{"ips": 5}' '{"interfaces": [{"name": "x/y"}]}' '{"cniVersion": "9.9.9"}'; do
		works DEL net ".prevResult = $prev"
		clean
		works ADD
	done
	works DEL
	clean
}

@test "C4: the bridge is gone, or the datapath, or the IPAM files" {
	works ADD
	ip -n "$NBT-n" link del cni0
	works DEL
	clean
	works ADD
	rm -r "$NBT_DIR/node-n/bpf/natbridge"
	works DEL
	clean
	works ADD
	rm -r "$NBT_DIR/node-n/ipam"
	works DEL
	mkdir -p "$NBT_DIR/node-n/ipam"
	clean
}

@test "C4: a configuration that ADD refuses by now" {
	local change
	for change in '.vlan = 5' '.macspoofchk = true' '.mtu = -5' '.serviceProxy.mode = "assist"' '.serviceProxy.colour = 1' \
		'.runtimeConfig.mac = "x"'; do
		works ADD
		works DEL net "$change"
		clean
	done
}

@test "C4: the mode was changed while the pod ran" {
	works ADD net .
	works DEL net '.serviceProxy.mode = "off"'
	clean
	works ADD net '.serviceProxy.mode = "off"'
	works DEL net .
	clean
}

@test "C4: ipMasq and macspoofchk were switched off while the pod ran" {
	local network feature netns
	for network in net plain; do
		for feature in '.ipMasq = true | .ipMasqBackend = "nftables"' '.ipMasq = true | .ipMasqBackend = "iptables"' '.macspoofchk = true'; do
			for netns in "$(ns_path a)" ""; do
				works ADD $network "$feature"
				[ "$(pod_rules)" -gt 0 ] || fail "$feature: no rules"
				works DEL $network . CNI_NETNS="$netns"
				clean
				ns_exec n nft flush ruleset
			done
		done
	done
}

@test "C4: no rules were made: DEL starts no program and makes no table" {
	works ADD
	works DEL net . PATH=/nonexistent
	[ -z "$(ns_exec n nft list ruleset)" ]
	run -0 node_exec n env CNI_COMMAND=DEL CNI_CONTAINERID=c CNI_NETNS= CNI_IFNAME=eth0 \
		strace -f -qq -e trace=execve,openat -e signal=none "$NBT_BUILD/natbridge" <<<"$(plugin_config n net)"
	[ "$(grep -c execve <<<"$output")" = 2 ] || fail "$output" # natbridge and host-local
	[[ $output != *libnftables* ]]
}

@test "C4: the pins are gone: the last pod takes the program at the bridge along, no other does" {
	local assist='.serviceProxy.mode = "assist"'
	pod_create b
	works ADD net "$assist"
	run -0 plugin_call n ADD b "$(plugin_config n net "$assist")"
	rm -r "$NBT_DIR/node-n/bpf/natbridge"
	works DEL net "$assist"
	[ "$(programs_at n cni0)" = nb_assist_host ]
	run -0 plugin_call n DEL b "$(plugin_config n net "$assist")"
	clean
	ns_delete b
}

@test "C4: IPAM fails: everything else goes, the error is told, and the next DEL ends it" {
	works ADD net '.ipMasq = true | .ipMasqBackend = "nftables"'
	call DEL net '.ipMasq = true | .ipMasqBackend = "nftables"' CNI_PATH=/nonexistent
	[ "$status" -ne 0 ]
	jq -e '.code == 104 and (.msg | contains("host-local"))' <<<"$output"
	[ "$(node_state n | awk '$1 ~ /ports|fdb|endpoints|programs/ { n += $2 } END { print n }')" = 0 ]
	works DEL net '.ipMasq = true | .ipMasqBackend = "nftables"'
	clean
}

@test "C4: two interfaces of one container" {
	works ADD net .
	works ADD net . CNI_IFNAME=net1
	works DEL net .
	ip -n "$NBT-a" link show net1 >/dev/null
	[ "$(node_endpoints n)" = 2 ]
	works DEL net . CNI_IFNAME=net1
	clean
}

# ---- C16 -------------------------------------------------------------------------------------------------------------------

@test "C16: a bridge with its own ports, addresses and filters stays as it is" {
	ip -n "$NBT-n" link add br9 address 02:00:00:00:00:09 type bridge
	ip -n "$NBT-n" link set br9 mtu 1400 up
	ip -n "$NBT-n" address add 10.244.0.1/24 dev br9
	ip -n "$NBT-n" address add fd00:10:244::1/64 dev br9 nodad
	ip -n "$NBT-n" address add fd00:99::1/64 dev br9 nodad
	ip -n "$NBT-n" link add theirs type veth peer name theirs-pod
	ip -n "$NBT-n" link set theirs master br9
	ip -n "$NBT-n" link set theirs up
	ip -n "$NBT-n" link set theirs-pod up
	tc -n "$NBT-n" qdisc add dev theirs clsact
	tc -n "$NBT-n" filter add dev theirs ingress protocol all u32 match u32 0 0 flowid 1:1
	foreign >"$NBT_DIR/before"
	works ADD net '.bridge = "br9"'
	foreign | diff "$NBT_DIR/before" - || fail "ADD changed it"
	works DEL net '.bridge = "br9"'
	foreign | diff "$NBT_DIR/before" - || fail "DEL changed it"
	works GC net '.bridge = "br9"'
	foreign | diff "$NBT_DIR/before" - || fail "GC changed it"
	ip -n "$NBT-n" link del theirs
	ip -n "$NBT-n" link del br9
	clean
}

foreign() {
	ip -n "$NBT-n" -j -d link show dev br9 | jq -c '.[0] | [.address, .mtu, .promiscuity, .linkinfo.info_data.vlan_filtering]'
	ip -n "$NBT-n" -j address show dev br9 | jq -c '[.[0].addr_info[] | [.local, .prefixlen]]'
	ip -n "$NBT-n" -j -d link show dev theirs | jq -c '.[0] | [.address, .master, .linkinfo.info_slave_data]' |
		sed 's/"[a-z_]*timer":[0-9.]*,\?//g'
	tc -n "$NBT-n" filter show dev theirs ingress
	ns_exec n "$NBT_BUILD/test/netns/attached" theirs
}

@test "C16: a link that happens to have the name of ours is left alone" {
	local name
	works ADD
	name=$(jq -r '.interfaces[1].name' <<<"$output")
	works DEL
	ip -n "$NBT-n" link add "$name" type veth peer name other
	works DEL
	ip -n "$NBT-n" link show "$name" >/dev/null || fail "DEL removed a foreign link"
	call ADD
	ip -n "$NBT-n" link show other >/dev/null || fail "ADD removed a foreign link"
	works DEL
	ip -n "$NBT-n" link del "$name"
	clean
}

@test "C16: an interface of the pod that is not ours is left alone" {
	ip -n "$NBT-a" link add eth0 type veth peer name eth0 netns "$NBT-n"
	call ADD
	[ "$status" -ne 0 ]
	works DEL
	ip -n "$NBT-a" link show eth0 >/dev/null
	ip -n "$NBT-a" link del eth0
	clean
}

@test "C16: rules of others in the masquerading table stay" {
	works ADD net '.ipMasq = true | .ipMasqBackend = "nftables"'
	ns_exec n nft add rule inet cni_plugins_masquerade masq_checks ip saddr 192.0.2.1 masquerade comment '"0123, net: other"'
	works DEL net '.ipMasq = true | .ipMasqBackend = "nftables"'
	ns_exec n nft list chain inet cni_plugins_masquerade masq_checks | grep -q 192.0.2.1
	works GC net '.ipMasq = true | .ipMasqBackend = "nftables"'
	ns_exec n nft list chain inet cni_plugins_masquerade masq_checks | grep -q 192.0.2.1
	ns_exec n nft delete table inet cni_plugins_masquerade
}
