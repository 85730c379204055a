#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A26 with the kernel's own SCTP, where it has it (modprobe sctp): sockets on both sides, checksums left to the device or computed.
# Node n is served whole, on node i the host's rules translate (mode assist). Pods are named after their node.

load ../netns/lib
load ../netns/agent
load ../netns/node
load ../netns/kube

VIP4=10.96.0.10 VIP6=fd00:96::10
CLIENT4=192.0.2.6 CLIENT6=fd00:c0:1::2

setup_file() {
	modprobe sctp 2>/dev/null || skip "this kernel has no SCTP"
	suite_begin
	node_begin "na nb" far outer
	node_create i
	network_write i net '.plugins[0].serviceProxy.mode = "assist"'
	pods_up i net ia ib
	for family in 4 6; do
		echo "web sctp $([ $family = 4 ] && echo $VIP4 || echo $VIP6) 80 $(pod_ip ib $family),8080"
	done | kube_iptables i
	service default/web $VIP4,$VIP6 SCTP:80:8080 "$(pod_ip nb 4),$(pod_ip nb 6)" |
		jq '.items[0].spec.type = "NodePort" | .items[0].spec.ports[0].nodePort = 30080' | put_list
	for at in nb ib; do
		sctp_serve $at "$(pod_ip $at 4)"
		sctp_serve $at "$(pod_ip $at 6)"
	done
	agent_start --service-proxy node
}

# bats 1.8 cannot skip in setup_file, so each test does.
setup() {
	[ -d /proc/sys/net/sctp ] || modprobe sctp 2>/dev/null || skip "this kernel has no SCTP"
}

teardown_file() {
	suite_end take_down
}

take_down() {
	# shellcheck disable=SC2046 # several words
	kill $(<"$NBT_DIR/servers")
	pods_down i net ia ib
	kube_gone i
	node_end "na nb"
}

# sctp_serve NS ADDRESS
sctp_serve() {
	local id=$1-${2//:/.}
	ip netns exec "$(ns "$1")" /usr/bin/python3 "$NBT_ROOT/test/kernels/sctp.py" serve "$2" "$1" >"$NBT_DIR/sctp-$id" 2>&1 3>&- &
	echo $! >>"$NBT_DIR/servers"
	disown
	wait_for 20 grep -q ready "$NBT_DIR/sctp-$id"
}

# talks NS SOURCE ADDRESS PORT SERVER PEER: that server answers, sees PEER, and the client sees ADDRESS.
talks() {
	run ip netns exec "$(ns "$1")" /usr/bin/python3 "$NBT_ROOT/test/kernels/sctp.py" ask "$2" "$3" "$4"
	[ "$output" = "$5 $6 $3" ] || fail "$1 to $3: $output"
}

# offload NS on|off: who computes the checksum of what it sends.
offload() {
	ns_exec "$1" ethtool -K eth0 tx-checksum-sctp "$2" >/dev/null
}

@test "A26: pods, modes ebpf and assist" {
	local node how
	for how in on off; do
		for node in n i; do
			offload ${node}a $how
			offload ${node}b $how
			talks ${node}a "$(pod_ip ${node}a 4)" $VIP4 80 ${node}b "$(pod_ip ${node}a 4)"
			talks ${node}a "$(pod_ip ${node}a 6)" $VIP6 80 ${node}b "$(pod_ip ${node}a 6)"
		done
	done
}

@test "A26: the node itself, and clients outside, through the host and past it" {
	local how
	for how in on off; do
		offload nb $how
		offload outer $how
		talks n "$HERE4" $VIP4 80 nb 10.244.0.1
		talks outer $CLIENT4 "$HERE4" 30080 nb $CLIENT4
		talks outer $CLIENT6 "$HERE6" 30080 nb $CLIENT6
	done
	agent_stop
	agent_start --service-proxy node --fast-path true
	for how in on off; do
		offload nb $how
		offload outer $how
		talks outer $CLIENT4 "$HERE4" 30080 nb $CLIENT4
		talks outer $CLIENT6 "$HERE6" 30080 nb $CLIENT6
	done
}
