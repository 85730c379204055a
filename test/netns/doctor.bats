#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl doctor: faults made on purpose, each of which is found and named, and nothing else; a healthy node has none.
# doctor_host.bats has faults of the host and of its files, doctor_agent.bats those of an agent.

# shellcheck disable=SC2016,SC2034 # the commands of a row are run by fault(), and use what is set here
load lib
load doctor

DOCTOR_NODE=n

setup_file() {
	doctor_node_begin
}

teardown_file() {
	suite_end doctor_node_end
}

setup() {
	doctor_names
}

# conf FILTER: the network's configuration, changed.
conf() {
	cp "$CONF" "$NBT_DIR/conf"
	jq "$1" "$NBT_DIR/conf" >"$CONF"
}

conf_back() {
	cp "$NBT_DIR/conf" "$CONF"
}

@test "A healthy node has no finding: plain, JSON, strict rp_filter, rules for masquerading" {
	is_healthy
	run -0 ctl n doctor --seconds 0 --cni-conf-dir "$NBT_DIR/node-n/net.d"
	[[ $output =~ ^nothing\ is\ wrong:\ [0-9]+\ checks,\ 1\ network$ ]]
}

@test "The manual page names every check, and reasons.c has a row for every drop" {
	local id list
	list=$(sed -n '/^The checks are:/,/^\.El/p' "$NBT_ROOT/doc/man/natbridgectl.8")
	while read -r id; do
		grep -qE "(^\.Li | )$id( |\$)" <<<"$list" || fail "no $id"
	done < <(sed -n 's/^\tROW("\([a-z0-9-]*\)".*/\1/p' "$NBT_ROOT/cli/doctor/checks.h")
	while read -r id; do
		grep -q "{ $id," "$NBT_ROOT/cli/doctor/reasons.c" || fail "no $id"
	done < <(sed -n 's/.*ROW(\(NB_DROP_[A-Z_]*\),.*/\1/p' "$NBT_ROOT/include/natbridge/abi.h")
}

# What the maps hold that packets do not change.
maps() {
	local map
	for map in ports endpoints links settings frontends backends services; do
		bpftool -j map dump pinned "$PINS/$map"
	done
}

@test "Nothing is changed: not a map, pin, link or rule" {
	conf 'del(.plugins[0].ipam) | .plugins[0].ipam.type = "x"'
	ip -n "$N" link set "$A" down # other commands note that in the maps
	maps >"$NBT_DIR/maps"
	node_exec n strace -f -o "$NBT_DIR/trace" -e trace=bpf,openat,mkdir,rename,unlink,sendto,sendmsg,mount,symlink "$NBT_BUILD/natbridgectl" doctor \
		--seconds 0 --cni-conf-dir "$NBT_DIR/node-n/net.d" >/dev/null || true
	maps | diff "$NBT_DIR/maps" -
	ip -n "$N" link set "$A" up
	conf_back
	run grep -E 'BPF_MAP_UPDATE|BPF_MAP_DELETE|BPF_OBJ_PIN|BPF_PROG_(LOAD|ATTACH|DETACH)|BPF_LINK_CREATE|RTM_(NEW|DEL|SET)|^[0-9]+ +(mkdir|rename|unlink|mount|symlink)' "$NBT_DIR/trace"
	# The kernel is asked whether it takes a program of two instructions.
	! grep -v 'BPF_PROG_LOAD.*insn_cnt=[12],' <<<"$output" | grep . || fail "$output"
	run ! grep -E 'openat.*(O_WRONLY|O_RDWR|O_CREAT)' <(grep -v '/dev/null' "$NBT_DIR/trace")
}

@test "While pods come and go, nothing is found" {
	local look pid
	pod_create c
	: >"$NBT_DIR/churn"
	(while [ -e "$NBT_DIR/churn" ]; do pod_add n c && pod_del n c || exit; done) >"$NBT_DIR/churn.log" 2>&1 3>&- &
	pid=$!
	for look in 1 2 3 4 5 6 7 8; do
		run --separate-stderr diagnose
		[ "$output" = "[]" ] || break
	done
	rm "$NBT_DIR/churn"
	wait $pid || fail "$(<"$NBT_DIR/churn.log")"
	ns_delete c
	[ "$output" = "[]" ] || fail "$look: $output"
}

@test "A fault that has gone before the second look is none" {
	ip -n "$N" link set "$A" down
	DOCTOR_UNDER=(strace -o "$NBT_DIR/pause" -e trace=clock_nanosleep -e inject=clock_nanosleep:delay_enter=1000000)
	(wait_for 10 grep -q clock_nanosleep "$NBT_DIR/pause" && ip -n "$N" link set "$A" up) 3>&- &
	is_healthy
	wait
	# One that stays is found.
	fault 'ip -n "$N" link set "$A" down' 'ip -n "$N" link set "$A" up' port-state "is down"
	DOCTOR_UNDER=()
}

@test "Faults of rights, kernel and clock" {
	local under=(sh -c "mount --bind '$NBT_DIR/count' /proc/sys/net/netfilter/nf_conntrack_count && mount --bind '$NBT_DIR/max' /proc/sys/net/netfilter/nf_conntrack_max && exec \"\$@\"" sh)
	fault 'DOCTOR_UNDER=(setpriv --bounding-set=-all)' 'DOCTOR_UNDER=()' rights CAP_
	fault 'DOCTOR_UNDER=(unshare -Ur)' 'DOCTOR_UNDER=()' rights eBPF
	echo 950 >"$NBT_DIR/count"
	echo 1000 >"$NBT_DIR/max"
	fault 'DOCTOR_UNDER=("${under[@]}")' 'DOCTOR_UNDER=()' conntrack-full "950 of 1000"
	echo 800 >"$NBT_DIR/count"
	DOCTOR_UNDER=("${under[@]}")
	is_healthy
	DOCTOR_UNDER=()
	cp "$NBT_BUILD/natbridgectl" "$NBT_DIR/natbridgectl"
	touch -d "3 days" "$NBT_DIR/natbridgectl"
	fault 'CTL=$NBT_DIR/natbridgectl' 'CTL=' clock earlier
	# This parameter is that of the first namespace.
	echo 0 >"$NBT_DIR/zero"
	mkdir -p "$NBT_DIR/empty"
	run --separate-stderr unshare -m sh -c "mount --bind '$NBT_DIR/zero' /proc/sys/net/core/bpf_jit_enable && exec \"\$@\"" sh \
		"$NBT_BUILD/natbridgectl" -o json doctor --cni-conf-dir "$NBT_DIR/empty" --bpffs "$NBT_DIR/node-n/bpf" --network none
	expect_findings jit interprets no-network none
	is_as_before
}

@test "Faults of the configuration" {
	local tables=$((1 << 20))
	fault 'echo "{" >"$NBT_DIR/node-n/net.d/x.conflist"' 'rm "$NBT_DIR/node-n/net.d/x.conflist"' config x.conflist
	fault 'head -c 100000 /dev/urandom >"$NBT_DIR/node-n/net.d/x.conf"' 'rm "$NBT_DIR/node-n/net.d/x.conf"' config x.conf
	fault 'conf ".plugins[0].serviceProxy.mode = \"fast\""' conf_back config '"fast"'
	fault 'conf ".plugins[0].bridge = 7"' conf_back config bridge
	fault 'mv "$CONF" "$NBT_DIR/conf"' 'mv "$NBT_DIR/conf" "$CONF"' no-config "no configuration"
	fault 'CNI_DIR=/nonexistent' 'CNI_DIR=' no-config /nonexistent
	fault 'conf ".plugins[0].serviceProxy.mode = \"assist\""' conf_back mode "mode ebpf"
	fault 'conf ".plugins[0].bridge = \"cni9\""' conf_back bridge-name cni9
	fault "conf '.plugins[0].serviceProxy.conntrack.max = $tables'" conf_back table-size "$tables"
	fault 'export CNI_PATH=$NBT_BUILD' 'unset CNI_PATH' plugin '"host-local"'
	fault 'export CNI_PATH=$TEST_BIN_DIR' 'unset CNI_PATH' plugin '"natbridge"'
	fault 'conf ".plugins += [{type: \"portmapper\"}]"' conf_back plugin '"portmapper"'
	is_as_before
}

@test "Faults of the bpffs and the pins" {
	local build
	build=$(readlink "$PINS/ebpf_build")
	fault 'DOCTOR_UNDER=(unshare -m sh -c "umount $NBT_DIR/node-n/bpf && exec \"\$@\"" sh)' 'DOCTOR_UNDER=()' pins "no bpffs is mounted"
	mkdir -p "$NBT_DIR/full/x"
	run --separate-stderr diagnose --bpffs "$NBT_DIR/full"
	expect_findings bpffs "directory with files"
	fault 'mv "$NBT_DIR/node-n/bpf/natbridge/net" "$AWAY"' 'mv "$AWAY" "$NBT_DIR/node-n/bpf/natbridge/net"' pins "nothing is pinned"
	fault 'mv "$PINS/frontends" "$AWAY"' 'mv "$AWAY" "$PINS/frontends"' pin-missing /frontends
	fault 'mv "$PINS/nb_to_pod" "$AWAY"' 'mv "$AWAY" "$PINS/nb_to_pod"' pin-missing /nb_to_pod
	fault 'mv "$PINS" "$AWAY"; mkdir "$PINS"' 'rmdir "$PINS"; mv "$AWAY" "$PINS"' pin-missing "holds no programs"
	fault 'mv "$PINS/frontends" "$AWAY"; cp -a "$PINS/ebpf_build" "$PINS/frontends"' 'rm "$PINS/frontends"; mv "$AWAY" "$PINS/frontends"' pin-missing frontends
	fault 'chmod 777 "$PINS"' 'chmod 700 "$PINS"' pin-rights "mode 777"
	fault 'chown 1000 "$NBT_DIR/node-n/bpf/natbridge"' 'chown 0 "$NBT_DIR/node-n/bpf/natbridge"' pin-rights "user 1000"
	fault 'mkdir "${PINS%/*}/v3"' 'rmdir "${PINS%/*}/v3"' layout "layout 3"
	fault 'mv "$PINS" "${PINS%/*}/v3"' 'mv "${PINS%/*}/v3" "$PINS"' layout "has map layout 3"
	fault 'rm "$PINS/ebpf_build"; ln -s 0123456789abcdef "$PINS/ebpf_build"' 'rm "$PINS/ebpf_build"; ln -s "$build" "$PINS/ebpf_build"' version another
	fault 'mkdir "${PINS%/*}/unfinished"' 'rmdir "${PINS%/*}/unfinished"' unfinished unfinished
	is_as_before
}

@test "Faults of the bridge" {
	local mac_bridge
	mac_bridge=$(ip -n "$N" -j link show cni0 | jq -r '.[0].address')
	fault 'ip -n "$N" link set cni0 down' 'ip -n "$N" link set cni0 up; again a' bridge "is down"
	fault 'ip -n "$N" link set cni0 address 02:00:00:00:00:07' 'ip -n "$N" link set cni0 address "$mac_bridge"' bridge-mac 02:00:00:00:00:07
	fault 'ip -n "$N" address del $GATEWAY4/24 dev cni0' 'ip -n "$N" address add $GATEWAY4/24 dev cni0' gateway "$GATEWAY4"
	fault 'ip -n "$N" address del $GATEWAY6/64 dev cni0' 'ip -n "$N" address add $GATEWAY6/64 dev cni0 nodad' gateway "$GATEWAY6"
	fault 'bridge -n "$N" fdb del "$(pod_mac a)" dev "$A" master' 'bridge -n "$N" fdb replace "$(pod_mac a)" dev "$A" master static' fdb "no static entry"
	fault 'bridge -n "$N" fdb replace "$(pod_mac a)" dev "$B" master static' 'bridge -n "$N" fdb replace "$(pod_mac a)" dev "$A" master static' fdb "at \"$B\""
	is_as_before
}

@test "A bridge that filters VLANs while the fast path is on" {
	ip -n "$N" link set cni0 type bridge vlan_filtering 1 2>/dev/null || skip "this kernel's bridges cannot filter VLANs"
	fault : "ip -n $N link set cni0 type bridge vlan_filtering 0" vlan-filter filters
	is_as_before
}

@test "Faults of ports" {
	fault 'ip -n "$N" link set "$A" down' 'ip -n "$N" link set "$A" up' port-state "$A: net: the pod's port is down"
	fault 'ip -n "$N" link set "$A" nomaster' 'again a' port-state off-bridge
	fault 'bridge -n "$N" link set dev "$A" state 0' 'bridge -n "$N" link set dev "$A" state 3' port-state not-forwarding
	fault 'programs_detach n "$A"' 'again a' port-program nb_
	fault 'ip -n "$N" link del "$A"' 'again a' port-gone "$(pod_ip a 4)"
	fault 'ip -n "$N" link add nbx type veth peer nbxp; ip -n "$N" link set nbx up alias natbridge:net:lost:eth0' 'ip -n "$N" link del nbx' port-left natbridge:net:lost:eth0
	fault 'ns_exec n "$NBT_BUILD/test/netns/marker" "$A" 1' 'ns_exec n "$NBT_BUILD/test/netns/marker" -d "$A"' port-foreign nbt_marker
	fault 'bridge -n "$N" link set dev "$A" isolated on' 'bridge -n "$N" link set dev "$A" isolated off' port-isolated "isolates"
	is_as_before
}

@test "A shaped port is no fault, unless natbridge does not know of it" {
	tc -n "$N" qdisc add dev "$A" root tbf rate 1gbit burst 1mb latency 100ms
	is_healthy
	tc -n "$N" qdisc del dev "$A" root
	again a
	rm "$PINS/nb_qdisc_made" # the program that notices qdiscs ends
	fault 'tc -n "$N" qdisc add dev "$A" root tbf rate 1gbit burst 1mb latency 100ms' 'tc -n "$N" qdisc del dev "$A" root' port-shaped tbf
	is_as_before
}

@test "Faults of pods" {
	fault 'ip -n "$(ns a)" link set eth0 down' 'again a' pod-down "$A"
	fault 'ip -n "$N" link set "$A" mtu 1280' 'ip -n "$N" link set "$A" mtu 1500' pod-mtu 1280
	fault 'ip -n "$(ns a)" address del "$(pod_ip a 4)/24" dev eth0' 'again a' pod-address "$(pod_ip a 4)"
	fault 'ip -n "$N" route add 10.244.0.0/25 dev lo' 'ip -n "$N" route del 10.244.0.0/25 dev lo' pod-route "rp_filter"
	fault 'ip -n "$N" route add fd00:10:244::/100 dev lo' 'ip -n "$N" route del fd00:10:244::/100 dev lo' pod-route fd00:10:244::
	is_as_before
}

@test "No network, and a network namespace that is not the node's" {
	mkdir -p "$NBT_DIR/empty"
	node_create o
	DOCTOR_NODE=o CNI_DIR=$NBT_DIR/empty run --separate-stderr diagnose
	expect_findings no-network "none has pods"
	DOCTOR_NODE=o CNI_DIR=$NBT_DIR/node-n/net.d run --separate-stderr diagnose --bpffs "$NBT_DIR/node-n/bpf"
	expect_findings bridge "in this network namespace"
	node_delete o
}

@test "The bridge is gone" {
	fault 'ip -n "$N" link del cni0' 'again a; again b' bridge "its bridge is gone"
	is_as_before
}

@test "On a terminal the rows fit it and have colours, unless NO_COLOR is set; elsewhere a finding is one line" {
	ip -n "$N" link set "$A" down
	run -5 ctl n doctor --seconds 0 --cni-conf-dir "$NBT_DIR/node-n/net.d"
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[1]} = "error     port-state  $A  net: the pod's port is down"*"To do: ip link set $A up" ]] || fail "$output"
	run node_exec n script -qec "stty cols 70; '$NBT_BUILD/natbridgectl' doctor --seconds 0 --cni-conf-dir '$NBT_DIR/node-n/net.d'" /dev/null
	[[ $output = *$'\e[31merror\e[0m'* ]] || fail "$output"
	[ "$(sed 's/\x1b\[[0-9]*m//g; s/\r$//' <<<"$output" | awk '{ if (length > max) max = length } END { print max }')" -le 70 ] || fail "$output"
	[ "${#lines[@]}" -gt 3 ]
	run env NO_COLOR=1 TERM=xterm bash -c "$(declare -f node_exec); node_exec n script -qec \"'$NBT_BUILD/natbridgectl' doctor --seconds 0 --cni-conf-dir '$NBT_DIR/node-n/net.d'\" /dev/null"
	[[ $output != *$'\e['* ]] || fail "$output"
	ip -n "$N" link set "$A" up
}
