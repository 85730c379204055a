#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What follows the API server (natbridge-agent, else kube-proxy) misses changes and cannot watch from where it was: 410. It lists
# again, and takes up what was added, changed and deleted meanwhile.

load ../scenario

setup_file() {
	[ "$AGENT" != daemonset ] || return 0
	scenario_begin 300
	app_create web 2
	app_create gone 1
	for n in $(nodes); do
		client_create "client-$n" "$n"
	done
}

# It is stopped for longer than the kubelet waits for an answer.
setup() {
	[ "$AGENT" != daemonset ] || skip "the kubelet restarts an agent that is stopped"
}

teardown_file() {
	local n
	[ "$AGENT" != daemonset ] || return 0
	for n in $(nodes); do
		inside_signal "$n" "$(follower)" CONT
	done
	scenario_end
}

services_version() {
	k get --raw "/api/v1/services?limit=1" | jq -r .metadata.resourceVersion
}

followers_signal() {
	local n
	for n in $(nodes); do
		inside_signal "$n" "$(follower)" "$1"
	done
}

# unreached CLIENT URL: it is not answered.
unreached() {
	! client_exec "$1" curl -gsSf --max-time 2 "$2" >/dev/null 2>&1
}

@test "stopped, three changes, etcd compacted, API server restarted: a watch from before is answered by 410" {
	for n in $(nodes); do
		wait_for 60 app_reached_by "client-$n" gone
	done
	app_urls gone >"$BATS_FILE_TMPDIR/gone"
	version=$(services_version)
	followers_signal STOP
	run -0 app_scale web 5
	run -0 app_ready web
	run -0 kn delete service gone
	app_create added 1
	run -0 control_compact "$CLUSTER-1"
	run -0 daemon_end kube-apiserver
	control_apiserver "$CLUSTER-1" "$(node_ip 1)"
	wait_for 120 control_ready "$CLUSTER-1"
	run k get --raw "/api/v1/services?watch=1&resourceVersion=$version&timeoutSeconds=2"
	[[ $output = *"too old resource version"* ]] || fail "$output"
}

@test "meanwhile the nodes serve what they knew" {
	for n in $(nodes); do
		for url in $(<"$BATS_FILE_TMPDIR/gone"); do
			run -0 client_exec "client-$n" curl -gsSf --max-time 5 "$url"
		done
	done
}

@test "it goes on: the added and the changed Service are followed, the deleted one is gone" {
	followers_signal CONT
	for n in $(nodes); do
		wait_for 120 app_reached_by "client-$n" web
		wait_for 60 app_reached_by "client-$n" added
		for url in $(<"$BATS_FILE_TMPDIR/gone"); do
			wait_for 60 unreached "client-$n" "$url"
		done
	done
}
