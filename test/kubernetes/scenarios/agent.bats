#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The agents of all nodes are killed every second for a minute, while the app changes: no request fails.

load ../scenario

setup_file() {
	[ "$AGENT" != no ] || return 0
	scenario_begin 400
	app_create web 3
	load_begin web
}

setup() {
	[ "$AGENT" != no ] || skip "$CONFIGURATION runs no agent"
}

teardown_file() {
	[ "$AGENT" != no ] || return 0
	agents_start
	scenario_end
}

agents_kill() {
	local n
	for n in $(nodes); do
		agent_kill "$n"
	done
}

@test "agents killed every second for a minute, three rolling restarts: no request fails" {
	load_mark
	run -0 kn rollout restart deployment web
	for second in {1..60}; do
		agents_kill
		[ $((second % 20)) != 0 ] || run -0 kn rollout restart deployment web
		sleep 1 # the rate of the kills, not a condition
	done
	run -0 app_ready web
	wait_for 60 app_gone web 3
	load_assert 500
}

@test "after that every node reaches all of the pods, and no other" {
	for n in $(nodes); do
		wait_for 60 app_reached_by "load-$n" web
	done
}
