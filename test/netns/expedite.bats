#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Grace periods are expedited while a program is attached or a link deleted, and what /sys/kernel/rcu_expedited says is kept.
# Runs alone: the switch is the whole machine's.

load lib
load ../netns/kube
load faults

SWITCH=/sys/kernel/rcu_expedited
OURS=28258 # NB_EXPEDITED

setup_file() {
	[ -w $SWITCH ] || skip "this kernel has no $SWITCH"
	suite_begin
	node_create n
	network_write n net
	pods_up n net first # what follows are ADDs to a network that is there
	pod_create p
	plugin_config n net >"$NBT_DIR/config"
}

teardown_file() {
	suite_end take_down
}

take_down() {
	echo 0 >$SWITCH
	pods_down n net first
	ns_delete p
}

teardown() {
	strictly switch_off
}

switch_off() {
	echo 0 >$SWITCH
	plugin DEL "$(<"$NBT_DIR/config")" || true
}

# The number of the call of bpf() by which an ADD attaches its first program.
attach_number() {
	traced ADD "$(<"$NBT_DIR/config")" -e trace=bpf
	plugin DEL "$(<"$NBT_DIR/config")"
	awk '/^bpf\(/ { n++ } /^bpf\(BPF_PROG_ATTACH/ { print n; exit }' "$NBT_DIR/trace"
}

# add_stopped: an ADD that stands where it attaches a program; its process is $stopped.
add_stopped() {
	local number
	number=$(attach_number)
	traced ADD "$(<"$NBT_DIR/config")" -e trace=bpf -e "inject=bpf:signal=STOP:when=$number" 3>&- &
	tracer=$!
	wait_for 20 grep -q 'stopped by SIGSTOP' "$NBT_DIR/trace"
	stopped=$(ours)
	[ -n "$stopped" ]
}

# The natbridge of this file's node that runs.
ours() {
	local pid
	for pid in $(pgrep -x natbridge); do
		! grep -qz "NATBRIDGE_BPFFS=$NBT_DIR/" "/proc/$pid/environ" || echo "$pid"
	done
}

# Of other suites that run on this machine each ADD switches it on for a moment.
off() {
	[ "$(<$SWITCH)" = 0 ]
}

@test "it is switched on while an ADD attaches, and off after it" {
	local tracer stopped
	add_stopped
	[ "$(<$SWITCH)" = $OURS ]
	kill -CONT "$stopped"
	wait $tracer
	wait_for 10 off
}

@test "of two ADDs the last one switches it off" {
	local tracer stopped
	add_stopped
	pods_up n net second
	[ "$(<$SWITCH)" = $OURS ]
	kill -CONT "$stopped"
	wait $tracer
	wait_for 10 off
	pods_down n net second
	wait_for 10 off
}

@test "a killed ADD leaves it on until the next call" {
	traced ADD "$(<"$NBT_DIR/config")" -e trace=bpf -e "inject=bpf:signal=KILL:when=$(attach_number)" || true
	[ "$(<$SWITCH)" = $OURS ]
	plugin DEL "$(<"$NBT_DIR/config")"
	wait_for 10 off
}

@test "what the operator has switched on stays on" {
	echo 1 >$SWITCH
	pods_up n net third
	pods_down n net third
	[ "$(<$SWITCH)" = 1 ]
}

@test "where it cannot be written, an ADD takes its time" {
	run -0 plugin ADD "$(<"$NBT_DIR/config")" sh -c 'mount -o remount,bind,ro /sys && ! { echo 0 >/sys/kernel/rcu_expedited; } 2>/dev/null && exec "$@"' sh
	[[ $output = *'"interfaces"'* ]]
	wait_for 10 off
}
