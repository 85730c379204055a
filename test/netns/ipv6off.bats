#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# IPv6 that is switched off on the node or in the pod, and /proc/sys that cannot be written.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net
}

teardown_file() {
	suite_end
}

setup() {
	pod_create a
}

teardown() {
	strictly as_before
}

as_before() {
	ns_delete a
	ns_exec n sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
	ip -n "$NBT-n" link delete cni0 2>/dev/null || true
}

V4='.ipam.ranges |= .[:1]'
DIRECT='.isGateway = false | .isDefaultGateway = false'

call() {
	run --separate-stderr plugin_call n "$1" a "$(plugin_config n net "$2")"
}

# read_only COMMAND JQ-FILTER: where /proc/sys cannot be written.
read_only() {
	# shellcheck disable=SC2016 # for the inner shell
	run --separate-stderr plugin_call n "$1" a "$(plugin_config n net "$2")" unshare -m \
		sh -c 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$0"'
}

# all_work CALL JQ-FILTER: STATUS, ADD, CHECK and DEL, by call or read_only.
all_work() {
	local verb filter=$2
	for verb in STATUS ADD CHECK; do
		"$1" $verb "$filter"
		[ "$status" = 0 ] || fail "$filter: $verb: $output"
		[ $verb != ADD ] || filter="$2 | .prevResult = $output"
	done
}

# refused TEXT
refused() {
	[ "$status" -ne 0 ] || fail "succeeded: $output"
	jq -e --arg text "$1" '.code >= 100 and (.msg | contains($text))' <<<"$output" >/dev/null || fail "expected '$1', got: $output"
	[ "$(node_state n)" = "$(<"$NBT_DIR/node-n/state")" ] || fail "something is left"
}

@test "/proc/sys is read-only, and all that must be set is set: pods of both families" {
	local mode
	for mode in ebpf off; do
		all_work read_only ".serviceProxy.mode = \"$mode\""
		# shellcheck disable=SC2154 # set by run
		ns_exec a ping -q -c 1 -W 2 "$GATEWAY4"
		ns_exec a ping -q -c 1 -W 2 "$GATEWAY6"
		read_only DEL ".serviceProxy.mode = \"$mode\""
		[ "$status" = 0 ] || fail "$output"
	done
	read_only ADD .
	[[ $stderr = *'"eth0" loses its IPv6 addresses when it goes down'*'Read-only file system'* ]] || fail "$stderr"
	read_only DEL .
}

@test "/proc/sys is read-only, and IPv6 is off in the pod: refused by name if the pod is to have it" {
	ns_exec a sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	read_only ADD .
	refused 'IPv6 is switched off for "lo": cannot open /proc/sys/net/ipv6/conf/lo/disable_ipv6: Read-only file system'
	all_work read_only "$V4"
	read_only DEL "$V4"
	ns_exec a sysctl -qw net.ipv6.conf.lo.disable_ipv6=0
	read_only ADD .
	refused 'IPv6 is switched off for "eth0"'
}

@test "IPv6 is off on the node: a network of IPv4 works, one of both without gateway too, a gateway is refused by name" {
	local mode
	ns_exec n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	for mode in ebpf assist off; do
		all_work call "$V4 | .ipMasq = true | .ipMasqBackend = \"nftables\" | .serviceProxy.mode = \"$mode\""
		ns_exec a ping -q -c 1 -W 2 "$GATEWAY4"
		call DEL "$V4 | .ipMasq = true | .serviceProxy.mode = \"$mode\""
		[ "$status" = 0 ] || fail "$output"
	done
	all_work call "$DIRECT"
	call DEL "$DIRECT"
	[ "$status" = 0 ] || fail "$output"
	ns_exec n nft flush ruleset
	call ADD .
	refused "bridge \"cni0\" cannot have the gateway's IPv6 address: net.ipv6.conf.cni0.disable_ipv6 is 1"
}
