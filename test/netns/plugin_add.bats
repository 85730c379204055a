#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# ADD: each step failing for real leaves nothing, and the next ADD works; many at once; the same id again.

load lib

setup_file() {
	suite_begin
	mkdir -p "$NBT_DIR/plugins"
	pod_create a
}

teardown_file() {
	suite_end ns_delete a
}

setup() {
	node_create n
	network_write n net
}

teardown() {
	node_delete n
}

# plugin NAME: a program for CNI_PATH, its text on stdin.
plugin() {
	cat >"$NBT_DIR/plugins/$1"
	chmod 755 "$NBT_DIR/plugins/$1"
}

call() {
	local command=$1 config
	config=$(plugin_config n net "$2")
	shift 2
	run --separate-stderr plugin_call n "$command" a "$config" CNI_PATH="$NBT_DIR/plugins:$TEST_BIN_DIR" "$@"
}

# What a failed ADD must leave as it was: the node's state, the pod's links, and the bridge's addresses and ports.
state() {
	node_state n
	ip -n "$NBT-a" -j link show | jq -c '[.[].ifname]'
	ip -n "$NBT-a" -j route show
	ip -n "$NBT-n" -j address show | jq -c '[.[] | select(.ifname != "cni0") | [.ifname, .addr_info[].local]]'
	ns_exec n nft list ruleset
}

# fails CODE TEXT JQ-FILTER [NAME=VALUE...]: ADD fails so, and nothing of it is left.
fails() {
	local code=$1 text=$2 filter=$3
	shift 3
	state >"$NBT_DIR/before"
	call ADD "$filter" "$@"
	[ "$status" -ne 0 ] || fail "succeeded: $output"
	jq -e --argjson code "$code" --arg text "$text" '.code == $code and (.msg | contains($text))' <<<"$output" >/dev/null ||
		fail "expected code $code and '$text', got: $output"
	state | diff "$NBT_DIR/before" - || fail "ADD left something: $output"
	# shellcheck disable=SC2154 # set by run
	[[ $stderr != *undoing* ]] || fail "an undo failed: $stderr"
}

# The same container comes up once the cause is gone.
works_now() {
	call ADD "${1:-.}"
	[ "$status" -eq 0 ] || fail "$output"
	call DEL "${1:-.}"
	[ "$status" -eq 0 ] || fail "$output"
}

# ---- C3 --------------------------------------------------------------------------------------------------------------------

@test "C3: the interface exists already" {
	ip -n "$NBT-a" link add eth0 type bridge
	fails 100 eth0 .
	ip -n "$NBT-a" link show eth0
	ip -n "$NBT-a" link del eth0
	works_now
}

@test "C3: a second ADD of one attachment fails and leaves the first alone" {
	local result
	call ADD .
	result=$output
	fails 100 eth0 .
	call CHECK ".prevResult = $result"
	[ "$status" -eq 0 ] || fail "$output"
	call DEL .
}

@test "C3: the bridge's name is taken by something else" {
	ip -n "$NBT-n" link add cni0 type veth peer name other
	fails 100 cni0 .
	ip -n "$NBT-n" link del cni0
	works_now
}

@test "C3: no IPAM plugin, one that fails, one that talks nonsense, one without addresses" {
	fails 104 'no plugin "nowhere"' '.ipam.type = "nowhere"'
	# shellcheck disable=SC2016 # for the script's own shell
	plugin broken <<<'#!/bin/sh
		[ $CNI_COMMAND = DEL ] || { echo "{\"code\": 142, \"msg\": \"out of luck\"}"; exit 1; }'
	fails 142 'IPAM plugin "broken": ADD: out of luck' '.ipam.type = "broken"'
	plugin broken <<<'#!/bin/sh
		echo nonsense'
	fails 104 'result of IPAM plugin "broken": not JSON' '.ipam.type = "broken"'
	plugin broken <<<'#!/bin/sh
		echo "{\"cniVersion\": \"1.1.0\"}"'
	fails 104 'it has no address' '.ipam.type = "broken"'
	works_now
}

# What it was asked, a line each, in $NBT_DIR/asked; its answers do not depend on what it gave before, as those of whereabouts.
plugin_same() {
	: >"$NBT_DIR/asked"
	plugin same <<-END
		#!/bin/sh
		cat >/dev/null
		echo "\$CNI_COMMAND" >>"$NBT_DIR/asked"
		[ "\$CNI_COMMAND" != ADD ] || { $1; echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.244.0.7/24"}]}'; }
	END
}

SAME='.ipam.type = "same"'

@test "IPAM and the making of the pair do not wait for each other" {
	# shellcheck disable=SC2016 # for the script's own shell
	plugin_same 'for i in $(seq 100); do grep -q veth /proc/net/dev && break; sleep 0.05; done; grep -q veth /proc/net/dev || exit 1'
	call ADD "$SAME" strace -qq -e trace=memfd_create,sendto -e signal=none -o "$NBT_DIR/trace"
	[ "$status" -eq 0 ] || fail "$output"
	# its input is written before the pair is made
	[ "$(grep -n memfd_create "$NBT_DIR/trace" | cut -d: -f1)" -lt "$(grep -n 'NLM_F_CREATE.*veth' "$NBT_DIR/trace" | head -n 1 | cut -d: -f1)" ] ||
		fail "$(<"$NBT_DIR/trace")"
	call DEL "$SAME"
	[ "$(paste -sd' ' "$NBT_DIR/asked")" = "ADD DEL" ]
}

# traced_add MODE FILTER: ADD, with its netlink requests and bpf() calls in $NBT_DIR/trace.
traced_add() {
	call ADD ".serviceProxy.mode = \"$1\" | $2" strace -f -qq -e trace=sendto,bpf -e signal=none -s 512 -o "$NBT_DIR/trace"
	[ "$status" -eq 0 ] || fail "$output"
}

# The number of the last line of the trace that has a pattern.
last_line() {
	grep -nE "$1" "$NBT_DIR/trace" | tail -n 1 | cut -d: -f1
}

# A request that sets a link of the node up.
IS_UP='RTM_NEWLINK.*ifi_flags=IFF_UP, ifi_change=0x1'

@test "B26: the datapath knows the pod, and has its programs at the port, before the pod can be reached" {
	local mode filter up
	for mode in ebpf assist; do
		# the first ADD of the network, which loads the programs, and later ones
		for filter in '.mtu = 1500' . '.enabledad = true'; do
			traced_add $mode "$filter"
			up=$(last_line "$IS_UP")
			sed -n "${up}p" "$NBT_DIR/trace" | grep -q 'if_nametoindex("veth' || fail "line $up is another link's:" "$(steps)"
			[ "$up" -gt "$(last_line 'BPF_PROG_ATTACH|RTM_NEWTFILTER')" ] || fail "attached late:" "$(steps)"
			# the first one notes last that all ports have the mode
			[ "$filter" = '.mtu = 1500' ] || [ "$up" -gt "$(last_line BPF_MAP_UPDATE)" ] || fail "entered late:" "$(steps)"
			call DEL ".serviceProxy.mode = \"$mode\""
			[ "$status" -eq 0 ] || fail "$output"
		done
	done
}

# What a trace says of the order.
steps() {
	grep -nE "$IS_UP|BPF_PROG_ATTACH|RTM_NEWTFILTER|BPF_MAP_UPDATE" "$NBT_DIR/trace" | cut -c1-120
}

@test "B26: a slow ADD: the port is down while the programs are not at it" {
	local add port early=0
	call ADD .
	call DEL .
	plugin_call n ADD a "$(plugin_config n net)" strace -qq -e trace=bpf -e signal=none -e inject=bpf:delay_enter=2s:when=1 \
		-o /dev/null >/dev/null 2>&1 3>&- &
	add=$!
	while kill -0 $add 2>/dev/null; do
		port=$(pod_veth n a 2>/dev/null) || continue
		[ -n "$port" ] && [ "$(pod_ip a 4)" != null ] || continue
		# in this order: what is up now had its programs before
		if ip -n "$NBT-n" -j link show "$port" | jq -e '.[0].flags | index("UP")' >/dev/null; then
			[ "$(programs_at n "$port" | wc -l)" = 2 ] || fail "up without programs"
		else
			early=1
		fi
	done
	wait $add
	[ $early = 1 ] || fail "the ADD was never seen at work"
	call DEL .
}

@test "enabledad: an address of another pod is refused before the maps take it from that pod" {
	local config result
	config='.enabledad = true | .ipam = {type: "static", addresses: [{address: "10.244.0.8/24"}, {address: "fd00:10:244::8/64"}]}'
	pod_create b
	run -0 --separate-stderr plugin_call n ADD b "$(plugin_config n net "$config")"
	result=$output
	fails 100 'address fd00:10:244::8 of "eth0" is in use by the pod at port "'"$(pod_veth n b)"'"' "$config"
	run -0 plugin_call n CHECK b "$(plugin_config n net "$config | .prevResult = $result")"
	# what a pod left behind is nobody's address
	ns_delete b
	works_now "$config"
	pod_create b
	run -0 plugin_call n DEL b "$(plugin_config n net "$config")"
	ns_delete b
}

@test "C3: IPAM is asked for nothing where the bridge is none, or the interface is there already" {
	plugin_same :
	ip -n "$NBT-n" link add cni0 type veth peer name other
	fails 100 cni0 "$SAME"
	ip -n "$NBT-n" link del cni0
	ip -n "$NBT-a" link add eth0 type bridge
	fails 100 eth0 "$SAME"
	ip -n "$NBT-a" link del eth0
	[ ! -s "$NBT_DIR/asked" ]
	works_now "$SAME"
}

@test "two ADDs of one attachment at once: the slower one gives nothing back" {
	local slow config stopped
	plugin_same :
	config=$(plugin_config n net "$SAME")
	# stops between its look for the interface and IPAM
	plugin_call n ADD a "$config" CNI_PATH="$NBT_DIR/plugins:$TEST_BIN_DIR" strace -e trace=memfd_create -o "$NBT_DIR/trace" \
		-e inject=memfd_create:signal=STOP:when=1 >"$NBT_DIR/slow" 2>&1 3>&- &
	slow=$!
	wait_for 20 grep -q 'stopped by SIGSTOP' "$NBT_DIR/trace"
	stopped=$(ip netns pids "$NBT-n" | xargs ps -o pid=,comm= -p | awk '$2 == "natbridge" { print $1 }')
	call ADD "$SAME"
	[ "$status" -eq 0 ] || fail "$output"
	kill -CONT "$stopped"
	! wait "$slow" || fail "both succeeded"
	grep -q '\"eth0\" already exists' "$NBT_DIR/slow" || fail "$(<"$NBT_DIR/slow")"
	[ "$(paste -sd' ' "$NBT_DIR/asked")" = "ADD ADD" ] || fail "$(<"$NBT_DIR/asked")" "$(<"$NBT_DIR/slow")" "$(<"$NBT_DIR/trace")"
	call DEL "$SAME"
}

@test "C3: no address left" {
	local one='.ipam.ranges = [[{subnet: "10.244.0.0/24", rangeStart: "10.244.0.9", rangeEnd: "10.244.0.9"}]]'
	pod_create b
	run -0 plugin_call n ADD b "$(plugin_config n net "$one")"
	fails 11 'host-local' "$one" || fails 999 'host-local' "$one"
	run -0 plugin_call n DEL b "$(plugin_config n net "$one")"
	ns_delete b
	works_now "$one"
}

@test "C3: addresses and routes that the kernel refuses" {
	local static='.isGateway = false | .isDefaultGateway = false | .ipam = {type: "static", addresses: [{address: "10.9.0.2/24"}]}'
	fails 100 '10.8.0.1' "$static | .ipam.routes = [{dst: \"0.0.0.0/0\", gw: \"10.8.0.1\"}]"
	fails 100 '"eth0" cannot have an IPv6 address' "$static | .mtu = 1000 | .ipam.addresses += [{address: \"fd00::2/64\"}]"
	works_now "$static"
}

@test "C3: the bridge has another address" {
	ip -n "$NBT-n" link add cni0 type bridge
	ip -n "$NBT-n" address add 10.1.1.1/24 dev cni0
	fails 100 '"cni0" already has an IP address different from 10.244.0.1/24' .
	ip -n "$NBT-n" -4 address show dev cni0 | grep -q 10.1.1.1/24
	call ADD '.forceAddress = true'
	[ "$status" -eq 0 ] || fail "$output"
	[ "$(ip -n "$NBT-n" -4 -j address show dev cni0 | jq -r '.[0].addr_info[].local')" = 10.244.0.1 ]
	call DEL .
}

@test "C3: masquerading rules that cannot be made" {
	ns_exec n nft 'add table inet cni_plugins_masquerade; add chain inet cni_plugins_masquerade postrouting { type filter hook input priority 0; }'
	node_state n >"$NBT_DIR/node-n/state"
	fails 100 '' '.ipMasq = true | .ipMasqBackend = "nftables"'
	ns_exec n nft delete table inet cni_plugins_masquerade
	node_state n >"$NBT_DIR/node-n/state"
	works_now
}

@test "C3: no bpffs to be had, or one that is read-only" {
	local bpf=$NBT_DIR/node-n/bpf
	fails 100 /proc/nowhere '.serviceProxy.bpffs = "/proc/nowhere"'
	mount -o remount,ro "$bpf"
	fails 102 "$bpf" .
	mount -o remount,rw "$bpf"
	works_now
}

@test "C3: services that do not fit" {
	fails 102 'its map backends holds at most 16' '.serviceProxy = {limits: {backends: 16}, services: [{name: "default/web", vip: "10.96.0.10", port: 80,
		backends: [range(2; 50) | "10.244.0.\(.):80"]}]}'
	rm -rf "$NBT_DIR"/node-n/bpf/natbridge/net
	works_now
}

@test "C3: a result that nobody can read" {
	state >"$NBT_DIR/before"
	run ! node_exec n env CNI_COMMAND=ADD CNI_CONTAINERID=x CNI_NETNS="$(ns_path a)" CNI_IFNAME=eth0 \
		sh -c "exec '$NBT_BUILD/natbridge' >/dev/full" <<<"$(plugin_config n net)"
	[[ $output == *"No space left"* ]]
	state | diff "$NBT_DIR/before" -
	run ! node_exec n env CNI_COMMAND=ADD CNI_CONTAINERID=x CNI_NETNS="$(ns_path a)" CNI_IFNAME=eth0 \
		sh -c "exec '$NBT_BUILD/natbridge' >&-" <<<"$(plugin_config n net)"
	[[ $output == *"stdout is closed"* ]]
	state | diff "$NBT_DIR/before" -
	run node_exec n env CNI_COMMAND=ADD CNI_CONTAINERID=x CNI_NETNS="$(ns_path a)" CNI_IFNAME=eth0 \
		bash -c "set -o pipefail; '$NBT_BUILD/natbridge' | exec 0<&-" <<<"$(plugin_config n net)"
	[ "$status" -ne 0 ]
	[[ $output == *"Broken pipe"* ]]
	state | diff "$NBT_DIR/before" -
	works_now
}

@test "C3: the bridge's MAC is fixed at creation" {
	local mac
	call ADD '.isGateway = false | .isDefaultGateway = false'
	[ "$status" -eq 0 ] || fail "$output"
	mac=$(ip -n "$NBT-n" -j link show cni0 | jq -r '.[0].address')
	[ "$(jq -r '.interfaces[0].mac' <<<"$output")" = "$mac" ]
	ip -n "$NBT-n" link add low address 02:00:00:00:00:00 type veth peer name lowpeer
	ip -n "$NBT-n" link set low master cni0
	[ "$(ip -n "$NBT-n" -j link show cni0 | jq -r '.[0].address')" = "$mac" ]
	ip -n "$NBT-n" link del low
	call DEL .
	[ "$(ip -n "$NBT-n" -j link show cni0 | jq -r '.[0].address')" = "$mac" ]
}

@test "C3: mode off touches no bpffs" {
	call ADD '.serviceProxy.mode = "off"' NATBRIDGE_BPFFS=/proc/nowhere
	[ "$status" -eq 0 ] || fail "$output"
	[ ! -e "$NBT_DIR/node-n/bpf/natbridge" ]
	call CHECK ".serviceProxy.mode = \"off\" | .prevResult = $output" NATBRIDGE_BPFFS=/proc/nowhere
	[ "$status" -eq 0 ] || fail "$output"
	call DEL '.serviceProxy.mode = "off"'
	[ "$status" -eq 0 ] || fail "$output"
	[ ! -e "$NBT_DIR/node-n/bpf/natbridge" ]
}

# ---- C8 --------------------------------------------------------------------------------------------------------------------

@test "C8: 64 ADDs at once without a bridge, then 64 DELs" {
	local i pids=() pid failed=0
	for i in $(seq 64); do
		pod_create "p$i"
	done
	for i in $(seq 64); do
		plugin_call n ADD "p$i" "$(plugin_config n net '.ipMasq = true | .ipMasqBackend = "nftables"')" >"$NBT_DIR/node-n/results/p$i" \
			2>"$NBT_DIR/node-n/results/p$i.err" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=$((failed + 1))
	done
	[ $failed = 0 ] || fail "$failed ADDs failed" "$(cat "$NBT_DIR"/node-n/results/*.err | sort | uniq -c)"
	[ "$(ip -n "$NBT-n" -j link show type bridge | jq length)" = 1 ]
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 64 ]
	[ "$(jq -r '.ips[].address' "$NBT_DIR"/node-n/results/p?? "$NBT_DIR"/node-n/results/p? | sort -u | wc -l)" = 128 ]
	[ "$(jq -r '.interfaces[0].mac' "$NBT_DIR"/node-n/results/p?? | sort -u | wc -l)" = 1 ]
	[ "$(node_endpoints n)" = 128 ]
	[ "$(ns_exec n nft list chain inet cni_plugins_masquerade masq_checks | grep -c masquerade)" -ge 128 ]
	pids=()
	for i in $(seq 64); do
		plugin_call n DEL "p$i" "$(plugin_config n net '.ipMasq = true | .ipMasqBackend = "nftables"')" 2>"$NBT_DIR/node-n/results/p$i.err" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=$((failed + 1))
	done
	[ $failed = 0 ] || fail "$failed DELs failed" "$(cat "$NBT_DIR"/node-n/results/*.err | sort | uniq -c)"
	for i in $(seq 64); do
		ns_delete "p$i"
	done
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 0 ]
	ns_exec n nft delete table inet cni_plugins_masquerade
}

# ---- C11 -------------------------------------------------------------------------------------------------------------------

@test "C11: the namespace goes, and the same id comes at once" {
	local i
	pod_create c
	for i in $(seq 10); do
		run plugin_call n ADD c "$(plugin_config n net)" CNI_CONTAINERID=same
		[ "$status" -eq 0 ] || fail "$output"
		ip netns del "$NBT-c"
		pod_create c
	done
	run -0 plugin_call n ADD c "$(plugin_config n net)" CNI_CONTAINERID=same
	wait_for 30 one_port
	[ "$(node_endpoints n)" = 2 ]
	run -0 plugin_call n DEL c "$(plugin_config n net)" CNI_CONTAINERID=same
	ns_delete c
}

one_port() {
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 1 ]
}

# ---- chains ----------------------------------------------------------------------------------------------------------------

@test "C1: at the head of a chain with portmap, bandwidth and tuning, in a network with dots in its name" {
	local limit=1000000
	CAP_ARGS=$(jq -nc '{portMappings: [{hostPort: 8080, containerPort: 80, protocol: "tcp"}]}')
	export CAP_ARGS
	network_write n my.net.1 ".plugins += [
		{type: \"portmap\", capabilities: {portMappings: true}, backend: \"nftables\", snat: true},
		{type: \"bandwidth\", ingressRate: $limit, ingressBurst: $limit, egressRate: $limit, egressBurst: $limit},
		{type: \"tuning\", mtu: 1400}]"
	pod_create c
	run -0 pod_add n c my.net.1
	run -0 pod_check n c my.net.1
	run -0 pod_del n c my.net.1
	ns_exec n nft flush ruleset
	ns_delete c
}
