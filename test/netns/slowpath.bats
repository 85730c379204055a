#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Services of a network with "fastPath": false: translated packets go through the host's stack, where qdiscs and rules see them.

load lib

ONE4=10.96.0.11 ONE6=fd00:96::11
SELF4=10.96.0.12 SELF6=fd00:96::12
FAR4=10.96.0.13 FAR6=fd00:96::13

setup_file() {
	local pod
	suite_begin
	node_create n
	network_write n net '.plugins[0].serviceProxy.fastPath = false'
	pods_up n net a b c
	remote_create n r
	for pod in a b r; do
		serve $pod tcp 8080
		serve $pod udp 5353
	done
	services_apply n "$(service default/one $ONE4,$ONE6 TCP:80:8080,UDP:53:5353 "$(both b)")" \
		"$(service default/self $SELF4,$SELF6 TCP:80:8080,UDP:53:5353 "$(both a)")" \
		"$(service default/far $FAR4,$FAR6 TCP:80:8080,UDP:53:5353 192.0.2.2,fd00:c0::2)"
}

teardown_file() {
	suite_end pods_down n net a b c
}

both() {
	echo "$(pod_ip "$1" 4),$(pod_ip "$1" 6)"
}

# serves VIP4 VIP6 NAME PEER4 PEER6: answered by NAME, which saw PEER, by TCP and UDP and over IPv4 and IPv6.
serves() {
	run -0 ask a -n 3 tcp "$1" 80
	assert_answer "$3" "$4"
	run -0 ask a -n 3 udp "$1" 53
	assert_answer "$3" "$4"
	run -0 ask a -n 3 tcp "$2" 80
	assert_answer "$3" "$5"
	run -0 ask a -n 3 udp "$2" 53
	assert_answer "$3" "$5"
}

@test "A1, A2: backend on the same bridge" {
	serves $ONE4 $ONE6 b "$(pod_ip a 4)" "$(pod_ip a 6)"
}

@test "A2: with bridge-nf-call-iptables on" {
	node_bridge_nf n 1
	serves $ONE4 $ONE6 b "$(pod_ip a 4)" "$(pod_ip a 6)"
	node_bridge_nf n 0
}

@test "A2: no ICMP redirect reaches a pod" {
	local dump=$NBT_DIR/redirects
	capture a eth0 "$dump" 'icmp[icmptype] == 5 or (icmp6 and ip6[40] == 137)'
	run -0 ask a -c 10 tcp $ONE4 80
	run -0 ask a -c 10 tcp $ONE6 80
	capture_end "$dump"
	assert_captured 0 "$dump"
}

@test "A3: backend beyond the node" {
	serves $FAR4 $FAR6 r "$(pod_ip a 4)" "$(pod_ip a 6)"
}

@test "A4: hairpin" {
	serves $SELF4 $SELF6 a "$GATEWAY4" "$GATEWAY6"
}

@test "packets are seen by netfilter's forward hook" {
	ns_exec n nft 'add table inet seen; add chain inet seen forward { type filter hook forward priority 0; };
		add rule inet seen forward ip daddr '"$(pod_ip b 4)"' counter'
	run -0 ask a tcp $ONE4 80
	[ "$(ns_exec n nft -j list ruleset | jq '[.. | .counter? // empty | .packets] | add')" -ge 3 ]
	ns_exec n nft delete table inet seen
}
