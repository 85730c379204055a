#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Much data through a Service arrives as it was sent, in both directions, with offloads on and off.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10
FAR4=10.96.0.13 FAR6=fd00:96::13
SELF4=10.96.0.12
BYTES=$((16 * 1024 * 1024))

setup_file() {
	local pod
	suite_begin
	node_create n
	network_write n net
	pods_up n net a b
	remote_create n r
	services_apply n "$(service default/bulk $VIP4,$VIP6 TCP:80:9000 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/far $FAR4,$FAR6 TCP:80:9000 192.0.2.2,fd00:c0::2)" \
		"$(service default/self $SELF4 TCP:80:9000 "$(pod_ip a 4)")"
	for pod in a b r; do
		echo_server $pod
	done
	head -c $BYTES /dev/urandom >"$NBT_DIR/sent"
}

teardown_file() {
	pods_down n net a b
	suite_end
}

# Sends back what it gets, on every address.
echo_server() {
	ip netns exec "$(ns "$1")" socat TCP6-LISTEN:9000,ipv6only=0,reuseaddr,fork PIPE >/dev/null 2>&1 3>&- &
	disown
	wait_for 5 listening "$1"
}

listening() {
	ns_exec "$1" ss -Hltn 'sport = 9000' | grep -q .
}

# echoed ADDRESS: everything comes back as it was.
echoed() {
	ns_exec a timeout 60 socat -t 30 - "TCP:$1:80" <"$NBT_DIR/sent" >"$NBT_DIR/got"
	cmp "$NBT_DIR/sent" "$NBT_DIR/got"
}

offloads() {
	local pod
	for pod in a b; do
		ns_exec $pod ethtool -K eth0 tx "$1" gso "$1" tso "$1" gro "$1" >/dev/null
		ip netns exec "$(ns n)" ethtool -K "$(pod_veth n $pod)" tx "$1" gso "$1" tso "$1" gro "$1" >/dev/null
	done
}

@test "B30: same bridge, IPv4 and IPv6" {
	echoed $VIP4
	echoed "[$VIP6]"
}

@test "B30: large packets cross the bridge whole" {
	local dump=$NBT_DIR/large
	capture b eth0 "$dump" -s 96 'tcp dst port 9000 and greater 20000'
	echoed $VIP4
	capture_end "$dump"
	[ "$(captured "$dump" | wc -l)" -gt 0 ]
}

@test "B17: with all offloads off" {
	offloads off
	echoed $VIP4
	echoed "[$VIP6]"
	echoed $FAR4
	offloads on
}

@test "A3, B30: backend beyond the node" {
	echoed $FAR4
	echoed "[$FAR6]"
}

@test "A4, B30: hairpin" {
	echoed $SELF4
}
