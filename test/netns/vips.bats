#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Addresses of Services: pings, which never leave the node (B14), and addresses that the host has as well, as a DNS cache of the node
# does (A17).

load lib

WEB4=10.96.0.10 WEB6=fd00:96::10
NONE4=10.96.0.11 NONE6=fd00:96::11
FREE4=10.96.0.77 FREE6=fd00:96::77
DNS4=10.96.0.53 DNS6=fd00:96::53

setup_file() {
	suite_begin
	node_create n
	remote_create n up
	# The node's default route leads to a router, whose own leads back.
	ns_exec up sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n "$(ns n)" route add default via 192.0.2.2
	ip -n "$(ns n)" -6 route add default via fd00:c0:0::2
	network_write n net '.plugins[0].serviceProxy.serviceCIDRs = ["10.96.0.0/16", "fd00:96::/64"]'
	pods_up n net a b
	serve b tcp 8080
	serve b udp 8080
	services_apply n "$(service default/web $WEB4,$WEB6 TCP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/none $NONE4,$NONE6 TCP:80:8080 "$(pod_ip b 4)" | jq '.items |= [.[0]]')" \
		"$(service default/dns $DNS4,$DNS6 TCP:53:8080,UDP:53:8080 "$(pod_ip b 4),$(pod_ip b 6)")"
}

teardown_file() {
	suite_end take_down
}

take_down() {
	pods_down n net a b
	ip -n "$(ns n)" route del default
	ip -n "$(ns n)" -6 route del default
	ip -n "$(ns n)" link del up0
}

counter() {
	ctl n -o json conntrack stats | jq ".[0].$1"
}

ping_from_a() {
	ns_exec a ping -n -c 1 -W 1 "$@"
}

@test "B14: a ping of a Service with a backend is answered, also in fragments" {
	local before vip
	before=$(counter echo)
	for vip in $WEB4 $WEB6; do
		run -0 ping_from_a "$vip"
		[[ $output = *" from $vip: "* ]]
		run -0 ping_from_a -s 4000 "$vip"
		[[ $output = *"4008 bytes from $vip: "* ]]
	done
	[ "$(counter echo)" -ge $((before + 4)) ]
}

@test "B14: a ping of a Service without one is rejected, that of a free address dropped, and none leaves the node" {
	local vip none free
	none=$(counter drop_no_backend) free=$(counter drop_no_vip)
	capture n up0 "$NBT_DIR/up.pcap" net 10.96.0.0/16 or net fd00:96::/64
	for vip in $NONE4 $NONE6; do
		run -1 ping_from_a "$vip"
		[[ $output = *[Uu]"nreachable"* ]] || fail "$output"
	done
	[ "$(counter drop_no_backend)" = $((none + 2)) ]
	for vip in $FREE4 $FREE6; do
		run -1 ping_from_a "$vip"
		run -1 ask a -t 200 tcp "$vip" 80
		run -1 ask a -t 200 udp "$vip" 80
	done
	[ "$(counter drop_no_vip)" -ge $((free + 6)) ]
	capture_end "$NBT_DIR/up.pcap"
	assert_captured 0 "$NBT_DIR/up.pcap"
}

# cache_comes, cache_goes: the host's address.
cache_comes() {
	ip -n "$(ns n)" address add $DNS4/32 dev lo
	ip -n "$(ns n)" address add $DNS6/128 dev lo nodad
}

cache_goes() {
	ip -n "$(ns n)" address del $DNS4/32 dev lo
	ip -n "$(ns n)" address del $DNS6/128 dev lo
}

apply_dns() {
	ctl n service apply --keep -f - < <(service default/dns $DNS4,$DNS6 TCP:53:8080,UDP:53:8080 "$(pod_ip b 4),$(pod_ip b 6)") >/dev/null 2>&1
}

# answered_by NAME: every way of asking.
answered_by() {
	local family proto vip
	for family in 4 6; do
		vip=$([ $family = 4 ] && echo $DNS4 || echo $DNS6)
		for proto in tcp udp; do
			run -0 ask a $proto "$vip" 53
			assert_answer "$1" "$(pod_ip a $family)"
		done
	done
}

@test "A17: the host's address wins while it is there, and at once no longer" {
	answered_by b
	cache_comes
	serve n tcp 53 cache
	serve n udp 53 cache
	apply_dns
	answered_by cache
	# Other ports there are the host's as well, and so is a ping.
	serve n tcp 9253 metrics
	run -0 ask a tcp $DNS4 9253
	assert_answer metrics "$(pod_ip a 4)"
	run -0 ping_from_a $DNS4
	cache_goes
	answered_by b
	run -0 ping_from_a $DNS4
	cache_comes
	answered_by cache
	cache_goes
	apply_dns
	answered_by b
}

@test "A17: the same on a node without a default route, where only the host can say that the address is gone" {
	local vip
	ip -n "$(ns n)" route del default
	ip -n "$(ns n)" -6 route del default
	cache_comes
	apply_dns
	answered_by cache
	cache_goes
	# The very first packet of each: a datagram, and a SYN that waits no second for its next.
	for vip in $DNS4 $DNS6; do
		run -0 ask a -t 800 udp "$vip" 53
		[[ $output = "b "* ]]
		run -0 ask a -t 800 tcp "$vip" 53
		[[ $output = "b "* ]]
		run -0 ping_from_a "$vip"
	done
	apply_dns
	answered_by b
	ip -n "$(ns n)" route add default via 192.0.2.2
	ip -n "$(ns n)" -6 route add default via fd00:c0:0::2
}

@test "B14, A6: on a node without a default route a ping is answered and a port without a Service rejected all the same" {
	local vip proto before
	ip -n "$(ns n)" route del default
	ip -n "$(ns n)" -6 route del default
	before=$(counter drop_no_service)
	for vip in $WEB4 $WEB6; do
		run -0 ping_from_a "$vip"
		for proto in tcp udp; do
			run -1 ask a -t 5000 $proto "$vip" 81
			[[ $output = *refused* ]] || fail "$output"
		done
	done
	[ "$(counter drop_no_service)" -ge $((before + 4)) ]
	ip -n "$(ns n)" route add default via 192.0.2.2
	ip -n "$(ns n)" -6 route add default via fd00:c0:0::2
}

@test "a pod reaches itself by a Service without a gateway at the bridge" {
	local family proto vip
	network_write n flat '.plugins[0] |= (.bridge = "flat0" | del(.isGateway, .isDefaultGateway)
		| .ipam.ranges = [[{subnet: "10.245.0.0/24"}], [{subnet: "fd00:10:245::/64"}]]
		| .ipam.routes = [{dst: "0.0.0.0/0", gw: "10.245.0.254"}, {dst: "::/0", gw: "fd00:10:245::fe"}])'
	pod_create self
	pod_add n self flat >/dev/null
	# A router somewhere on that bridge: what counts is that a frame leaves the pod.
	ip -n "$(ns self)" neigh add 10.245.0.254 lladdr 02:00:00:00:00:fe dev eth0
	ip -n "$(ns self)" -6 neigh add fd00:10:245::fe lladdr 02:00:00:00:00:fe dev eth0
	serve self tcp 8080
	serve self udp 8080
	ctl n --network flat service apply -f - < <(service default/self 10.96.9.9,fd00:96::99 TCP:80:8080,UDP:80:8080 \
		"$(pod_ip self 4),$(pod_ip self 6)") >/dev/null
	for family in 4 6; do
		vip=$([ $family = 4 ] && echo 10.96.9.9 || echo fd00:96::99)
		for proto in tcp udp; do
			run -0 ask self $proto "$vip" 80
			assert_answer self "$vip"
		done
	done
	pod_del n self flat
	ns_delete self
}
