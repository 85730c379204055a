#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A pod's port that its bridge does not forward to any more, as an admin cuts off a pod: off from Services as well, in both
# directions, once natbridge was called; and back on in the same way.

load lib
load kube

VIP4=10.96.0.10 VIP6=fd00:96::10

setup_file() {
	suite_begin
	node_create n
	network_write n net
	pods_up n net a b
	serve b tcp 8080
	serve b udp 8080
	serve a tcp 8080
	services_apply n "$(service default/b $VIP4,$VIP6 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/a 10.96.0.11 TCP:80:8080 "$(pod_ip a 4)")"
}

teardown_file() {
	suite_end pods_down n net a b
}

setup() {
	PORT=$(pod_veth n b)
}

state() {
	ctl n -o json status | jq -r --arg name "$PORT" '.[0].ports[] | select(.name == $name) | .state'
}

counter() {
	ctl n -o json conntrack stats | jq '.[0].drop_cut_off'
}

# served: by both families and protocols, and as a client of another one's.
served() {
	local vip proto
	for vip in $VIP4 $VIP6; do
		for proto in tcp udp; do
			run -0 ask a $proto "$vip" 80
			assert_answer b "$(pod_ip a "$([ "$vip" = $VIP4 ] && echo 4 || echo 6)")"
		done
	done
	run -0 ask b tcp 10.96.0.11 80
}

# cut_off STATE: named so, not reached, not even by a connection that lives, and reaching nobody.
cut_off() {
	local vip proto before
	[ "$(state)" = "$1" ] || fail "$(ctl n status)"
	[ "$(ctl n -o json endpoint list | jq -r --arg name "$PORT" '[.[] | select(.port == $name) | .state] | unique | join(" ")')" = "$1" ]
	before=$(counter)
	for vip in $VIP4 $VIP6; do
		for proto in tcp udp; do
			run -1 ask a -t 300 $proto "$vip" 80
		done
	done
	# With the bridge the client is cut off as well: then it is the bridge that drops.
	[ "$1" = bridge-down ] || [ "$(counter)" -gt "$before" ]
	run -1 ask b -t 300 tcp 10.96.0.11 80
}

# While a connection lives: cut it off by one command, and back by another; the connection goes on.
off_and_on() {
	local state=$1 off=$2 on=$3
	served
	talk_open live a tcp $VIP4 80
	talk_say live before
	assert_answer b "$(pod_ip a 4)"
	ns_exec n sh -c "$off"
	cut_off "$state"
	echo meanwhile >&"${NBT_TALK[live]}"
	ns_exec n sh -c "$on"
	wait_for 20 has_state attached
	wait_for 60 longer_than "$NBT_DIR/talk-live.out" 1
	talk_close live
	wait_for 20 served
}

has_state() {
	[ "$(state)" = "$1" ]
}

@test "a port that was taken off the bridge" {
	off_and_on off-bridge "ip link set $PORT nomaster" "ip link set $PORT master cni0"
}

@test "a port that the bridge has disabled" {
	off_and_on not-forwarding "bridge link set dev $PORT state 0" "bridge link set dev $PORT state 3"
}

@test "a port that is down" {
	off_and_on down "ip link set $PORT down" "ip link set $PORT up"
}

@test "a bridge that is down" {
	off_and_on bridge-down "ip link set cni0 down" \
		"ip link set cni0 up; ip address show dev cni0 | grep -q fd00 || ip address add $GATEWAY6/64 dev cni0 nodad"
}

@test "the next ADD and the next DEL notice it as well" {
	local call
	pod_create c
	for call in add del; do
		ns_exec n ip link set "$PORT" nomaster
		pod_cni n $call c >/dev/null
		run -1 ask a -t 300 tcp $VIP4 80
		ns_exec n ip link set "$PORT" master cni0
		[ "$(state)" = attached ]
		served
	done
	ns_delete c
}

@test "natbridgectl upgrade notices it as well" {
	served
	ns_exec n ip link set "$PORT" nomaster
	ctl n upgrade >/dev/null
	run -1 ask a -t 300 tcp $VIP4 80
	ns_exec n ip link set "$PORT" master cni0
	ctl n upgrade >/dev/null
	served
}

# The flag in the settings by which programs look for such ports.
is_flagged() {
	local flags
	flags=$(bpftool -j map dump pinned "$NBT_DIR/node-n/bpf/natbridge/net/$NBT_LAYOUT/settings" |
		jq "first(.. | objects | select(has(\"flags\")) | .flags)")
	((flags & 1 << 6))
}

@test "once the last port that was cut off has gone by its DEL, no program looks for one" {
	pod_create c
	pod_add n c >/dev/null
	ns_exec n ip link set "$(pod_veth n c)" nomaster
	ctl n status >/dev/null
	is_flagged
	pod_del n c
	ns_delete c
	run ! is_flagged
}

@test "in another network namespace than the node's nothing is taken for cut off" {
	ns_create elsewhere
	NATBRIDGE_BPFFS=$NBT_DIR/node-n/bpf ns_exec elsewhere "$NBT_BUILD/natbridgectl" status >/dev/null
	ns_delete elsewhere
	run -0 ask a tcp $VIP4 80
}

@test "mode assist: a pod that is cut off is not reached by the host's rules either, nor reaches anybody" {
	local port pod
	node_create k
	network_write k net '.plugins[0].serviceProxy.mode = "assist"'
	pods_up k net ka kb
	for pod in ka kb; do
		serve $pod tcp 8080
	done
	printf '%s\n' "b tcp 10.96.0.20 80 $(pod_ip kb 4),8080" "a tcp 10.96.0.21 80 $(pod_ip ka 4),8080" | kube_iptables k
	port=$(pod_veth k kb)
	run -0 ask ka tcp 10.96.0.20 80
	run -0 ask kb tcp 10.96.0.21 80
	ns_exec k ip link set "$port" nomaster
	[ "$(ctl k -o json status | jq -r --arg name "$port" '.[0].ports[] | select(.name == $name) | .state')" = off-bridge ]
	run -1 ask ka -t 300 tcp 10.96.0.20 80
	run -1 ask kb -t 300 tcp 10.96.0.21 80
	ns_exec k ip link set "$port" master cni0
	ctl k status >/dev/null
	run -0 ask ka tcp 10.96.0.20 80
	run -0 ask kb tcp 10.96.0.21 80
	pods_down k net ka kb
	kube_gone k
}
