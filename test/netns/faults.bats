#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# An ADD that is killed, or whose system calls fail, one at a time: nothing may be left.

load lib

# Calls that start and end any process and ask for memory tell nothing about natbridge.
BORING='access|arch_prctl|brk|execve|exit|exit_group|futex|getrandom|mmap|mprotect|munmap|newfstatat|pread64|prlimit64|rseq'
BORING="$BORING|close|fcntl|rt_sigaction|rt_sigprocmask|set_robust_list|set_tid_address"

setup_file() {
	command -v strace >/dev/null || skip "strace is not installed"
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipMasq = true | .plugins[0].ipMasqBackend = "nftables"'
	pod_create p
	CONFIG=$(plugin_config n net)
	export CONFIG
	# network, bridge and table are made once, and stay
	plugin_call n ADD p "$CONFIG" >/dev/null
	plugin_call n DEL p "$CONFIG"
	system_calls >"$NBT_DIR/calls"
	plugin_call n DEL p "$CONFIG"
	residue >"$NBT_DIR/clean"
}

teardown_file() {
	[ -d "$NBT_DIR" ] || return 0
	ns_delete p
	ns_exec n nft delete table inet cni_plugins_masquerade
	suite_end
}

# traced_add STRACE-OPTION...: ADD of pod p under strace, which says what it did in $NBT_DIR/trace.
traced_add() {
	timeout 30 env NATBRIDGE_BPFFS="$NBT_DIR/node-n/bpf" CNI_PATH="$TEST_BIN_DIR" CNI_COMMAND=ADD CNI_IFNAME=eth0 \
		CNI_CONTAINERID="$(container_id p)" CNI_NETNS="$(ns_path p)" \
		ip netns exec "$(ns n)" strace -o "$NBT_DIR/trace" "$@" "$NBT_BUILD/natbridge" <<<"$CONFIG" 2>"$NBT_DIR/stderr"
}

# The system calls of an ADD, each with a count: "sendto 3" is the third of its kind.
system_calls() {
	traced_add >/dev/null
	sed -nE 's/^([a-z0-9_]+)\(.*/\1/p' "$NBT_DIR/trace" | awk '{ print $1, ++count[$1] }' | grep -vE "^($BORING) "
}

residue() {
	echo "ports $(ip -n "$NBT-n" -j link show master cni0 | jq '[.[] | select(.ifname)] | length')"
	echo "fdb $(bridge -n "$NBT-n" fdb show br cni0 | grep -c ' static')"
	echo "leases $(find "$NBT_DIR/node-n/ipam" -type f ! -name lock ! -name 'last_reserved_ip.*' | wc -l)"
	echo "rules $(ns_exec n nft list ruleset | grep -c 'id: ')"
	echo "pod $(ip -n "$NBT-p" -br link | grep -c eth0)"
	echo "endpoints $(node_endpoints n)"
} || true

assert_clean() {
	residue | diff "$NBT_DIR/clean" - >"$NBT_DIR/diff" || fail "$*" "$(<"$NBT_DIR/diff")" "$(tail -n 5 "$NBT_DIR/trace")"
}

@test "C9: killed at any system call of ADD, DEL leaves nothing" {
	local call count
	# between two calls that change something nothing does
	grep -E '^(bpf|clone3?|flock|mkdir|openat|poll|sendto|wait4|write) ' "$NBT_DIR/calls" >"$NBT_DIR/changing"
	[ "$(wc -l <"$NBT_DIR/changing")" -gt 50 ]
	while read -r call count; do
		traced_add -e "inject=$call:signal=KILL:when=$count" >/dev/null || true
		plugin_call n DEL p "$CONFIG" || fail "DEL after a kill at $call $count"
		assert_clean "after a kill at $call $count"
	done <"$NBT_DIR/changing"
	pod_add n p
	pod_del n p
}

@test "C10: any system call of ADD fails: a result or one error, and a failed ADD has undone all it did" {
	local call count failed=0
	while read -r call count; do
		if traced_add -e "inject=$call:error=EIO:when=$count" >"$NBT_DIR/out"; then
			jq -e .interfaces "$NBT_DIR/out" >/dev/null || fail "no result: $call $count"
		else
			failed=$((failed + 1))
			jq -e '.code > 0 and .msg != ""' "$NBT_DIR/out" >/dev/null ||
				fail "no error object: $call $count" "$(cat "$NBT_DIR/out" "$NBT_DIR/stderr")"
			assert_clean "undone after $call $count failed: $(jq -r .msg "$NBT_DIR/out")"
		fi
		plugin_call n DEL p "$CONFIG" || fail "DEL after $call $count failed"
		assert_clean "after DEL, $call $count failed"
	done <"$NBT_DIR/calls"
	[ "$failed" -gt 30 ]
	pod_add n p
	pod_del n p
}
