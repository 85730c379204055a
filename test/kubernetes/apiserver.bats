#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A real etcd and kube-apiserver alone, as the agent's tests use them, if "build" has made them on this machine already.

bats_require_minimum_version 1.5.0

export CLUSTER=nbk-api-$BATS_ROOT_PID
load lib
load node
load state

setup_file() {
	local program
	export BATS_TEST_TIMEOUT=240
	for program in etcd kube-apiserver kubectl; do
		[ -x "$KUBE_BIN/$program" ] || export NBT_SKIP="$KUBE_BIN/$program is missing; run: test/kubernetes/build etcd kube-apiserver kubectl"
	done
	machine_state >"$BATS_FILE_TMPDIR/before"
}

# bats 1.8 cannot skip in setup_file, so each test does.
setup() {
	[ -z "${NBT_SKIP:-}" ] || skip "$NBT_SKIP"
}

teardown_file() {
	[ -n "${NBT_SKIP:-}" ] || "$BATS_TEST_DIRNAME/apiserver" down
}

apiserver() {
	"$KUBE_TEST/apiserver" "$@"
}

# as_agent ARGUMENT...: kubectl as the agent's user.
as_agent() {
	KUBECONFIG=$CLUSTER_DIR/control/natbridge-agent.conf k "$@"
}

service_create() {
	k create service clusterip "$1" --tcp=80:8080
}

# watch_from RESOURCE-VERSION: events of Services since then, for two seconds.
watch_from() {
	k get --raw "/api/v1/services?watch=1&resourceVersion=$1&timeoutSeconds=2"
}

services_version() {
	k get --raw "/api/v1/services?limit=1" | jq -r .metadata.resourceVersion
}

@test "up: the API server is ready and prints where its kubeconfig is" {
	run -0 apiserver up
	[ "$output" = "$CLUSTER_DIR/control" ] || fail "$output"
	run -0 k get --raw /readyz
	[ "$output" = ok ] || fail "$output"
}

@test "a second one with the same name is refused" {
	run -1 apiserver up
	[[ $output = *"is there already"* ]] || fail "$output"
}

@test "the agent's user reads what it follows, and may not write" {
	run -0 as_agent get services,nodes,endpointslices,servicecidrs --all-namespaces
	run -1 as_agent create service clusterip denied --tcp=80
	[[ $output = *Forbidden* || $output = *forbidden* ]] || fail "$output"
	run -1 as_agent get secrets
}

@test "a watch tells of a new Service" {
	version=$(services_version)
	run -0 service_create first
	run -0 watch_from "$version"
	[ "$(jq -r '"\(.type) \(.object.metadata.name)"' <<<"$output")" = "ADDED first" ] || fail "$output"
}

@test "kill and start: the data are those of before" {
	run -0 apiserver kill
	run -1 control_answers
	run -0 apiserver start
	run -0 k get service first
}

control_answers() {
	kq get --raw /readyz
}

@test "compact, kill and start: a watch from before is answered by 410" {
	version=$(services_version)
	run -0 service_create second
	run -0 apiserver compact
	[ "$output" -gt "$version" ] || fail "compacted at $output, the Services were at $version"
	run -0 apiserver kill
	run -0 apiserver start
	run watch_from "$version"
	[[ $output = *"too old resource version"* && ($output = *410* || $output = *Expired* || $output = *Gone*) ]] || fail "$output"
}

@test "down: the machine is as before" {
	run -0 apiserver down
	[ ! -e "$CLUSTER_DIR" ] || fail "$CLUSTER_DIR is left"
	wait_for 30 as_before || fail "$(machine_state | diff "$BATS_FILE_TMPDIR/before" -)"
}

as_before() {
	machine_state | cmp -s "$BATS_FILE_TMPDIR/before" -
}
