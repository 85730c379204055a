#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# B23: with ipspoofchk a pod sends from its own addresses only, and everything that it needs still works.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10
FRAMES=$NBT_ROOT/test/netns/frames.py

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipspoofchk = true'
	pods_up n net a b
	serve b tcp 8080
	serve b udp 5353
	serve a tcp 8080
	services_apply n "$(service default/web $VIP4,$VIP6 TCP:80:8080,UDP:53:5353 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/self 10.96.0.30,fd00:96::30 TCP:80:8080 "$(pod_ip a 4),$(pod_ip a 6)")"
}

teardown_file() {
	suite_end pods_down n net a b
}

spoofed() {
	ctl n -o json conntrack stats | jq '.[0].drop_spoofed'
}

@test "B23: neighbours, pods, Services, itself and the node are reached from a pod that is checked" {
	local address
	ns_exec a ip neigh flush dev eth0
	ns_exec a ip -6 neigh flush dev eth0
	for address in "$(pod_ip b 4)" "$(pod_ip b 6)"; do
		run -0 ask a tcp "$address" 8080
	done
	for address in $VIP4 $VIP6; do
		run -0 ask a tcp "$address" 80
		run -0 ask a udp "$address" 53
	done
	for address in 10.96.0.30 fd00:96::30; do
		run -0 ask a tcp "$address" 80
	done
	run -0 ns_exec a ping -c 1 -W 2 "$GATEWAY4"
	run -0 ns_exec n ping -c 1 -W 2 "$(pod_ip a 6)"
	[ "$(spoofed)" = 0 ]
}

@test "B23: addresses of another pod, of the gateway and of nobody do not leave the pod, and are counted" {
	local before dump=$NBT_DIR/forged
	before=$(spoofed)
	capture b eth0 "$dump" "ether src $(pod_mac a) and udp dst port 7777"
	"$FRAMES" make \
		"Ether(src='$(pod_mac a)', dst='$(pod_mac b)')/IP(src='10.244.0.77', dst='$(pod_ip b 4)')/UDP(sport=1, dport=7777)/'forged'" \
		"Ether(src='$(pod_mac a)', dst='$(pod_mac b)')/IP(src='$GATEWAY4', dst='$(pod_ip b 4)')/UDP(sport=1, dport=7777)/'forged'" \
		"Ether(src='$(pod_mac a)', dst='$(pod_mac b)')/IPv6(src='$(pod_ip b 6)', dst='$(pod_ip b 6)')/UDP(sport=1, dport=7777)/'forged'" \
		"Ether(src='$(pod_mac a)', dst='$(pod_mac b)')/IP(src='$(pod_ip a 4)', dst='$(pod_ip b 4)')/UDP(sport=1, dport=7777)/'honest'" |
		ns_exec a "$FRAMES" send eth0
	capture_end "$dump"
	[ "$("$FRAMES" dump "$dump" | wc -l)" = 1 ]
	[ "$(spoofed)" = $((before + 3)) ]
}

@test "B23: CHECK compares what the port has with what the config wants" {
	run -0 pod_check n a net
	network_write n net .
	run -1 pod_check n a net
	[[ $output = *flags* ]] || fail "$output"
	network_write n net '.plugins[0].ipspoofchk = true'
	run -0 pod_check n a net
}
