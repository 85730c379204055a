#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Services over the fast path: which backend answers, as whom, and what it sees as its client.

load lib

WEB4=10.96.0.10 WEB6=fd00:96::10
ONE4=10.96.0.11 ONE6=fd00:96::11
SELF4=10.96.0.12 SELF6=fd00:96::12
FAR4=10.96.0.13 FAR6=fd00:96::13
HOST4=10.96.0.14 HOST6=fd00:96::14
SIDE4=10.96.0.15 SIDE6=fd00:96::15
MANY4=10.96.0.16 MANY6=fd00:96::16

setup_file() {
	local pod
	suite_begin
	node_create n
	network_write n net
	network_write n side '.plugins[0] |= (.bridge = "cni1" | .ipam.ranges = [[{subnet: "10.245.0.0/24"}], [{subnet: "fd00:10:245::/64"}]])'
	pods_up n net a b c
	pods_up n side x
	remote_create n r
	for pod in a b c x r n; do
		serve $pod tcp 8080
		serve $pod udp 5353
	done
	serve b tcp 9090 b-metrics
	serve c tcp 9091 c-metrics
	serve b udp 8080 b-udp
	services_apply n \
		"$(service default/web $WEB4,$WEB6 TCP:80:8080,UDP:53:5353 "$(both b),$(both c)")" \
		"$(service default/one $ONE4,$ONE6 TCP:80:8080,UDP:53:5353 "$(both b)")" \
		"$(service default/self $SELF4,$SELF6 TCP:80:8080,UDP:53:5353 "$(both a)")" \
		"$(service default/far $FAR4,$FAR6 TCP:80:8080,UDP:53:5353 192.0.2.2,fd00:c0::2)" \
		"$(service default/host $HOST4,$HOST6 TCP:80:8080,UDP:53:5353 "$GATEWAY4,$GATEWAY6")" \
		"$(service default/side $SIDE4,$SIDE6 TCP:80:8080,UDP:53:5353 "$(both x)")" \
		"$(service default/many $MANY4,$MANY6 TCP:80:8080,UDP:80:8080,TCP:9000:9090 "$(both b)" |
			jq '.items += [.items[1] | .metadata.name = "many-other"
				| .ports = [{name: "p2", protocol: "TCP", port: 9091}]
				| .endpoints[0].addresses = ["'"$(pod_ip c 4)"'"]]')"
}

teardown_file() {
	suite_end take_down
}

take_down() {
	pods_down n net a b c
	pods_down n side x
}

# A pod's addresses, joined by a comma.
both() {
	echo "$(pod_ip "$1" 4),$(pod_ip "$1" 6)"
}

# serves VIP4 VIP6 NAME PEER4 PEER6: answered by NAME, which saw PEER, by TCP and UDP and over IPv4 and IPv6.
serves() {
	run -0 ask a tcp "$1" 80
	assert_answer "$3" "$4"
	run -0 ask a udp "$1" 53
	assert_answer "$3" "$4"
	run -0 ask a tcp "$2" 80
	assert_answer "$3" "$5"
	run -0 ask a udp "$2" 53
	assert_answer "$3" "$5"
}

# The names of those that answered, with their counts: "40 b".
names() {
	awk '{ print $1 }' <<<"$output" | sort | uniq -c | awk '{ print $1, $2 }'
}

# chosen_evenly PROTOCOL VIP PORT: 200 connections; a fair coin stays within 60 .. 140 but once in 10^8 times.
chosen_evenly() {
	local count name seen=0
	run -0 ask a -c 200 "$@"
	while read -r count name; do
		seen=$((seen + 1))
		[[ $name =~ ^[bc]$ && $count -ge 60 ]] || fail "$count of 200 by $name: $*"
	done < <(names)
	[ $seen = 2 ]
}

@test "A1: a Service is answered by its backend, TCP and UDP, IPv4 and IPv6" {
	serves $ONE4 $ONE6 b "$(pod_ip a 4)" "$(pod_ip a 6)"
}

@test "A1: each new connection picks a backend at random, evenly" {
	chosen_evenly tcp $WEB4 80
	chosen_evenly udp $WEB4 53
	chosen_evenly tcp $WEB6 80
	chosen_evenly udp $WEB6 53
}

@test "A1, B2: a connection stays with its backend" {
	local vip
	for vip in $WEB4 $WEB6; do
		run -0 ask a -n 100 tcp "$vip" 80
		[ "$(names | wc -l)" = 1 ]
		run -0 ask a -n 100 udp "$vip" 53
		[ "$(names | wc -l)" = 1 ]
	done
}

@test "A2: right with bridge-nf-call-iptables on as well as off" {
	node_bridge_nf n 1
	serves $ONE4 $ONE6 b "$(pod_ip a 4)" "$(pod_ip a 6)"
	node_bridge_nf n 0
	serves $ONE4 $ONE6 b "$(pod_ip a 4)" "$(pod_ip a 6)"
}

@test "A2: no ICMP redirect reaches a pod" {
	local dump=$NBT_DIR/redirects
	[ "$(ns_exec n sysctl -n net.ipv4.conf.cni0.send_redirects)" = 1 ]
	capture a eth0 "$dump-a" 'icmp[icmptype] == 5 or (icmp6 and ip6[40] == 137)'
	capture b eth0 "$dump-b" 'icmp[icmptype] == 5 or (icmp6 and ip6[40] == 137)'
	run -0 ask a -c 20 tcp $WEB4 80
	run -0 ask a -c 20 tcp $WEB6 80
	run -0 ask a -c 20 udp $FAR4 53
	run -0 ask a tcp $SELF4 80
	capture_end "$dump-a"
	capture_end "$dump-b"
	assert_captured 0 "$dump-a"
	assert_captured 0 "$dump-b"
}

@test "A3: a backend on another machine, routed by the node, sees the pod's own address" {
	serves $FAR4 $FAR6 r "$(pod_ip a 4)" "$(pod_ip a 6)"
}

@test "A3: a backend on the node itself" {
	serves $HOST4 $HOST6 n "$(pod_ip a 4)" "$(pod_ip a 6)"
}

@test "A3: a backend on another bridge of the node" {
	serves $SIDE4 $SIDE6 x "$(pod_ip a 4)" "$(pod_ip a 6)"
}

@test "A4: a pod that is its own backend sees the gateway as its client" {
	serves $SELF4 $SELF6 a "$GATEWAY4" "$GATEWAY6"
}

@test "A4: hairpin needs no bridge flag and no promiscuous mode" {
	local port
	port=$(pod_veth n a)
	[ "$(ip -n "$(ns n)" -j -d link show dev "$port" | jq '.[0].linkinfo.info_slave_data.hairpin')" = false ]
	[ "$(ip -n "$(ns n)" -j -d link show dev cni0 | jq '.[0].promiscuity')" = 0 ]
	run -0 ask a -n 10 tcp $SELF4 80
	assert_answer a "$GATEWAY4"
}

@test "A8: protocol is part of the key, and each port leads to its target port" {
	run -0 ask a tcp $MANY4 80
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a udp $MANY4 80
	assert_answer b-udp "$(pod_ip a 4)"
	run -0 ask a udp $MANY6 80
	assert_answer b-udp "$(pod_ip a 6)"
	run -0 ask a tcp $MANY6 9000
	assert_answer b-metrics "$(pod_ip a 6)"
}

@test "A8: endpoints of one port with different target ports" {
	run -0 ask a -c 100 tcp $MANY4 9000
	[ "$(names | awk '{ print $2 }' | xargs)" = "b-metrics c-metrics" ]
}

@test "A6: an address that is no Service passes as without natbridge" {
	run -0 ask a tcp "$(pod_ip b 4)" 8080
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a tcp 192.0.2.2 8080
	assert_answer r "$(pod_ip a 4)"
	run -0 ask r tcp "$(pod_ip b 6)" 8080
	assert_answer b fd00:c0::2
}
