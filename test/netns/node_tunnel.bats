#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Backends on another node that is reached by VXLAN, set up as flannel does it: A20 and A21. The node has strict rp_filter, and drops
# what its conntrack takes for INVALID.

load lib
load agent
load node

VIP4=10.96.0.10
POD4=10.245.0.2     # on the other node
TUNNEL4=10.244.0.0  # of this node's tunnel

setup_file() {
	unshare -n ip link add probe type vxlan id 7 dstport 8473 2>/dev/null || skip "this kernel has no VXLAN"
	suite_begin
	node_begin "a b" far outer
	ns_exec far sysctl -qw net.ipv4.ip_forward=1
	far_pod
	tunnel n up0 "$HERE4" $TUNNEL4
	tunnel far eth0 "$THERE4" 10.245.0.0
	tunnel_to n "$THERE4" 10.245.0.0 far
	tunnel_to far "$HERE4" $TUNNEL4 n
	node_is_strict
	service default/web $VIP4 TCP:80:8080,UDP:80:8080 $POD4 | jq '
		.items[0].spec.type = "NodePort" | .items[0].spec.ports |= map(.nodePort = 30080)
		| .items[1].endpoints[].nodeName = "there"' | put_list
	node_serve farpod
	agent_start --service-proxy node
	wait_for 10 ask n -t 500 tcp $VIP4 80
}

teardown_file() {
	suite_end take_down
}

take_down() {
	agent_stop
	agent --service-proxy node --cleanup
	[ -z "$(programs_at n flannel.1)" ]
	ip -n "$(ns n)" link del flannel.1
	node_end "a b"
}

far_pod() {
	ns_create farpod
	ip link add vpod netns "$(ns far)" type veth peer name eth0 netns "$(ns farpod)"
	ip -n "$(ns far)" address add 10.245.0.1/24 dev vpod
	ip -n "$(ns far)" link set vpod up
	ip -n "$(ns farpod)" address add $POD4/24 dev eth0
	ip -n "$(ns farpod)" link set eth0 up
	ip -n "$(ns farpod)" route add default via 10.245.0.1
}

# tunnel NS DEVICE ADDRESS TUNNEL-ADDRESS
tunnel() {
	ip -n "$(ns "$1")" link add flannel.1 type vxlan id 1 dev "$2" local "$3" dstport 8472 nolearning
	ip -n "$(ns "$1")" address add "$4/32" dev flannel.1
	ip -n "$(ns "$1")" link set flannel.1 up
}

# tunnel_to NS ADDRESS TUNNEL-ADDRESS OTHER: the way to the other node, and to its pods.
tunnel_to() {
	local mac
	mac=$(pod_mac "$4" flannel.1)
	bridge -n "$(ns "$1")" fdb append "$mac" dev flannel.1 dst "$2"
	ip -n "$(ns "$1")" neigh add "$3" lladdr "$mac" dev flannel.1 nud permanent
	ip -n "$(ns "$1")" route add "$3/24" via "$3" dev flannel.1 onlink
}

@test "A20: a process of the node reaches a backend behind the tunnel, by the tunnel's address; nb0 has its MTU" {
	local proto text
	[ "$(node_exec n cat /sys/class/net/nb0/mtu)" = "$(node_exec n cat /sys/class/net/flannel.1/mtu)" ]
	for proto in tcp udp; do
		run -0 ask n $proto $VIP4 80
		assert_answer farpod $TUNNEL4
		run -0 ask n $proto "$HERE4" 30080
		assert_answer farpod $TUNNEL4
	done
	text=$(head -c 1900 /dev/zero | tr '\0' x)
	run -0 ask n -m "$text" udp $VIP4 80
	[[ $output == *"$text" ]]
	[ "$(invalid n)" = 0 ]
}

@test "A21: so does a client outside, and a pod by its own address" {
	local proto text
	for proto in tcp udp; do
		run -0 ask outer $proto "$HERE4" 30080
		assert_answer farpod $TUNNEL4
		run -0 ask a $proto $VIP4 80
		assert_answer farpod "$(pod_ip a 4)"
		run -0 ask a $proto "$HERE4" 30080
		assert_answer farpod "$(pod_ip a 4)"
	done
	text=$(head -c 1900 /dev/zero | tr '\0' x)
	run -0 ask outer -m "$text" udp "$HERE4" 30080
	[[ $output == *"$text" ]]
	[ "$(invalid n)" = 0 ]
}

@test "Streams by the tunnel go on while it is down for a moment, and its programs come with a new tunnel" {
	local i
	talk_open node n tcp $VIP4 80
	talk_open outer outer tcp "$HERE4" 30080
	for i in node outer; do
		talk_say $i one
		[[ $output == farpod*one ]]
	done
	ip -n "$(ns n)" link set flannel.1 down
	ip -n "$(ns n)" link set flannel.1 up
	ip -n "$(ns n)" route add 10.245.0.0/24 via 10.245.0.0 dev flannel.1 onlink # which went with it
	ip -n "$(ns n)" neigh replace 10.245.0.0 lladdr "$(pod_mac far flannel.1)" dev flannel.1 nud permanent
	for i in node outer; do
		talk_say $i two
		[[ $output == farpod*two ]]
	done
	ip -n "$(ns n)" link del flannel.1
	tunnel n up0 "$HERE4" $TUNNEL4
	tunnel_to n "$THERE4" 10.245.0.0 far
	bridge -n "$(ns far)" fdb replace "$(pod_mac n flannel.1)" dev flannel.1 dst "$HERE4"
	ip -n "$(ns far)" neigh replace $TUNNEL4 lladdr "$(pod_mac n flannel.1)" dev flannel.1 nud permanent
	wait_for 10 ask n -t 500 tcp $VIP4 80
	wait_for 10 ask outer -t 500 tcp "$HERE4" 30080
	for i in node outer; do
		talk_say $i three
		[[ $output == farpod*three ]]
	done
}
