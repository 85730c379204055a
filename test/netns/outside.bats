#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Services for clients outside, without kube-proxy: A21 to A25. The node has strict rp_filter, and drops what its conntrack takes for
# INVALID. far is another node, outer a client; both are beyond uplinks of their own. FAST_PATH: the agent's fastPath.
# Runs again with FAST_PATH=true.

load lib
load agent
load node

UP4=192.0.2.5
CLIENT4=192.0.2.6 CLIENT6=fd00:c0:1::2
EXTERNAL4=203.0.113.7 EXTERNAL6=2001:db8:7::7
BALANCER4=203.0.113.9

setup_file() {
	suite_begin
	node_begin "a b" far outer
	node_is_strict
	agent_start --service-proxy node --fast-path "${FAST_PATH:-false}"
	node_serve b far n
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

# web SPEC BACKENDS [STATUS]: the Service default/web; b is on this node, far on another one. Returns when the table has it.
web() {
	local list mark=m${EPOCHREALTIME/./} family
	for family in ipv4 ipv6; do
		remove /apis/discovery.k8s.io/v1/endpointslices/default.web-$family
	done
	list=$(service default/web 10.96.0.10,fd00:96::10 TCP:80:8080,UDP:80:8080 "$2" |
		jq --argjson spec "$1" --argjson status "${3:-{\}}" --arg far "$THERE4,$THERE6" --arg mark "$mark" '
			.items[0] |= (.spec += $spec | .status = $status | .spec.ports |= map(.nodePort = 30080))
			| .items[0].spec.ports += [{name: $mark, port: 9, protocol: "TCP"}]
			| .items[1:] |= map(.endpoints |= map(.nodeName = if .addresses[0] | inside($far) then "there" else "here" end))')
	jq '.items |= (.[1:] + .[:1])' <<<"$list" | put_list # the Service last, so that its mark says that all is there
	wait_for 10 has_mark "$mark"
}

has_mark() {
	ctl n --network @node -o json service list | jq -e --arg mark "$1" 'any(.[]; .portName == $mark)' >/dev/null
}

# answers NS PROTO ADDRESS PORT: who answers, and which clients they see, of 14 connections.
answers() {
	local i name=$1
	shift
	for i in {1..14}; do
		ask "$name" -t 3000 "$@" | cut -d ' ' -f 1,2
	done | sort -u | paste -sd ,
}

# answered NS PROTO ADDRESS PORT ANSWERS
answered() {
	run -0 answers "${@:1:4}"
	[ "$output" = "$5" ] || fail "$1 to $3:$4 by $2: $output; expected $5"
}

BOTH() {
	echo "$(pod_ip b 4),$(pod_ip b 6),$THERE4,$THERE6"
}

@test "A21: NodePort, policy Cluster: a pod here sees the client, one of another node sees this node" {
	local proto
	web '{"type": "NodePort"}' "$(BOTH)"
	for proto in tcp udp; do
		answered outer $proto "$HERE4" 30080 "b $CLIENT4,far $HERE4"
		answered outer $proto "$HERE6" 30080 "b $CLIENT6,far $HERE6"
	done
	[ "$(invalid n)" = 0 ]
}

@test "A21: a backend that is this node itself, one behind the client's own uplink" {
	web '{"type": "NodePort"}' "$HERE4,$HERE6"
	answered outer tcp "$HERE4" 30080 "n $CLIENT4"
	answered outer udp "$HERE6" 30080 "n $CLIENT6"
	web '{"type": "NodePort"}' "$THERE4,$THERE6"
	answered far tcp "$HERE4" 30080 "far $HERE4" # the backend itself: without this node in between it would answer past it
	answered far udp "$HERE6" 30080 "far $HERE6"
	[ "$(invalid n)" = 0 ]
}

@test "A21: external addresses and those of load balancers, with source ranges for the latter; their other ports pass" {
	local before
	route_externals add
	web '{"type": "LoadBalancer", "externalIPs": ["'$EXTERNAL4'", "'$EXTERNAL6'"], "loadBalancerSourceRanges": ["'$CLIENT4'/32"]}' "$(BOTH)" \
		'{"loadBalancer": {"ingress": [{"ip": "'$BALANCER4'"}]}}'
	answered outer tcp $EXTERNAL4 80 "b $CLIENT4,far $HERE4"
	answered outer udp $EXTERNAL6 80 "b $CLIENT6,far $HERE6"
	answered outer tcp $BALANCER4 80 "b $CLIENT4,far $HERE4"
	before=$(counter drop_source_range)
	run -1 ask far -t 300 tcp $BALANCER4 80
	[ "$(counter drop_source_range)" -gt "$before" ]
	run -1 ask outer -t 500 tcp $EXTERNAL4 81 # no Service has it: the node has no route there
	[[ $output != *refused* ]]
	[ "$(invalid n)" = 0 ]
	route_externals del
}

# The node answers for them, as a router in front of it says.
route_externals() {
	local name
	for name in outer far; do
		ip -n "$(ns $name)" route "$1" $EXTERNAL4 via "$([ $name = outer ] && echo $UP4 || echo "$HERE4")"
		ip -n "$(ns $name)" route "$1" $BALANCER4 via "$([ $name = outer ] && echo $UP4 || echo "$HERE4")"
	done
	ip -n "$(ns outer)" -6 route "$1" $EXTERNAL6 via fd00:c0:1::1
}

@test "A22: policy Local: backends here alone, never another source; none here: dropped and counted; none at all: rejected" {
	local before address
	web '{"type": "NodePort", "externalTrafficPolicy": "Local"}' "$(BOTH)"
	answered outer tcp "$HERE4" 30080 "b $CLIENT4"
	answered outer udp "$HERE6" 30080 "b $CLIENT6"
	answered a tcp "$HERE4" 30080 "b $(pod_ip a 4),far $(pod_ip a 4)" # pods have the endpoints of all nodes
	web '{"type": "NodePort", "externalTrafficPolicy": "Local"}' "$THERE4,$THERE6"
	before=$(counter drop_no_local_backend)
	run -1 ask outer -t 300 tcp "$HERE4" 30080
	[[ $output != *refused* ]]
	run -1 ask outer -t 300 udp "$HERE6" 30080
	[[ $output != *refused* ]]
	[ "$(counter drop_no_local_backend)" -ge $((before + 2)) ]
	answered a tcp "$HERE4" 30080 "far $(pod_ip a 4)"
	web '{"type": "NodePort", "externalTrafficPolicy": "Local"}' ""
	for address in "$HERE4" "$HERE6"; do
		run -1 ask outer -t 3000 tcp "$address" 30080
		[[ $output == *refused* ]]
		run -1 ask outer -t 3000 udp "$address" 30080
		[[ $output == *refused* ]]
	done
	[ "$(invalid n)" = 0 ]
}

@test "A20: a process of the node to its own NodePort, to external addresses and to those of load balancers" {
	route_externals add
	ip -n "$(ns n)" route add default via $CLIENT4
	ip -n "$(ns n)" -6 route add default via $CLIENT6
	web '{"type": "LoadBalancer", "externalIPs": ["'$EXTERNAL4'", "'$EXTERNAL6'"], "externalTrafficPolicy": "Local"}' "$(BOTH)" \
		'{"loadBalancer": {"ingress": [{"ip": "'$BALANCER4'"}]}}'
	answered n tcp "$HERE4" 30080 "b 10.244.0.1,far $HERE4"
	answered n udp "$HERE4" 30080 "b 10.244.0.1,far $HERE4"
	answered n udp "$HERE6" 30080 "b $(bridge6),far $HERE6"
	answered n tcp $EXTERNAL4 80 "b 10.244.0.1,far $HERE4"
	answered n udp $EXTERNAL6 80 "b $(bridge6),far $HERE6"
	answered n tcp $BALANCER4 80 "b 10.244.0.1,far $HERE4"
	web '{"type": "LoadBalancer", "externalIPs": ["'$EXTERNAL4'"]}' "$HERE4,$HERE6"
	answered n tcp "$HERE4" 30080 "n 169.254.110.48"
	answered n udp "$HERE6" 30080 "n fd6e:6230::1"
	answered n tcp $EXTERNAL4 80 "n 169.254.110.48"
	web '{"type": "NodePort"}' ""
	run -1 ask n -t 3000 tcp "$HERE4" 30080
	[[ $output == *refused* ]]
	ip -n "$(ns n)" route del default
	ip -n "$(ns n)" -6 route del default
	route_externals del
	[ "$(invalid n)" = 0 ]
}

bridge6() {
	ip -n "$(ns n)" -j -6 address show dev cni0 scope global | jq -r '.[0].addr_info[0].local'
}

@test "A7: sessionAffinity ClientIP holds for clients outside" {
	local i first
	web '{"type": "NodePort", "sessionAffinity": "ClientIP"}' "$(BOTH)"
	run -0 ask outer tcp "$HERE4" 30080
	first=${output%% *}
	for i in {1..10}; do
		run -0 ask outer tcp "$HERE4" 30080
		[ "${output%% *}" = "$first" ]
	done
}

@test "A10, A11: a backend that is gone: UDP of clients outside goes to another one, TCP is reset" {
	local i seen=""
	web '{"type": "NodePort"}' "$(BOTH)"
	for i in {1..16}; do
		talk_open "udp$i" outer udp "$HERE4" 30080
		talk_say "udp$i" one
		talk_open "tcp$i" outer tcp "$HERE4" 30080
		talk_say "tcp$i" one
	done
	web '{"type": "NodePort"}' "$(pod_ip b 4),$(pod_ip b 6)"
	for i in {1..16}; do
		talk_say "udp$i" two
		[[ $output == b* ]] || fail "$i: $output"
		seen+=$(head -n 1 "$NBT_DIR/talk-tcp$i.out" | cut -d ' ' -f 1),
		talk_say "tcp$i" two
		if [[ $(head -n 1 "$NBT_DIR/talk-tcp$i.out") == far* ]]; then
			[[ $output == *reset* ]] || fail "$i: $output"
		else
			[[ $output == b* ]] || fail "$i: $output"
		fi
	done
	[[ $seen == *far,* && $seen == *b,* ]] || fail "$seen"
}

@test "A11: TCP of clients outside goes on to a pod of this node that no slice lists any more" {
	local family address=("$HERE4" "$HERE6")
	web '{"type": "NodePort"}' "$(pod_ip b 4),$(pod_ip b 6)"
	for family in 0 1; do
		talk_open goes_on$family outer tcp "${address[family]}" 30080
		talk_say goes_on$family one
	done
	web '{"type": "NodePort"}' "$THERE4,$THERE6"
	for family in 0 1; do
		talk_say goes_on$family two
		[[ $output == b*two ]] || fail "$output"
	done
	web '{"type": "NodePort"}' ""
	for family in 0 1; do
		talk_say goes_on$family three
		[[ $output == b*three ]] || fail "$output"
	done
}

@test "B5, B32: a direct connection of the client to the pod, with the source port of one to the NodePort: each has its own" {
	web '{"type": "NodePort"}' "$(pod_ip b 4),$(pod_ip b 6)"
	talk_open service outer -p 40100 tcp "$HERE4" 30080
	talk_say service one
	[[ $output == "b $CLIENT4 40100 "* ]] || fail "$output"
	talk_open direct outer -p 40100 tcp "$(pod_ip b 4)" 8080
	talk_say direct two
	[[ $output == "b $CLIENT4 "* && $output != "b $CLIENT4 40100 "* ]] || fail "$output"
	talk_say service three
	[[ $output == "b $CLIENT4 40100 "*three ]] || fail "$output"
}

@test "A23: a NodePort never captures an answer: the node's sockets and pods with that number as their source port" {
	web '{"type": "NodePort"}' "$(BOTH)"
	serve outer udp 7000
	serve outer tcp 7000
	run -0 ask n -p 30080 udp $CLIENT4 7000
	assert_answer outer $UP4
	run -0 ask n -p 30080 tcp $CLIENT4 7000
	assert_answer outer $UP4
	run -0 ask a -p 30080 udp $CLIENT4 7000
	assert_answer outer "$(pod_ip a 4)"
}

@test "Connections of clients outside go on while their uplink is down for a moment" {
	local name
	web '{"type": "NodePort"}' "$(pod_ip b 4),$(pod_ip b 6)"
	talk_open here outer tcp "$HERE4" 30080
	talk_say here one
	web '{"type": "NodePort"}' "$THERE4,$THERE6"
	talk_open there outer tcp "$HERE4" 30080
	talk_say there one
	web '{"type": "NodePort"}' "$(BOTH)"
	ip -n "$(ns n)" link set up1 down
	sleep 0.5 # what the agent sees
	ip -n "$(ns n)" link set up1 up
	ip -n "$(ns n)" address add fd00:c0:1::1/64 dev up1 nodad # which went with it
	for name in here there; do
		talk_say $name two
		[[ $output == *two ]] || fail "$name: $output"
	done
}

@test "A17: an external address that is the node's: its own connections with that port go on, new ones are the Service's" {
	serve n tcp 7022
	talk_open own outer tcp "$HERE4" 7022
	talk_say own one
	service default/taken 10.96.0.12 TCP:7022:8080 "$(pod_ip b 4)" | jq '.items[0].spec.externalIPs = ["'"$HERE4"'"]' | put_list
	wait_for 10 taken_by b
	talk_say own two
	[[ $output == n*two ]] || fail "$output"
	remove /api/v1/services/default.taken
	wait_for 10 taken_by n
}

taken_by() {
	[[ $(ask outer -t 500 tcp "$HERE4" 7022) == "$1 "* ]]
}

@test "A frame that is addressed to another host is none of the node's" {
	local before
	web '{"type": "NodePort"}' ""
	ip -n "$(ns outer)" neigh replace $UP4 lladdr 02:00:00:00:00:99 dev eth0
	ip -n "$(ns outer)" route add "$HERE4" via $UP4
	before=$(counter drop_no_backend)
	run -1 ask outer -t 300 tcp "$HERE4" 30080
	[[ $output != *refused* ]]
	[ "$(counter drop_no_backend)" = "$before" ]
	ip -n "$(ns outer)" route del "$HERE4"
	ip -n "$(ns outer)" neigh del $UP4 dev eth0
}

@test "A25: the node's address as an external one of a Service has a port before the NodePort of another Service" {
	web '{"type": "NodePort"}' "$(pod_ip b 4),$(pod_ip b 6)"
	service default/other 10.96.0.11 TCP:30080:8080 "$THERE4" |
		jq '.items[0].spec.externalIPs = ["'"$HERE4"'"] | .items[1].endpoints[].nodeName = "there"' | put_list
	wait_for 10 answers_are far
	answered outer tcp "$HERE4" 30080 "far $HERE4"
	answered outer udp "$HERE4" 30080 "b $CLIENT4" # the NodePort has other protocols
	answered n tcp "$HERE4" 30080 "far $HERE4"
	remove /api/v1/services/default.other
	wait_for 10 answers_are b
}

answers_are() {
	[[ $(ask outer -t 500 tcp "$HERE4" 30080) == "$1 "* ]]
}

@test "B16: datagrams of clients outside in fragments, in both directions, to both backends" {
	local text
	text=$(head -c 1900 /dev/zero | tr '\0' x)
	web '{"type": "NodePort"}' "$(BOTH)"
	for i in {1..8}; do
		run -0 ask outer -m "$text" udp "$HERE4" 30080
		[[ $output == *"$text" ]]
		run -0 ask outer -m "$text" udp "$HERE6" 30080
		[[ $output == *"$text" ]]
	done
	[ "$(invalid n)" = 0 ]
}
