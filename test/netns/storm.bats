#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# B31: a storm of tagged datagrams and streams through two Services over a table of 64 connections (test/storm/storm.h). What the
# full table loses is no failure; a packet with anything of another connection is. NB_STORM_SECONDS: how long each variant lasts.
# Runs alone: it takes all CPUs.

load lib

ONE4=10.96.0.11 ONE6=fd00:96::11
TWO4=10.96.0.12 TWO6=fd00:96::12
TABLE=64
LASTS=${NB_STORM_SECONDS:-5}

setup_file() {
	[ "$(nproc)" -ge 2 ] || skip "there is one CPU only"
	suite_begin
	node_create n
	network_write n net
	node_exec n "$NBT_BUILD/test/netns/table" "$NBT_DIR/node-n/bpf" net $TABLE
	pods_up n net a b one1 one2 two1 two2
	bpf_note n # what the upgrades replace
	services one1,one2 two1,two2 >"$NBT_DIR/services-0"
	services one1 two1,two2 >"$NBT_DIR/services-1"
	services one1,one2 two2 >"$NBT_DIR/services-2"
	services one2 two1 >"$NBT_DIR/services-3"
	plan >"$NBT_DIR/plan"
}

setup() {
	ctl n conntrack flush >/dev/null
	ctl n service apply -f "$NBT_DIR/services-0" >/dev/null
}

teardown_file() {
	suite_end pods_down n net a b one1 one2 two1 two2
}

# addresses POD,POD: of both families.
addresses() {
	local pod list=()
	for pod in ${1//,/ }; do
		list+=("$(pod_ip "$pod" 4)" "$(pod_ip "$pod" 6)")
	done
	(IFS=, && echo "${list[*]}")
}

# services BACKENDS-OF-ONE BACKENDS-OF-TWO
services() {
	{
		service default/one $ONE4,$ONE6 TCP:80:8080,UDP:80:8080 "$(addresses "$1")"
		service default/two $TWO4,$TWO6 TCP:80:8080,UDP:80:8080 "$(addresses "$2")"
	} | jq -s '{apiVersion: "v1", kind: "List", items: (map(.items) | add)}'
}

# What test/storm/plan.c reads.
plan() {
	local pod
	echo "service $ONE4 $ONE6"
	echo "service $TWO4 $TWO6"
	for pod in a b; do
		echo "client $(place $pod)"
	done
	for pod in one1 one2; do
		echo "backend 0 $(place $pod)"
	done
	for pod in two1 two2; do
		echo "backend 1 $(place $pod)"
	done
}

place() {
	echo "$(ns_path "$1") $(pod_ip "$1" 4) $(pod_ip "$1" 6)"
}

# counted NAME: of the rows of COUNT_TABLE, or of conntrack stats.
counted() {
	awk -v name="$1" '$1 == name { print $2 }' "$NBT_DIR/storm.out"
}

counter() {
	ctl n -o json conntrack stats | jq ".[0].$1"
}

# at_least NUMBER NAME...: the sum of these is at least NUMBER in each second. Floors are a tenth of what two busy CPUs did, or less.
at_least() {
	local floor=$(($1 * LASTS)) sum=0 name
	shift
	for name in "$@"; do
		sum=$((sum + $(counted "$name")))
	done
	[ $sum -ge $floor ] || fail "$*: $sum, fewer than $floor: this was no storm"
}

none() {
	local name
	for name in "$@"; do
		[ "$(counted "$name")" = 0 ] || fail "$name: $(counted "$name"), expected none"
	done
}

# storm [COMMAND...]: a storm, meanwhile "COMMAND ROUND" again and again. Nothing was wrong, and it was a storm on both CPUs.
storm() {
	local pid round=0 status=0 client
	"$NBT_BUILD/test/storm" "$NBT_DIR/plan" "$LASTS" >"$NBT_DIR/storm.out" 2>"$NBT_DIR/storm.err" 3>&- &
	pid=$!
	while [ $# -gt 0 ] && kill -0 $pid 2>/dev/null; do
		"$@" $round || fail "round $round failed"
		round=$((round + 1))
	done
	wait $pid || status=$?
	echo "# $round rounds; $(xargs <"$NBT_DIR/storm.out")" >&3
	[ $status = 0 ] || fail "$(<"$NBT_DIR/storm.err")" "$(<"$NBT_DIR/storm.out")"
	for client in 0 1; do
		[ "$(awk -v client=$client '$1 " " $2 == "client " client { print $4 }' "$NBT_DIR/storm.out")" -ge $((1500 * LASTS)) ] ||
			fail "client $client, on its CPU, hardly sent anything"
	done
	at_least 2000 answered
	at_least 500 untranslated
	at_least 10000 frames
	at_least 100 segments
	[ $(($(counted unseen) * 100)) -le "$(counted frames)" ] || fail "$(counted unseen) frames were not seen"
	[ $# = 0 ] || [ $((round * 4)) -ge "$LASTS" ] || fail "$round rounds of $*"
}

@test "B31: a storm through a table of 64: nothing gets another connection's addresses, ports or data" {
	local inserted early dropped
	inserted=$(counter insert) early=$(counter early_drop)
	storm
	at_least 150 completed
	at_least 50 aborted
	# An established connection never gives way.
	none reset stalled
	# Each of the 64 places went from one connection to another, again and again.
	[ $(($(counter insert) - inserted)) -ge $((2000 * LASTS)) ]
	[ $(($(counter early_drop) - early)) -ge $((2000 * LASTS)) ]
	# Nothing was dropped for a reason that only another connection can have had.
	dropped=$(ctl n -o json conntrack stats | jq -c '.[0] | with_entries(select((.key | startswith("drop_")) and .key != "drop_invalid" and .value != 0))')
	[ "$dropped" = '{}' ] || fail "$dropped"
}

@test "B31: the same while the table is flushed" {
	storm flush
}

flush() {
	ctl n conntrack flush >/dev/null
}

@test "B31: the same while Services change their backends" {
	storm change
	at_least 50 completed
	none reset stalled
}

change() {
	ctl n service apply -f "$NBT_DIR/services-$(($1 % 4))" >/dev/null
}

@test "B31: the same while programs and map layout are replaced" {
	storm upgrade
	at_least 10 completed
	NATBRIDGECTL=$NBT_BUILD/natbridgectl ctl n upgrade
	[ "$(ctl n -o json conntrack stats | jq '.[0].settings.max')" = $TABLE ]
}

upgrade() {
	local to=(other/layout . other/next .)
	NATBRIDGECTL=$NBT_BUILD/${to[$1 % 4]}/natbridgectl ctl n upgrade >/dev/null
}
