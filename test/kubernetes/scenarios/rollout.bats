#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Deployments that change under load: no request fails.

load ../scenario

setup_file() {
	scenario_begin 400
	app_create web 2
	load_begin web
}

teardown_file() {
	scenario_end
}

@test "scaled up and down under load: no request fails" {
	load_mark
	for replicas in 8 3 10 1 2; do
		run -0 app_scale web $replicas
		run -0 app_ready web
	done
	wait_for 60 app_gone web 2
	load_assert 200
}

@test "three rolling restarts under load: no request fails" {
	load_mark
	for _ in 1 2 3; do
		run -0 kn rollout restart deployment web
		run -0 app_ready web
	done
	wait_for 60 app_gone web 2
	load_assert 200
}

@test "after that every node reaches all of the pods, and no other" {
	for n in $(nodes); do
		wait_for 60 app_reached_by "load-$n" web
	done
}

# The scenarios above are worth something only if this is seen.
@test "scaled to none: the load notices" {
	load_mark
	run -0 app_scale web 0
	wait_for 60 load_noticed
}

load_noticed() {
	[ "$(load_failed | cut -d : -f 1 | sort -u | wc -l)" = "$(nodes | wc -l)" ]
}
