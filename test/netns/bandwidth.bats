#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Limits that the bandwidth plugin sets behind natbridge hold, also for what goes past the bridge otherwise. 300 kB take a quarter
# of a second at 8 Mbit/s, and a few milliseconds without a limit.

load lib
load kube

VIP4=10.96.0.10 VIP6=fd00:96::10
SHAPED4=10.96.0.11 SHAPED6=fd00:96::11
MODES="ebpf assist"
RATE=8000000 VOLUME=300000
LIMITS="{\"ingressRate\": $RATE, \"ingressBurst\": 400000, \"egressRate\": $RATE, \"egressBurst\": 400000}"

setup_file() {
	suite_begin
	head -c $VOLUME /dev/zero >"$NBT_DIR/volume"
	head -c 5000000 /dev/zero >"$NBT_DIR/large"
	install -m 755 /dev/stdin "$NBT_DIR/count" <<-END
		#!/bin/bash
		bytes=\$(wc -c)
		echo "\$bytes \${EPOCHREALTIME/./}"
	END
}

teardown_file() {
	suite_end
}

teardown() {
	strictly nodes_down
}

nodes_down() {
	local node
	for node in $(nodes); do
		pods_down "$node" net "${node}a" "${node}b" "${node}s" "${node}t" >/dev/null 2>&1 || true
		kube_gone "$node"
		node_delete "$node"
	done
}

# chain MODE FILTER: a node, named after the mode, with pods a and b, and with pod s, which gets the capabilities of $CAPS, in a
# network that the filter has changed. One Service leads to b, the other to s.
chain() {
	local node=$1
	node_create "$node"
	network_write "$node" net ".plugins[0].serviceProxy.mode = \"$1\""
	pods_up "$node" net "${node}a" "${node}b"
	network_write "$node" net ".plugins[0].serviceProxy.mode = \"$1\" | $2"
	pod_create "${node}s"
	CAP_ARGS=${CAPS:-} pod_add "$node" "${node}s" net >/dev/null
	servers "${node}b"
	servers "${node}s"
	services "$node"
}

services() {
	local node=$1 family name pod vip
	if [ "$node" = ebpf ]; then
		services_apply "$node" \
			"$(service default/web $VIP4,$VIP6 TCP:90:9000,TCP:91:9001 "$(pod_ip "${node}b" 4),$(pod_ip "${node}b" 6)")" \
			"$(service default/shaped $SHAPED4,$SHAPED6 TCP:90:9000,TCP:91:9001 "$(pod_ip "${node}s" 4),$(pod_ip "${node}s" 6)")"
		return
	fi
	for family in 4 6; do
		while read -r name pod vip; do
			echo "$name tcp ${!vip} 90 $(pod_ip "$node$pod" $family),9000"
			echo "$name-down tcp ${!vip} 91 $(pod_ip "$node$pod" $family),9001"
		done <<<"web b VIP$family"$'\n'"shaped s SHAPED$family"
	done | kube_nftables "$node"
}

# Port 9000 counts what it gets, 9001 sends.
servers() {
	local ns=$1
	socat_in "$ns" -u TCP6-LISTEN:9000,ipv6only=0,reuseaddr,fork "SYSTEM:$NBT_DIR/count >>$NBT_DIR/got"
	socat_in "$ns" -U TCP6-LISTEN:9001,ipv6only=0,reuseaddr,fork "OPEN:$NBT_DIR/volume"
	wait_for 30 listens "$ns" 9000
	wait_for 30 listens "$ns" 9001
}

socat_in() {
	local ns=$1
	shift
	ip netns exec "$(ns "$ns")" socat "$@" 2>/dev/null 3>&- &
	disown
}

listens() {
	ns_exec "$1" ss -Hltn "sport = :$2" | grep -q .
}

# measure up|down CLIENT ADDRESS PORT [FILE]: bit/s of a transfer, from its beginning until the receiver has it all.
measure() {
	local way=$1 client=$2 address=$3 port=$4 file=${5:-$NBT_DIR/volume} start=${EPOCHREALTIME/./} bytes end
	[[ $address != *:* ]] || address="[$address]"
	: >"$NBT_DIR/got"
	if [ "$way" = up ]; then
		timeout 60 ip netns exec "$(ns "$client")" socat -u "OPEN:$file" "TCP:$address:$port" || return
	else
		timeout 60 ip netns exec "$(ns "$client")" socat -u "TCP:$address:$port" "SYSTEM:$NBT_DIR/count >>$NBT_DIR/got" || return
	fi
	wait_for 30 test -s "$NBT_DIR/got" || return
	read -r bytes end <"$NBT_DIR/got"
	[ "$bytes" = "$(stat -c %s "$file")" ] || fail "$*: $bytes bytes arrived" || return
	echo $((bytes * 8 * 1000000 / (end - start)))
}

# limited CLIENT ADDRESS PORT-UP PORT-DOWN: both directions keep to the limit, and come near it.
limited() {
	local way rate port=$3
	for way in up down; do
		for _ in 1 2 3; do # a machine that has much else to do is slow, but never too fast
			rate=$(measure $way "$1" "$2" "$port")
			[ "$rate" -le $((RATE * 3 / 2)) ] || fail "$1, $2, $way: $rate bit/s, which is no limit of $RATE"
			[ "$rate" -lt $((RATE * 3 / 10)) ] || break
		done
		[ "$rate" -ge $((RATE * 3 / 10)) ] || fail "$1, $2, $way: $rate bit/s of $RATE"
		port=$4
	done
}

# unlimited CLIENT ADDRESS PORT: well above the limit, with so much that what it takes to begin does not count.
unlimited() {
	local rate
	for _ in 1 2 3; do
		rate=$(measure up "$1" "$2" "$3" "$NBT_DIR/large")
		[ "$rate" -lt $((RATE * 3)) ] || return 0
	done
	fail "$1, $2: $rate bit/s without a limit"
}

# all_limited MODE: between pod s and the others, straight and by Services, whoever is the client; other pods are free.
all_limited() {
	local mode=$1 family vip shaped
	for family in 4 6; do
		vip=VIP$family shaped=SHAPED$family
		limited "${mode}a" "$(pod_ip "${mode}s" $family)" 9000 9001
		limited "${mode}a" "${!shaped}" 90 91
		limited "${mode}s" "$(pod_ip "${mode}b" $family)" 9000 9001
		limited "${mode}s" "${!vip}" 90 91
		unlimited "${mode}a" "${!vip}" 90
	done
}

@test "the limits of a pod hold for Services and between pods, both ways, when natbridge is told of them" {
	local mode
	for mode in $MODES; do
		CAPS="{\"bandwidth\": $LIMITS}" chain "$mode" \
			'.plugins[0].capabilities.bandwidth = true | .plugins += [{type: "bandwidth", capabilities: {bandwidth: true}}]'
		all_limited "$mode"
		run -0 pod_check "$mode" "${mode}s"
	done
}

@test "the same, when only the bandwidth plugin is told: by its capability, and by its entry in the config" {
	CAPS="{\"bandwidth\": $LIMITS}" chain ebpf '.plugins += [{type: "bandwidth", capabilities: {bandwidth: true}}]'
	all_limited ebpf
	run -0 pod_check ebpf ebpfs
	chain assist ".plugins += [{type: \"bandwidth\"} + $LIMITS]"
	all_limited assist
	run -0 pod_check assist assists
}

# unwatched MODE: as on a kernel that does not report new qdiscs. It takes the program a moment to go with its pin.
unwatched() {
	local pin=$NBT_DIR/node-$1/bpf/natbridge/net/$NBT_LAYOUT/nb_qdisc_made id
	id=$(bpftool -j link show pinned "$pin" | jq .prog_id)
	rm "$pin"
	wait_for 30 gone "$id"
}

gone() {
	! bpftool prog show id "$1" >/dev/null 2>&1
}

@test "where natbridge did not learn of a limit, CHECK says so, and the next ADD watches again" {
	local mode
	for mode in $MODES; do
		chain "$mode" .
		unwatched "$mode"
		tc -n "$(ns "$mode")" qdisc add dev "$(pod_veth "$mode" "${mode}s")" root tbf rate 8mbit burst 50kb latency 25ms
		run ! pod_check "$mode" "${mode}s"
		[[ $output = *"is shaped, but the fast path"* ]] || fail "$output"
		network_write "$mode" net ".plugins[0].serviceProxy.mode = \"$mode\" | .plugins += [{type: \"bandwidth\"} + $LIMITS]"
		pods_up "$mode" net "${mode}t"
		run -0 pod_check "$mode" "${mode}t"
		# With "fastPath": false there is nothing to say.
		network_write "$mode" net ".plugins[0].serviceProxy = {mode: \"$mode\", fastPath: false}"
		run -0 pod_check "$mode" "${mode}s"
	done
}

# traced_add POD STRACE-OPTION...: ADD without cnitool; its calls of bpf() are in $NBT_DIR/trace.
traced_add() {
	local pod=$1
	shift
	node_exec ebpf env CNI_COMMAND=ADD CNI_CONTAINERID="$(container_id "$pod")" CNI_NETNS="$(ns_path "$pod")" CNI_IFNAME=eth0 \
		strace -qq -e trace=bpf -o "$NBT_DIR/trace" "$@" "$NBT_BUILD/natbridge" <<<"$(plugin_config ebpf net)"
}

@test "a kernel that does not report new qdiscs: ADD says so, and does without" {
	local call
	node_create ebpf
	network_write ebpf net
	pods_up ebpf net ebpfa
	pod_create ebpfb
	pod_create ebpfs
	unwatched ebpf
	run -0 --separate-stderr traced_add ebpfb
	[ -z "$stderr" ]
	unwatched ebpf
	call=$(grep -nE 'BPF_LINK_CREATE.*BPF_TRACE_RAW_TP|BPF_RAW_TRACEPOINT_OPEN' "$NBT_DIR/trace" | head -n 1)
	run -0 --separate-stderr traced_add ebpfs -e inject=bpf:error=EPERM:when="${call%%:*}"
	[[ $stderr = *"this kernel does not report new qdiscs"* ]] || fail "$stderr" "$call" "$(grep -n INJECTED "$NBT_DIR/trace")"
	[ ! -e "$NBT_DIR/node-ebpf/bpf/natbridge/net/$NBT_LAYOUT/nb_qdisc_made" ]
}

@test "a qdisc that is put on a pod's port by hand sees its packets from then on, and other kinds of qdisc do as well" {
	local mode veth
	for mode in $MODES; do
		chain "$mode" .
		unlimited "${mode}a" $SHAPED4 90
		veth=$(pod_veth "$mode" "${mode}s")
		tc -n "$(ns "$mode")" qdisc add dev "$veth" root handle 1: htb default 1
		tc -n "$(ns "$mode")" class add dev "$veth" parent 1: classid 1:1 htb rate 8mbit burst 50kb
		[ "$(measure up "${mode}a" $SHAPED4 90)" -le $((RATE * 3 / 2)) ]
		[ "$(measure down "${mode}s" $VIP4 91)" -le $((RATE * 3 / 2)) ]
		run -0 pod_check "$mode" "${mode}s"
		unlimited "${mode}a" $VIP4 90
	done
}

@test "pods that were limited in mode off stay so in the mode that the next ADD brings" {
	local mode
	for mode in $MODES; do
		node_create "$mode"
		network_write "$mode" net ".plugins[0].serviceProxy.mode = \"off\" | .plugins += [{type: \"bandwidth\"} + $LIMITS]"
		pods_up "$mode" net "${mode}s"
		network_write "$mode" net ".plugins[0].serviceProxy.mode = \"$mode\""
		pods_up "$mode" net "${mode}a" "${mode}b"
		servers "${mode}b"
		servers "${mode}s"
		services "$mode"
		limited "${mode}a" $SHAPED4 90 91
		limited "${mode}s" $VIP6 90 91
		unlimited "${mode}a" $VIP6 90
	done
}
