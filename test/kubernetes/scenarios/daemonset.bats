#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridge-agent as a DaemonSet, by the manifests of packaging/kubernetes: ready, rolled out again under load, without a right,
# deleted, cleaned up.

load ../scenario

setup_file() {
	[ "$AGENT" = daemonset ] || return 0
	scenario_begin 300
	app_create web 3
	load_begin web
}

setup() {
	[ "$AGENT" = daemonset ] || skip "$CONFIGURATION runs no agent in pods"
}

teardown_file() {
	[ "$AGENT" = daemonset ] || return 0
	agents_start
	k -n kube-system delete jobs -l app.kubernetes.io/name=natbridge-cleanup
	scenario_end
}

# agent_states: "NODE READY RESTARTS" of each pod, a line each.
agent_states() {
	agent_pods -o json | jq -r '.items[] | "\(.spec.nodeName) \(.status.containerStatuses[0] | "\(.ready) \(.restartCount)")"' | sort
}

# Each node has one that is ready and never was restarted.
agents_undisturbed() {
	[ "$(agent_states)" = "$(nodes | sed 's/.*/node& true 0/')" ]
}

# agent_exec ARGUMENT...: natbridge-agent in the pod of node 1.
agent_exec() {
	k -n kube-system exec "$(agent_pods --field-selector spec.nodeName=node1 -o name)" -- natbridge-agent "$@"
}

# check_says LINE...: what --check prints are these lines, in their order, by regular expressions. It takes a moment until a role that
# was changed counts.
check_says() {
	local said line
	mapfile -t said < <(agent_exec --check --config /etc/natbridge/agent.yaml 2>&1 | grep -E '^(ok|FAILED) ')
	[ ${#said[@]} = $# ] || return
	for line in "${said[@]}"; do
		[[ $line =~ ^$1$ ]] || return
		shift
	done
}

@test "each node's agent is ready, with three capabilities, a read-only root and a filter of system calls" {
	agents_undisturbed || fail "$(agent_states)"
	for n in $(nodes); do
		# shellcheck disable=SC2016 # for the shell inside
		run -0 inside "$n" bash -c 'grep -hE "^(CapPrm|CapBnd|NoNewPrivs|Seccomp):" /proc/$(pidof natbridge-agent)/status'
		[ "$output" = "CapPrm:	000000c000001000
CapBnd:	000000c000001000
NoNewPrivs:	1
Seccomp:	2" ] || fail "$output"
	done
	tables_assert
}

@test "rolled out again twice while the app is restarted: no request fails, no container is restarted" {
	load_mark
	for _ in 1 2; do
		run -0 kn rollout restart deployment web
		run -0 k -n kube-system rollout restart daemonset natbridge-agent
		run -0 agents_rolled_out
		run -0 app_ready web
	done
	wait_for 60 app_gone web 3
	load_assert 200
	agents_undisturbed || fail "$(agent_states)"
	tables_assert
}

# layouts: the map layout of each node's network, a line each.
layouts() {
	local n
	for n in $(nodes); do
		inside "$n" /opt/cni/bin/natbridgectl version | sed 's/.*map layout \(v[0-9]*\).*/\1/'
		basename "$(inside "$n" sh -c 'ls -d /sys/fs/bpf/natbridge/pods/v*')"
	done | sort -u
}

@test "rolled out in a version with another map layout, and back, while the app is restarted: no request fails" {
	local before tag
	[ -e "$(agent_other_image)" ] || skip "the other version is missing; run: make build/other/image/image.tar"
	before=$(layouts)
	load_mark
	for tag in layout "$(sed -n 's/.*NB_VERSION "\(.*\)"/\1/p' "$KUBE_ROOT/include/natbridge/version.h")"; do
		run -0 kn rollout restart deployment web
		run -0 k -n kube-system set image daemonset/natbridge-agent "*=localhost/natbridge:$tag"
		run -0 agents_rolled_out
		run -0 app_ready web
		wait_for 60 app_gone web 3
		[ "$tag" != layout ] || [ "$(layouts)" = "v$((1000 + ${before#v}))" ] || fail "$(layouts)"
		load_assert 100
	done
	[ "$(layouts)" = "$before" ] || fail "$(layouts)"
	agents_undisturbed || fail "$(agent_states)"
	tables_assert
}

@test "the role is as small as it can be: --check names each verb that is taken away" {
	local verb resource other lines whole
	check_says "ok     rights" "ok     network pods" "ok     API services" "ok     API endpointslices" "ok     API nodes"
	whole=$(k get clusterrole natbridge-agent -o json | jq 'del(.metadata.resourceVersion)')
	[ "$(jq -c '[.rules[] | .resources[] as $resource | .verbs[] | [$resource, .]] | sort' <<<"$whole")" = \
		'[["endpointslices","list"],["endpointslices","watch"],["nodes","list"],["nodes","watch"],["servicecidrs","list"],["servicecidrs","watch"],["services","list"],["services","watch"]]' ]
	for resource in services endpointslices nodes; do
		for verb in list watch; do
			jq --arg resource $resource --arg verb $verb '.rules |= [.[] | . as $rule | .resources[] as $one
				| $rule | .resources = [$one] | if $one == $resource then .verbs -= [$verb] else . end]' <<<"$whole" | k replace -f -
			lines=("ok     rights" "ok     network pods")
			for other in services endpointslices nodes; do
				[ $other = $resource ] && lines+=("FAILED API $other: .*403.*cannot $verb resource .*$resource.*") || lines+=("ok     API $other")
			done
			wait_for 20 check_says "${lines[@]}" || fail "$(agent_exec --check --config /etc/natbridge/agent.yaml 2>&1)"
		done
	done
	k apply -f "$AGENT_MANIFEST"
	wait_for 20 check_says "ok     rights" "ok     network pods" "ok     API services" "ok     API endpointslices" "ok     API nodes"
}

@test "deleted: the tables stay, no request fails" {
	tables_assert
	load_mark
	agents_stop
	load_assert 100
	for n in $(nodes); do
		table_right "$n" pods || fail "$(diff <(table_wanted "$n" pods) <(table_has "$n" pods))"
	done
}

@test "cleaned up: a Job for each node leaves no Service in its table" {
	for n in $(nodes); do
		sed "s/NODE/node$n/" "$KUBE_ROOT/packaging/kubernetes/natbridge-cleanup.yaml" | k apply -f -
	done
	run -0 k -n kube-system wait --for=condition=Complete --timeout=60s job -l app.kubernetes.io/name=natbridge-cleanup
	for n in $(nodes); do
		[ -z "$(table_has "$n" pods)" ] || fail "$(table_has "$n" pods)"
	done
}

@test "there again: the tables are filled, requests are answered" {
	agents_start
	tables_assert
	# Requests that began without a Service fail meanwhile.
	load_mark
	wait_for 60 load_went_on 4
	load_mark
	load_assert 100
}
