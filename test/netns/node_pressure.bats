#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The node's own table under a flood from outside: what is established stays, of pods, of the node and of clients outside.
# Runs alone: it takes all CPUs.

load lib
load agent
load node
load load

BALANCER4=203.0.113.9
VIP4=10.96.0.10
MILLION=1000000

setup_file() {
	suite_begin
	node_begin "a b" far outer flooder
	service default/web $VIP4 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$THERE4" | jq --arg far "$THERE4" '
		.items[0] |= (.spec += {type: "LoadBalancer"} | .spec.ports |= map(.nodePort = 30080) | .status.loadBalancer.ingress = [{ip: "'$BALANCER4'"}])
		| .items[1].endpoints |= map(.nodeName = if .addresses[0] == $far then "there" else "here" end)' | put_list
	node_serve b far
	agent_start --service-proxy node
	wait_for 10 ask n -t 500 tcp $VIP4 80
	wait_for 10 ask outer -t 500 tcp "$HERE4" 30080
	# The flooder's sources are beyond it, and what is answered to them is lost there.
	ip -n "$(ns n)" route add 10.99.0.0/16 via 192.0.2.10
	ns_exec flooder nft 'add table inet mute; add chain inet mute input { type filter hook prerouting priority 0; policy drop; }'
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

# hold NAME ADDRESS PORT: a hundred connections of it stand open, until held NAME finds all of them alive.
declare -gA TALK # -g: bats loads this file within a function
hold() {
	local fd
	mkfifo "$NBT_DIR/hold-$1.in"
	ip netns exec "$(ns "$1")" "$LOAD" hold "$2" "$3" 100 <"$NBT_DIR/hold-$1.in" >"$NBT_DIR/hold-$1" 2>&1 3>&- &
	exec {fd}>"$NBT_DIR/hold-$1.in"
	rm "$NBT_DIR/hold-$1.in"
	TALK[$1]=$fd
	wait_for 20 grep -qx '100 of 100' "$NBT_DIR/hold-$1"
}

held() {
	local fd=${TALK[$1]}
	echo >&"$fd"
	wait_for 20 longer_than "$NBT_DIR/hold-$1" 1
	exec {fd}>&-
	[ "$(<"$NBT_DIR/hold-$1")" = $'100 of 100\n100 of 100' ] || fail "$1: $(<"$NBT_DIR/hold-$1")"
}

# flood PROTOCOL ADDRESS PORT
flood() {
	local inserted name
	hold a $VIP4 80
	hold n $VIP4 80
	hold outer "$HERE4" 30080
	inserted=$(counter insert)
	run -0 ns_exec flooder "$LOAD" flood eth0 "$(node_exec n cat /sys/class/net/up2/address)" "$1" 10.99.0.1 "$2" "$3" $MILLION
	[ "$output" = "$MILLION sent" ]
	[ $(($(counter insert) - inserted)) -ge $MILLION ]
	[ "$(counter drop)" = 0 ]
	[ "$(counter drop_no_port)" = 0 ] # of the few source ports, those of unanswered connections give way
	for name in a n outer; do
		held $name
	done
	run -0 ask a tcp $VIP4 80
	run -0 ask n tcp $VIP4 80
	run -0 ask outer tcp "$HERE4" 30080
	wait_for 10 ask n -t 500 udp $VIP4 80 # while the servers' sockets are full, the kernel drops what comes
	wait_for 10 ask outer -t 500 udp "$HERE4" 30080
}

@test "B24: a million SYNs at a NodePort: no established connection of pods, of the node or of clients outside is lost" {
	flood tcp "$HERE4" 30080
}

@test "B24: a million datagrams with forged sources at a load balancer's address: the same" {
	flood udp $BALANCER4 80
}
