#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# B34, C13: a datapath of a build that does not count what connections carry. The maps are missing among its pins.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].serviceProxy.conntrack.max = 5001'
	version next
	pods_up n net a b
	serve b tcp 8080
	services_apply n "$(service default/web 10.96.0.10 TCP:80:8080 "$(pod_ip b 4)")"
	rm "$(pins)/accounts" "$(pins)/service_drops"
}

teardown_file() {
	suite_end pods_down n net a b
}

# version this|next: what is called from now on.
version() {
	local dir=$NBT_BUILD/other/$1
	[ "$1" != this ] || dir=$NBT_BUILD
	export CNI_PATH=$dir:$TEST_BIN_DIR NATBRIDGECTL=$dir/natbridgectl
}

pins() {
	echo "$NBT_DIR/node-n/bpf/natbridge/net/v10"
}

# carried: packets and bytes of requests of the only connection that lives.
carried() {
	ctl n -o json conntrack list | jq -r '.[] | select(.state == "ESTABLISHED") | .original | "\(.packets) \(.bytes)"'
}

@test "C13: without the maps, connections are listed without counts; an upgrade adds the maps and ends no connection" {
	version this
	talk_open stays a tcp 10.96.0.10 80
	talk_say stays one
	run -0 ctl n conntrack list
	[[ $output == *ESTABLISHED* && $output != *packets=* ]] || fail "$output"
	run -0 ctl n metrics
	grep -qxF 'natbridge_service_connections{network="net",namespace="default",service="web"} 1' <<<"$output"
	run ! grep '^natbridge_service_carried_bytes{' <<<"$output"
	run -0 ctl n upgrade
	[ "$output" = "net: programs replaced on 2 ports" ]
	[ "$(carried)" = "0 0" ]
	talk_say stays two
	[ "$(carried | cut -d ' ' -f 1)" -ge 1 ] || fail "$(carried)"
	# Two elements for each connection of the table that was there, in whole pages.
	[ "$(node_exec n bpftool -j map show pinned "$(pins)/accounts" | jq .max_entries)" = 10240 ]
}

@test "C13: another map layout begins to count anew, with connections that go on" {
	local dir=$NBT_BUILD/other/layout
	talk_open moves a tcp 10.96.0.10 80
	talk_say moves one
	export CNI_PATH=$dir:$TEST_BIN_DIR NATBRIDGECTL=$dir/natbridgectl
	run -0 ctl n upgrade
	[ "$(carried)" = "0 0" ] || fail "$(carried)"
	talk_say moves two
	[ "$(carried | cut -d ' ' -f 1)" -ge 1 ] || fail "$(carried)"
	[ "$(node_exec n bpftool -j map show pinned "$NBT_DIR/node-n/bpf/natbridge/net/v1010/accounts" | jq .max_entries)" = 10240 ]
	version this
	run -0 ctl n upgrade
	[ "$(carried)" = "0 0" ] || fail "$(carried)"
}
