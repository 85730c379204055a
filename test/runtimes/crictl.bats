#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# containerd's CRI service, as a kubelet uses it: ADD when a pod's sandbox starts, DEL when it stops.

load lib
load containerd

setup_file() {
	runtime_needs containerd ctr crictl || return 0
	runtime_begin
	containerd_begin
	printf '%s-endpoint: unix://%s\n' runtime "$NBT_DIR/containerd.sock" image "$NBT_DIR/containerd.sock" >"$NBT_DIR/crictl.yaml"
	image_import k8s.io pause
	image_import k8s.io web
	runtime_before
}

teardown_file() {
	runtime_end
}

crictl_in() {
	inside crictl --config "$NBT_DIR/crictl.yaml" "$@"
}

# A pod of one container, whose id stays in a file: the container's and the pod's names are the same.
pod_config() {
	jq -n --arg name "$1" --arg cgroup "/$NBT" --arg logs "$NBT_DIR/logs" '{
		metadata: {name: $name, namespace: "default", uid: $name, attempt: 0},
		log_directory: $logs, linux: {cgroup_parent: $cgroup}
	}' >"$NBT_DIR/$1-pod.json"
	jq -n --arg name "$1" --arg image "$(image_name web)" '{
		metadata: {name: $name}, image: {image: $image}, log_path: "\($name).log", linux: {}
	}' >"$NBT_DIR/$1-container.json"
}

container_exec() {
	local name=$1
	shift
	crictl_in exec --sync "$(<"$NBT_DIR/$name.id")" "$@"
}

container_run() {
	local pod
	pod_config "$1"
	pod=$(crictl_in runp "$NBT_DIR/$1-pod.json")
	echo "$pod" >"$NBT_DIR/$1.pod"
	crictl_in create --no-pull "$pod" "$NBT_DIR/$1-container.json" "$NBT_DIR/$1-pod.json" >"$NBT_DIR/$1.id"
	crictl_in start "$(<"$NBT_DIR/$1.id")"
	wait_for 60 container_serves "$1"
}

# cri_addresses NAME: what CRI says that the pod's addresses are, a line each.
cri_addresses() {
	crictl_in inspectp "$(<"$NBT_DIR/$1.pod")" | jq -r '.status.network | .ip, .additionalIps[].ip'
}

runtime_objects() {
	echo "pods $(crictl_in pods --quiet | wc -l)"
	echo "containers $(crictl_in ps --all --quiet | wc -l)"
	echo "snapshots $(ctr_in k8s.io snapshot --snapshotter native list | wc -l)"
}

@test "CRI runp, create, start: two pods on one natbridge network" {
	container_run a
	container_run b
	assert_on_natbridge
}

@test "CRI: the pod's status has the addresses of natbridge's result" {
	run -0 cri_addresses a
	[ "$output" = "$(container_ip a 4)"$'\n'"$(container_ip a 6)" ] || fail "$output"
}

@test "CRI: one reaches the other through a Service, IPv4" {
	service_begin
	assert_service 4
}

@test "CRI: one reaches the other through a Service, IPv6" {
	assert_service 6
}

@test "CRI: after stopp and rmp nothing is left" {
	run -0 crictl_in stopp "$(<"$NBT_DIR/a.pod")" "$(<"$NBT_DIR/b.pod")"
	run -0 crictl_in rmp "$(<"$NBT_DIR/a.pod")" "$(<"$NBT_DIR/b.pod")"
	assert_nothing_left
}
