#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Between clients outside and pods of the node, past the host's IP stack: B33. The node has strict rp_filter, and drops what its
# conntrack takes for INVALID. outside.bats has the same cases as without it.

load lib
load agent
load node
load load

CLIENT4=192.0.2.6 CLIENT6=fd00:c0:1::2
export STREAMS=20 STREAM_WAIT=3000

setup_file() {
	suite_begin
	node_begin "a b" far outer
	node_is_strict
	# What the host forwards of the client's.
	ns_exec n nft -f - <<-END
		table inet seen {
			chain forward {
				type filter hook forward priority -2;
				ip saddr $CLIENT4 counter
				ip daddr $CLIENT4 counter
				ip6 saddr $CLIENT6 counter
				ip6 daddr $CLIENT6 counter
			}
		}
	END
	node_serve a b far
	agent_start --service-proxy node --fast-path true
	web "$(both b)"
	wait_for 10 passes_by
}

teardown_file() {
	suite_end take_down
}

take_down() {
	ns_exec n nft delete table inet seen
	node_end "a b"
}

both() {
	echo "$(pod_ip "$1" 4),$(pod_ip "$1" 6)"
}

# web BACKENDS [TARGETPORT]: the Service behind NodePort 30080.
web() {
	service default/web 10.96.0.10,fd00:96::10 "TCP:80:${2:-8080},UDP:80:${2:-8080}" "$1" | jq --arg far "$THERE4,$THERE6" '
		.items[0].spec.type = "NodePort" | .items[0].spec.ports |= map(.nodePort = 30080)
		| .items[1:] |= map(.endpoints |= map(.nodeName = if .addresses[0] | inside($far) then "there" else "here" end))' | put_list
}

seen() {
	ns_exec n nft -j list table inet seen | jq '[.nftables[].rule.expr[]?.counter.packets? // empty] | add'
}

# passes_by [QUESTION...]: an answer comes to the client outside, and the host has forwarded nothing.
passes_by() {
	local before
	before=$(seen)
	run ask outer -t 2000 "${@:-tcp}" "$HERE4" 30080
	[ "$status" = 0 ] || return
	run ask outer -t 2000 "${@:-tcp}" "$HERE6" 30080
	[ "$status" = 0 ] && [ "$(seen)" = "$before" ]
}

answered_by() {
	[[ $(ask outer -t 500 tcp "$HERE4" 30080) == "$1 "* ]] && [[ $(ask outer -t 500 tcp "$HERE6" 30080) == "$1 "* ]]
}

@test "B33: TCP and UDP, IPv4 and IPv6: the pod sees the client, the host's FORWARD rules see nothing" {
	local proto
	for proto in tcp udp; do
		passes_by -n 3 $proto
		run -0 ask outer $proto "$HERE4" 30080
		assert_answer b $CLIENT4
		run -0 ask outer $proto "$HERE6" 30080
		assert_answer b $CLIENT6
	done
	run -0 ctl n --network @node status
	[[ $output == *"mode node, fast path on"* ]]
	[ "$(invalid n)" = 0 ]
}

@test "B33: to another node, and directly to the pod, the host forwards" {
	local before
	web "$THERE4,$THERE6"
	wait_for 10 answered_by far
	before=$(seen)
	run -0 ask outer tcp "$HERE4" 30080
	[ "$(seen)" -gt "$before" ]
	web "$(both b)"
	wait_for 10 answered_by b
	before=$(seen)
	run -0 ask outer tcp "$(pod_ip b 4)" 8080
	run -0 ask outer udp "$(pod_ip b 6)" 8080
	[ "$(seen)" -gt "$before" ]
	[ "$(invalid n)" = 0 ]
}

# A megabyte to the pod and back.
megabyte() {
	local address
	for address in "$HERE4" "[$HERE6]"; do
		ns_exec outer timeout 20 socat -t 10 - "TCP:$address:30080" <"$NBT_DIR/megabyte" >"$NBT_DIR/back"
		cmp "$NBT_DIR/megabyte" "$NBT_DIR/back"
	done
}

@test "B33, A10: a pod that is no backend any more: UDP of the same client goes to another one" {
	local family address
	for family in 4 6; do
		address=HERE$family
		talk_open $family outer udp "${!address}" 30080
		talk_say $family one
		[[ $output == b* ]]
	done
	web "$(both a)"
	wait_for 10 answered_by a
	for family in 4 6; do
		talk_say $family two
		[[ $output == a*two ]] || fail "$output"
	done
	web "$(both b)"
	wait_for 10 answered_by b
}

@test "B33, B16: much data, datagrams in fragments, and a smaller MTU of the route, of which the host tells the pod" {
	local before text
	head -c 1000000 /dev/urandom >"$NBT_DIR/megabyte"
	ip netns exec "$(ns b)" socat TCP6-LISTEN:9000,ipv6only=0,reuseaddr,fork EXEC:cat 3>&- &
	echo $! >"$NBT_DIR/socat.pid"
	disown
	web "$(both b)" 9000
	wait_for 10 echoes
	before=$(seen)
	megabyte
	[ "$(seen)" = "$before" ]
	ip -n "$(ns n)" route change 192.0.2.4/30 dev up1 mtu lock 1400
	ip -n "$(ns n)" -6 route change fd00:c0:1::/64 dev up1 proto kernel metric 256 mtu lock 1400
	megabyte
	ip -n "$(ns b)" route get $CLIENT4 | grep -q "mtu 1400"
	ip -n "$(ns b)" route get $CLIENT6 | grep -q "mtu 1400"
	ip -n "$(ns n)" route change 192.0.2.4/30 dev up1
	ip -n "$(ns n)" -6 route change fd00:c0:1::/64 dev up1 proto kernel metric 256
	kill "$(<"$NBT_DIR/socat.pid")"
	web "$(both b)"
	wait_for 10 answered_by b
	text=$(head -c 1900 /dev/zero | tr '\0' x)
	passes_by -m "$text" udp
	[[ $output == *"$text" ]]
	[ "$(invalid n)" = 0 ]
}

echoes() {
	local address
	for address in "$HERE4" "[$HERE6]"; do
		[ "$(ns_exec outer timeout 2 socat - "TCP:$address:30080" <<<hello)" = hello ] || return
	done
}

@test "B33, B15: a port where nobody listens: reset, and port unreachable" {
	local before address
	web "$(both b)" 8099
	wait_for 10 refused tcp
	before=$(seen)
	refused tcp
	refused udp
	[ "$(seen)" = "$before" ]
	web "$(both b)"
	wait_for 10 answered_by b
	[ "$(invalid n)" = 0 ]
}

refused() {
	local address
	for address in "$HERE4" "$HERE6"; do
		run ask outer -t 2000 "$1" "$address" 30080
		[[ $status = 1 && $output == *refused* ]] || return
	done
}

@test "B33: routes that depend on where a packet comes from lead to a router whose link address is not known yet" {
	local rule
	ns_exec far sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
	ip -n "$(ns n)" route add default via "$THERE4" table 100
	for rule in "from $POD_CIDR4" "iif cni0"; do
		# shellcheck disable=SC2086 # several words
		ip -n "$(ns n)" rule add $rule table 100 pref 100
		ip -n "$(ns n)" neigh flush dev up0
		sent_by_far
		# shellcheck disable=SC2086 # several words
		ip -n "$(ns n)" rule del $rule table 100 pref 100
	done
	ip -n "$(ns n)" route del default table 100
}

# The answer reaches far, which sends it to its default route: this node, that has no use for it.
sent_by_far() {
	local before
	before=$(packets_at far)
	run ask outer -t 1000 udp "$HERE4" 30080
	wait_for 5 more_packets_at far "$before"
}

# How many packets it has forwarded.
packets_at() {
	# shellcheck disable=SC2016 # fields of awk
	ns_exec "$1" awk '/^Ip: [0-9]/ { print $7 }' /proc/net/snmp # ForwDatagrams
}

more_packets_at() {
	[ "$(packets_at "$1")" -gt "$2" ]
}

# Pod c of a network with a bridge of its own is the backend until it is b again.
second_network() {
	network_write n second '.plugins[0].bridge = "cni1" | .plugins[0].ipam.ranges = [[{subnet: "10.246.0.0/24"}], [{subnet: "fd00:10:246::/64"}]]'
	pods_up n second c
	node_serve c
	web "$(both c)"
	wait_for 10 answered_by c
	wait_for 10 passes_by
	web "$(both b)"
	wait_for 10 answered_by b
}

@test "B33, B1: a pod of another bridge sends in the name of one" {
	second_network
	talk_open forged outer -p 42000 udp "$HERE4" 30080
	talk_say forged one
	[[ $output == "b "*one ]]
	ns_exec c python3 - "$(pod_ip b 4)" $CLIENT4 <<-'END'
		import socket, struct, sys
		source, client = map(socket.inet_aton, sys.argv[1:])
		udp = struct.pack("!HHHH", 8080, 42000, 15, 0) + b"forged\n"
		ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0, source, client)
		s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
		s.sendto(ip + udp, (sys.argv[2], 0))
	END
	talk_say forged two
	[[ $output == "b "*two ]]
	talk_close forged
	web "$(both b)"
	pods_down n second c
}

@test "B33: a pod that is shaped is reached through the host" {
	local before
	network_write n net '.plugins[0].capabilities.bandwidth = true'
	pod_create s
	CAP_ARGS='{"bandwidth": {"ingressRate": 100000000, "ingressBurst": 10000000, "egressRate": 100000000, "egressBurst": 10000000}}' \
		pod_add n s net >/dev/null
	node_serve s
	web "$(both s)"
	wait_for 10 answered_by s
	before=$(seen)
	run -0 ask outer tcp "$HERE4" 30080
	[ "$(seen)" -ge $((before + 8)) ]
	[ "$(invalid n)" = 0 ]
	web "$(both b)"
	wait_for 10 answered_by b
	pod_del n s net
	ns_delete s
	network_write n net
}

@test "B33: a network that comes, goes and comes again" {
	for _ in 1 2; do
		second_network
		pods_down n second c
	done
	wait_for 10 passes_by
	[ "$(invalid n)" = 0 ]
}

@test "B33: a network without pods does not keep the place of another one on its bridge" {
	network_write n twin '.plugins[0].ipam.ranges = [[{subnet: "10.244.0.0/24", rangeStart: "10.244.0.100"}]] | .plugins[0].ipam.dataDir += "2"'
	pods_up n twin f
	node_serve f
	web "$(pod_ip f 4)"
	wait_for 10 answered_at_4_by f
	web "$(both b)"
	wait_for 10 answered_by b
	pods_down n twin f
	wait_for 10 passes_by
	rm "$NBT_DIR/node-n/net.d/twin.conflist"
}

answered_at_4_by() {
	[[ $(ask outer -t 500 tcp "$HERE4" 30080) == "$1 "* ]]
}

@test "B33: streams go on while it is switched on and off, each on the way on which it began" {
	local name before
	agent_stop
	agent_start --service-proxy node
	streams_begin slow4 outer "$HERE4" 30080
	streams_begin slow6 outer "$HERE6" 30080
	agent_stop
	agent_start --service-proxy node --fast-path true
	wait_for 10 passes_by
	talk_open fast outer tcp "$HERE4" 30080
	talk_say fast one
	streams_begin fast4 outer "$HERE4" 30080
	streams_begin fast6 outer "$HERE6" 30080
	agent_stop
	agent_start --service-proxy node
	for name in slow4 slow6 fast4 fast6; do
		streams_end $name
	done
	before=$(seen)
	talk_say fast two
	[[ $output == *two ]]
	[ "$(seen)" = "$before" ]
	talk_close fast
	run ! passes_by
	run -0 ctl n --network @node status
	[[ $output == *"mode node, fast path off"* ]]
	agent_stop
	agent_start --service-proxy node --fast-path true
	wait_for 10 passes_by
}
