#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# More connections than the table holds: what is established stays, and what is new still gets in. STORM_SECONDS and RACE_ROUNDS
# set how long.
# Runs alone: it takes all CPUs.

load lib

WEB=10.96.0.10 DNS=10.96.0.11
LOAD=$NBT_BUILD/test/netns/load
MILLION=1000000

setup_file() {
	suite_begin
	node_create n
	network_write n net
	pods_up n net a b c d flooder
	for pod in b c d; do
		serve $pod tcp 8080
		serve $pod udp 5353
	done
	services_apply n "$(service default/web $WEB TCP:80:8080,UDP:53:5353 "$(pod_ip b 4)")" \
		"$(service default/dns $DNS UDP:53:5353 "$(pod_ip b 4),$(pod_ip c 4),$(pod_ip d 4)")"
	# What is answered to the flooder stays half-open.
	ns_exec flooder nft 'add table inet mute; add chain inet mute input { type filter hook input priority 0; policy drop; }'
}

teardown_file() {
	suite_end pods_down n net a b c d flooder
}

setup() {
	ctl n conntrack flush >/dev/null
}

counter() {
	ctl n -o json conntrack stats | jq ".[0].$1"
}

# flood PROTOCOL PORT: a million first packets from one pod, while a hundred connections of another stand open: before and after,
# all of them work, and the flood was more than the table holds.
flood() {
	local alive=$NBT_DIR/alive talk early inserted
	mkfifo "$NBT_DIR/hold.in"
	ip netns exec "$(ns a)" "$LOAD" hold $WEB 80 100 <"$NBT_DIR/hold.in" >"$alive" 2>&1 3>&- &
	exec {talk}>"$NBT_DIR/hold.in"
	rm "$NBT_DIR/hold.in"
	wait_for 20 grep -qx '100 of 100' "$alive"
	early=$(counter early_drop) inserted=$(counter insert)
	run -0 ns_exec flooder "$LOAD" flood eth0 "$(node_exec n cat /sys/class/net/cni0/address)" "$1" 10.99.0.1 $WEB "$2" $MILLION
	[ "$output" = "$MILLION sent" ]
	[ $(($(counter insert) - inserted)) = $MILLION ]
	[ $(($(counter early_drop) - early)) -ge $((MILLION - $(ctl n -o json conntrack stats | jq '.[0].settings.max'))) ]
	[ "$(counter drop)" = 0 ]
	# Not even one was lost and taken up again.
	[ "$(ctl n conntrack list | grep -c 'ESTABLISHED src=.* \[ASSURED\]')" = 100 ]
	echo >&$talk
	wait_for 20 longer_than "$alive" 1
	exec {talk}>&-
	[ "$(<"$alive")" = $'100 of 100\n100 of 100' ] || fail "$(<"$alive")"
	# A new connection still gets in.
	run -0 ask a tcp $WEB 80
	run -0 ask a udp $WEB 53
}

@test "B24: a million half-open connections from one pod: no established one is lost" {
	flood tcp 80
}

@test "B24: a million UDP tuples from one pod: no established connection is lost" {
	flood udp 53
}

@test "B24: the same with a table of 4,096 connections" {
	ctl n conntrack set max=4096 >/dev/null
	flood tcp 80
	flood udp 53
}

@test "B24: a storm of short connections through a table of 4,096: none fails" {
	ctl n conntrack set max=4096 >/dev/null
	local inserted
	inserted=$(counter insert)
	run -0 --separate-stderr ns_exec a "$LOAD" storm $WEB 80 "${STORM_SECONDS:-5}" 4
	# shellcheck disable=SC2154 # set by run
	[[ $output = *" connections, 0 failed" ]] || fail "$output" "$stderr"
	echo "# $output" >&3
	[ $(($(counter insert) - inserted)) -gt $((2 * 4096)) ]
	[ "$(counter drop)" = 0 ]
}

@test "B4: eight threads with the first packets of one connection, three backends: each is answered once, by one of them" {
	ctl n conntrack set max=131072 >/dev/null
	run -0 ns_exec a "$NBT_BUILD/test/netns/race" 8 "${RACE_ROUNDS:-2000}" $DNS 53
	[ "$output" = "${RACE_ROUNDS:-2000} rounds, 0 lost, 0 twice, 0 split" ] || fail "$output"
}
