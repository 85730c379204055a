#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Pods of the reference bridge plugin and of natbridge, each checked and deleted by the other. test/parity shows that both do the
# same with one config; masq.bats and macspoof.bats show that each removes the other's rules.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0] |= (.ipMasq = true | .ipMasqBackend = "nftables" | .serviceProxy.mode = "off")'
}

teardown_file() {
	suite_end
}

# call mine|theirs COMMAND [PREVIOUS-RESULT]
call() {
	local program=$NBT_BUILD/natbridge
	[ "$1" = mine ] || program=$TEST_BIN_DIR/bridge
	run --separate-stderr node_exec n env CNI_COMMAND="$2" CNI_CONTAINERID=pod CNI_NETNS="$(ns_path p)" CNI_IFNAME=eth0 \
		"$program" <<<"$(plugin_config n net "${3:+.prevResult = $3}")"
	[ "$status" -eq 0 ] || fail "$1, $2: $output"
}

@test "C18: a pod of one plugin is checked and deleted by the other" {
	local plugins adder deleter result
	for plugins in 'theirs mine' 'mine theirs'; do
		read -r adder deleter <<<"$plugins"
		pod_create p
		call "$adder" ADD
		result=$output
		[ "$(node_rules n)" -gt 0 ]
		call "$deleter" CHECK "$result"
		call "$deleter" DEL "$result"
		node_assert_clean n
		ip -n "$NBT-n" link del cni0
		ns_delete p
	done
}
