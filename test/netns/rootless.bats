#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Where the plugin may not use eBPF, as in a user namespace: mode off works, and what can never have been made is no reason for
# DEL or GC to fail.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipam.ranges |= .[:1]'
	pod_create a
	mkdir -p "$NBT_DIR/ipam"
	chmod 777 "$NBT_DIR" "$NBT_DIR/ipam"
}

teardown_file() {
	suite_end ns_delete a
}

# rootless JQ-FILTER STEP...: steps in a user namespace of nobody's, with network namespaces of its own. A step is a CNI command
# "bridge", which there is then, or "lease", host-local's own ADD. "STEP STATUS JSON" of each, a line each, is in $output.
rootless() {
	local config
	config=$(plugin_config n net ".ipam.dataDir = \"$NBT_DIR/ipam\" | $1")
	shift
	cat >"$NBT_DIR/steps" <<-'END'
		mount -t tmpfs t /run/netns && ip link set lo up && ip netns add p || exit
		config=$1 bin=$2 plugin=$3
		shift 3
		call() {
			printf %s "$config" | CNI_COMMAND=$1 CNI_CONTAINERID=c CNI_NETNS=/run/netns/p CNI_IFNAME=eth0 CNI_PATH=$bin "$2" 2>/dev/null
		}
		for step; do
			case $step in
			bridge) said=$(ip link add cni0 type bridge) ;;
			lease) said=$(call ADD "$bin/host-local") ;;
			*) said=$(call "$step" "$plugin") ;;
			esac
			status=$?
			[ "$step$status" != ADD0 ] || config=$(printf %s "$config" | jq -c ".prevResult = $said")
			echo "$step $status $(printf %s "$said" | jq -c .)"
		done
	END
	run -0 env -u NATBRIDGE_BPFFS setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urnm \
		sh -c "$(<"$NBT_DIR/steps")" sh "$config" "$TEST_BIN_DIR" "$NBT_BUILD/natbridge" "$@"
}

# step NAME STATUS [TEXT]: how a step ended.
step() {
	grep "^$1 $2 " <<<"$output" | grep -q -- "${3:-}" || fail "$1: expected status $2 and '${3:-}'" "$output"
}

leases() {
	find "$NBT_DIR/ipam" -name '10.*' | wc -l
}

setup() {
	setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urnm true 2>/dev/null || skip "this host has no user namespaces"
}

@test "mode off: all commands" {
	rootless '.serviceProxy.mode = "off" | ."cni.dev/valid-attachments" = [{containerID: "c", ifname: "eth0"}]' STATUS ADD CHECK GC DEL
	for name in STATUS ADD CHECK GC DEL; do
		step $name 0
	done
	[ "$(leases)" = 0 ]
}

@test "modes ebpf and assist: ADD and STATUS say what is missing, DEL and GC do what there is to do" {
	local mode
	for mode in ebpf assist; do
		rootless ".serviceProxy.mode = \"$mode\" | .\"cni.dev/valid-attachments\" = []" bridge STATUS ADD GC DEL
		step STATUS 1 '"code":50,.*may not use eBPF; mode .*off.* works without it'
		step ADD 1 '"code":101,.*may not use eBPF'
		step GC 0
		step DEL 0
		rootless ".serviceProxy.mode = \"$mode\"" lease
		[ "$(leases)" = 1 ] || fail "$output"
		rootless ".serviceProxy.mode = \"$mode\"" bridge DEL
		step DEL 0
		[ "$(leases)" = 0 ] || fail "the address is still reserved"
	done
}

# refused_bpf COMMAND [JQ-FILTER]: in the node, by root, whom the kernel refuses bpf() as seccomp would.
refused_bpf() {
	run --separate-stderr plugin_call n "$1" a "$(plugin_config n net "${2:-.}")" \
		strace -f -qq -o /dev/null -e trace=bpf -e inject=bpf:error=EPERM
}

@test "a datapath that is there is no reason to succeed" {
	command -v strace >/dev/null || skip "strace is not installed"
	ip -n "$NBT-n" link add cni0 type bridge
	refused_bpf DEL
	[ "$status" = 0 ] || fail "nothing is there: $output"
	run -0 plugin_call n ADD a "$(plugin_config n net)"
	refused_bpf GC '."cni.dev/valid-attachments" = []'
	[ "$status" != 0 ]
	refused_bpf DEL
	[ "$status" != 0 ]
	jq -e '.msg | contains("Operation not permitted")' <<<"$output" >/dev/null || fail "$output"
	run -0 plugin_call n DEL a "$(plugin_config n net)"
}
