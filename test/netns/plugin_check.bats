#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# CHECK names what is missing of the datapath, GC removes what has no owner. What CHECK says of links, addresses, routes and rules
# stands in test/parity/configs/check.yaml.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipMasq = true | .plugins[0].ipMasqBackend = "nftables"'
	network_write n side '.plugins[0] |= (.bridge = "cni1" | .ipMasq = true | .ipMasqBackend = "nftables"
		| .ipam.ranges = [[{subnet: "10.245.0.0/24"}], [{subnet: "fd00:10:245::/64"}]])'
}

teardown_file() {
	suite_end take_down
}

take_down() {
	ns_exec n nft delete table inet cni_plugins_masquerade 2>/dev/null || true
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

@test "C5: a pod that is cut off: its port has left the bridge, does not forward, or is down, or the bridge is" {
	local veth
	pod_create a
	works ADD a
	RESULT=$output
	veth=$(pod_veth n a)
	bridge -n "$NBT-n" link set dev "$veth" state 0
	misses "port \"$veth\" does not forward, being disabled: run \"bridge link set dev $veth state 3\""
	bridge -n "$NBT-n" link set dev "$veth" state 3
	works CHECK a net ".prevResult = $RESULT"
	ip -n "$NBT-n" link set "$veth" nomaster
	misses "\"$veth\" is not attached to bridge \"cni0\": run \"ip link set $veth master cni0\""
	# what the messages say mends it
	ip -n "$NBT-n" link set "$veth" master cni0
	call CHECK a net ".prevResult = $RESULT"
	[[ $output = *"bridge fdb replace $(pod_mac a) dev $veth master static"* ]] || fail "$output"
	bridge -n "$NBT-n" fdb replace "$(pod_mac a)" dev "$veth" master static
	works CHECK a net ".prevResult = $RESULT"
	for veth in "$veth" cni0; do
		ip -n "$NBT-n" link set "$veth" down
		misses "interface \"$veth\" is down: run \"ip link set $veth up\""
		ip -n "$NBT-n" link set "$veth" up
		[ "$veth" = cni0 ] || bridge -n "$NBT-n" fdb replace "$(pod_mac a)" dev "$veth" master static
	done
	works DEL a
	ns_delete a
}

# map_empty MAP [WORD]: deletes its entries, or those whose dump has that word.
map_empty() {
	local map=$NBT_DIR/node-n/bpf/natbridge/net/$NBT_LAYOUT/$1 key
	bpftool -j map dump pinned "$map" | jq -r --arg word "${2:-}" '.[] | select(tostring | contains($word)) | .key | join(" ")' |
		while read -r key; do
			# shellcheck disable=SC2086 # one word for each byte
			bpftool map delete pinned "$map" key $key
		done
}

# new_version PROGRAM: as if a newer natbridge had pinned its own.
new_version() {
	rm "$NBT_DIR/node-n/bpf/natbridge/net/$NBT_LAYOUT/$1"
	pod_create b
	plugin_call n ADD b "$(plugin_config n net "$2")" >/dev/null
	plugin_call n DEL b "$(plugin_config n net "$2")"
	ns_delete b
}

# now JQ-FILTER: the config has changed.
now() {
	FILTER+=" | $1"
}

# What is broken, by a line of shell that finds the pod's port in $veth, and what CHECK says of it.
@test "C5: CHECK names what is wrong with maps and programs" {
	local mode breaking text veth
	pod_create a
	while IFS='|' read -r mode breaking text <&4; do
		breaking=${breaking#"${breaking%%[! ]*}"}
		mode=".serviceProxy.mode = \"${mode// /}\"" text=${text# }
		works ADD a net "$mode"
		RESULT=$output
		veth=$(jq -r '.interfaces[1].name' <<<"$RESULT")
		works CHECK a net "$mode | .prevResult = $RESULT"
		FILTER=" | $mode"
		eval "$breaking"
		misses "$text"
		works DEL a net "$mode"
	done 4<<-'END'
		ebpf   | programs_detach n "$veth" | nb_from_pod is not attached to link
		assist | programs_detach n "$veth" | nb_assist_from is not attached to link
		assist | programs_detach n cni0 | nb_assist_host is not attached to link
		ebpf   | now '.serviceProxy.mode = "off"' | of natbridge, though the mode is off
		ebpf   | now '.serviceProxy.mode = "assist"' | nb_assist_from
		ebpf   | new_version nb_from_pod "$mode" | but one of another mode or version
		ebpf   | map_empty endpoints | map endpoints has no address 10.244.0.
		ebpf   | map_empty links | map ports has no link
		ebpf   | now '.ipspoofchk = true' | map ports gives link
		ebpf   | rm -r "$NBT_DIR/node-n/bpf/natbridge/net" | network "net" has no datapath
	END
	ns_delete a
}

# ---- C6 --------------------------------------------------------------------------------------------------------------------

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

@test "C6: GC by the key that SPEC.md had at first; without a list nothing is removed; IPAM gets both keys" {
	local key pod ports
	mkdir -p "$NBT_DIR/plugins"
	cat >"$NBT_DIR/plugins/lister" <<-END
		#!/bin/sh
		[ \$CNI_COMMAND != GC ] || { cat >"$NBT_DIR/asked"; exit 0; }
		exec $TEST_BIN_DIR/host-local
	END
	chmod 755 "$NBT_DIR/plugins/lister"
	for pod in a b; do
		pod_create $pod
		works ADD $pod
	done
	gc() {
		rm -f "$NBT_DIR/asked"
		run --separate-stderr plugin_call n GC a "$(plugin_config n net ".ipam.type = \"lister\" | $1")" CNI_PATH="$NBT_DIR/plugins"
		[ "$status$output" = 0 ] || fail "$output"
		ports=$(ip -n "$NBT-n" -j link show master cni0 | jq length)
	}
	for key in . '."cni.dev/attachments" = null' '."cni.dev/valid-attachments" = null'; do
		gc "$key"
		# shellcheck disable=SC2154 # set by run
		[[ $ports = 2 && ! -e $NBT_DIR/asked && $stderr = *"nothing is removed"* ]] || fail "$key: $ports, $stderr"
	done
	gc ".\"cni.dev/attachments\" = $(attachments a b)"
	[[ $ports = 2 ]] || fail "$ports"
	gc ".\"cni.dev/attachments\" = $(attachments a) | .\"cni.dev/valid-attachments\" = $(attachments a b)"
	[[ $ports = 2 && $stderr = *differ* ]] || fail "$ports, $stderr"
	gc ".\"cni.dev/attachments\" = $(attachments a a)"
	[[ $ports = 1 ]] || fail "$ports"
	[ "$(jq -c '."cni.dev/valid-attachments", ."cni.dev/attachments"' "$NBT_DIR/asked" | uniq)" = "$(attachments a a)" ] ||
		fail "$(<"$NBT_DIR/asked")"
	ip -n "$NBT-a" link show eth0 >/dev/null
	for pod in a b; do
		works DEL $pod
		ns_delete $pod
	done
}

@test "C6: cnitool gc" {
	pods_up n net a b
	run -0 node_exec n "$TEST_BIN_DIR/cnitool" gc net "$(ns_path a)"
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 0 ]
	pods_down n net a b
}

# pod_rules POD: those for its address or its chains, of nftables and iptables.
pod_rules() {
	local id
	id=$(container_id "$1")
	ns_exec n nft list ruleset | grep -cE "id: .*$id|jump .*$id|comment.*macspoofchk-$id" || true
}

# Two networks on one bridge; the second one must not have a gateway's address there.
@test "C6: links, entries, programs and rules go in any mode, with either backend, switched off since or not; a network on the same bridge keeps its own" {
	local mode backend with now shared='.bridge = "cni0" | .isGateway = false | .isDefaultGateway = false'
	for mode in ebpf assist off; do
		for backend in nftables iptables; do
			with=".serviceProxy.mode = \"$mode\" | .macspoofchk = true | .ipMasq = true | .ipMasqBackend = \"$backend\""
			for now in "$with" ".serviceProxy.mode = \"$mode\" | .ipMasq = false"; do
				pod_create a
				pod_create b
				pod_create x
				works ADD a net "$with"
				RESULT=$output
				works ADD b net "$with"
				works ADD x side "$with | $shared"
				echo "$output" >"$NBT_DIR/x"
				[ "$(pod_rules b)" -gt 3 ] || fail "$mode, $backend: rules $(pod_rules b)"
				works GC a net "$now | .\"cni.dev/valid-attachments\" = $(attachments a)"
				[ "$(pod_rules b)" = 0 ] || fail "$mode, $backend: rules are left" "$(ns_exec n nft list ruleset)"
				[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 2 ]
				[ "$mode" = off ] || [ "$(node_endpoints n)" = 4 ]
				works CHECK a net "$with | .prevResult = $RESULT"
				works CHECK x side "$with | $shared | .prevResult = $(jq . "$NBT_DIR/x")"
				works GC a net "$now | .\"cni.dev/valid-attachments\" = []"
				[ "$(pod_rules a)" = 0 ]
				[ "$mode" != assist ] || [ "$(programs_at n cni0 | wc -l)" = 1 ]
				works DEL a net "$with"
				works DEL b net "$with"
				works DEL x side "$with | $shared"
				ns_delete a
				ns_delete b
				ns_delete x
			done
		done
	done
	ns_exec n nft flush ruleset
}

@test "C6: the pins of the network are gone, or nothing of it ever was" {
	local assist='.serviceProxy.mode = "assist"'
	works GC a net '.name = "never" | ."cni.dev/valid-attachments" = []'
	pod_create a
	pod_create b
	works ADD a net "$assist"
	works ADD b net "$assist"
	rm -r "$NBT_DIR/node-n/bpf/natbridge"
	works GC a net "$assist | .\"cni.dev/valid-attachments\" = $(attachments a)"
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 1 ]
	[ "$(programs_at n cni0)" = nb_assist_host ]
	works GC a net "$assist | .\"cni.dev/valid-attachments\" = []"
	[ -z "$(programs_at n cni0)" ]
	works DEL a
	works DEL b
	ns_delete a
	ns_delete b
}

# The reference's host-local has no GC: leases go by the DEL that libcni calls for what its cache has and the list has not.
@test "C6: IPAM gets the list in its own GC" {
	mkdir -p "$NBT_DIR/plugins"
	cat >"$NBT_DIR/plugins/leases" <<-'END'
		#!/bin/sh
		echo "$CNI_COMMAND" >"${0%/*}/command"
		cat >"${0%/*}/input"
	END
	chmod 755 "$NBT_DIR/plugins/leases"
	works GC a net ".ipam.type = \"leases\" | .\"cni.dev/valid-attachments\" = $(attachments a)" CNI_PATH="$NBT_DIR/plugins"
	[ "$(<"$NBT_DIR/plugins/command")" = GC ]
	[ "$(jq -c '."cni.dev/valid-attachments"' "$NBT_DIR/plugins/input")" = "$(attachments a)" ]
	[ "$(jq -c .ipam.ranges "$NBT_DIR/plugins/input")" = "$(plugin_config n net .ipam.ranges | jq -c .)" ]
}

# Each step fails for a reason of its own, all at once: the others still do their work, and the next GC what is left.
@test "C6: steps that fail do not keep the others from their work, and the next GC ends it" {
	local bpf=$NBT_DIR/node-n/bpf with='.ipMasq = true | .ipMasqBackend = "nftables" | .macspoofchk = true'
	pod_create a
	works ADD a net "$with"
	mv "$bpf/natbridge/net/$NBT_LAYOUT/nb_clock" "$bpf/natbridge/kept"
	mkdir "$bpf/natbridge/net/$NBT_LAYOUT/nb_clock"
	call GC a net "$with | .ipam.type = \"nowhere\" | .\"cni.dev/valid-attachments\" = []"
	refused 102 nb_clock
	[[ $stderr = *'"nowhere"'* ]] || fail "the second error is not told: $stderr"
	[ "$(pod_rules a)" = 0 ]
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = 0 ]
	rmdir "$bpf/natbridge/net/$NBT_LAYOUT/nb_clock"
	mv "$bpf/natbridge/kept" "$bpf/natbridge/net/$NBT_LAYOUT/nb_clock"
	[ "$(node_endpoints n)" = 2 ]
	works GC a net "$with | .\"cni.dev/valid-attachments\" = []"
	[ "$(node_endpoints n)" = 0 ]
	works DEL a
	ns_delete a
	ns_exec n nft flush ruleset
}
