#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What natbridge must leave alone, and what the packets that it does touch look like.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10
FAR4=10.96.0.13 FAR6=fd00:96::13
FRAMES=$NBT_ROOT/test/netns/frames.py

setup_file() {
	suite_begin
	node_create n
	network_write n net
	pods_up n net a b c
	remote_create n r
	serve b udp 53
	serve b tcp 8080
	services_apply n "$(service default/web $VIP4,$VIP6 TCP:80:8080,UDP:53:53 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/far $FAR4,$FAR6 UDP:53:53 192.0.2.2,fd00:c0::2)"
	# Both ends know their neighbours, so that nothing but the frames of a test is on the wires.
	ask a tcp $VIP4 80
	ask a tcp $VIP6 80
}

teardown_file() {
	suite_end pods_down n net a b c
}

setup() {
	ctl n --network net conntrack flush >/dev/null
}

connections() {
	ctl n --network net conntrack list 2>/dev/null | grep -c src= || true
}

# send_frames POD FRAME...: scapy expressions, sent as they are.
send_frames() {
	local pod=$1
	shift
	"$FRAMES" make "$@" | ns_exec "$pod" "$FRAMES" send eth0
}

# unchanged FRAME...: pod a sends these frames; pods b and c get each of them byte for byte, and no connection is entered.
unchanged() {
	local pod dump=$NBT_DIR/unchanged
	"$FRAMES" make "$@" >"$dump"
	for pod in b c; do
		capture $pod eth0 "$dump-$pod" "ether src $(pod_mac a)"
	done
	ns_exec a "$FRAMES" send eth0 <"$dump"
	for pod in b c; do
		capture_end "$dump-$pod"
		"$FRAMES" dump "$dump-$pod" >"$dump-$pod.hex"
		diff "$dump" <(grep -xFf "$dump" "$dump-$pod.hex") || fail "pod $pod did not get the frames of pod a as they were sent"
	done
	[ "$(connections)" = 0 ]
}

# A frame from pod a to everyone.
from_a() {
	echo "Ether(src='$(pod_mac a)', dst='ff:ff:ff:ff:ff:ff')"
}

@test "B18: VLAN-tagged, QinQ and PPPoE frames to a Service are left alone" {
	local inner
	inner="IP(src='$(pod_ip a 4)', dst='$VIP4')/UDP(sport=4000, dport=53)/b'x'"
	unchanged \
		"$(from_a)/Dot1Q(vlan=5, prio=3)/$inner" \
		"$(from_a)/Dot1Q(vlan=0)/$inner" \
		"$(from_a)/Dot1AD(vlan=7)/Dot1Q(vlan=5)/$inner" \
		"$(from_a)/Dot1Q(vlan=5)/IPv6(src='$(pod_ip a 6)', dst='$VIP6')/UDP(sport=4000, dport=53)/b'x'" \
		"$(from_a)/PPPoE(sessionid=1)/PPP()/$inner"
}

@test "B19: ARP and broadcast, DHCP included, reach every pod byte for byte" {
	unchanged \
		"$(from_a)/ARP(op=1, hwsrc='$(pod_mac a)', psrc='$(pod_ip a 4)', pdst='10.244.0.77')" \
		"$(from_a)/ARP(op=2, hwsrc='$(pod_mac a)', psrc='$(pod_ip a 4)', pdst='$(pod_ip a 4)')" \
		"$(from_a)/IP(src='0.0.0.0', dst='255.255.255.255')/UDP(sport=68, dport=67)/BOOTP(chaddr=b'123456')/DHCP(options=[('message-type', 'discover'), 'end'])" \
		"$(from_a)/IP(src='$(pod_ip a 4)', dst='10.244.0.255')/UDP(sport=4000, dport=53)/b'x'"
}

@test "B19: neighbour discovery, DAD, MLD, IGMP and multicast reach every pod byte for byte" {
	local from
	from="Ether(src='$(pod_mac a)', dst="
	unchanged \
		"$from'33:33:00:00:00:01')/IPv6(src='fe80::1', dst='ff02::1', hlim=255)/ICMPv6ND_NA(tgt='fe80::77', R=0, S=0, O=1)" \
		"$from'33:33:ff:00:00:77')/IPv6(src='::', dst='ff02::1:ff00:77', hlim=255)/ICMPv6ND_NS(tgt='fd00:10:244::77')" \
		"$from'33:33:00:00:00:16')/IPv6(src='fe80::1', dst='ff02::16', hlim=1)/IPv6ExtHdrHopByHop(options=[RouterAlert()])/ICMPv6MLReport2()" \
		"$from'33:33:00:00:00:fb')/IPv6(src='fe80::1', dst='ff02::fb', hlim=255)/UDP(sport=5353, dport=5353)/b'x'" \
		"$from'01:00:5e:00:00:fb')/IP(src='$(pod_ip a 4)', dst='224.0.0.251', ttl=255)/UDP(sport=5353, dport=5353)/b'x'" \
		"$from'33:33:00:01:00:02')/IPv6(src='fe80::1', dst='ff02::1:2', hlim=1)/UDP(sport=546, dport=547)/b'x'"
}

@test "B22: a Service is translated whatever the frame's destination MAC" {
	local dump=$NBT_DIR/macs mac i=0
	capture b eth0 "$dump" udp dst port 53
	capture c eth0 "$dump-c" udp dst port 53
	for mac in "$(pod_mac b)" "$(pod_mac c)" 02:00:00:00:00:77 ff:ff:ff:ff:ff:ff; do
		i=$((i + 1))
		send_frames a "Ether(src='$(pod_mac a)', dst='$mac')/IP(src='$(pod_ip a 4)', dst='$VIP4')/UDP(sport=$((4000 + i)), dport=53)/b'x'" \
			"Ether(src='$(pod_mac a)', dst='$mac')/IPv6(src='$(pod_ip a 6)', dst='$VIP6')/UDP(sport=$((4000 + i)), dport=53)/b'x'"
	done
	capture_end "$dump"
	capture_end "$dump-c"
	assert_captured 4 "$dump" "dst host $(pod_ip b 4) and ether dst $(pod_mac b)"
	assert_captured 4 "$dump" "dst host $(pod_ip b 6) and ether dst $(pod_mac b)"
	assert_captured 8 "$dump"
	assert_captured 0 "$dump-c"
}

# What a packet carries that no translation may change, and its MAC addresses.
HEADER4="p.src, p.dst, p[IP].ttl, p[IP].tos, p[IP].id, bytes(p[IP].options[0]).hex() if p[IP].options else '', bytes(p[IP].payload.payload)"
HEADER6="p.src, p.dst, p[IPv6].hlim, p[IPv6].tc, p[IPv6].fl, bytes(p[IPv6].payload.payload)"

@test "B21: on the same bridge TTL, DSCP, ECN, id, options and payload stay, checksums are right, MACs are the pods' own" {
	local dump=$NBT_DIR/headers ether
	ether="Ether(src='$(pod_mac a)', dst='$(ip -n "$(ns n)" -j link show dev cni0 | jq -r '.[0].address')')"
	capture b eth0 "$dump" "udp and (src host $(pod_ip a 4) or src host $(pod_ip a 6))"
	send_frames a \
		"$ether/IP(src='$(pod_ip a 4)', dst='$VIP4', ttl=17, tos=0xb9, id=0x1234, options=IPOption_Timestamp())/UDP(sport=4000, dport=53)/b'hello'" \
		"$ether/IPv6(src='$(pod_ip a 6)', dst='$VIP6', hlim=17, tc=0xb9, fl=0x12345)/UDP(sport=4000, dport=53)/b'hello'"
	capture_end "$dump"
	run -0 "$FRAMES" fields "$dump" "($HEADER4) if IP in p else ($HEADER6)"
	[ "${lines[0]}" = "('$(pod_mac a)', '$(pod_mac b)', 17, 185, 4660, '440c0900000000000000000000', b'hello')" ] ||
		[[ "${lines[0]}" = "('$(pod_mac a)', '$(pod_mac b)', 17, 185, 4660, '44"*", b'hello')" ]]
	[ "${lines[1]}" = "('$(pod_mac a)', '$(pod_mac b)', 17, 185, 74565, b'hello')" ]
	run -0 "$FRAMES" checksums "$dump"
	[ "$(xargs <<<"$output")" = "good good" ]
}

@test "B21: routed by the node, TTL and hop limit are one less and the rest stays" {
	local dump=$NBT_DIR/routed ether
	ether="Ether(src='$(pod_mac a)', dst='$(ip -n "$(ns n)" -j link show dev cni0 | jq -r '.[0].address')')"
	capture r eth0 "$dump" udp port 53
	send_frames a \
		"$ether/IP(src='$(pod_ip a 4)', dst='$FAR4', ttl=17, tos=0xb9, id=0x1234)/UDP(sport=4000, dport=53)/b'hello'" \
		"$ether/IPv6(src='$(pod_ip a 6)', dst='$FAR6', hlim=17, tc=0xb9, fl=0x12345)/UDP(sport=4000, dport=53)/b'hello'"
	capture_end "$dump"
	run -0 "$FRAMES" fields "$dump" "(p[IP].dst, p[IP].ttl, p[IP].tos, p[IP].id) if IP in p else (p[IPv6].dst, p[IPv6].hlim, p[IPv6].tc, p[IPv6].fl)"
	[ "${lines[0]}" = "('192.0.2.2', 16, 185, 4660)" ]
	[ "${lines[1]}" = "('fd00:c0::2', 16, 185, 74565)" ]
	run -0 "$FRAMES" checksums "$dump"
	[ "$(xargs <<<"$output")" = "good good" ]
}

@test "B17: an IPv4 UDP checksum of 0 stays 0 and a wrong one stays wrong" {
	local dump=$NBT_DIR/sums ether ip
	ether="Ether(src='$(pod_mac a)', dst='02:00:00:00:00:77')"
	ip="IP(src='$(pod_ip a 4)', dst='$VIP4')"
	capture b eth0 "$dump" "src host $(pod_ip a 4) and udp"
	send_frames a "$ether/$ip/UDP(sport=4001, dport=53, chksum=0)/b'x'" "$ether/$ip/UDP(sport=4002, dport=53, chksum=0x1111)/b'x'"
	capture_end "$dump"
	run -0 "$FRAMES" fields "$dump" "p[IP].dst, p[UDP].chksum == 0"
	[ "${lines[0]}" = "('$(pod_ip b 4)', True)" ]
	[ "${lines[1]}" = "('$(pod_ip b 4)', False)" ]
	run -0 "$FRAMES" checksums "$dump"
	[ "$(xargs <<<"$output")" = "good bad" ]
}

@test "B27: each pod has a static FDB entry on its port" {
	local pod
	for pod in a b c; do
		run -0 bridge -n "$(ns n)" fdb show br cni0 brport "$(pod_veth n $pod)"
		grep -q "^$(pod_mac $pod) .*static" <<<"$output"
	done
}

@test "B27: no frame of a fast-path flow is flooded to a third pod, even if the bridge has learned nothing" {
	local dump=$NBT_DIR/flood
	capture c eth0 "$dump" "not arp and not icmp6 and not multicast and not broadcast"
	ip -n "$(ns n)" link set cni0 type bridge ageing_time 0
	bridge -n "$(ns n)" fdb flush dev cni0 dynamic 2>/dev/null || true
	run -0 ask a -c 10 -n 10 tcp $VIP4 80
	run -0 ask a -c 10 -n 10 udp $VIP6 53
	run -0 ask a -c 10 tcp "$(pod_ip b 4)" 8080
	ip -n "$(ns n)" link set cni0 type bridge ageing_time 30000
	capture_end "$dump"
	assert_captured 0 "$dump"
}

@test "B28: packets enter pods without mark and priority, and none of the node's carries a mark of ours" {
	local pod
	for pod in a b; do
		ns_exec "$pod" nft -f - <<-EOF
			table inet seen { chain input { type filter hook input priority 0
				meta mark != 0 counter name marked
				meta priority != 0 counter name prior
			}
			counter marked {}
			counter prior {}
			}
		EOF
	done
	ns_exec n nft -f - <<-EOF
		table inet seen { counter marked {}
			chain pre { type filter hook prerouting priority -400; meta mark & 0xe000 != 0 counter name marked; }
			chain post { type filter hook postrouting priority 400; meta mark & 0xe000 != 0 counter name marked; }
		}
	EOF
	run -0 ask a -n 5 tcp $VIP4 80
	run -0 ask a -n 5 udp $VIP6 53
	for pod in a b; do
		[ "$(ns_exec "$pod" nft -j list counters | jq '[.nftables[].counter? | select(. != null) | .packets] | add')" = 0 ]
		ns_exec "$pod" nft delete table inet seen
	done
	[ "$(ns_exec n nft -j list counters | jq '[.nftables[].counter? | select(. != null) | .packets] | add')" = 0 ]
	ns_exec n nft delete table inet seen
}
