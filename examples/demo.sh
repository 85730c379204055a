#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job, shown: pod a reaches a Service whose backend, pod b, hangs on the same bridge, while br_netfilter's hooks are off.
# Nodes and pods are network namespaces (the helpers of the tests make them). The plugins of a network config are called as a
# container runtime calls them; bridge, host-local and portmap are those of Debian, or of the tests where they are installed. "make
# demo" builds everything first. Leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || {
	echo "demo: needs root; run: sudo make demo" >&2
	exit 1
}
# lib.bash is made for bats, which has this function.
bats_require_minimum_version() { :; }
# shellcheck source=test/netns/lib.bash
. test/netns/lib.bash

export CNI_PATH=$NBT_BUILD:$TEST_BIN_DIR:/usr/lib/cni
VIP4=10.96.0.10
VIP6=fd00:96::10

cleanup() {
	set +e
	suite_destroy
	rm -rf "$NBT_DIR"
}
trap cleanup EXIT

title() {
	printf '\n== %s\n' "$*"
}

# Prints what is done, then does it: show 'WHAT IS PRINTED' COMMAND...
show() {
	printf '\n%s\n' "$1"
	shift
	"$@" 2>&1 | sed 's/^/    /' || true
}

# pod_cni NODE add|del POD NETWORK, in the place of lib.bash's: each plugin of the config gets what the one before it has answered,
# and "del" goes from the last to the first. Prints the last answer.
pod_cni() {
	local node=$1 verb=${2^^} pod=$3 config=$NBT_DIR/node-$1/net.d/$4.conflist order plugin
	local answer=$NBT_DIR/node-$1/cni/$3.json previous=$NBT_DIR/node-$1/cni/$3.previous
	order=$(jq -r '.plugins | keys[]' "$config")
	if [ "$verb" = ADD ]; then
		: >"$previous"
	else
		order=$(tac <<<"$order")
		cp "$answer" "$previous"
	fi
	for plugin in $order; do
		jq --argjson n "$plugin" --slurpfile previous "$previous" \
			'{cniVersion, name} + .plugins[$n] + ($previous[0] | if . then {prevResult: .} else {} end)' "$config" |
			cni_call "$node" "$verb" "$pod" "$(jq -r ".plugins[$plugin].type" "$config")" >"$answer" || return
		[ "$verb" != ADD ] || cp "$answer" "$previous"
	done
	cat "$answer"
}

# cni_call NODE VERB POD TYPE: one plugin, which gets its config on stdin.
cni_call() {
	PATH=$CNI_PATH:$PATH node_exec "$1" env CNI_COMMAND="$2" CNI_CONTAINERID="$3" CNI_NETNS="$(ns_path "$3")" CNI_IFNAME=eth0 "$4"
}

# make_node NODE CONFLIST: a node with pods a and b, which get .2 and .3, and a server in b.
make_node() {
	local node=$1 pod
	node_create "$node"
	cp "$2" "$NBT_DIR/node-$node/net.d/pods.conflist"
	for pod in a b; do
		ns_delete "$pod"
		pod_create "$pod"
		pod_add "$node" "$pod" pods >/dev/null
	done
	serve b tcp 8080 b
	serve b udp 8080 b
}

# What pod a sees of one connection attempt: its own SYN and what comes back.
attempt() {
	local dump=$NBT_DIR/attempt.pcap
	capture a eth0 "$dump" tcp
	ask a -t 1500 tcp $VIP4 80 || true
	capture_end "$dump"
	echo
	echo "on pod a's wire:"
	ns_exec a tcpdump -nn -q -t -r "$dump" 2>/dev/null | head -n 3 | sed -E 's/: tcp.*//; s/^IP /  /'
}

knob() {
	echo "bridge-nf-call-iptables = $(ns_exec "$1" cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null || echo "(no br_netfilter)")"
}

plain_bridge() {
	jq '.plugins |= [.[0] | .type = "bridge" | .ipMasq = false]' examples/minimal.conflist >"$NBT_DIR/plain.conflist"
	make_node plain "$NBT_DIR/plain.conflist"
	title "1. The plain bridge plugin, with kube-proxy's DNAT in iptables"
	ns_exec plain iptables -t nat -A PREROUTING -d $VIP4 -p tcp --dport 80 -j DNAT --to-destination 10.244.0.3:8080
	echo "Pod a is 10.244.0.2, pod b is 10.244.0.3; the Service is $VIP4:80. $(knob plain)"
	show "a asks the Service:" attempt
	printf '\n%s\n' "b's answer was switched past iptables and came from b's own address: a wants none of it."
	pods_down plain pods a b
}

natbridge() {
	make_node nat examples/dual-stack.conflist
	title "2. natbridge: the same, with \"type\": \"natbridge\" and no iptables rule"
	knob nat
	show "\$ natbridgectl service apply -f examples/web.yaml" ctl nat service apply -f examples/web.yaml
	show "\$ natbridgectl service list" ctl nat service list
	show "a asks the Service:" attempt
	show "a asks over IPv6, and by UDP:" ask_others
	show "\$ natbridgectl conntrack list" ctl nat conntrack list
	show "\$ natbridgectl endpoint list" ctl nat endpoint list
	show "\$ natbridgectl status" ctl nat status
	pods_down nat pods a b
}

ask_others() {
	ask a tcp $VIP6 80
	ask a udp $VIP4 80
	ask a udp $VIP6 80
}

mkdir -p "$NBT_DIR"
echo "An answer is one line: who answered, the client as the server saw it, the server's own address, the text."
plain_bridge
natbridge
title "Done; all of it is removed again."
