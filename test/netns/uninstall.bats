#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl uninstall: every trace of natbridge goes from a node, its pods stay, and so does what others have there.

load lib

FOREIGN_MAC=02:00:00:00:00:77

# Networks red (mode ebpf) and blue (mode assist) masquerade. Pod old was attached to red by the reference plugin.
setup() {
	suite_begin
	node_create n
	network_write n red '.plugins[0] += {bridge: "red0", ipMasq: true, ipMasqBackend: "nftables"}'
	network_write n blue '.plugins[0] += {bridge: "blue0", ipMasq: true, ipMasqBackend: "nftables", serviceProxy: {mode: "assist"}}
		| .plugins[0].ipam.ranges = [[{subnet: "10.245.0.0/24"}], [{subnet: "fd00:10:245::/64"}]]'
	pods_up n red r1 r2
	pods_up n blue b1 b2
	pod_create old
	theirs ADD old "$(plugin_config n red '.type = "bridge" | .ipMasqBackend = "nftables"')" >"$NBT_DIR/old.json"
	foreign_things
}

teardown() {
	suite_leave
}

# theirs COMMAND POD CONFIG-JSON: the reference plugin.
theirs() {
	node_exec n env CNI_COMMAND="$1" CNI_CONTAINERID="$(container_id "$2")" CNI_NETNS="$(ns_path "$2")" CNI_IFNAME=eth0 \
		"$TEST_BIN_DIR/bridge" <<<"$3"
}

# What others have on the links of ours: programs, filters, a bridge entry, rules.
foreign_things() {
	local port
	port=$(pod_veth n r1)
	ns_exec n "$NBT_BUILD/test/netns/marker" "$port" 7 2>/dev/null || true # needs tcx
	for dev in "$port" blue0; do
		tc -n "$(ns n)" qdisc add dev "$dev" clsact 2>/dev/null || true
		tc -n "$(ns n)" filter add dev "$dev" egress protocol all u32 match u32 0 0 flowid 1:1
	done
	bridge -n "$(ns n)" fdb add $FOREIGN_MAC dev "$port" master static
	ns_exec n nft 'add table inet mine; add chain inet mine c; add rule inet mine c counter'
	ns_exec n nft 'add rule inet cni_plugins_masquerade masq_checks ip saddr 10.244.0.2 counter comment "of someone else"'
}

# What is there that is not ours.
foreign_state() {
	ns_exec n "$NBT_BUILD/test/netns/attached" "$(pod_veth n r1)" 2>/dev/null | grep nbt_marker || true
	for dev in "$(pod_veth n r1)" blue0; do
		tc -n "$(ns n)" filter show dev "$dev" egress | grep -c "flowid 1:1" || true
	done
	bridge -n "$(ns n)" fdb show | grep -c "$FOREIGN_MAC.*static"
	ns_exec n nft list table inet mine | wc -l
	comments n | grep -c "someone else\|id: $(container_id old)"
}

# The links that programs of ours may be at.
places() {
	echo red0 blue0
	for pod in r1 r2 b1 b2; do
		pod_veth n $pod 2>/dev/null
	done
}

programs() {
	local dev
	for dev in $(places); do
		programs_at n "$dev"
	done | grep '^nb_' | sort | uniq -c | awk '{ print $2, $1 }'
}

comments() {
	ns_exec "$1" nft -j list ruleset | jq -r '.nftables[].rule? | select(.) | select(.chain == "masq_checks") | .comment'
}

pins() {
	find "$NBT_DIR/node-n/bpf" -mindepth 1 ! -name '*.debug' | wc -l # which bpffs has by itself
}

# Kernels with VLAN filtering have each of them once more, for VLAN 1.
static_entries() {
	bridge -n "$(ns n)" fdb show | awk '/ static/ { seen[$1] = 1 } END { print length(seen) }'
}

# All that uninstall may change.
state() {
	programs
	comments n
	echo "pins $(pins) static $(static_entries)"
}

# Pods' links and addresses.
pods_state() {
	for pod in r1 r2 b1 b2 old; do
		ip -n "$(ns $pod)" -j address show dev eth0 | jq -c '.[0] | [.address, .link_index, (.addr_info | map(.local))]'
	done
	ip -n "$(ns n)" -j link show type veth | jq -c '.[] | [.ifname, .ifalias, .master, .operstate]'
	ip -n "$(ns n)" -j address show type bridge | jq -c '.[] | [.ifname, .address, (.addr_info | map(.local))]'
}

# all_gone IDS: no program, pin, rule or entry of ours, and the kernel let go of these programs and maps.
all_gone() {
	[ -z "$(programs)" ] || fail "$(programs)"
	[ "$(pins)" = 0 ] || fail "$(find "$NBT_DIR/node-n/bpf")"
	[ "$(static_entries)" = 1 ] || fail "$(bridge -n "$(ns n)" fdb show)"
	[ "$(comments n | wc -l)" = 3 ] || fail "$(comments n)"
	echo "$1" >"$NBT_DIR/bpf_ids"
	wait_for 30 bpf_ids_gone || fail "left: $(bpf_ids_left)"
}

# pods_reach: they go on as pods of a plain bridge.
pods_reach() {
	run -0 ask r1 tcp "$(pod_ip r2 4)" 8080
	run -0 ask r1 udp "$(pod_ip r2 6)" 8080
	run -0 ask b1 tcp "$(pod_ip b2 4)" 8080
	run -0 ask old tcp "$(pod_ip r2 4)" 8080
}

@test "uninstall: two networks go whole, what is foreign and the pods stay, a second run finds nothing, DEL leaves nothing" {
	local before foreign pods ids
	serve r2 tcp 8080
	serve r2 udp 8080
	serve b2 tcp 8080
	[ "$(programs)" = $'nb_assist_from 2\nnb_assist_host 1\nnb_from_pod 2\nnb_to_pod 2' ]
	[ "$(static_entries) $(comments n | wc -l)" = "5 11" ]
	before=$(state) foreign=$(foreign_state) pods=$(pods_state) ids=$(bpf_ids n)

	run -0 --separate-stderr ctl n uninstall --dry-run
	[ "$(grep -c '^red: would remove program nb_' <<<"$output")" = 4 ] || fail "$output"
	[ "$(grep -c '^blue: would remove program nb_' <<<"$output")" = 3 ]
	[ "$(grep -c 'would remove bridge entry' <<<"$output")" = 4 ]
	[ "$(grep -c 'would remove rule ' <<<"$output")" = 8 ]
	[ "$(grep -c 'would remove pins ' <<<"$output")" = 3 ]
	[ "$(wc -l <<<"$output")" = 22 ]
	[ "$(state)" = "$before" ]

	local planned=${output//would remove/removed}
	run -0 --separate-stderr ctl n uninstall
	[ -z "$stderr" ]
	[ "$output" = "$planned" ] || diff <(echo "$planned") <(echo "$output")
	all_gone "$ids"
	[ "$(foreign_state)" = "$foreign" ] || fail "$(foreign_state)"
	[ "$(pods_state)" = "$pods" ]
	pods_reach

	run -0 --separate-stderr ctl n uninstall
	[ "$output$stderr" = "nothing to remove" ]
	run -0 ctl n -o json uninstall
	[ "$output" = "[]" ]

	# By the reference plugin one of each network, the others by natbridge.
	theirs DEL r2 "$(plugin_config n red '.type = "bridge" | .ipMasqBackend = "nftables"')"
	theirs DEL b2 "$(plugin_config n blue '.type = "bridge" | .ipMasqBackend = "nftables"')"
	pods_down n red r1
	pods_down n blue b1
	plugin_call n DEL old "$(plugin_config n red ".prevResult = $(cat "$NBT_DIR/old.json")")"
	rm -rf "$NBT_DIR"/node-n/cni/results # of pods that cnitool did not delete
	ns_exec n nft 'delete table inet mine; delete table inet cni_plugins_masquerade'
	ip -n "$(ns n)" link del blue0
	node_assert_clean n
}

@test "uninstall --network: the others keep all they have; JSON has a row for each thing" {
	local red ids
	red=$(programs | grep -v assist) ids=$(bpf_ids n)
	run -0 --separate-stderr ctl n --network blue -o json uninstall --dry-run
	[ "$(jq -r 'map(.removed) | unique | @json' <<<"$output")" = "[false]" ]
	run -0 --separate-stderr ctl n --network blue -o json uninstall
	[ "$(jq -c 'map(select(.network != "blue"))' <<<"$output")" = "[]" ]
	[ "$(jq -c 'group_by(.kind) | map([.[0].kind, length])' <<<"$output")" = \
		'[["bridge entry",2],["pins",1],["program",3],["rule",4]]' ] || fail "$output"
	[ "$(jq -r '.[] | select(.kind == "program" and .link == "blue0") | "\(.object) \(.removed)"' <<<"$output")" = "nb_assist_host true" ]
	[ "$(programs)" = "$red" ]
	[ "$(static_entries) $(comments n | wc -l) $(ls "$NBT_DIR/node-n/bpf/natbridge")" = "3 7 red" ]
	run -0 ctl n --network blue uninstall
	[ "$output" = 'nothing to remove of network "blue"' ]
	run -0 ctl n --network nowhere uninstall
	run -0 ctl n uninstall
	all_gone "$ids"
}

@test "uninstall finds programs whose pins or ports are lost, and an ADD afterwards takes up the pods that stayed" {
	local ids
	ids=$(bpf_ids n)
	rm -r "$NBT_DIR/node-n/bpf/natbridge/red" "$NBT_DIR/node-n/bpf/natbridge/blue"
	ip -n "$(ns n)" link del "$(pod_veth n b1)"
	ip -n "$(ns n)" link del "$(pod_veth n b2)"
	[ "$(programs_at n blue0)" = nb_assist_host ]
	run -0 ctl n uninstall
	grep -q '^removed program nb_assist_host at blue0 egress$' <<<"$output" || fail "$output"
	[ -z "$(programs)" ]
	[ "$(pins)" = 0 ]
	pods_up n red r3
	[ "$(programs)" = $'nb_from_pod 2\nnb_to_pod 2' ]
	[ "$(programs_at n "$(pod_veth n r3)" | wc -l)" = 2 ]
}

@test "uninstall goes on after an error, names each and fails; what is left goes the next time" {
	mkdir -p "$NBT_DIR"/node-n/bpf/natbridge/{red,blue}/foreign/sub
	run -1 --separate-stderr ctl n uninstall
	[ "$(grep -c "^natbridgectl: .*cannot remove \"$NBT_DIR/node-n/bpf/natbridge/[a-z]*/foreign\": Directory not empty$" <<<"$stderr")" = 2 ] ||
		fail "$stderr"
	[ "$(wc -l <<<"$stderr")" = 2 ]
	[ "$(grep -c 'removed program' <<<"$output")" = 7 ]
	[ -z "$(programs)" ]
	[ "$(static_entries) $(comments n | wc -l)" = "1 3" ]
	run -1 --separate-stderr ctl n -o json uninstall
	[ "$(jq -r '.error' <<<"$output" | wc -l)" = 1 ]
	[ "$(jq -c '.results | map([.network, .kind, .removed, (.error | type)])' <<<"$output")" = \
		'[["blue","pins",false,"string"],["red","pins",false,"string"]]' ] || fail "$output"
	rmdir "$NBT_DIR"/node-n/bpf/natbridge/{red,blue}/foreign/sub
	run -0 ctl n uninstall
	[ "$(grep -c 'removed pins' <<<"$output")" = 3 ]
	[ "$(pins)" = 0 ]
}

@test "uninstall on a node without natbridge needs nothing there and says so; without privileges it fails" {
	local programs tables
	node_create empty
	# A program that only has a name of ours.
	ip -n "$(ns empty)" link add theirs type veth peer name theirs1
	ns_exec empty "$NBT_BUILD/test/netns/marker" theirs 7 nb_from_pod 2>/dev/null || true
	programs=$(programs_at empty theirs)
	ns_exec empty nft 'add table inet cni_plugins_masquerade; add chain inet cni_plugins_masquerade masq_checks'
	tables=$(ns_exec empty nft list ruleset)
	run -0 --separate-stderr ns_exec empty env NATBRIDGE_BPFFS="$NBT_DIR/none" "$NBT_BUILD/natbridgectl" uninstall
	[ "$output$stderr" = "nothing to remove" ]
	[ ! -e "$NBT_DIR/none" ]
	[ "$(programs_at empty theirs)" = "$programs" ]
	ip -n "$(ns empty)" link del theirs
	[ "$(ns_exec empty nft list ruleset)" = "$tables" ]
	run -1 --separate-stderr ctl empty --bpffs "$NBT_DIR" uninstall
	[ "$stderr" = "natbridgectl: --bpffs \"$NBT_DIR\" is not in a mounted bpffs" ]
	run -1 --separate-stderr node_exec empty setpriv --reuid 65534 --regid 65534 --clear-groups "$NBT_BUILD/natbridgectl" uninstall
	[ "$(wc -l <<<"$stderr")" = 1 ]
	[[ $stderr = "natbridgectl: "*"ermi"* ]]
}

@test "rules of iptables and of macspoofchk go as well, but not those that the reference plugin made" {
	local filter='.plugins[0] += {bridge: "green0", ipMasq: true, ipMasqBackend: "iptables", macspoofchk: true}' before theirs
	before=$(chains | sort)
	network_write n green "$filter | .plugins[0].ipam.ranges = [[{subnet: \"10.246.0.0/24\"}], [{subnet: \"fd00:10:246::/64\"}]]"
	pods_up n green g1
	pod_create g2
	theirs ADD g2 "$(plugin_config n green '.type = "bridge"')" >/dev/null
	theirs=$(chains | grep -v "$(container_id g1)\|^-N" | sort)
	run -0 --separate-stderr ctl n --network green uninstall --dry-run
	[ "$(grep -c "^green: would remove iptables rules of $(container_id g1) at veth" <<<"$output")" = 1 ] || fail "$output"
	[ "$(grep -c "^green: would remove macspoofchk rules of $(container_id g1) at veth" <<<"$output")" = 1 ] || fail "$output"
	[[ $output != *"$(container_id g2)"* ]]
	[ "$(chains | grep -c "$(container_id g1)")" -gt 5 ]
	run -0 --separate-stderr ctl n --network green uninstall
	[ "$(chains | grep -c "$(container_id g1)")" = 0 ] || fail "$(chains)"
	[ "$(chains | grep -v ^-N | sort)" = "$theirs" ] || fail "$(chains)"
	[ "$(chains | grep -c ^-N)" = 2 ] # of g2, both families
	run -0 --separate-stderr ctl n --network green uninstall
	[ "$output" = 'nothing to remove of network "green"' ] || fail "$output"
	theirs DEL g2 "$(plugin_config n green '.type = "bridge"')"
	pod_del n g1 green
	[ "$(chains | sort)" = "$before" ] || fail "$(chains)"
	ns_delete g1
	ns_delete g2
}

# Rules of iptables and nftables that bear a container's id, and chains of iptables, whose names do not.
chains() {
	ns_exec n iptables -t nat -S
	ns_exec n ip6tables -t nat -S
	ns_exec n nft list ruleset | grep -E 'cni-br-iface|macspoofchk' || true
} 2>/dev/null
