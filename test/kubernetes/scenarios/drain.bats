#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A node is drained and comes back: clients on the other one see nothing of it.

load ../scenario

setup_file() {
	local urls
	scenario_begin 300
	app_create web 4
	mapfile -t urls < <(app_urls web)
	client_create load-1 1 "${urls[@]}"
	wait_for 60 load_requests load-1
}

teardown_file() {
	k uncordon node2
	scenario_end
}

pods_on() {
	kn get pods -l app=web -o json | jq --arg node "$1" '[.items[] | select(.spec.nodeName == $node and .metadata.deletionTimestamp == null)] | length'
}

@test "node 2 is drained under load: no request fails" {
	needs_nodes 2
	[ "$(pods_on node2)" -gt 0 ] || fail "no pod of the app was on node 2"
	load_mark
	run -0 k drain node2 --ignore-daemonsets --delete-emptydir-data --force --timeout=120s
	[ "$(pods_on node2)" = 0 ]
	run -0 app_ready web
	load_assert 200
}

@test "node 2 comes back and takes pods under load: no request fails" {
	needs_nodes 2
	load_mark
	run -0 k uncordon node2
	run -0 kn rollout restart deployment web
	run -0 app_ready web
	[ "$(pods_on node2)" -gt 0 ] || fail "no pod of the app is on node 2"
	load_assert 200
}

@test "from both nodes all pods of the app are reached" {
	needs_nodes 2
	client_create back 2
	wait_for 60 app_reached_by back web
	wait_for 60 app_reached_by load-1 web
}
