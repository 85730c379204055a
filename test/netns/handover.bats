#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# C13: connections that begin while a network changes to another map layout and back (build/other/layout, see test/upgrade/build).
# Runs alone: it fills both CPUs. SECONDS_LONG: how long the changes go on; RATE: connections a
# second of each kind.

load lib

WEB=10.96.0.10 TWO=10.96.0.11 FAR=10.96.0.13 STICKY=10.96.0.15 SWAYS=10.96.0.16
BEGIN=$NBT_BUILD/test/netns/begin
HERE=${NBT_LAYOUT#v} THERE=$((1000 + ${NBT_LAYOUT#v}))
SECONDS_LONG=${SECONDS_LONG:-12} RATE=${RATE:-100}
CLIENTS=50 FIRST_CLIENT=10.244.0.100
IDLE="i1 i2 i3 i4 i5 i6" # more ports take longer to change

setup_file() {
	local pod i
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipam.ranges[0][0].rangeEnd = "10.244.0.99"'
	# shellcheck disable=SC2086 # one word for each pod
	pods_up n net a c b d e f $IDLE
	bpf_note n # what the upgrades replace
	remote_create n r
	for pod in b d e f r; do
		begin_serve $pod
	done
	for ((i = 0; i < CLIENTS; i++)); do
		ip -n "$(ns a)" address add 10.244.0.$((100 + i))/24 dev eth0
	done
	apply b d e f
}

# shellcheck disable=SC2086
teardown_file() {
	suite_end pods_down n net a c b d e f $IDLE
}

setup() {
	version this
}

begin_serve() {
	ip netns exec "$(ns "$1")" "$BEGIN" serve 8080 "$1" >"$NBT_DIR/serve-$1" 2>&1 3>&- &
	disown
	wait_for 20 grep -q ready "$NBT_DIR/serve-$1"
}

backends() {
	local pod all=
	for pod in "$@"; do
		all=$all,$(pod_ip "$pod" 4)
	done
	echo "${all#,}"
}

# apply POD...: all Services; these are the backends of the one that sways.
apply() {
	local ports=TCP:80:8080,UDP:80:8080 fixed
	fixed=$(backends b d e)
	services_apply n "$(service default/web $WEB $ports "$fixed")" "$(service default/two $TWO $ports "$fixed")" \
		"$(service default/far $FAR $ports 192.0.2.2)" \
		"$(service default/sticky $STICKY $ports "$(backends b d e f)" | jq '.items[0].spec.sessionAffinity = "ClientIP"')" \
		"$(service default/sways $SWAYS $ports "$(backends "$@")")" >/dev/null
}

# version this|layout: what is called from now on.
version() {
	local dir=$NBT_BUILD/other/$1
	[ "$1" != this ] || dir=$NBT_BUILD
	export CNI_PATH=$dir:$TEST_BIN_DIR NATBRIDGECTL=$dir/natbridgectl
}

# storm NAME POD ARGUMENT...: connections of a pod, until calm.
storm() {
	local name=$1 pod=$2
	shift 2
	ip netns exec "$(ns "$pod")" "$BEGIN" storm -s 600 -r "$RATE" "$@" >"$NBT_DIR/storm-$name" 2>&1 3>&- &
	echo $! >"$NBT_DIR/storm-$name.pid"
	disown
}

# Of each protocol: to pods, from the same 200 ports again and again, to the host's side, with affinity of many clients, to
# backends that change; and datagrams from one socket to two Services with the same backends.
storms() {
	storm udp a udp $WEB 80
	storm tcp c tcp $WEB 80
	storm ports a -p 20000 -n 2 -w 100 tcp $TWO 80
	storm far-udp a udp $FAR 80
	storm far-tcp c tcp $FAR 80
	storm sticky-udp a -a $FIRST_CLIENT -c $CLIENTS udp $STICKY 80
	storm sticky-tcp a -a $FIRST_CLIENT -c $CLIENTS tcp $STICKY 80
	storm sways-udp c udp $SWAYS 80
	storm sways-tcp a tcp $SWAYS 80
	storm two c -2 $TWO -n 4 udp $WEB 80
	sleep 0.5 # until there are connections of every age
}

# is_served FILE: what a storm says of itself is that no connection was lost or reset. UDP leaves a backend that is removed.
is_served() {
	local moved="0 moved"
	[[ $1 != *-sways-udp ]] || moved="[0-9]+ moved"
	grep -qE "connections, 0 silent, 0 hung, 0 wrong, $moved, 0 reset, " "$1"
}

# calm: ends all storms, and prints how many connections there were. False: some were lost, and it prints what was.
calm() {
	local pid file lost=0
	for pid in "$NBT_DIR"/storm-*.pid; do
		kill "$(<"$pid")"
	done
	for pid in "$NBT_DIR"/storm-*.pid; do
		file=${pid%.pid}
		wait_for 20 grep -q connections "$file"
		is_served "$file" || {
			lost=1
			echo "${file##*/storm-}:"
			cat "$file"
		}
	done
	cat "$NBT_DIR"/storm-* | awk '/connections/ { n += $1 } END { print n " connections" }'
	rm "$NBT_DIR"/storm-*
	return $lost
}

# upgraded VERSION
upgraded() {
	version "$1"
	run -0 ctl n upgrade
	[[ $output = "net: programs replaced on "* ]] || fail "$output"
}

pins() {
	ls "$NBT_DIR/node-n/bpf/natbridge/net"
}

@test "C13: connections that begin while two map layouts change places: none is lost" {
	local end=$((SECONDS + SECONDS_LONG)) upgrades=0
	storms
	while [ $SECONDS -lt $end ]; do
		upgraded layout
		apply b d e
		apply b d e f
		upgraded this
		upgrades=$((upgrades + 2))
	done
	output=$(calm) || fail "$output"
	echo "# $upgrades upgrades, $output" >&3
	[ "$(pins)" = "$NBT_LAYOUT" ]
}

# strace_upgrade OPTION...
strace_upgrade() {
	node_exec n timeout 30 strace -e trace=bpf,unlink,unlinkat,rmdir "$@" "$NATBRIDGECTL" upgrade >/dev/null 2>&1
}

# Where the handover changes what others see, as "CALL COUNT": its pins, some of the ports, each round, in the midst of the walks
# behind it, and what it removes.
handover_calls() {
	strace_upgrade -o "$NBT_DIR/trace"
	sed -nE 's/^([a-z]+)\((.*)/\1 \2/p' "$NBT_DIR/trace" | awk '
		{ count[$1]++ }
		/BPF_OBJ_PIN/ && /handover/ { print $1, count[$1] }
		match($0, /handover", bpf_fd=[0-9]+/) { round = "map_fd=" substr($0, RSTART + 18, RLENGTH - 18) "," }
		/BPF_PROG_ATTACH/ && ++attached % 7 == 0 { print $1, count[$1] }
		/BPF_MAP_UPDATE_BATCH/ && round && index($0, round) { print $1, count[$1]; print $1, count[$1] + 20 }
		/^unlinkat/ && count[$1] == 5 || /^rmdir/ || (/^unlink/ && /handover/) { print $1, count[$1] }'
}

@test "C13: killed in the midst of that: no connection is lost, then or when the next upgrade ends it" {
	local call count kills=0
	storms
	version layout
	handover_calls >"$NBT_DIR/calls"
	upgraded this
	while read -r call count; do
		version layout
		if ! strace_upgrade -o /dev/null -e "inject=$call:signal=KILL:when=$count"; then # else it took fewer calls
			kills=$((kills + 1))
			sleep 0.2 # in that state
		fi
		ctl n upgrade >/dev/null || fail "after a kill at $call $count"
		[ "$(pins)" = "v$THERE" ] || fail "after a kill at $call $count: $(pins)"
		upgraded this
	done <"$NBT_DIR/calls"
	output=$(calm) || fail "$output"
	[ $kills -gt 12 ]
	echo "# $kills kills, $output" >&3
}

# handover_call PATTERN: the number of the first call of bpf() that matches; this layout is in place again then. In another upgrade
# it may be some calls earlier or later.
handover_call() {
	version layout
	strace_upgrade -o "$NBT_DIR/trace"
	grep '^bpf(' "$NBT_DIR/trace" | grep -nE "$1" | head -n 1 | cut -d: -f1
	upgraded this
}

@test "C13: killed before ports have changed: the other natbridge adds a pod, and all is served as before" {
	local call
	call=$(($(handover_call 'BPF_OBJ_PIN.*handover_progs') - 5)) # the programs are loaded and in no port
	version layout
	strace_upgrade -o /dev/null -e "inject=bpf:signal=KILL:when=$call" && fail "not killed"
	[ "$(pins | sort -V | xargs)" = "$NBT_LAYOUT v$THERE" ]
	version this
	pods_up n net g
	storms
	storm added g tcp $WEB 80
	version layout
	run -1 ctl n upgrade
	[[ $output = *"a natbridge with map layout $HERE has added a pod meanwhile; the next ADD completes the migration"* ]] ||
		fail "$output"
	sleep 1
	pods_up n net h
	[ "$(pins)" = "v$THERE" ]
	calm
	pod_check n g
	upgraded this
	pods_down n net g h
}

# refused_upgrade: an upgrade in which the kernel refuses the handover's maps. False: in none of some tries.
refused_upgrade() {
	local call tries
	call=$(handover_call 'BPF_MAP_CREATE.*max_entries=65536.*"ha') # its name, cut off by strace
	for tries in 0 1 2 -1 -2 3; do
		version layout
		run node_exec n strace -o /dev/null -e trace=bpf -e "inject=bpf:error=EPERM:when=$((call + tries))" "$NATBRIDGECTL" upgrade
		[[ $output != *"net: the kernel refuses the programs of the handover: connections that began meanwhile may be lost"* ]] ||
			return 0
		ctl n upgrade >/dev/null
		upgraded this
	done
	return 1
}

# Then only connections that exist before the upgrade are sure to stay.
@test "C13: the kernel refuses the programs of the handover: ports change one by one, and connections stay" {
	local name
	for name in one two three; do
		ip netns exec "$(ns a)" "$BEGIN" storm -s 1 -r 50 -n 8 -w 4000 tcp $WEB 80 >"$NBT_DIR/lasting-$name" 2>&1 3>&- &
		disown
	done
	sleep 1.2 # until all have begun
	refused_upgrade
	[ "$(pins)" = "v$THERE" ]
	for name in one two three; do
		wait_for 60 grep -q connections "$NBT_DIR/lasting-$name"
		is_served "$NBT_DIR/lasting-$name" || fail "$(<"$NBT_DIR/lasting-$name")"
	done
	upgraded this
}

# The pins of both layouts and the programs of the handover, which are at some ports beside those of the old layout.
@test "C13: killed when some ports have changed: uninstall removes everything" {
	local call pod
	call=$(handover_call 'BPF_PROG_ATTACH')
	version layout
	strace_upgrade -o /dev/null -e "inject=bpf:signal=KILL:when=$((call + 9))" && fail "not killed"
	[ "$(pins | sort -V | xargs)" = "$NBT_LAYOUT v$THERE" ]
	[ -e "$NBT_DIR/node-n/bpf/natbridge/net/v$THERE/handover" ]
	bpf_note n # what has to be gone at the end of the file
	run -0 ctl n uninstall
	[ ! -e "$NBT_DIR/node-n/bpf/natbridge" ]
	# shellcheck disable=SC2086 # one word for each pod
	for pod in a c b d e f $IDLE; do
		[ -z "$(programs_at n "$(pod_veth n $pod)")" ] || fail "$pod: $(programs_at n "$(pod_veth n $pod)")"
	done
}
