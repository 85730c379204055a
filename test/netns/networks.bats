#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Two networks of one node with the same pod range, the same Service addresses and the same ports never meet.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10

# Pods a and b of network red have the addresses of pods x and y of network blue.
setup_file() {
	suite_begin
	node_create n
	network_write n red '.plugins[0].bridge = "red0"'
	network_write n blue '.plugins[0].bridge = "blue0"'
	pods_up n red a b
	pods_up n blue x y
	[ "$(pod_ip a 4) $(pod_ip b 6)" = "$(pod_ip x 4) $(pod_ip y 6)" ]
	for pod in b y; do
		serve $pod tcp 8080
		serve $pod udp 5353
	done
	services_apply n "$(service default/web $VIP4,$VIP6 TCP:80:8080,UDP:53:5353 "$(pod_ip b 4),$(pod_ip b 6)")"
}

teardown_file() {
	suite_end take_down
}

take_down() {
	pods_down n red a b
	pods_down n blue x y
}

@test "B1: the same five numbers on two bridges are two connections" {
	local vip kind port
	for vip in $VIP4 $VIP6; do
		for kind in "tcp 80" "udp 53"; do
			read -r kind port <<<"$kind"
			talk_open red a -p 5000 "$kind" "$vip" "$port"
			talk_open blue x -p 5000 "$kind" "$vip" "$port"
			talk_say red one
			[[ $output = "b "*" 5000 "*" one" ]]
			talk_say blue two
			[[ $output = "y "*" 5000 "*" two" ]]
			talk_say red three
			[[ $output = "b "*" 5000 "*" three" ]]
			talk_close red
			talk_close blue
		done
	done
}

@test "B1: each network lists its own connections only" {
	run -0 ask a -p 6000 udp $VIP4 53
	run -0 ctl n --network red conntrack list
	[[ $output = *sport=6000* ]]
	run -0 ctl n --network blue conntrack list
	[[ $output != *sport=6000* ]]
}

@test "B1: a Service of one network is unknown to the other" {
	service default/red 10.96.0.20 UDP:53:5353 "$(pod_ip b 4)" | ctl n --network red service apply -f -
	service default/blue 10.96.0.21 UDP:53:5353 "$(pod_ip y 4)" | ctl n --network blue service apply -f -
	run -0 ask a udp 10.96.0.20 53
	assert_answer b "$(pod_ip a 4)"
	run -0 ask x udp 10.96.0.21 53
	assert_answer y "$(pod_ip x 4)"
	run -1 ask a -t 300 udp 10.96.0.21 53
	run -1 ask x -t 300 udp 10.96.0.20 53
}
