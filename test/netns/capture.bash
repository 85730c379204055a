# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What passes an interface, captured by tcpdump. Part of lib.bash.

# capture NS IFNAME FILE [FILTER...]: tcpdump into FILE from now on; capture_end FILE ends it.
capture() {
	local name=$1 dev=$2 file=$3
	shift 3
	rm -f "$file" "$file.log" # an earlier capture said "listening" there
	# its buffer has a place for each frame of that length: two thousand; by default there are eight
	ip netns exec "$NBT-$name" tcpdump -U --immediate-mode -s 8192 -B 16384 -nn -i "$dev" -w "$file" "$@" >"$file.log" 2>&1 3>&- &
	echo $! >"$file.pid"
	disown
	wait_for 20 grep -q 'listening on' "$file.log"
}

capture_end() {
	local pid
	pid=$(<"$1.pid")
	wait_for 20 packets_settled || true # others may have the machine busy all the time
	wait_for 20 capture_read "$1" "$pid"
	kill "$pid" 2>/dev/null || true
	wait_for 20 capture_over "$1" "$pid"
	! grep '^[1-9][0-9]* packets\? dropped' "$1.log" || fail "the capture is not whole"
}

# Whether no packets wait for a CPU: ksoftirqd of none has work. The pause stays: what comes may be answered, as the last segments
# of a connection are, and nothing tells that no answer comes any more.
packets_settled() {
	sleep 0.1
	! pgrep -r R '^ksoftirqd/' >/dev/null
}

# captured FILE [FILTER...]: the captured packets, a line each.
captured() {
	tcpdump -nn -t -r "$@" 2>/dev/null
}

# assert_captured N FILE [FILTER...]: exactly that many of them.
assert_captured() {
	local expected=$1 count
	shift
	count=$(captured "$@" | wc -l)
	[ "$count" = "$expected" ] || fail "captured $count packets, expected $expected: $*" "$(captured "$@" | head -n 20)"
}

# Whether tcpdump has read all that there is for it, of which it loses the rest when it is ended: as much as the kernel has passed
# by the filter, or at ten looks no more. (On a loopback device the kernel counts each packet twice.)
capture_read() {
	local answers
	answers=$(grep -c 'captured,.*received' "$1.log")
	kill -USR1 "$2" 2>/dev/null || return 0
	wait_for 20 capture_answered "$1" "$answers" || return
	awk '
		/captured,.*received/ { same = now == $2 && received == $5 ? same + 1 : 0; now = $2; received = $5 }
		END { exit now != received && same < 10 }' "$1.log"
}

capture_answered() {
	[ "$(grep -c 'captured,.*received' "$1.log")" -gt "$2" ]
}

capture_over() {
	! kill -0 "$2" 2>/dev/null || grep -q '^[0-9]* packets\? captured' "$1.log"
}
