#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Each file of examples/ does what it is there for.

load lib
load kube

EXAMPLES=$NBT_ROOT/examples
VIP4=10.96.0.10 VIP6=fd00:96::10

setup_file() {
	suite_begin
	node_create n
}

teardown_file() {
	suite_end
}

# up CONFLIST: pods a and b, which get the addresses .2 and .3, on a network of that file.
up() {
	cp "$EXAMPLES/$1" "$NBT_DIR/node-n/net.d/pods.conflist"
	pods_up n pods a b
	[ "$(pod_ip b 4)" = 10.244.0.3 ]
	serve b tcp 8080
	serve b udp 8080
}

# down: the pods go; what is loaded for the network goes too, so that the next example starts afresh.
down() {
	pods_down n pods a b
	ns_exec n ip link del cni0
	rm -rf "$NBT_DIR/node-n/bpf/natbridge/pods" "$NBT_DIR"/node-n/cni/networks
}

@test "minimal.conflist: pods reach each other, the node and, masqueraded, a machine beyond it" {
	up minimal.conflist
	remote_create n r
	serve r tcp 8080
	run -0 ask a tcp 10.244.0.3 8080
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a tcp 192.0.2.2 8080
	assert_answer r 192.0.2.1
	down
}

@test "dual-stack.conflist and web.yaml: the Service answers by TCP and UDP over both families" {
	up dual-stack.conflist
	run -0 ctl n service apply -f "$EXAMPLES/web.yaml"
	run -0 ask a tcp $VIP4 80
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a udp $VIP4 80
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a tcp $VIP6 80
	assert_answer b "$(pod_ip a 6)"
	run -0 ask a udp $VIP6 80
	assert_answer b "$(pod_ip a 6)"
	down
}

@test "assist.conflist: a Service of kube-proxy's rules is answered without br_netfilter" {
	up assist.conflist
	printf '%s\n' "web tcp $VIP4 80 10.244.0.3,8080" "web tcp $VIP6 80 fd00:10:244::3,8080" | kube_iptables n
	run -0 ask a tcp $VIP4 80
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a tcp $VIP6 80
	assert_answer b "$(pod_ip a 6)"
	kube_gone n
	down
}

@test "web-list.json: what kubectl prints is applied as it is" {
	up minimal.conflist
	ctl n service apply -f - <"$EXAMPLES/web-list.json"
	run -0 ask a tcp $VIP4 80
	assert_answer b "$(pod_ip a 4)"
	down
}

@test "services-in-config.conflist: Services of the network config need no tool" {
	up services-in-config.conflist
	run -0 ask a tcp $VIP4 80
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a tcp $VIP6 80
	assert_answer b "$(pod_ip a 6)"
	down
}

@test "demo.sh: shows the failure over the plain bridge and the answer over natbridge" {
	run -0 env -u NBT "$EXAMPLES/demo.sh"
	[[ $output = *"timed out"*"b 10.244.0.2 "*"ESTABLISHED"* || $output = *"timed out"*"b 10.244.0.2 "*"TIME_WAIT"* ]] || fail "$output"
	[[ $output != *"failed"* && $output != *"error"*"error"* ]] || fail "$output"
}

@test "agent.yaml is a configuration of natbridge-agent" {
	run -0 "$NBT_BUILD/natbridge-agent" --config "$EXAMPLES/agent.yaml" --version
}
