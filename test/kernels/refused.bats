#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A kernel that is too old for the eBPF programs, or does not say what it has: modes ebpf and assist are refused with the reason,
# before anything is made; mode off works. REFUSED is what the kernel lacks, "bpf_loop()", or "BTF", which is hidden then.

load ../netns/lib

REFUSED=${REFUSED:-BTF}
[ "$REFUSED" != BTF ] || NBT_BUILD=$NBT_DIR/build

setup_file() {
	suite_begin
	[ "$REFUSED" != BTF ] || hide_btf
	node_create n
	pods=(a b)
	network_write n net '.plugins[0].serviceProxy.mode = "off" | .plugins[0].ipMasq = true'
	for pod in "${pods[@]}"; do
		pod_create "$pod"
	done
	remote_create n r
}

teardown_file() {
	suite_end
}

# The programs, where natbridge is one that does not see the kernel's BTF; each command in a node has a /sys of its own.
hide_btf() {
	mkdir "$NBT_BUILD"
	ln -s "$NBT_ROOT"/build/{natbridgectl,test} "$NBT_BUILD"
	printf '#!/bin/sh\nmount -t tmpfs none /sys/kernel/btf && exec "%s/build/natbridge"\n' "$NBT_ROOT" >"$NBT_BUILD/natbridge"
	chmod +x "$NBT_BUILD/natbridge"
}

# All that an ADD could leave; host-local makes itself a directory at any DEL.
everything() {
	ip -n "$NBT-n" -o link show
	ip -n "$NBT-n" -o address show
	ip -n "$NBT-n" -4 route show
	ip -n "$NBT-$1" -o link show
	ns_exec n nft list ruleset
	ns_exec n bridge fdb show
	find "$NBT_DIR/node-n/bpf" "$NBT_DIR/node-n/cni"
	find "$NBT_DIR/node-n/ipam" -type f ! -name lock
}

# refused COMMAND MODE POD: it fails with one JSON object of code 50, which says what is missing and both ways out.
refused() {
	run ! --separate-stderr plugin_call n "$1" "$3" "$(plugin_config n net ".serviceProxy.mode = \"$2\"")"
	jq -e -s 'length == 1 and .[0].code == 50' <<<"$output" >/dev/null || fail "no error of code 50: $output"
	for word in "mode \\\"$2\\\"" "$REFUSED" "$(uname -r)" "use " 'mode \"off\" and bridge-nf-call-iptables=1'; do
		[[ $output = *"$word"* ]] || fail "no $word: $output"
	done
	[ "$(wc -l <<<"$stderr")" = 1 ] || fail "more than the error on stderr: $stderr"
}

# answers NAME ADDRESS4 ADDRESS6 PEER4 PEER6: pod a is answered, by TCP and UDP.
answers() {
	local proto
	for proto in tcp udp; do
		run -0 ask a $proto "$2" 8080
		assert_answer "$1" "$4"
		run -0 ask a $proto "$3" 8080
		assert_answer "$1" "$5"
	done
}

serve_both() {
	serve "$1" tcp 8080
	serve "$1" udp 8080
}

@test "STATUS says what modes ebpf and assist lack, and mode off is fine" {
	refused STATUS ebpf a
	refused STATUS assist a
	run -0 plugin_call n STATUS a "$(plugin_config n net)"
}

@test "ADD is refused with the same words and leaves nothing, not even a bridge" {
	local before mode
	before=$(everything a)
	for mode in ebpf assist; do
		refused ADD $mode a
		diff <(echo "$before") <(everything a) || fail "ADD in mode $mode left that"
		run -0 plugin_call n DEL a "$(plugin_config n net ".serviceProxy.mode = \"$mode\"")"
		diff <(echo "$before") <(everything a) || fail "DEL in mode $mode left that"
	done
}

@test "mode off: pods reach each other and what is beyond the node, CHECK is content, a mode cannot be had later either" {
	local before
	pod_add n a
	pod_add n b
	serve_both b
	serve_both r
	answers b "$(pod_ip b 4)" "$(pod_ip b 6)" "$(pod_ip a 4)" "$(pod_ip a 6)"
	answers r 192.0.2.2 fd00:c0::2 192.0.2.1 fd00:c0::1
	pod_check n a
	pod_create c
	before=$(everything c)
	refused ADD ebpf c
	diff <(echo "$before") <(everything c) || fail "ADD left that"
	answers b "$(pod_ip b 4)" "$(pod_ip b 6)" "$(pod_ip a 4)" "$(pod_ip a 6)"
	pod_del n a
	pod_del n b
}
