#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Each mode on this kernel: the verifier takes its programs, ADD attaches them, by tcx since Linux 6.6 and by clsact before,
# and DEL leaves nothing. Before that, ADD without the kernel's conntrack, if it can be unloaded.

load ../netns/lib

CONNTRACK="iptable_nat ip6table_nat nft_chain_nat nf_nat nf_conntrack"

setup_file() {
	suite_begin
	node_create n
	pod_create a
}

teardown_file() {
	suite_end take_down
}

take_down() {
	load_conntrack
}

load_conntrack() {
	# shellcheck disable=SC2086 # several words
	modprobe -qa $CONNTRACK || true
}

# attached MODE PROGRAMS-AT-PORT PROGRAMS-AT-BRIDGE: after ADD; and nothing after DEL.
attached() {
	local before port mode=$1
	before=$(node_state n)
	network_write n "$mode" ".plugins[0].serviceProxy.mode = \"$mode\""
	run -0 plugin_call n STATUS a "$(plugin_config n "$mode")"
	pod_add n a "$mode"
	port=$(pod_veth n a)
	[ "$(programs_at n "$port" | xargs)" = "$2" ] || fail "at the port: $(programs_at n "$port")"
	[ "$(programs_at n cni0 | xargs)" = "$3" ] || fail "at the bridge: $(programs_at n cni0)"
	[ -z "$2" ] || attached_by "$port"
	pod_check n a "$mode"
	pod_del n a "$mode"
	diff <(echo "$before") <(node_state n) || fail "DEL left that"
}

# attached_by PORT: the way that this kernel has.
attached_by() {
	local tcx clsact
	tcx=$(ns_exec n "$NBT_BUILD/test/netns/attached" "$1" 2>/dev/null | wc -l)
	clsact=$(tc -n "$NBT-n" qdisc show dev "$1" | grep -c clsact || true)
	if printf '6.6\n%s\n' "$(uname -r)" | sort -VC; then
		[[ $tcx -gt 0 && $clsact = 0 ]]
	else
		[[ $tcx = 0 && $clsact = 1 ]]
	fi
}

@test "mode assist without the kernel's conntrack is refused with both ways out, mode ebpf does without" {
	local before command word
	network_write n bare '.plugins[0].serviceProxy.mode = "assist"'
	# shellcheck disable=SC2086 # several words; programs of mode assist would hold them
	modprobe -qr $CONNTRACK || true
	[ ! -e /sys/module/nf_conntrack ] || skip "nf_conntrack cannot be unloaded"
	before=$(node_state n)
	for command in STATUS ADD; do
		run ! --separate-stderr plugin_call n $command a "$(plugin_config n bare)"
		for word in '"code":	50' 'bpf_skb_ct_lookup()' 'Linux 5.18' 'mode \"ebpf\"' 'mode \"off\"' bridge-nf-call-iptables; do
			[[ $output = *"$word"* ]] || fail "no $word: $output"
		done
		diff <(echo "$before") <(node_state n) || fail "$command left that"
	done
	attached ebpf "nb_from_pod nb_to_pod" ""
	load_conntrack
}

@test "mode ebpf: loaded, attached, gone" {
	attached ebpf "nb_from_pod nb_to_pod" ""
}

@test "mode assist: loaded, attached, gone" {
	attached assist nb_assist_from nb_assist_host
}

@test "mode off: nothing attached" {
	attached off "" ""
}
