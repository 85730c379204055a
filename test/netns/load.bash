# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Connections while something changes: new ones all the time, and streams that stand.

LOAD=$NBT_BUILD/test/netns/load

# ---- new ones, by TCP and by UDP, one after the other ----

# load_start NS ADDRESS TCP-PORT [UDP-PORT]: until load_end or load_leave. Each connection is a line in load-NS.out.
load_start() {
	local from=$1 address=$2 tcp=$3 udp=${4:-$3} out=$NBT_DIR/load-$1.out
	rm -f "$NBT_DIR/load.end" "$out"
	(
		while [ -d "$NBT_DIR" ] && [ ! -e "$NBT_DIR/load.end" ]; do
			ask "$from" -t 2000 tcp "$address" "$tcp" >>"$out" 2>&1 || echo "FAILED tcp $address" >>"$out"
			ask "$from" -t 2000 udp "$address" "$udp" >>"$out" 2>&1 || echo "FAILED udp $address" >>"$out"
		done
		echo end >>"$out"
	) >/dev/null 2>&1 3>&- &
	disown
}

# load_goes_on NS...: 20 more connections of each.
load_goes_on() {
	local from
	for from in "$@"; do
		wait_for 20 longer_than "$NBT_DIR/load-$from.out" $(($(wc -l <"$NBT_DIR/load-$from.out") + 20))
	done
}

# load_end [-MAX] NS...: ends it. Fails if more than MAX, by default none, of the connections of one have failed.
load_end() {
	local from max=0 failed
	[[ $1 != -* ]] || {
		max=${1#-}
		shift
	}
	: >"$NBT_DIR/load.end"
	for from in "$@"; do
		wait_for 20 grep -qx end "$NBT_DIR/load-$from.out"
		failed=$(grep -c FAILED "$NBT_DIR/load-$from.out" || true)
		[ "$failed" -le "$max" ] || fail "$from: $failed of $(wc -l <"$NBT_DIR/load-$from.out")" "$(grep -B 1 FAILED "$NBT_DIR/load-$from.out")"
	done
}

# For teardown().
load_leave() {
	: >"$NBT_DIR/load.end"
}

# ---- streams: STREAMS of them, of which none may wait for an answer longer than STREAM_WAIT, in ms ----

# streams_begin NAME NS ADDRESS PORT
streams_begin() {
	ip netns exec "$(ns "$2")" "$LOAD" streams "$3" "$4" "$STREAMS" 6 >"$NBT_DIR/streams-$1" 2>&1 3>&- &
	disown
	wait_for 20 grep -q open "$NBT_DIR/streams-$1"
}

# streams_end NAME: none of its answers was lost or late.
streams_end() {
	local longest
	wait_for 20 grep -q longest "$NBT_DIR/streams-$1"
	[[ $(<"$NBT_DIR/streams-$1") = $'open\n'"$STREAMS streams, "*' answers, 0 failed, longest wait '* ]] || fail "$1: $(<"$NBT_DIR/streams-$1")"
	longest=$(awk 'END { print $(NF - 1) }' "$NBT_DIR/streams-$1")
	echo "# streams $1: $(tail -n 1 "$NBT_DIR/streams-$1")" >&3
	[ "$longest" -lt "$STREAM_WAIT" ] || fail "a stream of $1 waited $longest ms"
}
