#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Addresses that no ADD gave: a floating one that moves from pod to pod, one behind a router pod, one that was not a pod's yet when its
# connection began; and what becomes of an address whose pod has gone. Both families, TCP and UDP.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10
FLOAT4=10.244.0.200 FLOAT6=fd00:10:244::200
OWN4=10.96.0.11 OWN6=fd00:96::11
FAR4=10.9.0.9 FAR6=fd00:9::9
FARVIP4=10.96.0.12 FARVIP6=fd00:96::12

setup_file() {
	local pod
	suite_begin
	node_create n
	network_write n net
	pods_up n net a b c
	for pod in b c; do
		serve $pod tcp 8080
		serve $pod udp 8080
	done
	services_apply n "$(service default/float $VIP4,$VIP6 TCP:80:8080,UDP:80:8080 $FLOAT4,$FLOAT6)" \
		"$(service default/own $OWN4,$OWN6 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/far $FARVIP4,$FARVIP6 TCP:80:8080,UDP:80:8080 $FAR4,$FAR6)"
}

teardown_file() {
	suite_end pods_down n net a b c
}

teardown() {
	strictly nobody_holds
}

nobody_holds() {
	local pod
	for pod in a b c; do
		ip -n "$(ns $pod)" address del $FLOAT4/24 dev eth0 2>/dev/null || true
		ip -n "$(ns $pod)" address del $FLOAT6/64 dev eth0 2>/dev/null || true
	done
	ctl n conntrack flush >/dev/null
}

# holds POD: from now on the floating addresses are there, and everybody's neighbours know.
holds() {
	local pod
	for pod in a b c; do
		ip -n "$(ns $pod)" address del $FLOAT4/24 dev eth0 2>/dev/null || true
		ip -n "$(ns $pod)" address del $FLOAT6/64 dev eth0 2>/dev/null || true
		ip -n "$(ns $pod)" neigh flush dev eth0
	done
	ip -n "$(ns n)" neigh flush dev cni0
	ip -n "$(ns "$1")" address add $FLOAT4/24 dev eth0
	ip -n "$(ns "$1")" address add $FLOAT6/64 dev eth0 nodad
}

dropped() {
	ctl n -o json conntrack stats | jq ".[0].$1"
}

@test "a Service with a floating address as its backend is answered by the pod that holds it, and by the next one at once" {
	local before holder proto family
	before=$(dropped drop_not_its_port)
	for holder in b c; do
		holds $holder
		for proto in tcp udp; do
			run -0 ask a $proto $VIP4 80
			assert_answer $holder "$(pod_ip a 4)"
			run -0 ask a $proto $VIP6 80
			assert_answer $holder "$(pod_ip a 6)"
		done
	done
	[ "$(dropped drop_not_its_port)" = "$before" ]
}

@test "one port of a client, used to the floating address straight and by its Service, at once (B5)" {
	local proto
	holds b
	for proto in tcp udp; do
		talk_open straight a -p 4711 $proto $FLOAT4 8080
		talk_say straight one
		assert_answer b "$(pod_ip a 4)"
		talk_open service a -p 4711 $proto $VIP4 80
		talk_say service two
		assert_answer b "$(pod_ip a 4)"
		talk_say straight three
		assert_answer b "$(pod_ip a 4)"
		talk_close straight
		talk_close service
	done
}

@test "the same, the Service first, on a node whose rules drop INVALID (B5, B29)" {
	local family vip addr
	ns_exec n nft -f - <<-'END'
		table inet strict {
			chain forward { type filter hook forward priority 0; ct state invalid counter drop; }
		}
	END
	holds b
	for family in 4 6; do
		[ $family = 4 ] && vip=$VIP4 addr=$FLOAT4 || { vip=$VIP6 addr=$FLOAT6; }
		talk_open service a -p 4715 tcp "$vip" 80
		talk_say service one
		assert_answer b "$(pod_ip a $family)"
		talk_open straight a -p 4715 tcp "$addr" 8080
		talk_say straight two
		assert_answer b "$(pod_ip a $family)"
		talk_say service three
		assert_answer b "$(pod_ip a $family)"
		talk_close straight
		talk_close service
	done
	ns_exec n nft list table inet strict | grep -q 'counter packets 0 ' || fail "$(ns_exec n nft list table inet strict)"
	ns_exec n nft delete table inet strict
}

@test "B23: no pod answers for a backend beyond the host" {
	local family vip far before
	remote_create n up 2
	for family in 4 6; do
		[ $family = 4 ] && vip=10.96.0.22 far=192.0.2.10 || { vip=fd00:96::22 far=fd00:c0:2::2; }
		ctl n service apply --keep -f - < <(service default/up "$vip" UDP:80:8081 "$far") >/dev/null
		run -1 ask a -p 4716 -t 100 udp "$vip" 80
		before=$(dropped drop_not_its_port)
		ip -n "$(ns c)" address add "$far" dev lo
		capture a eth0 "$NBT_DIR/a.pcap" udp
		ns_exec c python3 - "$far" "$(pod_ip a $family)" <<'PY'
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 8081))
for i in range(20):
    s.sendto(b'forged', (sys.argv[2], 4716))
PY
		wait_for 20 has_dropped $((before + 20))
		capture_end "$NBT_DIR/a.pcap"
		assert_captured 0 "$NBT_DIR/a.pcap"
		ip -n "$(ns c)" address del "$far" dev lo
		ctl n service delete default/up >/dev/null
	done
	ns_delete up
}

has_dropped() {
	[ "$(dropped drop_not_its_port)" -ge "$1" ]
}

@test "a floating address as a client's: the next holder is served at once, with the port that the last one used" {
	local holder vip proto family
	for holder in a c; do
		holds $holder
		ip -n "$(ns $holder)" route replace $OWN4 via "$GATEWAY4" src $FLOAT4
		ip -n "$(ns $holder)" -6 route replace $OWN6 via "$GATEWAY6" src $FLOAT6
		for proto in tcp udp; do
			run -0 ask $holder -p 4712 $proto $OWN4 80
			assert_answer b $FLOAT4
			run -0 ask $holder -p 4712 $proto $OWN6 80
			assert_answer b $FLOAT6
		done
		ip -n "$(ns $holder)" route del $OWN4
		ip -n "$(ns $holder)" -6 route del $OWN6
	done
}

@test "a backend behind a router pod of the same bridge answers" {
	ns_create far
	ip link add far0 netns "$(ns c)" type veth peer name eth0 netns "$(ns far)"
	ip -n "$(ns c)" address add 10.9.0.1/24 dev far0
	ip -n "$(ns c)" address add fd00:9::1/64 dev far0 nodad
	ip -n "$(ns c)" link set far0 up
	ns_exec c sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n "$(ns far)" address add $FAR4/24 dev eth0
	ip -n "$(ns far)" address add $FAR6/64 dev eth0 nodad
	ip -n "$(ns far)" link set eth0 up
	ip -n "$(ns far)" route add default via 10.9.0.1
	ip -n "$(ns far)" -6 route add default via fd00:9::1
	ip -n "$(ns n)" route add 10.9.0.0/24 via "$(pod_ip c 4)"
	ip -n "$(ns n)" -6 route add fd00:9::/64 via "$(pod_ip c 6)"
	serve far tcp 8080
	serve far udp 8080
	local proto
	for proto in tcp udp; do
		run -0 ask a $proto $FARVIP4 80
		assert_answer far "$(pod_ip a 4)"
		run -0 ask a $proto $FARVIP6 80
		assert_answer far "$(pod_ip a 6)"
	done
	ip -n "$(ns n)" route del 10.9.0.0/24
	ip -n "$(ns n)" -6 route del fd00:9::/64
	ns_delete far
}

@test "A2: a UDP connection from before its backend's ADD goes on, and the host redirects neither end" {
	local vip addr family icmp
	for family in 4 6; do
		# The address that the next pod will get: of the last one given, plus one.
		pod_create late
		pod_add n late >/dev/null
		addr=$(pod_ip late $family)
		vip=$([ $family = 4 ] && echo 10.96.0.20 || echo fd00:96::20)
		pod_del n late
		ns_delete late
		ctl n service apply --keep -f - < <(service default/late "$vip" UDP:80:8080 "$addr") >/dev/null
		# The first datagram is lost; the connection is made.
		run -1 ask a -p 4713 -t 200 udp "$vip" 80
		pod_create late
		CNI_ARGS="IgnoreUnknown=1;IP=$addr" pod_add n late >/dev/null
		[ "$(pod_ip late $family)" = "$addr" ]
		serve late udp 8080
		icmp=$([ $family = 4 ] && echo 'icmp[0] == 5' || echo 'icmp6 and ip6[40] == 137')
		capture a eth0 "$NBT_DIR/a$family.pcap" "$icmp"
		capture late eth0 "$NBT_DIR/late$family.pcap" "$icmp"
		run -0 ask a -p 4713 -n 20 udp "$vip" 80
		assert_answer late "$(pod_ip a $family)"
		capture_end "$NBT_DIR/a$family.pcap"
		capture_end "$NBT_DIR/late$family.pcap"
		assert_captured 0 "$NBT_DIR/a$family.pcap"
		assert_captured 0 "$NBT_DIR/late$family.pcap"
		ctl n service delete default/late >/dev/null
		pod_del n late
		ns_delete late
	done
}

# send_on NS ADDRESS PORT SOURCE-PORT N: datagrams from that port, one a millisecond, as a backend that knows of nothing.
send_on() {
	ns_exec "$1" python3 - "$2" "$3" "$4" "$5" <<'PY'
import socket, sys, time
addr, port, source, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
s = socket.socket(socket.AF_INET6 if ':' in addr else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', source))
for i in range(n):
    s.sendto(b'late', (addr, port))
    time.sleep(0.001)
PY
}

@test "B26: the next owner of a client's address gets nothing of a connection by the host, of what the old backend still sends" {
	local family addr vip far sending
	remote_create n up 1
	for family in 4 6; do
		pod_create old
		pod_add n old >/dev/null
		addr=$(pod_ip old $family)
		[ $family = 4 ] && vip=10.96.0.21 far=192.0.2.6 || { vip=fd00:96::21 far=fd00:c0:1::2; }
		ctl n service apply --keep -f - < <(service default/up "$vip" UDP:80:8081 "$far") >/dev/null
		# Nobody listens: the datagram goes by the host, which is all that it takes.
		run -1 ask old -p 4714 -t 100 udp "$vip" 80
		pod_del n old
		ns_delete old
		# It sends all the time, also while the next owner comes.
		pod_create new
		capture new any "$NBT_DIR/new$family.pcap" udp
		send_on up "$addr" 4714 8081 2000 3>&- &
		sending=$!
		CNI_ARGS="IgnoreUnknown=1;IP=$addr" pod_add n new >/dev/null
		[ "$(pod_ip new $family)" = "$addr" ]
		wait $sending
		capture_end "$NBT_DIR/new$family.pcap"
		assert_captured 0 "$NBT_DIR/new$family.pcap"
		[ "$(dropped drop_gone)" -ge 500 ]
		ctl n service delete default/up >/dev/null
		pod_del n new
		ns_delete new
	done
	ns_delete up
	ip -n "$(ns n)" link del up1 2>/dev/null || true
}

@test "conntrack list and stats show no connection of a pod that has gone" {
	local pod
	pod_create gone
	pod_add n gone >/dev/null
	run -0 ask gone udp $OWN4 80
	[ "$(ctl n conntrack list | wc -l)" = 1 ]
	[ "$(dropped entries)" = 1 ]
	pod_del n gone
	ns_delete gone
	[ -z "$(ctl n conntrack list)" ]
	[ "$(dropped entries)" = 0 ]
}
