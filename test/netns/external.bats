#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Services at other addresses than their ClusterIP, and by other policies, as pods meet them: A13, A17 to A19. The node is "here"; its
# addresses are those of its uplink, behind which a backend of another node is.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10
HERE4=192.0.2.1 HERE6=fd00:c0:0::1
THERE4=192.0.2.2 THERE6=fd00:c0:0::2

setup_file() {
	suite_begin
	node_create n
	remote_create n far
	network_write n net
	pods_up n net a b
	serve b tcp 8080
	serve b udp 8080
	serve far tcp 8080
	serve n tcp 9000
	serve n udp 9000
}

teardown_file() {
	suite_end take_down
}

take_down() {
	pods_down n net a b
	ip -n "$(ns n)" link del up0
}

# apply SPEC [STATUS [BACKENDS]]: default/web with that added to spec and status; backends are "b", "far" or both.
apply() {
	local node backends=${3:-b far}
	node=$(jq -n --arg v4 $HERE4 --arg v6 $HERE6 '{apiVersion: "v1", kind: "Node", metadata: {name: "here"},
		status: {addresses: [{type: "InternalIP", address: $v4}, {type: "InternalIP", address: $v6}]}}')
	service default/web $VIP4,$VIP6 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$(pod_ip b 6),$THERE4,$THERE6" |
		jq --argjson node "$node" --argjson spec "$1" --argjson status "${2:-{\}}" --arg b "$(pod_ip b 4),$(pod_ip b 6)" \
			--arg backends "$backends" '
			def place: if .addresses[0] | inside($b) then "here" else "there" end;
			def wanted: if place == "here" then "b" else "far" end | inside($backends);
			.items[0] |= (.spec += $spec | .status = $status
				| if .spec.nodePort then .spec.ports |= map(.nodePort = 30080) else . end)
			| .items[1:] |= map(.endpoints |= map(select(wanted) | .nodeName = place))
			| .items += [$node]' | ctl n service apply --node here -f -
}

counter() {
	ctl n -o json conntrack stats | jq ".[0].$1"
}

@test "A18: a NodePort of the own node, whatever externalTrafficPolicy says; the client's address is kept" {
	local policy family here client
	for policy in Cluster Local; do
		apply '{"type": "NodePort", "nodePort": true, "externalTrafficPolicy": "'$policy'"}' '{}' b >&2
		for family in 4 6; do
			here=HERE$family client=$(pod_ip a $family)
			run -0 ask a tcp "${!here}" 30080
			assert_answer b "$client"
			run -0 ask a udp "${!here}" 30080
			assert_answer b "$client"
		done
	done
}

@test "A18: a backend on another node, by the node's own NodePort" {
	apply '{"type": "NodePort", "nodePort": true}' '{}' far >&2
	run -0 ask a tcp $HERE4 30080
	assert_answer far "$(pod_ip a 4)"
	run -0 ask a tcp $HERE6 30080
	assert_answer far "$(pod_ip a 6)"
}

@test "A17, A19: an external address that the node has; its other ports are the node's" {
	run -0 --separate-stderr apply '{"externalIPs": ["'$HERE4'", "'$HERE6'"]}' '{}' b
	[[ $stderr = *"Service default/web: $HERE4 is an address of this host: the Service's ports of it go to the backends, not to the host"* ]] || fail "$stderr"
	local here
	for here in $HERE4 $HERE6; do
		run -0 ask a tcp "$here" 80
		[[ $output = b\ * ]]
		run -0 ask a tcp "$here" 9000
		[[ $output = n\ * ]]
		run -0 ask a udp "$here" 9000
		[[ $output = n\ * ]]
	done
	run -0 ns_exec a ping -n -c 1 -W 1 $HERE4
}

@test "A18: a load balancer's address, with source ranges that hold for pods" {
	local ingress='{"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"ip": "203.0.113.8", "ipMode": "Proxy"}]}}' before
	apply '{"type": "LoadBalancer"}' "$ingress" b >&2
	run -0 ask a tcp 203.0.113.7 80
	assert_answer b "$(pod_ip a 4)"
	apply '{"type": "LoadBalancer", "loadBalancerSourceRanges": ["198.51.100.0/24"]}' "$ingress" b >&2
	before=$(counter drop_source_range)
	run ! ask a udp 203.0.113.7 80
	[ "$(counter drop_source_range)" -gt "$before" ]
	run -0 ask a tcp $VIP4 80
	apply '{"type": "LoadBalancer", "loadBalancerSourceRanges": ["198.51.100.0/24", "'"$(pod_ip a 4)"'/32"]}' "$ingress" b >&2
	run -0 ask a udp 203.0.113.7 80
	[ "$(ctl n -o json service list | jq -c '[.[] | select(.kind == "LoadBalancer" and .protocol == "TCP") | .address, (.sourceRanges | sort)]')" = \
		"$(jq -nc --arg a "$(pod_ip a 4)/32" '["203.0.113.7", (["198.51.100.0/24", $a] | sort)]')" ]
}

@test "A13: internalTrafficPolicy Local: the node's own endpoints; none here: dropped and counted; none at all: rejected" {
	local before
	apply '{"internalTrafficPolicy": "Local"}' '{}' 'b far' >&2
	for _ in 1 2 3 4 5 6 7 8; do
		run -0 ask a tcp $VIP4 80
		assert_answer b "$(pod_ip a 4)"
	done
	apply '{"internalTrafficPolicy": "Local"}' '{}' far >&2
	before=$(counter drop_no_local_backend)
	run ! ask a udp $VIP6 80
	[ "$(counter drop_no_local_backend)" -gt "$before" ]
	apply '{"internalTrafficPolicy": "Local"}' '{}' none >&2
	before=$(counter drop_no_backend)
	run ! ask a tcp $VIP4 80
	[[ $output = *refused* ]] || fail "$output"
	[ "$(counter drop_no_backend)" -gt "$before" ]
}

@test "A23: what a pod answers to the node is no request to a NodePort" {
	apply '{"type": "NodePort", "nodePort": true}' '{}' far >&2
	local b4 b6
	b4=$(pod_ip b 4) b6=$(pod_ip b 6)
	run -0 ask n -p 30080 tcp "$b4" 8080
	[[ $output = b\ * ]]
	run -0 ask n -p 30080 udp "$b4" 8080
	[[ $output = b\ * ]]
	run -0 ask n -p 30080 udp "$b6" 8080
	[[ $output = b\ * ]]
}
