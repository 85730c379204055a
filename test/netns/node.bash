# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Node n, which natbridge serves whole: pods on a bridge; other nodes and clients outside, each behind an uplink of its own; and a
# server of objects, which the agent follows. Needs lib.bash and agent.bash.

# shellcheck disable=SC2034 # for those who load this
HERE4=192.0.2.1 HERE6=fd00:c0::1 THERE4=192.0.2.2 THERE6=fd00:c0:0::2

# node_begin PODS NAME...: without objects but the Node and the service ranges. The first of the others is behind up0, at THERE4.
node_begin() {
	local i pods=$1
	shift
	node_create n
	for ((i = 0; i < $#; i++)); do
		remote_create n "${@:i + 1:1}" $i
	done
	network_write n net
	# shellcheck disable=SC2086 # several words
	pods_up n net $pods
	holder_start
	put_node $HERE4 $HERE6
	put_ranges 10.96.0.0/12 fd00:96::/112
}

# The node has strict rp_filter, and drops what its conntrack takes for INVALID.
node_is_strict() {
	local at
	for at in all default $(ns_exec n ls /proc/sys/net/ipv4/conf | grep '^up'); do
		ns_exec n sysctl -qw "net.ipv4.conf.$at.rp_filter=1"
	done
	drop_invalid n
}

# node_serve NAME...: each serves TCP and UDP at port 8080.
node_serve() {
	local at
	for at in "$@"; do
		serve "$at" tcp 8080
		serve "$at" udp 8080
	done
}

# node_end PODS: takes all of it away, and looks whether the agent's --cleanup left anything.
node_end() {
	local link
	agent_stop
	agent --service-proxy node --cleanup
	nothing_of_the_node_is_left
	kill "$(<"$NBT_DIR/holder.pid")" 2>/dev/null || true
	ns_exec n nft delete table inet invalid 2>/dev/null || true
	# shellcheck disable=SC2086 # several words
	pods_down n net $1
	for link in $(ns_exec n ls /sys/class/net | grep '^up'); do
		ip -n "$(ns n)" link del "$link"
	done
}

# Of the node's own table.
counter() {
	ctl n --network @node -o json conntrack stats | jq ".[0].$1"
}
