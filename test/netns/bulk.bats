#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Much data through a Service arrives as it was sent, in both directions, with offloads on and off.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10
FAR4=10.96.0.13 FAR6=fd00:96::13
SELF4=10.96.0.12

setup_file() {
	local pod
	suite_begin
	node_create n
	network_write n net
	pods_up n net a b
	remote_create n r
	services_apply n "$(service default/bulk $VIP4,$VIP6 TCP:80:9000,TCP:81:9001 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/far $FAR4,$FAR6 TCP:80:9000,TCP:81:9001 192.0.2.2,fd00:c0::2)" \
		"$(service default/self $SELF4 TCP:80:9000,TCP:81:9001 "$(pod_ip a 4)")"
	head -c $((16 * 1024 * 1024)) /dev/urandom >"$NBT_DIR/sent"
	for pod in a b r; do
		# Port 9000 takes a file, port 9001 gives one, on every address.
		server $pod 9000 -u TCP6-LISTEN:9000,ipv6only=0,reuseaddr,fork "OPEN:$NBT_DIR/got,creat,trunc"
		server $pod 9001 -U TCP6-LISTEN:9001,ipv6only=0,reuseaddr,fork "OPEN:$NBT_DIR/sent,rdonly"
	done
}

teardown_file() {
	suite_end pods_down n net a b
}

# server POD PORT ARGUMENTS...: socat, until the pod goes.
server() {
	local pod=$1 port=$2
	shift 2
	ip netns exec "$(ns "$pod")" socat "$@" >/dev/null 2>&1 3>&- &
	disown
	wait_for 20 listening "$pod" "$port"
}

listening() {
	ns_exec "$1" ss -Hltn "sport = $2" | grep -q .
}

# intact ADDRESS: the file arrives as it is, there and back.
intact() {
	rm -f "$NBT_DIR/got" "$NBT_DIR/back"
	ns_exec a timeout 60 socat -u "OPEN:$NBT_DIR/sent,rdonly" "TCP:$1:80"
	wait_for 20 cmp -s "$NBT_DIR/sent" "$NBT_DIR/got"
	ns_exec a timeout 60 socat -u "TCP:$1:81" "OPEN:$NBT_DIR/back,creat"
	cmp "$NBT_DIR/sent" "$NBT_DIR/back"
}

offloads() {
	local pod
	for pod in a b; do
		ns_exec $pod ethtool -K eth0 tx "$1" gso "$1" tso "$1" gro "$1" >/dev/null
		ip netns exec "$(ns n)" ethtool -K "$(pod_veth n $pod)" tx "$1" gso "$1" tso "$1" gro "$1" >/dev/null
	done
}

@test "B30: same bridge, IPv4 and IPv6" {
	intact $VIP4
	intact "[$VIP6]"
}

@test "B30: large packets cross the bridge whole" {
	local dump=$NBT_DIR/large i
	# How much TCP sends at once follows its rate, which is low where the machine stands still for a moment.
	for i in 1 2 3 4 5; do
		capture b eth0 "$dump" -s 96 'tcp dst port 9000 and greater 20000'
		intact $VIP4
		capture_end "$dump"
		[ "$(captured "$dump" | wc -l)" = 0 ] || return 0
	done
	fail "no packet of more than 20000 bytes in $i transfers"
}

@test "B17: with all offloads off" {
	offloads off
	intact $VIP4
	intact "[$VIP6]"
	intact $FAR4
	offloads on
}

@test "A3, B30: backend beyond the node" {
	intact $FAR4
	intact "[$FAR6]"
}

@test "A4, B30: hairpin" {
	intact $SELF4
}
