# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Walks over the system calls of a plugin call: once for each of them the plugin runs under strace, which kills it there or makes
# the call fail. What is walked is a row of a table: see faults.bats. Node n and pod p are the file's.
#
# A point is a call that natbridge itself makes, "SYSCALL NUMBER KIND": its number among those of its name, and what it does as
# far as strace tells (the command of bpf(), whether a netlink message asks or changes), with a "!" if it changes something beyond
# the process. Its children are not traced: what they do happens while natbridge waits in poll, read or wait4.

# Calls that end any process, or ask for memory, the time or the like, tell nothing about natbridge.
BORING='brk|clock_gettime|close|dup|exit_group|fcntl|futex|getrandom|madvise|mmap|mprotect|mremap|munmap|newfstatat|prlimit64'
BORING="$BORING|rt_sigaction|rt_sigprocmask|sched_yield|uname"

# plugin VERB CONFIG [COMMAND...]: natbridge on pod p, run by that command.
plugin() {
	local verb=$1 config=$2
	shift 2
	NATBRIDGE_BPFFS=$NBT_DIR/node-n/bpf CNI_PATH=$TEST_BIN_DIR CNI_COMMAND=$verb CNI_IFNAME=eth0 \
		CNI_CONTAINERID=faults CNI_NETNS=/run/netns/$NBT-p ip netns exec "$NBT-n" "$@" "$NBT_BUILD/natbridge" <<<"$config"
}

# traced VERB CONFIG STRACE-OPTION...: the same under strace; what it prints is in $NBT_DIR/out and stderr, the trace in trace.
traced() {
	local verb=$1 config=$2
	shift 2
	(
		plugin "$verb" "$config" timeout 30 strace -o "$NBT_DIR/trace" "$@"
		exit # not in its place: else bats hears of the kill
	) >"$NBT_DIR/out" 2>"$NBT_DIR/stderr"
}

# The points of the trace. The dynamic loader's calls are counted but are none; the C library's question for the size of the stack
# ends them.
points() {
	awk -v boring="^($BORING)$" '
		!match($0, /^[a-z0-9_]+\(/) { next }
		{ name = substr($0, 1, RLENGTH - 1); number = ++count[name]; kind = name }
		/RLIMIT_STACK/ { main = 1 }
		!main || name ~ boring { next }
		name == "bpf" {
			split($0, part, /[(,]/)
			kind = name ":" substr(part[2], 5)
			if (kind ~ /UPDATE|DELETE|OBJ_PIN|ATTACH|DETACH/)
				kind = kind "!"
		}
		name == "sendto" {
			match($0, /nlmsg_type=[A-Z0-9a-z_]+/)
			type = substr($0, RSTART + 11, RLENGTH - 11)
			# In the pod s namespace strace has numbers; requests that only ask are every fourth (linux/rtnetlink.h).
			kind = name ":" (type ~ /GET|^0x[0-9a-f]*[26ae]$/ ? "ask" : type "!")
		}
		name == "openat" && /O_CREAT/ { kind = kind "!" }
		name ~ /^(write|mkdir|rename|unlink|unlinkat|rmdir|mount|clone|clone3|poll|wait4)$/ { kind = kind "!" }
		{ print name, number, kind }' "$NBT_DIR/trace"
}

# chosen changing|each|some: of the points on stdin,
#   changing  those that change something; of a run of one kind the first two and the last
#   each      these, and in every stretch between two of them the first point of each kind
#   some      of each kind the first and the last
# With FAULTS=all in the environment the last two are all, and the first leaves out none.
chosen() {
	awk -v how="$1" -v full="${FAULTS:-}" '
		{ line[NR] = $0; kind[NR] = $3; last[$3] = NR; if (!($3 in first)) first[$3] = NR }
		END {
			for (i = 1; i <= NR; i++) {
				changing = kind[i] ~ /!$/
				run = kind[i] == kind[i - 1] ? run + 1 : 1
				edge = full == "all" || run <= 2 || kind[i] != kind[i + 1]
				if (changing)
					stretch = i
				fresh = !((kind[i], stretch) in seen)
				seen[kind[i], stretch] = 1
				if (how != "changing" && full == "all" || how == "some" && (i == first[kind[i]] || i == last[kind[i]]) ||
				    how != "some" && changing && edge || how == "each" && !changing && fresh)
					print line[i]
			}
		}'
}

# ---- what there is ---------------------------------------------------------------------------------------------------------

# All that a node and its pod hold, a line each, without numbers that differ from one ADD to the next.
everything() {
	local dir=$NBT_DIR/node-n datapath
	# shellcheck disable=SC2016 # for the node's own shell
	ip netns exec "$NBT-n" sh -c '
		for link in /sys/class/net/*; do
			echo "link ${link##*/}"
			[ "${link##*/}" = lo ] || "$0" "${link##*/}" 2>/dev/null
		done
		ip -o address show
		bridge fdb show
		nft list ruleset' "$NBT_BUILD/test/netns/attached" | awk '
			$1 == "link" { link = $2; print }
			/^(in|e)gress / { print "program", link, $0 }
			/^[0-9]+: / && $2 != "lo" && $4 !~ /^fe80/ { print "address", $2, $4 }
			/ static$/ { print "fdb", $0 }
			/^table / { rules = 1 }
			rules { sub(/counter packets [0-9]+ bytes [0-9]+/, "counter"); print "nft", $0 }'
	ip -n "$NBT-p" -o link show | awk '{ print "pod", $2 }'
	find "$dir/bpf" "$dir/ipam" -mindepth 1 \( -path "$dir/bpf/*" -o -type f \) ! -name lock ! -name 'last_reserved_ip.*' -printf 'file %p\n'
	for datapath in "$dir"/bpf/natbridge/*/v*; do
		[ ! -e "$datapath/links" ] || for map in links endpoints ports; do
			echo "entries of $map $(bpftool map dump pinned "$datapath/$map" | grep -c '"value": [^{]\|"slot": \|"ifindex": [1-9]')"
		done
	done
}

# The node as it was before its first pod: what belongs to networks goes, their pins and bridges.
node_forget() {
	ip -n "$NBT-n" link del cni0 2>/dev/null || true
	ns_exec n nft flush ruleset
	rm -rf "$NBT_DIR/node-n/bpf/natbridge"
}

# What an ADD and a DEL leave, to $NBT_DIR/usual.
note_usual() {
	node_forget
	everything | sort >"$NBT_DIR/fresh"
	plugin ADD "$1" >/dev/null || fail "ADD"
	plugin DEL "$1"
	everything | sort >"$NBT_DIR/usual"
}

# nothing_left WHEN [PATTERN]: there is nothing that an ADD and a DEL do not leave, but for lines of that pattern.
nothing_left() {
	everything | sort | grep -vE "${2:-^$}" >"$NBT_DIR/now" || true
	comm -13 "$NBT_DIR/usual" "$NBT_DIR/now" >"$NBT_DIR/more"
	[ ! -s "$NBT_DIR/more" ] || fail "left $1:" "$(<"$NBT_DIR/more")" "$(tail -n 5 "$NBT_DIR/trace" 2>/dev/null)"
}

# answered_well WHEN STATUS: success, or one JSON object that is an error.
answered_well() {
	if [ "$2" -eq 0 ]; then
		jq -se 'length == 0 or (length == 1 and (.[0] | has("code") | not))' "$NBT_DIR/out" >/dev/null && return
	else
		jq -se 'length == 1 and .[0].code > 0 and .[0].msg != ""' "$NBT_DIR/out" >/dev/null && return
	fi
	fail "$1: status $2, and neither success nor one error:" "$(cat "$NBT_DIR/out" "$NBT_DIR/stderr")"
}

# ---- walks -----------------------------------------------------------------------------------------------------------------

# begin VERB first|later CONFIG: what the call finds.
begin() {
	[ "$2" != first ] || node_forget
	[ "$1" = ADD ] || plugin ADD "$3" >/dev/null 2>&1 || fail "ADD before $1"
}

# walk VERB first|later CONFIG FAULT HOW [KINDS]: FAULT is "kill" or an errno's name; KINDS is a pattern. A failed ADD has undone
# all it did; after every fault DEL returns 0 and nothing is left.
walk() {
	local verb=$1 state=$2 config=$3 fault=$4 how=$5 kinds=${6:-.} name number kind count=0
	FAILED=0
	begin "$verb" "$state" "$config"
	traced "$verb" "$config" || fail "$verb without a fault" "$(<"$NBT_DIR/stderr")"
	plugin DEL "$config"
	points | grep -E " ($kinds)" | chosen "$how" >"$NBT_DIR/walk"
	while read -r name number kind; do
		begin "$verb" "$state" "$config"
		fault "$verb" "$config" "$fault" "$name" "$number" "$fault at $name $number ($kind)"
		works_again "$fault at $name $number ($kind)" "$config"
		count=$((count + 1))
	done <"$NBT_DIR/walk"
	echo "# $state $verb: $fault at $count calls, $FAILED failed"
	[ "$count" -gt 0 ]
}

# fault VERB CONFIG FAULT SYSCALL NUMBER WHEN: one step of it.
fault() {
	local verb=$1 config=$2 action="error=$3" at=$6 status=0 undone=
	[ "$3" != kill ] || action="signal=KILL"
	traced "$verb" "$config" -e "inject=$4:$action:when=$5" || status=$?
	[ "$3" = kill ] || answered_well "$at" "$status"
	[ "$3" != EINTR ] || [ "$status" = 0 ] || fail "$at is no reason to fail" "$(<"$NBT_DIR/out")"
	[ "$3" = kill ] || [ "$status" = 0 ] || FAILED=$((FAILED + 1))
	# after a failed ADD there is nothing to do for DEL
	[ "$verb" != ADD ] || [ "$3" = kill ] || [ "$status" = 0 ] || undone=1
	[ -z "$undone" ] || nothing_left "by the failed ADD, $at"
	plugin DEL "$config" >"$NBT_DIR/out" || fail "DEL after $at" "$(<"$NBT_DIR/out")"
	# host-local is killed with the plugin, perhaps before it has written the container into its lease: see reboot.bats.
	[ "$3" != kill ] || find "$NBT_DIR/node-n/ipam" -type f -empty ! -name lock -delete
	[ -n "$undone" ] || nothing_left "after DEL, $at"
}

# walk_asking VERB CONFIG: CHECK or STATUS with each kind of call failing. It changes nothing.
walk_asking() {
	local verb=$1 config=$2 name number kind status count=0
	everything | sort >"$NBT_DIR/before"
	traced "$verb" "$config" || fail "$verb" "$(<"$NBT_DIR/out")"
	# write: the config for IPAM
	! points | grep '!' | grep -vE ' (clone3?|poll|wait4|write)!' || fail "$verb made these calls"
	points | chosen some >"$NBT_DIR/walk"
	while read -r name number kind; do
		status=0
		traced "$verb" "$config" -e "inject=$name:error=EIO:when=$number" || status=$?
		answered_well "$verb, $name $number ($kind)" "$status"
		count=$((count + 1))
	done <"$NBT_DIR/walk"
	everything | sort | diff "$NBT_DIR/before" - || fail "$verb changed something"
	traced "$verb" "$config" || fail "$verb afterwards" "$(<"$NBT_DIR/out")"
	echo "# $verb: EIO at $count calls"
}

# walk_gc CONFIG [KINDS]: GC of a network that has a pod but no valid attachments. After a fault the next GC does what was left.
walk_gc() {
	local config=$1 kinds=${2:-.} name number kind at status count=0
	begin GC later "$config"
	traced GC "$config" || fail "GC" "$(<"$NBT_DIR/out")"
	points | grep -E " ($kinds)" | chosen some >"$NBT_DIR/walk"
	while read -r name number kind; do
		at="EIO at $name $number ($kind)" status=0
		plugin DEL "$config"
		begin GC later "$config"
		traced GC "$config" -e "inject=$name:error=EIO:when=$number" || status=$?
		answered_well "$at" "$status"
		plugin GC "$config" || fail "GC after $at"
		nothing_left "by the second GC, $at" '^(file .*/ipam/|pod )' # host-local frees by DEL only
		count=$((count + 1))
	done <"$NBT_DIR/walk"
	plugin DEL "$config"
	nothing_left "by DEL"
	echo "# GC: EIO at $count calls"
}

# works_again WHEN CONFIG: so does an ADD. Where all is as it always is before an ADD, that is shown.
works_again() {
	cmp -s "$NBT_DIR/now" "$NBT_DIR/usual" || cmp -s "$NBT_DIR/now" "$NBT_DIR/fresh" && return
	plugin ADD "$2" >"$NBT_DIR/out" || fail "the next ADD, after $1" "$(<"$NBT_DIR/out")"
	plugin DEL "$2" || fail "its DEL, after $1"
}
