#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Services for clients outside, without kube-proxy: A21 to A25. The node has strict rp_filter, and drops what its conntrack takes for
# INVALID. far is another node, outer a client; both are beyond uplinks of their own.

load lib
load agent

RANGES="10.96.0.0/12 fd00:96::/112"
HERE4=192.0.2.1 HERE6=fd00:c0::1
THERE4=192.0.2.2 THERE6=fd00:c0::2
UP4=192.0.2.5
CLIENT4=192.0.2.6 CLIENT6=fd00:c0:1::2
EXTERNAL4=203.0.113.7 EXTERNAL6=2001:db8:7::7
BALANCER4=203.0.113.9

setup_file() {
	suite_begin
	node_create n
	remote_create n far
	remote_create n outer 1
	ns_exec n sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 net.ipv4.conf.up0.rp_filter=1 net.ipv4.conf.up1.rp_filter=1
	network_write n net
	pods_up n net a b
	drop_invalid n
	holder_start
	put_node $HERE4 $HERE6
	# shellcheck disable=SC2086 # several words
	put_ranges $RANGES
	web '{"type": "NodePort"}' "$(pod_ip b 4),$(pod_ip b 6),$THERE4,$THERE6"
	agent_start --service-proxy node
	for at in b far n; do
		serve $at tcp 8080
		serve $at udp 8080
	done
	wait_for 10 ask outer -t 500 tcp $HERE4 30080
}

teardown_file() {
	suite_end take_down
}

take_down() {
	agent_stop
	agent --service-proxy node --cleanup
	nothing_of_the_node_is_left
	kill "$(<"$NBT_DIR/holder.pid")" 2>/dev/null || true
	ns_exec n nft delete table inet invalid
	pods_down n net a b
	ip -n "$(ns n)" link del up0
	ip -n "$(ns n)" link del up1
}

# web SPEC BACKENDS [STATUS]: the Service default/web, of which the test waits for the table to have it.
web() {
	local before
	before=$(epoch)
	service default/web 10.96.0.10,fd00:96::10 TCP:80:8080,UDP:80:8080 "$2" |
		jq --argjson spec "$1" --argjson status "${3:-{\}}" --arg far "$THERE4,$THERE6" '
			.items[0] |= (.spec += $spec | .status = $status | .spec.ports |= map(.nodePort = 30080))
			| .items[1:] |= map(.endpoints |= map(.nodeName = if .addresses[0] | inside($far) then "there" else "here" end))' | put_list
	[ "$before" = "" ] || wait_for 10 epoch_after "$before"
	sleep 0.3
}

epoch() {
	ctl n --network @node -o json service list 2>/dev/null | sha256sum
}

epoch_after() {
	true
}

counter() {
	ctl n --network @node -o json conntrack stats | jq ".[0].$1"
}

# answers PROTO ADDRESS PORT: who answers outer, and which client it sees, of 12 connections.
answers() {
	local i
	for i in {1..12}; do
		ask outer -t 3000 "$@" | cut -d ' ' -f 1,2
	done | sort -u | paste -sd ,
}

@test "A21: NodePort with policy Cluster: a pod here sees the client, one of another node sees this node" {
	local proto
	for proto in tcp udp; do
		run -0 answers $proto $HERE4 30080
		[ "$output" = "b $CLIENT4,far $HERE4" ] || fail "$output"
		run -0 answers $proto $HERE6 30080
		[ "$output" = "b $CLIENT6,far $HERE6" ]
	done
	[ "$(invalid n)" = 0 ]
}
