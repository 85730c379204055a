#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# C13 for the node's own table: another natbridge is installed while the node, clients outside and pods have streams to Services.
# build/other is as in upgrade.bats. STREAM_WAIT: how long no stream may wait for an answer, in
# ms: 700 of them take all CPUs.
# Runs first: it takes long.

load lib
load agent
load node
load load

export STREAMS=100 STREAM_WAIT=${STREAM_WAIT:-3000}

setup_file() {
	suite_begin
	node_begin "a b" far outer
	bpf_note n # what the upgrades replace
	put here 10 30080 "$(pod_ip b 4),$(pod_ip b 6)"
	put there 20 30081 "$THERE4,$THERE6"
	put own 30 30082 "$HERE4,$HERE6"
	node_serve b far n
	agent_start --service-proxy node --fast-path true # outer-far goes through the host
	wait_for 10 ask n -t 500 tcp 10.96.0.30 80
	agent_stop # which would end the upgrade itself, as soon as it is the other one's
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

# put NAME N NODEPORT BACKENDS
put() {
	service "default/$1" "10.96.0.$2,fd00:96::$2" TCP:80:8080,UDP:80:8080 "$4" | jq --argjson port "$3" --arg far "$THERE4,$THERE6" '
		.items[0].spec.type = "NodePort" | .items[0].spec.ports[0].nodePort = $port | .items[0].spec.ports[1].nodePort = $port
		| .items[1:] |= map(.endpoints |= map(.nodeName = if .addresses[0] | inside($far) then "there" else "here" end))' | put_list
}

# The one that was installed last.
setup() {
	export NATBRIDGECTL
	NATBRIDGECTL=$(cat "$NBT_DIR/installed" 2>/dev/null || echo "$NBT_BUILD/natbridgectl")
}

services() {
	ctl n --network @node -o json service list | jq -S .
}

# upgraded VERSION: by natbridgectl of build/other/VERSION, or of this build, while there are streams of each kind.
upgraded() {
	local before name
	before=$(services)
	streams_begin node-pod n 10.96.0.10 80
	streams_begin node-far n fd00:96::20 80
	streams_begin node-self n 10.96.0.30 80
	streams_begin node-port n "$HERE4" 30080
	streams_begin outer-pod outer "$HERE4" 30080
	streams_begin outer-far outer "$HERE6" 30081
	streams_begin pod a 10.96.0.10 80
	NATBRIDGECTL=$NBT_BUILD/other/$1/natbridgectl
	[ "$1" != this ] || NATBRIDGECTL=$NBT_BUILD/natbridgectl
	echo "$NATBRIDGECTL" >"$NBT_DIR/installed"
	run -0 ctl n upgrade
	[[ $output == *"@node: programs replaced on "* ]] || fail "$output"
	run -0 ctl n upgrade
	[[ $output == *"@node: nothing to do"* ]] || fail "$output"
	diff <(echo "$before") <(services) || fail "the Services are others"
	for name in node-pod node-far node-self node-port outer-pod outer-far pod; do
		streams_end $name
	done
	run -0 ask n udp 10.96.0.10 80
	run -0 ask n tcp fd00:96::30 80
	run -0 ask outer udp "$HERE6" 30080
	run -0 ask outer tcp "$HERE4" 30081
	[ "$(ctl n --network @node -o json status | jq '.[0].behind')" = false ]
}

@test "C13: other programs at nb0 and at all devices, and streams go on" {
	upgraded next
}

@test "C13: and back" {
	upgraded this
}

@test "C13: another map layout, with Services and connections" {
	upgraded layout
}

@test "C13: and back from it; the agent finds all as it was" {
	upgraded this
	agent_start --service-proxy node
	run -0 ask n tcp 10.96.0.20 80
	agent_stop
}
