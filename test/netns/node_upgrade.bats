#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# C13 for the node's own table: another natbridge is installed while the node, clients outside and pods have streams to Services.
# build/other is as in upgrade.bats. STREAM_WAIT: how long no stream may wait for an answer, in
# ms: 700 of them take all CPUs.
# Runs first: it takes long.

load lib
load agent

HERE4=192.0.2.1 HERE6=fd00:c0::1
THERE4=192.0.2.2 THERE6=fd00:c0::2
LOAD=$NBT_BUILD/test/netns/load
STREAMS=100 STREAM_WAIT=${STREAM_WAIT:-3000}

setup_file() {
	suite_begin
	node_create n
	remote_create n far
	remote_create n outer 1
	network_write n net
	pods_up n net a b
	bpf_note n # what the upgrades replace
	holder_start
	put_node $HERE4 $HERE6
	put_ranges 10.96.0.0/12 fd00:96::/112
	put here 10 30080 "$(pod_ip b 4),$(pod_ip b 6)"
	put there 20 30081 $THERE4,$THERE6
	put own 30 30082 $HERE4,$HERE6
	for at in b far n; do
		serve $at tcp 8080
		serve $at udp 8080
	done
	agent_start --service-proxy node
	wait_for 10 ask n -t 500 tcp 10.96.0.30 80
	agent_stop # which would end the upgrade itself, as soon as it is the other one's
}

teardown_file() {
	suite_end take_down
}

take_down() {
	agent_stop
	agent --service-proxy node --cleanup
	nothing_of_the_node_is_left
	kill "$(<"$NBT_DIR/holder.pid")" 2>/dev/null || true
	pods_down n net a b
	ip -n "$(ns n)" link del up0
	ip -n "$(ns n)" link del up1
}

# put NAME N NODEPORT BACKENDS
put() {
	service "default/$1" "10.96.0.$2,fd00:96::$2" TCP:80:8080,UDP:80:8080 "$4" | jq --argjson port "$3" --arg far "$THERE4,$THERE6" '
		.items[0].spec.type = "NodePort" | .items[0].spec.ports[0].nodePort = $port | .items[0].spec.ports[1].nodePort = $port
		| .items[1:] |= map(.endpoints |= map(.nodeName = if .addresses[0] | inside($far) then "there" else "here" end))' | put_list
}

# stream NAME NS ADDRESS PORT: a hundred of them begin; streams_end NAME: no answer of theirs was lost or late.
stream() {
	ip netns exec "$(ns "$2")" "$LOAD" streams "$3" "$4" $STREAMS 6 >"$NBT_DIR/streams-$1" 2>&1 3>&- &
	disown
	wait_for 20 grep -q open "$NBT_DIR/streams-$1"
}

streams_end() {
	local longest
	wait_for 20 grep -q longest "$NBT_DIR/streams-$1"
	[[ $(<"$NBT_DIR/streams-$1") = $'open\n'"$STREAMS streams, "*' answers, 0 failed, longest wait '* ]] || fail "$1: $(<"$NBT_DIR/streams-$1")"
	longest=$(awk 'END { print $(NF - 1) }' "$NBT_DIR/streams-$1")
	echo "# streams $1: $(tail -n 1 "$NBT_DIR/streams-$1")" >&3
	[ "$longest" -lt "$STREAM_WAIT" ] || fail "a stream of $1 waited $longest ms"
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
	stream node-pod n 10.96.0.10 80
	stream node-far n fd00:96::20 80
	stream node-self n 10.96.0.30 80
	stream node-port n $HERE4 30080
	stream outer-pod outer $HERE4 30080
	stream outer-far outer $HERE6 30081
	stream pod a 10.96.0.10 80
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
	run -0 ask outer udp $HERE6 30080
	run -0 ask outer tcp $HERE4 30081
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
