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

# ctr reads no more once the process has ended, so the process waits for a line, which it gets once all that it said was read.
container_exec() {
	local name=$1 id=exec-$BASHPID-$RANDOM fd said job
	shift
	mkfifo "$NBT_DIR/$id"
	# shellcheck disable=SC2016 # the container's shell expands it
	ctr_in "$NBT" task exec --exec-id "$id" "$name" sh -c '"$@" </dev/null; echo "ended $?"; read -r _' sh "$@" \
		<"$NBT_DIR/$id" >"$NBT_DIR/$id.out" 3>&- &
	job=$!
	exec {fd}<>"$NBT_DIR/$id" # for both, so that nobody gets a SIGPIPE
	wait_for 30 exec_over "$NBT_DIR/$id.out" $job 2>/dev/null || true
	echo >&$fd
	exec {fd}>&-
	wait $job || true
	said=$(<"$NBT_DIR/$id.out")
	rm "$NBT_DIR/$id"{,.out}
	[[ $said = *"ended "[0-9]* ]] || return 255
	printf '%s' "${said%ended *}"
	return "${said##*ended }"
}

# The process in the container has said how it ended, or ctr has given up.
exec_over() {
	grep -q '^ended [0-9]' "$1" || ! kill -0 "$2" 2>/dev/null
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
