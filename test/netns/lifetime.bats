#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# States of connections and how long each is kept.

load lib

ONE4=10.96.0.11
MUTE4=10.96.0.14

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].serviceProxy.conntrack.timeouts = {udp: 12, tcp_close_wait: 55}'
	pods_up n net a b d
	serve b tcp 8080
	serve b udp 5353
	services_apply n "$(service default/one $ONE4 TCP:80:8080,UDP:53:5353 "$(pod_ip b 4)")" \
		"$(service default/mute $MUTE4 TCP:80:8080,UDP:53:5353 "$(pod_ip d 4)")"
	# Pod d swallows everything.
	ns_exec d nft 'add table inet mute; add chain inet mute input { type filter hook input priority 0; policy drop; }'
}

teardown_file() {
	suite_end pods_down n net a b d
}

# listed WORD...: the connections whose line holds each of these words.
listed() {
	local lines word
	lines=$(ctl n --network net conntrack list)
	for word in "$@"; do
		lines=$(grep -F -- "$word" <<<"$lines" || true)
	done
	printf '%s' "$lines"
}

# remaining WORD...: seconds that the one connection with these words has left.
remaining() {
	listed "$@" | awk '{ print $3 }'
}

between() {
	[[ $1 -ge $2 && $1 -le $3 ]] || fail "$1 is not between $2 and $3"
}

@test "B8: TCP states and their timeouts are the kernel's" {
	talk_open tcp a -p 6001 tcp $ONE4 80
	talk_say tcp one
	[[ "$(listed dst=$ONE4 sport=6001)" = *ESTABLISHED*ASSURED* ]] || fail "$(listed)"
	between "$(remaining dst=$ONE4 sport=6001)" 431990 432000
	talk_close tcp
	wait_for 30 state_is TIME_WAIT 6001
	between "$(remaining dst=$ONE4 sport=6001)" 110 120
	run -1 ask a -p 6002 -t 200 tcp $MUTE4 80
	[[ "$(listed dst=$MUTE4 sport=6002)" = *SYN_SENT*UNREPLIED* ]] || fail "$(listed)"
	between "$(remaining dst=$MUTE4 sport=6002)" 115 120
}

state_is() {
	[[ "$(listed "sport=$2")" = *" $1 "* ]]
}

@test "B8: UDP is kept for as long as the network config says, and expired connections are not listed" {
	run -1 ask a -p 6003 -t 100 udp $MUTE4 53
	between "$(remaining dst=$MUTE4 sport=6003)" 2 12
	[[ "$(listed sport=6003)" = *UNREPLIED* ]]
	wait_for 40 gone 6003
}

gone() {
	[ -z "$(listed "sport=$1")" ]
}

@test "B8: a UDP connection that is answered and older than 2 s is kept 120 s" {
	local since=${EPOCHREALTIME/./}
	talk_open udp a -p 6004 udp $ONE4 53
	talk_say udp one
	between "$(remaining dst=$ONE4 sport=6004)" 2 12
	wait_for 20 stream_after_datagram
	between "$(remaining dst=$ONE4 sport=6004)" 115 120
	# by a packet after its first 2 s, of which a tick may be missing
	between "$((${EPOCHREALTIME/./} - since))" 1800000 20000000
	talk_close udp
}

stream_after_datagram() {
	talk_say udp again && [[ "$(listed sport=6004)" = *ASSURED* ]]
}
