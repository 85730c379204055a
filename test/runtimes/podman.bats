#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# podman 4 with network_backend="cni", which reads the network from a conflist that it did not write itself.

load lib

setup_file() {
	runtime_needs podman conmon || return 0
	runtime_begin
	podman_configure
	podman_in load --quiet --input "$(image_make web)" >/dev/null
	runtime_before
}

teardown_file() {
	runtime_end
}

podman_configure() {
	mkdir -p "$NBT_DIR/podman"
	cat >"$NBT_DIR/podman/containers.conf" <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[network]
		network_backend = "cni"
		cni_plugin_dirs = ["/opt/cni/bin"]
		network_config_dir = "/etc/cni/net.d"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "none"
		runtime = "runc"
	END
	cat >"$NBT_DIR/podman/storage.conf" <<-END
		[storage]
		driver = "vfs"
		graphroot = "$NBT_DIR/podman/root"
		runroot = "$NBT_DIR/podman/run"
	END
}

podman_in() {
	inside env "CONTAINERS_CONF=$NBT_DIR/podman/containers.conf" "CONTAINERS_STORAGE_CONF=$NBT_DIR/podman/storage.conf" podman "$@"
}

container_exec() {
	podman_in exec "$@"
}

container_run() {
	podman_in run --detach --name "$1" --network pods --cgroup-parent "/$NBT" --log-driver k8s-file "$(image_name web)" \
		>"$NBT_DIR/$1.log" 2>&1 3>&- || fail "$(<"$NBT_DIR/$1.log")"
	wait_for 60 container_serves "$1"
}

runtime_objects() {
	echo "containers $(podman_in ps --all --quiet | wc -l)"
	echo "volumes $(podman_in volume list --quiet | wc -l)"
}

@test "podman run: two containers on one natbridge network" {
	container_run a
	container_run b
	assert_on_natbridge
}

@test "podman: one reaches the other through a Service, IPv4" {
	service_begin
	assert_service 4
}

@test "podman: one reaches the other through a Service, IPv6" {
	assert_service 6
}

@test "podman: after podman rm nothing is left" {
	run -0 podman_in rm --force --time 0 a b
	assert_nothing_left
}
