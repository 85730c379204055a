#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# lib/node: the routes on nb0.

load lib
load nodenet

# What our routes are: "DST SRC" a line.
our_routes() {
	{
		ip -n "$(ns n)" -j route show dev nb0 proto 110
		ip -n "$(ns n)" -j -6 route show dev nb0 proto 110
	} | jq -r '.[] | "\(.dst) \(.prefsrc // "-")"' | sort
}

# A family's range, sources and a single address.
of_family() {
	case $1 in
	4) range=10.96.0.0/12 one=198.51.100.7 length=32 src=192.0.2.1 src2=192.0.2.9 inside=10.96.0.5 not_ours=192.0.2.77 ;;
	6) range=fd00:96::/112 one=2001:db8::7 length=128 src=fd00:c0::1 src2=fd00:c0::9 inside=fd00:96::5 not_ours=fd00:c0::77 ;;
	esac
}

with_nb0() {
	uplink
	run -0 nodenet ensure 1450
}

@test "routes are added, changed without a gap, and removed; a second call writes nothing" {
	local family range one length src src2 inside not_ours pid events=$NBT_DIR/events
	with_nb0
	for family in 4 6; do
		of_family "$family"
		run -0 nodenet routes "$range=$src" "$one/$length=$src"
		[ "$(our_routes)" = "$(printf '%s\n' "$range $src" "$one $src" | sort)" ] || fail "$(our_routes)"
		run -0 writes routes "$range=$src" "$one/$length=$src" "$range=$src"
		[ -z "$output" ] || fail "$output"
		[[ $(ip -n "$(ns n)" route get "$inside") = *"dev nb0 "*"src $src "* ]] || fail "$(ip -n "$(ns n)" route get "$inside")"

		ip -n "$(ns n)" monitor route >"$events" 3>&- &
		pid=$!
		wait_for 20 listens "$events"
		run -0 nodenet routes "$range=$src2" "$one/$length"
		wait_for 20 deleted 2 "$events"
		kill $pid
		wait $pid 2>/dev/null || true
		[ "$(our_routes)" = "$(printf '%s\n' "$range $src2" "$one -" | sort)" ] || fail "$(our_routes)"
		# the new one first, then the old one goes
		[ "$(grep -F "${range%::*}" "$events" | awk '{ print ($1 == "Deleted") }' | paste -sd ' ')" = "0 1" ] || fail "$(<"$events")"

		run -0 nodenet routes "$range=$src2"
		[ "$(our_routes)" = "$range $src2" ] || fail "$(our_routes)"
		run -0 nodenet unroute
		[ -z "$(our_routes)" ] || fail "$(our_routes)"
		run -0 writes unroute
		[ -z "$output" ] || fail "$output"
	done
	run -0 nodenet remove
	run -0 nodenet unroute
}

# Whether the monitor that writes the file tells of a change.
listens() {
	ip -n "$(ns n)" route add table 99 198.51.100.99 dev lo
	ip -n "$(ns n)" route delete table 99 198.51.100.99 dev lo
	grep -q 198.51.100.99 "$1"
}

deleted() {
	[ "$(grep -c '^Deleted .*proto 110' "$2")" -ge "$1" ]
}

# foreign FAMILY ROUTE...: ip route add, and what it looks like, to $NBT_DIR/foreign.
foreign() {
	ip -n "$(ns n)" "-$1" route add "${@:2}"
	ip -n "$(ns n)" "-$1" route show | grep -v 'dev nb0 proto 110 ' >"$NBT_DIR/foreign"
}

foreign_stays() {
	ip -n "$(ns n)" "-$1" route show | grep -v 'dev nb0 proto 110 ' | diff "$NBT_DIR/foreign" - || fail "a route of somebody else changed (see above)"
}

@test "a route of somebody else with the same destination stays alone, is told, and the others go on" {
	local family range one length src src2 inside not_ours way up
	with_nb0
	up=$(ip -n "$(ns n)" -j link show dev up0 | jq '.[].ifindex')
	for family in 4 6; do
		of_family "$family"
		for way in "dev up0" "dev up0 metric 5" "dev up0 metric 32766" "dev up0 metric 40000" "dev up0 proto 110 metric 50000" \
			"dev nb0 proto static"; do
			# there before ours
			# shellcheck disable=SC2086 # words
			foreign "$family" "$range" $way
			run -0 nodenet routes "$range=$src" "$one/$length=$src"
			[[ $output = "conflict $range "* ]] && [ "$(wc -l <<<"$output")" = 1 ] || fail "$way: $output"
			[[ $way = *nb0* ]] || [ "$output" = "conflict $range $up" ] || fail "$way: $output"
			[ "$(our_routes)" = "$one $src" ] || fail "$way: $(our_routes)"
			foreign_stays "$family"
			run -0 writes routes "$range=$src" "$one/$length=$src"
			[ -z "$output" ] || fail "$output"
			# gone: ours comes
			# shellcheck disable=SC2086 # words
			ip -n "$(ns n)" "-$family" route delete "$range" $way
			run -0 nodenet routes "$range=$src" "$one/$length=$src"
			[ -z "$output" ] && [ "$(our_routes)" = "$(printf '%s\n' "$range $src" "$one $src" | sort)" ] || fail "$way: $output $(our_routes)"
			# there after ours
			if [ "$way" != "dev up0 metric 32766" ]; then
				# shellcheck disable=SC2086 # words
				foreign "$family" "$range" $way
				run -0 nodenet routes "$range=$src" "$one/$length=$src"
				[[ $output = "conflict $range "* ]] || fail "$way: $output"
				[ "$(our_routes)" = "$one $src" ] || fail "$way: $(our_routes)"
				foreign_stays "$family"
				# shellcheck disable=SC2086 # words
				ip -n "$(ns n)" "-$family" route delete "$range" $way
			fi
			run -0 nodenet unroute
		done
		for way in unreachable blackhole prohibit; do
			ip -n "$(ns n)" "-$family" route add $way "$range"
			run -0 nodenet routes "$range=$src" "$one/$length"
			[[ $output = "conflict $range "* ]] || fail "$way: $output"
			[ "$(our_routes)" = "$one -" ] || fail "$way: $(our_routes)"
			ip -n "$(ns n)" "-$family" route show | grep -q "^$way $range "
			ip -n "$(ns n)" "-$family" route delete $way "$range"
		done
		# in another table, or of another length, it is no conflict
		ip -n "$(ns n)" "-$family" route add "$range" dev up0 table 77
		ip -n "$(ns n)" "-$family" route add "${range%/*}/$length" dev up0
		run -0 nodenet routes "$range=$src"
		[ -z "$output" ] && [ "$(our_routes)" = "$range $src" ] || fail "$output $(our_routes)"
		[[ $(ip -n "$(ns n)" "-$family" route show table 77) = *up0* ]]
		run -0 nodenet unroute
	done
}

@test "a route that appears between the listing and the change is told too" {
	local pid
	with_nb0
	# The second request lists IPv4's routes: stopped behind it.
	ip netns exec "$(ns n)" strace -o "$NBT_DIR/trace" -e trace=sendto -e inject=sendto:signal=STOP:when=2 \
		"$NBT_BUILD/test/netns/nodenet" routes 10.96.0.0/12 198.51.100.7/32 >"$NBT_DIR/out" 2>&1 3>&- &
	pid=$!
	wait_for 20 grep -q 'stopped by SIGSTOP' "$NBT_DIR/trace"
	ip -n "$(ns n)" route add 10.96.0.0/12 dev up0 metric 32766
	kill -CONT "$(pgrep -P $pid -x nodenet)"
	wait $pid
	[[ $(<"$NBT_DIR/out") = "conflict 10.96.0.0/12 "* ]] || fail "$(<"$NBT_DIR/out")"
	[ "$(our_routes)" = "198.51.100.7 -" ] || fail "$(our_routes)"
}

@test "a route that the kernel refuses keeps no other from being set, nor loses what is there" {
	local family range one length src src2 inside not_ours
	with_nb0
	for family in 4 6; do
		of_family "$family"
		run -0 nodenet routes "$range=$src"
		run -1 nodenet routes "$range=$not_ours" "$one/$length=$src2"
		[[ $output = *"cannot add route $range"* ]] || fail "$output"
		[ "$(our_routes)" = "$(printf '%s\n' "$range $src" "$one $src2" | sort)" ] || fail "$(our_routes)"
		# what is no route at all changes nothing
		run -1 nodenet routes "$range=$src2" "$inside/8"
		[[ $output = *"host bits are set"* ]] || fail "$output"
		run -1 nodenet routes "$range=$src2" "$range=$src"
		[[ $output = *"given twice"* ]] || fail "$output"
		[ "$(our_routes)" = "$(printf '%s\n' "$range $src" "$one $src2" | sort)" ] || fail "$(our_routes)"
		run -0 nodenet unroute
	done
}

@test "killed at any request while sources change: the next call leaves one route each, the wanted one" {
	local number killed
	with_nb0
	for ((number = 1; number < 30; number++)); do
		run -0 nodenet routes 10.96.0.0/12=192.0.2.1 fd00:96::/112=fd00:c0::1
		killed=0
		(
			ns_exec n strace -o /dev/null -e "inject=sendto:signal=KILL:when=$number" "$NBT_BUILD/test/netns/nodenet" \
				routes 10.96.0.0/12=192.0.2.9 fd00:96::/112=fd00:c0::9 >/dev/null 2>&1
			exit # not in its place: else bats hears of the kill
		) || killed=$?
		[ "$(our_routes | wc -l)" -ge 2 ] || fail "a gap: $(our_routes)"
		run -0 nodenet routes 10.96.0.0/12 fd00:96::/112 # a third source while two are there
		[ "$(our_routes)" = "$(printf '%s\n' "10.96.0.0/12 -" "fd00:96::/112 -")" ] || fail "$(our_routes)"
		[ $killed != 0 ] || break
	done
	[ $number -gt 3 ]
	[ $number -lt 30 ]
	run -0 nodenet remove
	[ -z "$(ip -n "$(ns n)" route show table all proto 110)$(ip -n "$(ns n)" -6 route show table all proto 110)" ]
}
