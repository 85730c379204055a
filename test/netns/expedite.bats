#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Grace periods are expedited while a program is attached or a link deleted, and what /sys/kernel/rcu_expedited says is kept.

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

# The config, with the key as given: config true|false [JQ-FILTER].
config() {
	jq -c ".serviceProxy.rcuExpedited = $1 | ${2:-.}" "$NBT_DIR/config"
}

# switched: how often the traced process wrote to the switch.
switched() {
	awk -v path=$SWITCH '
		{ sub(/^[0-9]+ +/, "") }
		index($0, "openat(") == 1 && index($0, "\"" path "\"") { fd = $NF }
		index($0, "pwrite64(" fd ",") == 1 { n++ }
		END { print n + 0 }' "$NBT_DIR/trace"
}

@test "rcuExpedited: ADD, DEL and GC switch it on, or with false leave it alone" {
	local key verb mode count
	for mode in assist ebpf; do
		for key in true false; do
			for verb in ADD DEL ADD GC; do
				traced $verb "$(config $key ".serviceProxy.mode = \"$mode\" | .\"cni.dev/valid-attachments\" = $(attachments first)")" -e trace=openat,pwrite64
				count=$(switched)
				[ "$count" = 0 ] || [ $key = true ] || fail "$verb in mode $mode: $(<"$NBT_DIR/trace")"
				[ "$count" -ge 2 ] || [ $key = false ] || fail "$verb in mode $mode: $(<"$NBT_DIR/trace")"
			done
			plugin DEL "$(<"$NBT_DIR/config")" # the lease, since host-local has no GC
		done
	done
}

@test "rcuExpedited false: what a killed ADD left goes with the next call" {
	traced ADD "$(<"$NBT_DIR/config")" -e trace=bpf -e "inject=bpf:signal=KILL:when=$(attach_number)" || true
	[ "$(<$SWITCH)" = $OURS ]
	plugin DEL "$(config false)"
	wait_for 10 off
	echo 1 >$SWITCH
	plugin ADD "$(config false)"
	plugin DEL "$(config false)"
	[ "$(<$SWITCH)" = 1 ]
}

# upgrades true|false: pods of another version under a config with that key, then natbridgectl upgrade of this one, traced.
upgrades() {
	(NBT_BUILD=$NBT_BUILD/other/next && plugin ADD "$(config "$1")" >/dev/null)
	ctl n status >/dev/null || true
	node_exec n strace -f -o "$NBT_DIR/trace" -e trace=openat,pwrite64 "$NBT_BUILD/natbridgectl" upgrade
	plugin DEL "$(<"$NBT_DIR/config")"
}

@test "rcuExpedited: natbridgectl upgrade does what the config of the newest ADD says, uninstall leaves it alone" {
	run -0 upgrades true
	[ "$(switched)" -ge 2 ] || fail "$output" "$(<"$NBT_DIR/trace")"
	run -0 upgrades false
	[ "$(switched)" = 0 ] || fail "$output" "$(<"$NBT_DIR/trace")"
	run -0 node_exec n strace -f -o "$NBT_DIR/trace" -e trace=openat,pwrite64 "$NBT_BUILD/natbridgectl" uninstall
	[ "$(switched)" = 0 ] || fail "$output" "$(<"$NBT_DIR/trace")"
}
