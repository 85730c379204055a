#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A storm of tagged datagrams and streams through two Services over a table of 64 connections: test/storm/storm.h. What the full
# table loses is no failure; a packet with anything of another connection is. NB_STORM_SECONDS: how long each variant lasts.
# Runs alone: it takes all CPUs.

load lib

ONE4=10.96.0.11 ONE6=fd00:96::11
TWO4=10.96.0.12 TWO6=fd00:96::12
TABLE=64
SECONDS_EACH=${NB_STORM_SECONDS:-5}

setup_file() {
	[ "$(nproc)" -ge 2 ] || skip "there is one CPU only"
	suite_begin
	node_create n
	network_write n net
	node_exec n "$NBT_BUILD/test/netns/table" "$NBT_DIR/node-n/bpf" net $TABLE
	pods_up n net a b one1 one2 two1 two2
	services one1,one2 two1,two2
	plan >"$NBT_DIR/plan"
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
	services_apply n "$(service default/one $ONE4,$ONE6 TCP:80:8080,UDP:80:8080 "$(addresses "$1")")" \
		"$(service default/two $TWO4,$TWO6 TCP:80:8080,UDP:80:8080 "$(addresses "$2")")"
}

plan() {
	local pod
	echo "service $ONE4 $ONE6"
	echo "service $TWO4 $TWO6"
	for pod in a b; do
		echo "client $(ns_path $pod) $(pod_ip $pod 4) $(pod_ip $pod 6)"
	done
	for pod in one1 one2; do
		echo "backend 0 $(ns_path $pod) $(pod_ip $pod 4) $(pod_ip $pod 6)"
	done
	for pod in two1 two2; do
		echo "backend 1 $(ns_path $pod) $(pod_ip $pod 4) $(pod_ip $pod 6)"
	done
}

counter() {
	ctl n -o json conntrack stats | jq ".[0].$1"
}

# counted NAME: by the storm.
counted() {
	awk -v name="$1" '$1 == name { print $2 }' "$NBT_DIR/storm.out"
}

# storm [COMMAND...]: a storm, meanwhile COMMAND again and again; at the end nothing was wrong.
storm() {
	local pid rounds=0 status=0
	"$NBT_BUILD/test/storm" "$NBT_DIR/plan" "$SECONDS_EACH" >"$NBT_DIR/storm.out" 2>"$NBT_DIR/storm.err" 3>&- &
	pid=$!
	while [ $# -gt 0 ] && kill -0 $pid 2>/dev/null; do
		"$@" || break
		rounds=$((rounds + 1))
	done
	wait $pid || status=$?
	echo "# $rounds rounds; $(xargs <"$NBT_DIR/storm.out")" >&3
	[ $status = 0 ] || fail "$(head -n 60 "$NBT_DIR/storm.err")"
}

@test "B31: a storm through a table of 64: nothing gets another connection's addresses, ports or data" {
	local inserted gave_way
	inserted=$(counter insert) gave_way=$(($(counter early_drop) + $(counter reclaimed)))
	storm
	ctl n -o json conntrack stats | jq -c '.[0] | with_entries(select(.value != 0))' >&3
	echo "# insert $(($(counter insert) - inserted)), gave way $(($(counter early_drop) + $(counter reclaimed) - gave_way)), drop $(counter drop)" >&3
}

@test "B31: the same while the table is flushed" {
	storm flush
}

flush() {
	ctl n conntrack flush >/dev/null
}

@test "B31: the same while Services change their backends" {
	storm change
}

change() {
	services one1 two1,two2
	services one1,one2 two2
	services one2 two1
}

@test "B31: the same while programs and map layout are replaced" {
	storm upgrade
}

upgrade() {
	local to
	for to in other/layout . other/next .; do
		NATBRIDGECTL=$NBT_BUILD/$to/natbridgectl ctl n upgrade >/dev/null
	done
}
