#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# containerd without CRI. ctr run --cni calls ADD with /proc/PID/ns/net, and DEL without a namespace once the container is over.

load lib
load containerd

setup_file() {
	runtime_needs containerd ctr || return 0
	runtime_begin
	containerd_begin
	image_import "$NBT" web
	runtime_before
}

teardown_file() {
	runtime_end
}

# ctr reads no more once the process has ended, so the process waits a moment; what has not been read whole by then is asked again.
container_exec() {
	local name=$1 said status
	shift
	for _ in 1 2 3 4 5; do
		# shellcheck disable=SC2016 # the container's shell expands it
		said=$(ctr_in "$NBT" task exec --exec-id "exec-$BASHPID-$RANDOM" "$name" sh -c '"$@"; echo "ended $?"; sleep 0.3' sh "$@") || true
		status=${said##*ended }
		[[ $said = *"ended "* && $status = [0-9]* ]] || continue
		printf '%s' "${said%ended *}"
		return "$status"
	done
	return 255
}

# In the foreground: ctr run --detach never calls DEL.
container_run() {
	ctr_in "$NBT" run --cni --rm --snapshotter native "$(image_name web)" "$1" >"$NBT_DIR/$1.log" 2>&1 3>&- &
	disown
	wait_for 60 container_serves "$1" || fail "$(<"$NBT_DIR/$1.log")"
}

container_kill() {
	ctr_in "$NBT" task kill --signal SIGKILL "$1"
}

runtime_objects() {
	echo "containers $(ctr_in "$NBT" container list --quiet | wc -l)"
	echo "tasks $(ctr_in "$NBT" task list --quiet | wc -l)"
	echo "snapshots $(ctr_in "$NBT" snapshot --snapshotter native list | wc -l)"
}

@test "ctr run --cni: two containers on one natbridge network" {
	container_run a
	container_run b
	assert_on_natbridge
}

@test "ctr: one reaches the other through a Service, IPv4" {
	service_begin
	assert_service 4
}

@test "ctr: one reaches the other through a Service, IPv6" {
	assert_service 6
}

@test "ctr: when the containers have ended nothing is left" {
	container_kill a
	container_kill b
	assert_nothing_left
	run ! grep -v '^$' "$NBT_DIR/a.log" "$NBT_DIR/b.log"
}
