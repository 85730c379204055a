#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# serviceProxy of the network config: what ADD makes of it in the maps, and what it leaves to others.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10

setup_file() {
	suite_begin
	node_create n
	network_write n net
	pod_create a
	pod_create b
	serve b tcp 8080
}

teardown_file() {
	suite_end take_down
}

take_down() {
	ns_delete a
	ns_delete b
}

setup() {
	with b "$(web 10.244.0.3 fd00:10:244::3)"
	with a "$(web 10.244.0.3 fd00:10:244::3)"
}

teardown() {
	strictly both_deleted
}

both_deleted() {
	run -0 plugin_call n DEL a "$(plugin_config n net)"
	run -0 plugin_call n DEL b "$(plugin_config n net)"
}

# with POD JQ-FILTER: ADD with that change; b always has the same addresses.
with() {
	local ipam=.
	[ "$1" = a ] || ipam='.ipam.ranges |= [[.[0][0] + {rangeStart: "10.244.0.3", rangeEnd: "10.244.0.3"}],
		[.[1][0] + {rangeStart: "fd00:10:244::3", rangeEnd: "fd00:10:244::3"}]]'
	run --separate-stderr plugin_call n ADD "$1" "$(plugin_config n net "$ipam | $2")"
	[ "$status" -eq 0 ] || fail "$output"
}

# again POD JQ-FILTER: DEL and ADD.
again() {
	run -0 plugin_call n DEL "$1" "$(plugin_config n net)"
	with "$@"
}

# web ADDRESS4 ADDRESS6: a filter that gives the network one service with these backends, over both families.
web() {
	jq -nr --arg four "$1:8080" --arg six "[$2]:8080" --arg vip4 $VIP4 --arg vip6 $VIP6 '
		[$vip4, $vip6] | map({name: "default/web", vip: ., port: 80, backends: [$four, $six]})
		| ".serviceProxy.services = \(tojson)"'
}

services() {
	ctl n --network net -o json service list
}

@test "services of the config work from the first ADD on" {
	run -0 ask a tcp $VIP4 80
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a tcp $VIP6 80
	assert_answer b "$(pod_ip a 6)"
}

@test "changed services are in force with the next ADD, and removed ones are gone" {
	again a "$(web 10.244.0.77 fd00:10:244::77)"
	run ! ask a tcp $VIP4 80
	services | grep -q 10.244.0.77
	again a "$(web 10.244.0.3 fd00:10:244::3)"
	run -0 ask a tcp $VIP4 80
	again a .
	! services | grep -q 10.96.0.10 || fail "$(services)"
}

@test "the tool's services stay, whatever the config says" {
	services_apply n "$(service default/other 10.96.0.20 TCP:80:8080 10.244.0.3)"
	again a .
	services | grep -q 10.96.0.20
	again a "$(web 10.244.0.3 fd00:10:244::3)"
	run -0 ask a tcp 10.96.0.20 80
	run -0 ask a tcp $VIP4 80
	ctl n service apply --prune-all -f - <<<'{"apiVersion": "v1", "kind": "List", "items": []}'
	run -0 ask a tcp $VIP4 80
}

@test "a service that the tool has given is refused in the config, and nothing is left of the ADD" {
	local before
	again a .
	run -0 plugin_call n DEL a "$(plugin_config n net)"
	services_apply n "$(service default/other $VIP4 TCP:80:8080 10.244.0.3)"
	before=$(node_state n)
	run --separate-stderr plugin_call n ADD a "$(plugin_config n net "$(web 10.244.0.3 fd00:10:244::3)")"
	[ "$status" -ne 0 ]
	jq -e '.code == 7 and (.msg | contains("default/other") and contains("default/web"))' <<<"$output"
	[ "$(node_state n)" = "$before" ]
	ctl n service apply --prune-all -f - <<<'{"apiVersion": "v1", "kind": "List", "items": []}'
}

@test "fastPath and timeouts reach the maps" {
	local map=$NBT_DIR/node-n/bpf/natbridge/net/$NBT_LAYOUT/settings before after
	before=$(bpftool -j map dump pinned "$map" | jq -c '.[0].value')
	again a '.serviceProxy = {fastPath: false, conntrack: {timeouts: {udp: 7, tcp_established: 86400}}}'
	after=$(bpftool -j map dump pinned "$map" | jq -c '.[0].value')
	[ "$before" != "$after" ]
	again a .
	[ "$(bpftool -j map dump pinned "$map" | jq -c '.[0].value')" != "$after" ]
}

dropped() {
	ctl n --network net -o json conntrack stats | jq '.[0].drop_no_vip'
}

@test "A6: an address of a service range that no Service has is dropped and counted; without the range it is not" {
	local before
	# Where there is no way out, nothing has to be kept from going it.
	ns_exec n ip link add out type veth peer name uplink
	ns_exec n ip link set out up
	ns_exec n ip link set uplink up
	ns_exec n ip route add default dev out
	ns_exec n ip -6 route add default dev out
	again a '.serviceProxy.serviceCIDRs = ["10.96.0.0/12", "fd00:96::/112"]'
	before=$(dropped)
	run ! ask a tcp 10.97.1.1 80
	run ! ask a udp fd00:96::77 80
	[ "$(dropped)" -ge $((before + 2)) ]
	again a .
	before=$(dropped)
	run ! ask a udp 10.97.1.1 80
	[ "$(dropped)" = "$before" ]
	ns_exec n ip link del out
}

@test "A17: an address of the host in a service range is the host's, for pods too" {
	ns_exec n ip addr add 10.96.0.53/32 dev lo
	ns_exec n ip addr add fd00:96::53/128 dev lo
	serve n tcp 53
	serve n udp 53
	again a '.serviceProxy.serviceCIDRs = ["10.96.0.0/12", "fd00:96::/112"]'
	for address in 10.96.0.53 fd00:96::53; do
		run -0 ask a tcp $address 53
		run -0 ask a udp $address 53
	done
	ns_exec n ip addr del 10.96.0.53/32 dev lo
	ns_exec n ip addr del fd00:96::53/128 dev lo
}

@test "serviceCIDRs: a bad one is refused with its place and value, before anything is made" {
	local before range
	before=$(node_state n)
	for range in 10.96.0.1/12 10.96.0.0 10.96.0.0/33 fd00::/129 0.0.0.0/0 127.0.0.0/8; do
		run --separate-stderr plugin_call n ADD c "$(plugin_config n net ".serviceProxy.serviceCIDRs = [\"fd00:96::/112\", \"$range\"]")"
		[ "$status" -ne 0 ] || fail "$range was taken"
		jq -e --arg range "$range" '.code == 7 and (.msg | contains("serviceProxy.serviceCIDRs[1]") and contains($range))' <<<"$output"
	done
	[ "$(node_state n)" = "$before" ]
}

@test "a Service on an address of the host is named by ADD, and marked for as long as it is the host's" {
	again a .
	ns_exec n ip addr add $VIP4/32 dev lo
	again a "$(web 10.244.0.3 fd00:10:244::3)"
	ns_exec n ip addr del $VIP4/32 dev lo
	[ "$(grep -c "Service default/web: $VIP4 is an address of this host" <<<"$stderr")" = 1 ] || fail "$stderr"
	[ "$(services | jq -r '.[] | select(.onHost | not).address')" = $VIP6 ]
	again a "$(web 10.244.0.3 fd00:10:244::3)"
	[[ $stderr != *"address of this host"* ]] || fail "$stderr"
	[ "$(services | jq 'map(select(.onHost | not)) | length')" = 2 ]
}

# Setting NAME of the network.
setting() {
	ctl n -o json conntrack stats | jq ".[0].settings.$1"
}

@test "conntrack of the config: ADD sets what it names and leaves the rest as it was set at run time" {
	ctl n conntrack set udp=7 tcp_close=5 max=2048 >/dev/null
	again a .
	[ "$(setting udp) $(setting tcp_close) $(setting max)" = "7 5 2048" ]
	again a '.serviceProxy.conntrack = {max: 5000, timeouts: {udp: 31}}'
	[[ $stderr != *"not in force"* ]] || fail "$stderr"
	[ "$(setting udp) $(setting tcp_close) $(setting max)" = "31 5 5000" ]
	ctl n conntrack set udp=30 tcp_close=10 max=131072 >/dev/null
}

@test "a table size beyond the one in force is named by ADD, and the pod works" {
	run -0 plugin_call n DEL a "$(plugin_config n net)"
	run -0 --separate-stderr plugin_call n ADD a "$(plugin_config n net '.serviceProxy.conntrack = {max: 200000}')"
	# shellcheck disable=SC2154 # set by run
	[[ $stderr == *"conntrack.max 200000 is not in force"*"loaded with 131072"* ]] || fail "$stderr"
	[ "$(setting max)" = 131072 ]
	run -0 ask a tcp "$(pod_ip b 4)" 8080
	again a '.serviceProxy.conntrack = {max: 131072}'
	[[ $stderr != *"not in force"* ]] || fail "$stderr"
}

@test "what the config names and is not in force is said by ADD" {
	local filter text
	pod_create c
	while IFS=@ read -r filter text; do
		run --separate-stderr plugin_call n ADD c "$(plugin_config n net "$(web 10.244.0.3 fd00:10:244::3) | $filter")"
		[ "$status" -eq 0 ] || fail "$filter: $output"
		# shellcheck disable=SC2154 # set by run
		[[ -n $text && $stderr = *"$text"* || -z $text && $stderr != *"not in force"* ]] || fail "$filter: expected '$text', got: $stderr"
		run -0 plugin_call n DEL c "$(plugin_config n net)"
	done <<-'END'
		.serviceProxy.mode = "off"@services and serviceCIDRs are not in force in mode "off"
		.serviceProxy = {mode: "off", serviceCIDRs: ["10.96.0.0/12"]}@services and serviceCIDRs are not in force in mode "off"
		.bridge = "layer2" | del(.ipam)@services and serviceCIDRs are not in force without "ipam"
		.bridge = "layer2" | .ipam = {ranges: []}@"ipam" has no "type": the pod gets no address
		.serviceProxy = {mode: "off"}@
		.@
	END
	ns_delete c
}
