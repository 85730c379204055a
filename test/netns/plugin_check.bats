#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# CHECK names what is missing, GC removes what has no owner.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipMasq = true | .plugins[0].ipMasqBackend = "nftables"'
	network_write n side '.plugins[0] |= (.bridge = "cni1" | .ipMasq = true | .ipMasqBackend = "nftables"
		| .ipam.ranges = [[{subnet: "10.245.0.0/24"}], [{subnet: "fd00:10:245::/64"}]])'
}

teardown_file() {
	ns_exec n nft delete table inet cni_plugins_masquerade 2>/dev/null || true
	suite_end
}

# call COMMAND POD [NETWORK [JQ-FILTER]] [NAME=VALUE...]
call() {
	local command=$1 pod=$2 config
	config=$(plugin_config n "${3:-net}" "${4:-.}")
	shift "$(($# < 4 ? $# : 4))"
	run --separate-stderr plugin_call n "$command" "$pod" "$config" "$@"
}

works() {
	call "$@"
	[ "$status" -eq 0 ] || fail "$1: $output"
}

# refused CODE TEXT: the last call failed so.
refused() {
	[ "$status" -ne 0 ] || fail "succeeded: $output"
	jq -e --argjson code "$1" --arg text "$2" '.code == $code and (.msg | contains($text))' <<<"$output" >/dev/null ||
		fail "expected code $1 and '$2', got: $output"
}

# ---- C5 --------------------------------------------------------------------------------------------------------------------

# misses TEXT: CHECK fails with that text in its message.
misses() {
	call CHECK a net ".prevResult = $RESULT$FILTER"
	refused 103 "$1"
}

@test "C5: CHECK names what is missing" {
	local veth map
	FILTER=
	pod_create a
	works ADD a
	RESULT=$output
	veth=$(jq -r '.interfaces[1].name' <<<"$RESULT")
	works CHECK a net ".prevResult = $RESULT"

	FILTER=' | .hairpinMode = true' misses hairpin
	FILTER=' | .portIsolation = true' misses isolat
	FILTER=' | .promiscMode = true' misses promisc
	ip -n "$NBT-n" link set "$veth" type bridge_slave hairpin on
	misses hairpin
	ip -n "$NBT-n" link set "$veth" type bridge_slave hairpin off

	ip -n "$NBT-a" address del 10.244.0.2/24 dev eth0
	misses 10.244.0.2
	ip -n "$NBT-a" address add 10.244.0.2/24 dev eth0
	misses 0.0.0.0/0
	ip -n "$NBT-a" route add default via 10.244.0.1
	ip -n "$NBT-a" -6 route del default
	misses ::/0
	ip -n "$NBT-a" -6 route add default via "$GATEWAY6"
	works CHECK a net ".prevResult = $RESULT"

	ip -n "$NBT-n" address del 10.244.0.1/24 dev cni0
	misses 10.244.0.1
	ip -n "$NBT-n" address add 10.244.0.1/24 dev cni0

	bridge -n "$NBT-n" fdb del "$(pod_mac a)" dev "$veth" master
	misses "$(pod_mac a)"
	bridge -n "$NBT-n" fdb replace "$(pod_mac a)" dev "$veth" master static

	ip -n "$NBT-n" link set "$veth" nomaster
	misses "$veth"
	ip -n "$NBT-n" link set "$veth" master cni0
	bridge -n "$NBT-n" fdb replace "$(pod_mac a)" dev "$veth" master static

	ns_exec n nft flush chain inet cni_plugins_masquerade masq_checks
	misses 10.244.0.2
	works DEL a
	works ADD a
	RESULT=$output

	map=$NBT_DIR/node-n/bpf/natbridge/net/$NBT_LAYOUT/endpoints
	bpftool -j map dump pinned "$map" | jq -r '.[0].key | join(" ")' | while read -r key; do
		# shellcheck disable=SC2086 # one word for each byte
		bpftool map delete pinned "$map" key $key
	done
	call CHECK a net ".prevResult = $RESULT"
	[ "$status" -ne 0 ]
	works DEL a
	works ADD a
	RESULT=$output

	ip -n "$NBT-a" link set eth0 down
	misses eth0
	ip -n "$NBT-a" link set eth0 up
	ip -n "$NBT-a" link set eth0 name eth9 2>/dev/null || {
		ip -n "$NBT-a" link set eth0 down
		ip -n "$NBT-a" link set eth0 name eth9
	}
	misses eth0
	works DEL a
	ns_delete a
}

@test "C5: CHECK sees a program that is gone, and a datapath that is gone" {
	pod_create a
	works ADD a net '.serviceProxy.mode = "off"'
	RESULT=$output
	call CHECK a net ".prevResult = $RESULT"
	[ "$status" -ne 0 ]
	works DEL a
	works ADD a
	RESULT=$output
	call CHECK a net ".name = \"unknown\" | .prevResult = $RESULT"
	[ "$status" -ne 0 ]
	works DEL a
	ns_delete a
}

# ---- C6 --------------------------------------------------------------------------------------------------------------------

attachments() {
	local pod
	for pod in "$@"; do
		jq -nc --arg id "$(container_id "$pod")" '{containerID: $id, ifname: "eth0"}'
	done | jq -sc .
}

@test "C6: GC keeps what is valid and the other networks" {
	local pod
	for pod in a b c; do
		pod_create $pod
		works ADD $pod
	done
	pod_create x
	works ADD x side
	works GC a net ".\"cni.dev/valid-attachments\" = $(attachments a)"
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 1 ]
	[ "$(ip -n "$NBT-n" -j link show master cni1 | jq length)" = 1 ]
	[ "$(node_endpoints n)" = 4 ]
	[ "$(ns_exec n nft list chain inet cni_plugins_masquerade masq_checks | grep -c masquerade)" = 5 ]
	ip -n "$NBT-a" link show eth0 >/dev/null
	ip -n "$NBT-x" link show eth0 >/dev/null
	works GC a net ".\"cni.dev/valid-attachments\" = $(attachments a)"
	works GC a net '."cni.dev/valid-attachments" = []'
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 0 ]
	for pod in a b c; do
		works DEL $pod
		ns_delete $pod
	done
	works DEL x side
	ns_delete x
}

@test "C6: GC goes on after an error and tells it" {
	pod_create a
	works ADD a
	call GC a net '."cni.dev/valid-attachments" = [] | .ipam.type = "nowhere"'
	refused 104 '"nowhere"'
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 0 ]
	[ "$(node_endpoints n)" = 0 ]
	works DEL a
	ns_delete a
}

@test "C6: GC refuses attachments that it cannot read, and removes nothing" {
	local value
	pod_create a
	works ADD a
	for value in '{}' '[5]' '[{"containerID": "x"}]' '[{"containerid": "x", "ifname": "eth0"}]'; do
		call GC a net ".\"cni.dev/valid-attachments\" = $value"
		refused 7 'cni.dev/valid-attachments'
	done
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 1 ]
	works DEL a
	ns_delete a
}

@test "C6: cnitool gc" {
	pods_up n net a b
	run -0 node_exec n "$TEST_BIN_DIR/cnitool" gc net "$(ns_path a)"
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 0 ]
	pods_down n net a b
}
