#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridge-agent killed at its system calls, and calls of it that fail, one at a time: what was there serves on, what is there is
# the old or the new, and the next agent finishes it and leaves nothing. FAULTS=all walks every call (see chosen() in faults.bash).

load lib
load agent
load faults

VIP4=10.96.0.10
# shellcheck disable=SC2034 # of web_spec
VIP6=fd00:96::10

setup_file() {
	command -v strace >/dev/null || fail "strace is missing; run: sudo make deps"
	suite_begin
	node_create n
	network_write n net
	holder_start
	put_service web "$(web_spec)"
	pods_up n net a b
	serve b tcp 8080
	put_slice web-1 web "$(pod_ip b 4)"
}

teardown_file() {
	suite_end take_down
}

take_down() {
	pods_down n net a b 2>/dev/null || true
	kill "$(<"$NBT_DIR/holder.pid")" 2>/dev/null || true
}

# old, new: the cluster as it was, and as it is then: a Service changes, one goes and another one gets its address, one comes.
old() {
	put_slice web-6 web "fd00:10:244::77"
	put_service gone '{"clusterIP": "10.96.0.20", "ports": [{"port": 80}]}'
	put_slice gone-1 gone 10.244.0.3
	remove /api/v1/services/default.heir || true
	remove /api/v1/services/default.more || true
}

new() {
	put_slice web-6 web "$(pod_ip b 6)"
	remove /api/v1/services/default.gone
	put_service heir '{"clusterIP": "10.96.0.20", "ports": [{"port": 80}]}'
	put_slice heir-1 heir 10.244.0.4,10.244.0.5
	put_service more '{"type": "LoadBalancer", "clusterIP": "10.96.0.21", "ports": [{"port": 80}], "externalIPs": ["203.0.113.7"], "loadBalancerSourceRanges": ["10.0.0.0/8"]}'
	put_slice more-1 more 10.244.0.6
}

once() {
	agent --once >"$NBT_DIR/agent.log" 2>&1 || fail "$1" "$(<"$NBT_DIR/agent.log")"
}

# What there is beside the table: files of bpffs and of the state directory, and ports' programs. The watch for qdiscs at ports is
# made last, and if it is missing by the next ADD.
beside() {
	find "$NBT_DIR/node-n/bpf" "$NBT_DIR/state" -mindepth 1 ! -name '*.debug' ! -name watch_build ! -name nb_qdisc_made | sort
	ns_exec n "$NBT_BUILD/test/netns/attached" "$(pod_veth n b)"
}

# settle CHANGE: what the agent finds before the walk's call.
settle() {
	case $1 in
	load) rm -rf "$NBT_DIR/node-n/bpf/natbridge/second" ;;
	change | cleanup) old ;;
	esac
	[ "$1" = load ] || once "before $1"
	[ "$1" != change ] || new
}

# The walk's own call, and what it leads to.
call() {
	case $1 in
	cleanup) agent --cleanup ;;
	*) agent --once ;;
	esac
}

# traced_call CHANGE STRACE-OPTION...
traced_call() {
	# shellcheck disable=SC2034 # of agent
	local UNDER=(timeout 30 strace -o "$NBT_DIR/trace" "${@:2}")
	(
		call "$1"
		exit # not in its place: else bats hears of the kill
	) >"$NBT_DIR/agent.log" 2>&1
}

# check_between WHEN: each line is of the old table or of the new one, and a request is answered.
check_between() {
	table | sort -u | comm -23 - <(sort -u "$NBT_DIR/table-old" "$NBT_DIR/table-new") >"$NBT_DIR/between"
	[ ! -s "$NBT_DIR/between" ] || fail "$1: in the table:" "$(<"$NBT_DIR/between")"
	grep -q web <(table) || return 0 # the cleanup
	run ask a tcp $VIP4 80
	[ "$status" = 0 ] || fail "$1: no answer" "$(table)"
}

# walk_agent CHANGE kill|ERRNO HOW [KINDS]
walk_agent() {
	local change=$1 action="error=$2" name number kind at status count=0 failed=0
	[ "$2" != kill ] || action="signal=KILL"
	settle "$change"
	table >"$NBT_DIR/table-old"
	traced_call "$change" || fail "$change without a fault" "$(<"$NBT_DIR/agent.log")"
	table >"$NBT_DIR/table-new"
	beside >"$NBT_DIR/beside"
	points | grep -E " (${4:-.})" | chosen "$3" >"$NBT_DIR/walk"
	while read -r name number kind <&4; do
		at="$change, $2 at $name $number ($kind)" status=0
		settle "$change"
		traced_call "$change" -e "inject=$name:$action:when=$number" || status=$?
		[ "$status" != 124 ] || fail "$at: it does not end" "$(<"$NBT_DIR/agent.log")"
		[ "$status" = 0 ] || failed=$((failed + 1))
		check_between "$at"
		call "$change" >"$NBT_DIR/agent.log" 2>&1 || fail "after $at" "$(<"$NBT_DIR/agent.log")"
		diff "$NBT_DIR/table-new" <(table) || fail "the table, after $at"
		diff "$NBT_DIR/beside" <(beside) || fail "what else there is, after $at"
		count=$((count + 1))
	done 4<"$NBT_DIR/walk"
	echo "# $change: $2 at $count calls, $failed ended there" >&3
	[ "$failed" -gt 0 ]
}

@test "killed while it changes a table" {
	walk_agent change kill changing
}

@test "killed while it loads the datapath of a new network" {
	network_write n second '.plugins[0].bridge = "br2" | .plugins[0].ipam.ranges = [[{"subnet": "10.245.0.0/24"}]]'
	once "second network"
	walk_agent load kill changing "mkdir|rename|unlink|openat|bpf:(OBJ_PIN|PROG_LOAD|MAP_UPDATE)"
}

@test "calls that fail while it changes a table" {
	walk_agent change EIO some "bpf|openat|flock|sendto|access"
	walk_agent change ENOMEM some bpf
}

@test "killed while it removes its Services" {
	walk_agent cleanup kill changing
}
