#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The API server is killed: what was there goes on, and what changes afterwards is followed.

load ../scenario

setup_file() {
	scenario_begin 300
	app_create web 2
	load_begin web
}

teardown_file() {
	server_up
	scenario_end
}

# Also for a test that failed in between.
server_up() {
	daemon_alive kube-apiserver || control_apiserver "$CLUSTER-1" "$(node_ip 1)"
	wait_for 120 control_ready "$CLUSTER-1"
}

@test "API server away for 20 seconds: no request fails" {
	load_mark
	run -0 daemon_end kube-apiserver
	run -1 control_ready "$CLUSTER-1"
	sleep 20 # how long it is away, not a condition
	server_up
	load_assert 200
}

@test "API server back: a scaled app is followed on every node" {
	run -0 app_scale web 5
	run -0 app_ready web
	for n in $(nodes); do
		wait_for 60 app_reached_by "load-$n" web
	done
}

@test "API server back: a new Service is followed on every node" {
	app_create other 2
	for n in $(nodes); do
		wait_for 60 app_reached_by "load-$n" other
	done
}
