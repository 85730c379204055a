#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The runtime of the CNI project, cnitool, with all verbs of spec 1.1.0; runc runs the containers.

load lib

setup_file() {
	runtime_needs cnitool runc || return 0
	runtime_begin
	network_write n pods '.plugins[0].ipMasq = true'
	runtime_before
}

teardown_file() {
	runtime_end
}

# cni VERB CONTAINER
cni() {
	inside env NETCONFPATH=/etc/cni/net.d CNI_PATH=/opt/cni/bin cnitool "$1" pods "/run/netns/$2"
}

runc_in() {
	inside runc --root "$NBT_DIR/runc" "$@"
}

container_exec() {
	runc_in exec "$@"
}

container_run() {
	inside ip netns add "$1"
	inside ip -n "$1" link set lo up
	cni add "$1" >"$NBT_DIR/$1.json"
	bundle_make "$NBT_DIR/bundles/$1" web "/run/netns/$1"
	runc_in run --detach --bundle "$NBT_DIR/bundles/$1" "$1" >"$NBT_DIR/$1.log" 2>&1 </dev/null 3>&-
	wait_for 60 container_serves "$1" || fail "$(<"$NBT_DIR/$1.log")"
}

container_remove() {
	runc_in delete --force "$1"
	inside ip netns delete "$1"
}

runtime_objects() {
	echo "containers $(runc_in list --quiet | wc -l)"
}

@test "cnitool: STATUS says that an ADD would work" {
	run -0 cni status none
}

@test "cnitool: ADD of two containers on one natbridge network" {
	container_run a
	container_run b
	assert_on_natbridge
	[ "$(jq -r .cniVersion "$NBT_DIR/a.json")" = 1.1.0 ]
}

@test "cnitool: CHECK finds both as they should be" {
	run -0 cni check a
	run -0 cni check b
}

@test "cnitool: one reaches the other through a Service, IPv4" {
	service_begin
	assert_service 4
}

@test "cnitool: one reaches the other through a Service, IPv6" {
	assert_service 6
}

@test "cnitool: after DEL nothing is left" {
	run -0 cni del a
	run -0 cni del b
	container_remove a
	container_remove b
	assert_nothing_left
}

@test "cnitool: GC takes away what containers left that ended without DEL" {
	container_run a
	container_run b
	container_remove a
	container_remove b
	[ "$(find "$NBT_DIR/node-n/ipam" -name '10.*' | wc -l)" = 2 ]
	run -0 cni gc none
	assert_nothing_left
}
