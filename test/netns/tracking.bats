#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Connection tracking, where it takes real stacks: what is kept for a connection's life, and what makes way. Connections that would
# look the same to a backend (B5), that begin anew (B10) and addresses that change hands (B26) are test/bpf's and test/differential's.

load lib

WEB4=10.96.0.10 WEB6=fd00:96::10
ONE4=10.96.0.11 ONE6=fd00:96::11
TWO4=10.96.0.12 TWO6=fd00:96::12
NONE4=10.96.0.13
MUTE4=10.96.0.14

setup_file() {
	local pod
	suite_begin
	node_create n
	network_write n net '.plugins[0].serviceProxy.conntrack.max = 4096'
	pods_up n net a b c d
	for pod in b c; do
		serve $pod tcp 8080
		serve $pod udp 5353
	done
	services_apply n "$(service default/web $WEB4,$WEB6 TCP:80:8080,UDP:53:5353 "$(both b),$(both c)")" \
		"$(service default/one $ONE4,$ONE6 TCP:80:8080,UDP:53:5353 "$(both b)")" \
		"$(service default/two $TWO4,$TWO6 TCP:80:8080,UDP:53:5353 "$(both b)")" \
		"$(service default/mute $MUTE4 TCP:80:8080,UDP:53:5353 "$(pod_ip d 4)")" \
		"$(service default/none $NONE4 TCP:80:8080,UDP:53:5353 "$(pod_ip d 4)" | jq '.items |= [.[0]]')"
	# Pod d swallows everything.
	ns_exec d nft 'add table inet mute; add chain inet mute input { type filter hook input priority 0; policy drop; }'
}

teardown_file() {
	suite_end pods_down n net a b c d
}

setup() {
	ctl n conntrack flush >/dev/null
}

both() {
	echo "$(pod_ip "$1" 4),$(pod_ip "$1" 6)"
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

@test "B2: a live connection keeps its backend when the Service gets another one, a new one takes the new one" {
	local vip
	for vip in $TWO4 $TWO6; do
		talk_open tcp a tcp "$vip" 80
		talk_open udp a udp "$vip" 53
		talk_say tcp one
		[[ $output = "b "* ]]
		talk_say udp one
		[[ $output = "b "* ]]
		# Both are eligible, as while pods are replaced one by one.
		change_two "$(both b),$(both c)"
		for text in two three four; do
			talk_say tcp $text
			[[ $output = "b "*" $text" ]]
			talk_say udp $text
			[[ $output = "b "*" $text" ]]
		done
		change_two "$(both c)"
		run -0 ask a tcp "$vip" 80
		[[ $output = "c "* ]]
		talk_say tcp five
		[[ $output = "b "*" five" ]]
		talk_close tcp
		talk_close udp
		change_two "$(both b)"
	done
}

# change_two BACKENDS: applies the table with that Service changed.
change_two() {
	services_apply n "$(service default/web $WEB4,$WEB6 TCP:80:8080,UDP:53:5353 "$(both b),$(both c)")" \
		"$(service default/one $ONE4,$ONE6 TCP:80:8080,UDP:53:5353 "$(both b)")" \
		"$(service default/two $TWO4,$TWO6 TCP:80:8080,UDP:53:5353 "$1")" \
		"$(service default/mute $MUTE4 TCP:80:8080,UDP:53:5353 "$(pod_ip d 4)")" \
		"$(service default/none $NONE4 TCP:80:8080,UDP:53:5353 "$(pod_ip d 4)" | jq '.items |= [.[0]]')"
}

@test "B3: what is dropped leaves no entry" {
	run -1 ask a -t 200 udp $NONE4 53
	[ -z "$(listed "dst=$NONE4")" ]
	"$NBT_ROOT/test/netns/frames.py" make \
		"Ether(src='$(pod_mac a)', dst='02:00:00:00:00:77')/IP(src='$(pod_ip a 4)', dst='$ONE4')/TCP(sport=4000, dport=80, flags='F')" \
		"Ether(src='$(pod_mac a)', dst='02:00:00:00:00:77')/IP(src='$(pod_ip a 4)', dst='$ONE4')/TCP(sport=4001, dport=80, flags='R')" \
		"Ether(src='$(pod_mac a)', dst='02:00:00:00:00:77')/IP(src='$(pod_ip a 4)', dst='$ONE4')/TCP(sport=4002, dport=80, flags='SA')" \
		"Ether(src='$(pod_mac a)', dst='02:00:00:00:00:77')/IP(src='$(pod_ip a 4)', dst='$ONE4')/TCP(sport=4003, dport=80, flags='')" |
		ns_exec a "$NBT_ROOT/test/netns/frames.py" send eth0
	[ -z "$(listed "dst=$ONE4")" ]
}

@test "B4: two CPUs with the first two packets of one connection: one backend, nothing lost" {
	local vip
	for vip in $WEB4 $WEB6; do
		run -0 ns_exec a "$NBT_BUILD/test/netns/race" 2 1000 "$vip" 53
		[ "$output" = "1000 rounds, 0 lost, 0 twice, 0 split" ] || fail "$output"
	done
}

@test "B23: an answer that another pod forges never reaches the client as one of the Service" {
	local dump=$NBT_DIR/forged port=6007
	talk_open udp a -p $port udp $ONE4 53
	talk_say udp one
	[[ $output = "b "* ]]
	capture a eth0 "$dump" udp
	"$NBT_ROOT/test/netns/frames.py" make \
		"Ether(src='$(pod_mac c)', dst='$(pod_mac a)')/IP(src='$(pod_ip b 4)', dst='$(pod_ip a 4)')/UDP(sport=5353, dport=$port)/b'forged'" \
		"Ether(src='$(pod_mac b)', dst='$(pod_mac a)')/IP(src='$(pod_ip b 4)', dst='$(pod_ip a 4)')/UDP(sport=5353, dport=$port)/b'forged'" |
		ns_exec c "$NBT_ROOT/test/netns/frames.py" send eth0
	talk_say udp two
	[[ $output = "b "*" two" ]]
	capture_end "$dump"
	assert_captured 1 "$dump" "src host $ONE4"
	talk_close udp
}

@test "B24: a flood of unanswered connections takes nothing from established ones" {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		talk_open "t$i" a -p "$((6100 + i))" tcp $ONE4 80
		talk_say "t$i" one
		[[ $output = "b "* ]]
	done
	ask a -t 0 -c 20000 udp $MUTE4 53
	for i in 1 2 3 4 5 6 7 8; do
		talk_say "t$i" two
		[[ $output = "b "*" $((6100 + i)) "*" two" ]] || fail "$output"
	done
	run -0 ask a -c 20 tcp $ONE4 80
}
