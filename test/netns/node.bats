#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Services for the node's own processes, without kube-proxy: A20. The node has strict rp_filter, and drops what its conntrack takes for
# INVALID.

load lib
load agent
load node

SELF4=169.254.110.48 SELF6=fd6e:6230::1

setup_file() {
	suite_begin
	node_begin "a b" far
	node_is_strict
	put pod 10 "$(pod_ip b 4),$(pod_ip b 6)"
	put far 20 "$THERE4,$THERE6"
	put own 30 "$HERE4,$HERE6"
	put none 40
	agent_start --service-proxy node
	wait_for 10 has_route 10.96.0.0/12
	node_serve b far n
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

# put NAME N [BACKENDS]: the Service default/NAME at the Nth VIPs.
put() {
	service "default/$1" "10.96.0.$2,fd00:96::$2" TCP:80:8080,UDP:80:8080 "${3:-}" | put_list
}

has_route() {
	ip -n "$(ns n)" route show "$1" | grep -q "dev nb0 proto 110"
}

has_service() {
	ctl n --network @node -o json service list | jq -e --arg name "default/$1" 'any(.[]; .name == $name)' >/dev/null
}

# asked PROTO VIP NAME PEER: that server answers a process of the node, and sees that address.
asked() {
	run -0 ask n "$1" "$2" 80
	assert_answer "$3" "$4"
}

@test "A20: a process of the node reaches a pod, another node and the node itself; the source is that of the route's device" {
	local proto
	for proto in tcp udp; do
		asked $proto 10.96.0.10 b 10.244.0.1
		asked $proto fd00:96::10 b "$(ip -n "$(ns n)" -j -6 address show dev cni0 scope global | jq -r '.[0].addr_info[0].local')"
		asked $proto 10.96.0.20 far "$HERE4"
		asked $proto fd00:96::20 far "$HERE6"
		asked $proto 10.96.0.30 n $SELF4
		asked $proto fd00:96::30 n $SELF6
	done
	[ "$(invalid n)" = 0 ]
}

@test "No Service has anything for clients outside: no program is at the egress of devices, and lo is as it was" {
	[ "$(programs_at n up0)" = nb_device_in ]
	[ -z "$(programs_at n lo)" ]
	[ "$(ns_exec n cat /proc/sys/net/ipv4/conf/lo/accept_local)" = 0 ]
	service default/port 10.96.0.90 TCP:80:8080 "$(pod_ip b 4)" |
		jq '.items[0].spec += {type: "NodePort"} | .items[0].spec.ports[0].nodePort = 30090' | put_list
	wait_for 10 ask n -t 500 tcp "$HERE4" 30090
	programs_at n up0 | grep -qx nb_device_out
	remove /api/v1/services/default.port
}

@test "A20: without a backend it is refused at once; a free address of the range is dropped and counted; pings are answered" {
	local vip before
	for vip in 10.96.0.40 fd00:96::40; do
		run -1 ask n -t 3000 tcp $vip 80
		[[ $output == *refused* ]]
		run -1 ask n -t 3000 udp $vip 80
		[[ $output == *refused* ]]
	done
	run -1 ask n -t 3000 tcp 10.96.0.10 81
	[[ $output == *refused* ]]
	before=$(counter drop_no_vip)
	run -1 ask n -t 300 udp 10.96.77.77 53
	[ "$(counter drop_no_vip)" -gt "$before" ]
	run -0 ns_exec n ping -c 1 -W 5 10.96.0.10
	run -0 ns_exec n ping -c 1 -W 5 fd00:96::20
	[ "$(invalid n)" = 0 ]
}

@test "A20: no packet is lost while the kernel asks for a neighbour's link address" {
	local family name
	for family in 4 6; do
		for name in 10 20; do
			ip -n "$(ns n)" "-$family" neigh flush all
			run -0 ask n -t 900 udp "$([ $family = 4 ] && echo 10.96.0. || echo fd00:96::)$name" 80
		done
	done
}

# serve_sctp NAME...: answer INIT to port 8080, in both families. Ends with stop_sctp.
serve_sctp() {
	local at family
	for at in "$@"; do
		for family in 4 6; do
			: >"$NBT_DIR/sctp-$at-$family"
			ip netns exec "$(ns "$at")" /usr/bin/python3 "$NBT_ROOT/test/netns/sctp.py" serve 8080 $family >"$NBT_DIR/sctp-$at-$family" 2>&1 3>&- &
			SCTP_PIDS+=($!)
			wait_for 20 grep -q ready "$NBT_DIR/sctp-$at-$family"
		done
	done
}

stop_sctp() {
	kill "${SCTP_PIDS[@]}"
	wait "${SCTP_PIDS[@]}" 2>/dev/null || true
}

# asked_sctp NS VIP SOURCE-PORT SEEN: INIT is answered from the VIP, and the backend has seen that address and port.
asked_sctp() {
	run -0 ns_exec "$1" /usr/bin/python3 "$NBT_ROOT/test/netns/sctp.py" ask "$2" 80 "$3"
	# shellcheck disable=SC2053 # a pattern
	[[ $output == $4 ]] || fail "$output"
}

@test "A26: SCTP of a process of the node, and of a pod; the checksums are right" {
	local SCTP_PIDS=() family vip gateway at name number backends
	for at in "assoc 60 $(pod_ip b 4),$(pod_ip b 6)" "assoc-far 61 $THERE4,$THERE6"; do
		read -r name number backends <<<"$at"
		service "default/$name" "10.96.0.$number,fd00:96::$number" SCTP:80:8080 "$backends" | put_list
		wait_for 5 has_service "$name"
	done
	serve_sctp b far
	gateway=$(ip -n "$(ns n)" -j -6 address show dev cni0 scope global | jq -r '.[0].addr_info[0].local')
	asked_sctp n 10.96.0.60 40001 "10.244.0.1 6[1-5][0-9][0-9][0-9]"
	asked_sctp n fd00:96::60 40001 "$gateway 6[1-5][0-9][0-9][0-9]"
	asked_sctp n 10.96.0.61 40001 "$HERE4 6[1-5][0-9][0-9][0-9]"
	asked_sctp n fd00:96::61 40001 "$HERE6 6[1-5][0-9][0-9][0-9]"
	for vip in 10.96.0.60 fd00:96::60 10.96.0.61 fd00:96::61; do
		[[ $vip = *:* ]] && family=6 || family=4
		asked_sctp a $vip 40002 "$(pod_ip a "$family") 40002"
	done
	run -0 ctl n --network @node conntrack list
	[ "$(grep -c '^sctp  *132 [0-9]* COOKIE_WAIT ' <<<"$output")" = 4 ] || fail "$output"
	stop_sctp
	[ "$(invalid n)" = 0 ]
}

@test "A20: datagrams larger than the MTU, in fragments, in both directions" {
	local vip text
	text=$(head -c 1900 /dev/zero | tr '\0' x)
	for vip in 10.96.0.10 fd00:96::10 10.96.0.20 fd00:96::20 10.96.0.30 fd00:96::30; do
		run -0 ask n -m "$text" udp $vip 80
		[[ $output == *"$text" ]]
	done
	[ "$(invalid n)" = 0 ]
}

@test "A20: each connection has a source port of natbridge's own, so that a direct one to the same backend goes on beside it (B32)" {
	local name
	for name in 4 6; do
		talk_open direct$name n -p 40077 tcp "$(pod_ip b $name)" 8080
		talk_say direct$name one
		talk_open service$name n -p 40078 tcp "$([ $name = 4 ] && echo 10.96.0.10 || echo fd00:96::10)" 80
		talk_say service$name two
		[ "$(cut -d ' ' -f 3 <<<"$output")" -ge 61000 ]
		talk_say direct$name three
		[[ $output == *" 40077 "*three ]]
	done
}

@test "A10, A11, A20: once its backend is gone, UDP goes to another one at once, and TCP is reset" {
	put two 50 "$(pod_ip b 4),$THERE4"
	wait_for 5 ask n -t 500 tcp 10.96.0.50 80
	local i seen=""
	for i in {1..16}; do # all with one of the two backends: once in 32768 times
		talk_open "udp$i" n udp 10.96.0.50 80
		talk_say "udp$i" one
		talk_open "tcp$i" n tcp 10.96.0.50 80
		talk_say "tcp$i" one
	done
	put two 50 "$(pod_ip b 4)"
	wait_for 5 backends_are "$(pod_ip b 4)"
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

@test "A11, A20: TCP to a pod of this node that no slice lists any more goes on until the pod is gone" {
	pods_up n net c
	serve c tcp 8080
	put two 50 "$(pod_ip c 4)"
	wait_for 5 ask n -t 500 tcp 10.96.0.50 80
	talk_open goes_on n tcp 10.96.0.50 80
	talk_say goes_on one
	put two 50 "$THERE4"
	wait_for 5 backends_are "$THERE4"
	talk_say goes_on two
	[[ $output == c*two ]] || fail "$output"
	pods_down n net c
	put two 50 "$(pod_ip b 4)" # a packet looks at its backend after a change of Services
	wait_for 5 backends_are "$(pod_ip b 4)"
	talk_say goes_on three
	[[ $output == *reset* ]] || fail "$output"
}

backends_are() {
	[ "$(ctl n --network @node -o json service list | jq -r '[.[] | select(.name == "default/two" and (.address | contains(".")) and .protocol == "TCP")
		| .backends[] | select(.draining | not) | .address] | join(",")')" = "$1" ]
}

@test "A7, A20: sessionAffinity ClientIP holds for the node's processes" {
	local i first
	service default/sticky 10.96.0.60 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$THERE4" |
		jq '.items[0].spec.sessionAffinity = "ClientIP"' | put_list
	wait_for 5 ask n -t 500 tcp 10.96.0.60 80
	run -0 ask n tcp 10.96.0.60 80
	first=${output%% *}
	for i in 1 2 3 4 5 6 7 8; do
		run -0 ask n tcp 10.96.0.60 80
		[ "${output%% *}" = "$first" ]
		run -0 ask n udp 10.96.0.60 80
	done
}

@test "A20: a container of another bridge, which the node masquerades or not, reaches Services" {
	ns_create dock
	ip -n "$(ns n)" link add docker0 type bridge
	ip -n "$(ns n)" link set docker0 up
	ip -n "$(ns n)" address add 172.18.0.1/16 dev docker0
	ip link add vdock netns "$(ns n)" type veth peer name eth0 netns "$(ns dock)"
	ip -n "$(ns n)" link set vdock master docker0 up
	ip -n "$(ns dock)" address add 172.18.0.2/16 dev eth0
	ip -n "$(ns dock)" link set eth0 up
	ip -n "$(ns dock)" route add default via 172.18.0.1
	run -0 ask dock tcp 10.96.0.10 80
	assert_answer b 10.244.0.1
	run -0 ask dock udp 10.96.0.20 80
	assert_answer far "$HERE4"
	run -0 ask dock tcp 10.96.0.30 80
	assert_answer n $SELF4
	ns_exec n nft 'add table ip masq; add chain ip masq post { type nat hook postrouting priority 100; }; add rule ip masq post ip saddr 172.18.0.0/16 oifname != "docker0" masquerade'
	run -0 ask dock tcp 10.96.0.10 80
	assert_answer b 10.244.0.1
	run -0 ask dock udp 10.96.0.30 80
	assert_answer n $SELF4
	ns_exec n nft delete table ip masq
	ns_delete dock
	ip -n "$(ns n)" link del docker0
	[ "$(invalid n)" = 0 ]
}

@test "B15, A20: ICMP errors about the node's connections reach its sockets: a closed port" {
	service default/closed 10.96.0.70,fd00:96::70 UDP:80:8099 "$THERE4,$THERE6" | put_list
	wait_for 5 has_service closed
	run -1 ask n -t 3000 udp 10.96.0.70 80
	[[ $output == *refused* ]]
	run -1 ask n -t 3000 udp fd00:96::70 80
	[[ $output == *refused* ]]
	[ "$(invalid n)" = 0 ]
}

@test "D1: with the agent dead all goes on; nb0 that somebody deleted comes back with it, a flapping and renamed uplink is followed" {
	agent_stop -KILL
	asked tcp 10.96.0.10 b 10.244.0.1
	asked udp fd00:96::20 far "$HERE6"
	agent_start --service-proxy node
	ip -n "$(ns n)" link del nb0
	wait_for 10 has_route 10.96.0.0/12
	asked tcp 10.96.0.10 b 10.244.0.1
	asked udp fd00:96::30 n $SELF6
	ip -n "$(ns n)" link set up0 down
	ip -n "$(ns n)" link set up0 name up9
	ip -n "$(ns n)" link set up9 up
	ip -n "$(ns n)" address add "$HERE6/64" dev up9 nodad # which the kernel takes away from a link that goes down
	wait_for 10 ask n -t 500 udp fd00:96::20 80
	asked tcp 10.96.0.20 far "$HERE4"
	ip -n "$(ns n)" address add 192.0.2.61/30 dev up9
	ip -n "$(ns n)" address del "$HERE4/30" dev up9
	ip -n "$(ns n)" address add "$HERE4/30" dev up9
	ip -n "$(ns n)" address del 192.0.2.61/30 dev up9
	wait_for 10 ask n -t 500 tcp 10.96.0.20 80
	ip -n "$(ns n)" link set up9 down
	ip -n "$(ns n)" link set up9 name up0
	ip -n "$(ns n)" link set up0 up
	ip -n "$(ns n)" address add "$HERE6/64" dev up0 nodad
	wait_for 10 ask n -t 500 udp fd00:96::20 80
	[ "$(invalid n)" = 0 ]
}

@test "A reboot: with bpffs, nb0 and programs gone, an agent makes all of it anew" {
	agent_stop
	ip -n "$(ns n)" link del nb0
	rm -rf "$NBT_DIR/node-n/bpf/natbridge/@node"
	ns_exec n sysctl -qw net.ipv4.conf.lo.accept_local=0
	run -0 agent --service-proxy node --once
	has_route 10.96.0.0/12
	asked tcp 10.96.0.10 b 10.244.0.1
	agent_start --service-proxy node
}

@test "B32: the agent says if the node itself may take source ports of natbridge's, until they are reserved" {
	local warning="add them to net.ipv4.ip_local_reserved_ports"
	agent_stop
	ns_exec n sysctl -qw net.ipv4.ip_local_port_range="1024 65535"
	agent_start --service-proxy node
	grep -q "$warning.*61000-65535" "$NBT_DIR/agent.log" || fail "$(<"$NBT_DIR/agent.log")"
	agent_stop
	ns_exec n sysctl -qw net.ipv4.ip_local_reserved_ports=61000-65535
	agent_start --service-proxy node
	run ! grep -q "$warning" "$NBT_DIR/agent.log"
	ns_exec n sysctl -qw net.ipv4.ip_local_port_range="32768 60999" net.ipv4.ip_local_reserved_ports=
}

@test "A route of somebody else to a service range stays, and is said" {
	ip -n "$(ns n)" route add 10.111.0.0/16 dev up0
	put_ranges 10.96.0.0/12 fd00:96::/112 10.111.0.0/16
	wait_for 10 grep -q "A route of somebody else.*10.111.0.0/16" "$NBT_DIR/agent.log"
	ip -n "$(ns n)" route show 10.111.0.0/16 | grep -q "dev up0"
	put_ranges 10.96.0.0/12 fd00:96::/112
	ip -n "$(ns n)" route del 10.111.0.0/16
}

@test "natbridgectl uninstall takes all of it away, and an agent makes it anew" {
	agent_stop
	run -0 ctl n --network @node uninstall --dry-run
	[[ $output == *"@node: would remove device nb0"* ]] || fail "$output"
	run -0 ctl n --network @node uninstall
	[[ $output == *"@node: removed device nb0"* && $output == *"removed pins"* ]] || fail "$output"
	nothing_of_the_node_is_left
	[ "$(ns_exec n cat /proc/sys/net/ipv4/conf/lo/accept_local)" = 0 ]
	agent_start --service-proxy node
	wait_for 10 has_route 10.96.0.0/12
	asked tcp 10.96.0.10 b 10.244.0.1
}
