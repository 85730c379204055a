#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# C13: another natbridge is installed while pods run. build/other/next has other programs, build/other/layout another map layout
# as well; test/upgrade/build says how they differ from this one. STREAM_WAIT: how long no stream may wait for an answer, in ms;
# KILL_EVERY: 10 kills at every tenth call only.
# Runs first: it takes long.

load lib
load kube
load load

WEB4=10.96.0.10 WEB6=fd00:96::10
SELF4=10.96.0.12
FAR4=10.96.0.13 FAR6=fd00:96::13
STICKY4=10.96.0.15
HERE=${NBT_LAYOUT#v} THERE=$((1000 + ${NBT_LAYOUT#v}))
STREAMS=100 STREAM_WAIT=${STREAM_WAIT:-1000}

setup_file() {
	local pod
	suite_begin
	node_create n
	network_write n net '.plugins[0].serviceProxy.conntrack.timeouts.udp = 77'
	pods_up n net a b c
	bpf_note n # what the upgrades replace
	remote_create n r
	for pod in a b c r; do
		serve $pod tcp 8080
		serve $pod udp 5353
	done
	services_apply n "$(service default/web $WEB4,$WEB6 TCP:80:8080,UDP:53:5353 "$(both b)")" \
		"$(service default/self $SELF4 TCP:80:8080 "$(pod_ip a 4)")" \
		"$(service default/far $FAR4,$FAR6 TCP:80:8080 192.0.2.2,fd00:c0::2)" \
		"$(service default/sticky $STICKY4 TCP:80:8080 "$(pod_ip b 4),$(pod_ip c 4)" | affinity)"
}

teardown_file() {
	suite_end pods_down n net a b c
}

both() {
	echo "$(pod_ip "$1" 4),$(pod_ip "$1" 6)"
}

affinity() {
	jq '.items[0].spec.sessionAffinity = "ClientIP"'
}

# version this|next|layout: what is called from now on.
version() {
	local dir=$NBT_BUILD/other/$1
	[ "$1" != this ] || dir=$NBT_BUILD
	export CNI_PATH=$dir:$TEST_BIN_DIR NATBRIDGECTL=$dir/natbridgectl
}

pins() {
	echo "$NBT_DIR/node-n/bpf/natbridge/net/$1"
}

layout() {
	"$NATBRIDGECTL" --version | sed 's/.*layout \(.*\))/\1/'
}

# Ids of the programs that are pinned.
pinned_ids() {
	local program
	for program in nb_from_pod nb_to_pod nb_assist_from; do
		[ ! -e "$(pins "$(layout)")/$program" ] || bpftool -j prog show pinned "$(pins "$(layout)")/$program"
	done | jq -r .id | xargs
}

# attached_ids DEV...: of the programs at these links of the node, by tcx or by filters of clsact: "DEV ID..." a line.
attached_ids() {
	# shellcheck disable=SC2016 # for the node's shell: to enter the node takes most of the time
	ns_exec n sh -c 'for dev in "$@"; do
			echo "dev $dev"
			"$0" -i "$dev" 2>/dev/null
			tc filter show dev "$dev" ingress
			tc filter show dev "$dev" egress
		done' "$NBT_BUILD/test/netns/attached" "$@" | awk '
			$1 == "dev" { if (line) print line; line = $2; next }
			/^(in|e)gress / { line = line " " $3; next }
			match($0, / id [0-9]+ /) { line = line " " substr($0, RSTART + 4, RLENGTH - 5) }
			END { print line }'
}

# assert_links_followed DEV...: each link has the programs that are pinned.
assert_links_followed() {
	local dev pinned expected
	pinned=$(pinned_ids)
	[ -n "$pinned" ]
	expected=$(for dev in "$@"; do echo "$dev $pinned"; done)
	diff <(echo "$expected") <(attached_ids "$@") || fail "the programs at the ports are not those that are pinned (see above)"
}

# assert_followed POD...: the same of their ports.
assert_followed() {
	local pod devs=()
	for pod in "$@"; do
		devs+=("$(pod_veth n "$pod")")
	done
	assert_links_followed "${devs[@]}"
}

services() {
	ctl n -o json service list | jq -S .
}

# while_streams_run COMMAND...: over the bridge, over IPv6, through the host and to itself, all at once.
while_streams_run() {
	local before after
	before=$(services)
	streams_begin web a $WEB4 80
	streams_begin web6 c $WEB6 80
	streams_begin far b $FAR4 80
	streams_begin self a $SELF4 80
	"$@"
	assert_followed a b c
	after=$(services)
	diff <(echo "$before") <(echo "$after") || fail "the Services are others"
	for name in web web6 far self; do
		streams_end $name
	done
}

new_pod() {
	version "$1"
	pods_up n net d
	pod_check n d
	pods_down n net d
}

# upgraded VERSION [PORTS]
upgraded() {
	version "$1"
	run -0 ctl n upgrade
	[ "$output" = "net: programs replaced on ${2:-3} ports" ] || fail "$output"
	run -0 ctl n upgrade
	[ "$output" = "net: nothing to do" ] || fail "$output"
}

all_work() {
	local pod
	run -0 ask a -n 3 tcp $WEB4 80
	assert_answer b "$(pod_ip a 4)"
	run -0 ask c -n 3 udp $WEB6 53
	assert_answer b "$(pod_ip c 6)"
	run -0 ask b -n 3 tcp $FAR6 80
	assert_answer r "$(pod_ip b 6)"
	run -0 ask a tcp $SELF4 80
	assert_answer a "$GATEWAY4"
	for pod in a b c; do
		pod_check n $pod
	done
	[ "$(ctl n -o json status | jq '.[0].behind')" = false ]
}

@test "C13: the next ADD brings other programs to every port, and streams go on" {
	local before
	before=$(attached_ids "$(pod_veth n a)")
	while_streams_run new_pod next
	[ "$(attached_ids "$(pod_veth n a)")" != "$before" ]
	all_work
}

@test "C13: without the right to look at programs by their ids, none is put beside another version's" {
	local before
	before=$(attached_ids "$(pod_veth n a)")
	version this
	run ! node_exec n setpriv --bounding-set "-all,+bpf,+net_admin,+perfmon" "$NATBRIDGECTL" upgrade
	[[ $output = *"cannot attach nb_"*": Operation not permitted"* ]] || fail "$output"
	[ "$(attached_ids "$(pod_veth n a)")" = "$before" ]
	run -0 ask a tcp $WEB4 80
}

@test "C13: natbridgectl upgrade does so without an ADD, here back to the older one" {
	[ "$(NATBRIDGECTL=$NBT_BUILD/natbridgectl ctl n -o json status | jq '.[0].behind')" = true ]
	version next
	while_streams_run upgraded this
	all_work
}

@test "C13: the next ADD migrates another map layout, with Services, connections and settings" {
	local sticky backend port
	version this
	run -0 ask a tcp $STICKY4 80
	backend=${output%% *}
	talk_open quiet a tcp $WEB4 80
	talk_say quiet one
	read -r _ _ port _ <<<"$output"
	while_streams_run new_pod layout
	[[ $(ctl n conntrack list) = *"ESTABLISHED src=$(pod_ip a 4) dst=$WEB4 sport=$port "* ]] || fail "$(ctl n conntrack list)"
	talk_say quiet two
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a -c 20 tcp $STICKY4 80
	sticky=$(awk '{ print $1 }' <<<"$output" | sort -u)
	[ "$sticky" = "$backend" ] || fail "by $sticky, not $backend"
	[ "$(ctl n -o json conntrack stats | jq '.[0].settings.udp')" = 77 ]
	[ ! -e "$(pins "$NBT_LAYOUT")" ]
	counts_anew
	all_work
}

# Counters begin at zero: those of the new programs alone are read, by their own numbers.
counts_anew() {
	local before after
	before=$(ctl n -o json conntrack stats | jq '.[0].insert')
	[ "$before" -lt $STREAMS ] || fail "$before connections counted since the migration"
	run -0 ask a -c 3 tcp $WEB4 80
	after=$(ctl n -o json conntrack stats | jq '.[0].insert')
	[ "$after" = $((before + 3)) ] || fail "insert: $before, and $after after 3 connections"
}

@test "C13: and back, by natbridgectl upgrade" {
	version layout
	while_streams_run upgraded this
	[ "$(ls "$NBT_DIR/node-n/bpf/natbridge/net")" = "$NBT_LAYOUT" ]
	counts_anew
	all_work
}

@test "C13: new connections go on being made while programs are replaced" {
	version this
	ip netns exec "$(ns a)" "$LOAD" storm $WEB4 80 5 4 >"$NBT_DIR/storm" 2>&1 3>&- &
	version next
	upgraded next
	upgraded this
	upgraded next
	upgraded this
	wait_for 20 grep -q connections "$NBT_DIR/storm"
	echo "# $(<"$NBT_DIR/storm")" >&3
	[[ $(<"$NBT_DIR/storm") = *" connections, 0 failed" ]] || fail "$(<"$NBT_DIR/storm")"
}

@test "C13: natbridge by the side of another map layout: what it says before the next ADD" {
	version layout
	ctl n upgrade
	version this
	run ! pod_check n a
	[[ $output = *"network \"net\" has map layout $THERE, not $HERE: the next ADD of this natbridge, or \"natbridgectl upgrade\", migrates it;"* ]] || fail "$output"
	run -1 ctl n service list
	[[ $output = *'"natbridgectl upgrade"'* ]] || fail "$output"
	run -1 ctl n --network net service apply -f - <<<'{"apiVersion": "v1", "kind": "List", "items": []}'
	[[ $output = *'"natbridgectl upgrade"'* ]] || fail "$output"
	run -0 plugin_call n STATUS a "$(plugin_config n net)"
	run -1 ns_exec r env NATBRIDGE_BPFFS="$NBT_DIR/node-n/bpf" "$NATBRIDGECTL" upgrade
	[[ $output = *'none of the 3 ports of network "net" is in this network namespace'* ]] || fail "$output"
	upgraded this
}

@test "C13: DEL and GC migrate another map layout, so that nothing stays in it" {
	version layout
	pods_up n net d e
	version this
	pods_down n net d
	assert_followed a b c
	[ "$(ctl n -o json endpoint list | jq '[.[] | select(.state == "attached")] | length')" = 8 ]
	version layout
	pods_up n net d
	version this
	run -0 plugin_call n GC e "$(plugin_config n net ".\"cni.dev/valid-attachments\" = $(attachments a b c d)")"
	assert_followed a b c d
	[ "$(ctl n -o json endpoint list | jq length)" = 8 ]
	pods_down n net d e
	all_work
}

# An upgrade is cut short at each call that changes something, of both kinds; the next one ends it.
@test "C13: killed at any point: nothing stops, and the next upgrade ends it" {
	local to call count calls ports
	ports=("$(pod_veth n a)" "$(pod_veth n b)" "$(pod_veth n c)")
	for to in next layout; do
		version $to
		calls=$(traced_upgrade | grep -cE '^')
		[ "$calls" -gt 10 ]
		upgraded this
	done
	talk_open lasting a tcp $WEB4 80
	for to in next layout; do
		version this
		ctl n upgrade >/dev/null
		version $to
		traced_upgrade | awk -v every="${KILL_EVERY:-1}" 'NR % every == 0' >"$NBT_DIR/calls"
		while read -r call count; do
			version this
			ctl n upgrade >/dev/null || fail "back after a kill at $call $count"
			version $to
			strace_upgrade -e "inject=$call:signal=KILL:when=$count" || true
			run -0 ask a tcp $WEB4 80
			talk_say lasting "$call $count"
			[[ $output = "b "* ]] || fail "$output after a kill at $call $count"
			ctl n upgrade >/dev/null || fail "after a kill at $call $count"
			assert_links_followed "${ports[@]}"
			[ "$(ls "$NBT_DIR/node-n/bpf/natbridge/net")" = "$(layout)" ]
		done <"$NBT_DIR/calls"
	done
	version this
	ctl n upgrade
	all_work
}

strace_upgrade() {
	node_exec n timeout 30 strace -o "$NBT_DIR/trace" "$@" "$NATBRIDGECTL" upgrade >/dev/null 2>&1
}

# What an upgrade does that lasts, each with a count: all but a part of the many calls of bpf(), which mostly read.
traced_upgrade() {
	strace_upgrade
	sed -nE 's/^([a-z0-9_]+)\(.*/\1/p' "$NBT_DIR/trace" | awk '{ print $1, ++count[$1] }' |
		awk '/^(rename|symlink|unlink|unlinkat|rmdir|mkdir) / || (/^bpf / && $2 % 25 == 0)'
}

@test "C13: a pod that the other natbridge adds meanwhile is not left behind" {
	version layout
	ctl n upgrade
	version this
	strace_upgrade -e inject=unlinkat:error=EPERM || true # the other layout's pins stay
	version layout
	pods_up n net d
	version this
	run -1 ctl n upgrade
	[[ $output = *"a natbridge with map layout $THERE has added a pod meanwhile; the next ADD completes the migration"* ]] || fail "$output"
	pods_up n net e
	assert_followed a b c d e
	[ "$(ls "$NBT_DIR/node-n/bpf/natbridge/net")" = "$NBT_LAYOUT" ]
	pod_check n d
	run -0 ask d tcp $WEB4 80
	assert_answer b "$(pod_ip d 4)"
	pods_down n net d e
}

@test "C13: what cannot be migrated is refused by name, and all goes on as it was" {
	local id dir before
	version layout
	ctl n upgrade
	dir=$(pins "$(layout)")
	id=$(bpftool -j map show pinned "$dir/endpoints" | jq .id)
	rm "$dir/endpoints"
	bpftool map create "$dir/endpoints" type hash key 16 value 28 entries 16 name endpoints
	before=$(node_state n)
	version this
	pod_create d
	run ! --separate-stderr plugin_call n ADD d "$(plugin_config n net)"
	[[ $output = *'cannot migrate network \"net\" from map layout '$THERE' to '$HERE': endpoints: the map has no BTF'* ]] ||
		fail "$output"
	diff <(echo "$before") <(node_state n)
	[ "$(ls "$(dirname "$dir")")" = "$(basename "$dir")" ]
	run -0 plugin_call n DEL d "$(plugin_config n net)"
	run -0 ask a tcp $WEB4 80
	rm "$dir/endpoints"
	bpftool map pin id "$id" "$dir/endpoints"
	run -0 plugin_call n ADD d "$(plugin_config n net)"
	run -0 plugin_call n DEL d "$(plugin_config n net)"
	ns_delete d
	assert_followed a b c
	all_work
}

@test "C13: a mode that changes together with the map layout" {
	local mode
	for mode in assist off ebpf; do
		version layout
		[ $mode = ebpf ] || ctl n upgrade
		network_write n net ".plugins[0].serviceProxy = {mode: \"$mode\", conntrack: {timeouts: {udp: 77}}}"
		version this
		pods_up n net d
		case $mode in
		ebpf) assert_modes "nb_from_pod nb_to_pod" "" ;;
		assist) assert_modes nb_assist_from nb_assist_host ;;
		off) assert_modes "" "" ;;
		esac
		pods_down n net d
		[ $mode != assist ] || network_write n net '.plugins[0].serviceProxy.mode = "ebpf"'
		[ $mode != assist ] || again
	done
	services_apply n "$(service default/web $WEB4,$WEB6 TCP:80:8080,UDP:53:5353 "$(both b)")"
	run -0 ask a tcp $WEB4 80
}

again() {
	pods_up n net d
	pods_down n net d
}

# assert_modes PROGRAMS PROGRAMS: at every port, and at the bridge.
assert_modes() {
	local pod
	for pod in a b c d; do
		[ "$(programs_at n "$(pod_veth n $pod)" | xargs)" = "$1" ] || fail "$pod: $(programs_at n "$(pod_veth n $pod)")"
		pod_check n $pod
	done
	[ "$(programs_at n cni0 | xargs)" = "$2" ] || fail "at the bridge: $(programs_at n cni0)"
}

@test "C13: mode assist: ports and bridge get other programs, and connections go on" {
	local to bridge
	node_create m
	network_write m net '.plugins[0].serviceProxy.mode = "assist"'
	version this
	pods_up m net ma mb
	serve mb tcp 8080 b
	{
		echo "web tcp $WEB4 80 $(pod_ip mb 4),8080"
		echo "web tcp $WEB6 80 $(pod_ip mb 6),8080"
	} | kube_iptables m
	# One port straight to the backend and to its Service, which gets a substitute port there.
	talk_open direct ma -p 30000 tcp "$(pod_ip mb 4)" 8080
	talk_say direct one
	talk_open service ma -p 30000 tcp $WEB4 80
	talk_say service two
	[[ $output = "b "*" two" ]] || fail "$output"
	[ "$(ctl m -o json conntrack stats | jq '.[0].port_changed')" = 1 ]
	for to in next layout this; do
		streams_begin m4 ma $WEB4 80
		streams_begin m6 ma $WEB6 80
		version $to
		run -0 ctl m upgrade
		[ "$output" = "net: programs replaced on 2 ports" ] || fail "$output"
		[ "$(programs_at m cni0)" = nb_assist_host ]
		[ "$(programs_at m "$(pod_veth m ma)")" = nb_assist_from ]
		bridge=$(bpftool -j prog show pinned "$NBT_DIR/node-m/bpf/natbridge/net/$(layout)/nb_assist_host" | jq .id)
		ns_exec m "$NBT_BUILD/test/netns/attached" -i cni0 2>/dev/null | grep -q " $bridge$" || tc -n "$NBT-m" filter show dev cni0 egress | grep -q "id $bridge "
		streams_end m4
		streams_end m6
		talk_say direct $to
		[[ $output = "b "*" $to" ]] || fail "direct: $output"
		talk_say service $to
		[[ $output = "b "*" $to" ]] || fail "Service: $output"
		pod_check m ma
		run -0 ask ma tcp $WEB4 80
		assert_answer b "$(pod_ip ma 4)"
	done
	# Into a table of connections that is only made now: more than a few find their place.
	network_write m net '.plugins[0].serviceProxy.mode = "ebpf"'
	pods_up m net mc
	services_apply m "$(service default/late $WEB4 TCP:80:8080 "$(pod_ip mb 4)")"
	run -0 ask ma -c 20 tcp $WEB4 80
	[ "$(ctl m -o json conntrack stats | jq -c '.[0] | [.entries, .drop]')" = "[20,0]" ]
	pods_down m net ma mb mc
	kube_gone m
}
