#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# lib/node: the device nb0, its routes, and the list of the node's devices. Each test has a node n of its own, which forwards and
# filters reverse paths strictly.

load lib

setup_file() {
	suite_begin
}

teardown_file() {
	suite_leave
}

setup() {
	ns_create n
	ns_exec n sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=1 \
		net.ipv4.conf.default.rp_filter=1
}

teardown() {
	ns_delete n
}

nodenet() {
	ns_exec n "$NBT_BUILD/test/netns/nodenet" "$@"
}

# A device up0 with two addresses of each family.
uplink() {
	ip -n "$(ns n)" link add up0 type veth peer name up0-peer
	ip -n "$(ns n)" link set up0 addrgenmode none
	ip -n "$(ns n)" link set up0-peer addrgenmode none
	ip -n "$(ns n)" link set up0-peer up
	ip -n "$(ns n)" link set up0 up
	ip -n "$(ns n)" address add 192.0.2.1/24 dev up0
	ip -n "$(ns n)" address add 192.0.2.9/24 dev up0
	ip -n "$(ns n)" address add fd00:c0::1/64 dev up0 nodad
	ip -n "$(ns n)" address add fd00:c0::9/64 dev up0 nodad
}

links() {
	ip -n "$(ns n)" -d -j link show | jq -S .
}

# writes COMMAND...: what nodenet sends or opens to change something, a line each.
writes() {
	ns_exec n strace -o "$NBT_DIR/trace" -e trace=sendto,openat "$NBT_BUILD/test/netns/nodenet" "$@" >/dev/null || return
	awk '
		/^openat.*(O_WRONLY|O_RDWR|O_CREAT)/ { print }
		/^sendto/ {
			# In a namespace strace may have numbers only: requests that ask are every fourth (linux/rtnetlink.h).
			match($0, /nlmsg_type=[A-Z0-9a-z_]+/)
			type = substr($0, RSTART + 11, RLENGTH - 11)
			if (type !~ /GET|^0x[0-9a-f]*[26ae]$/)
				print
		}' "$NBT_DIR/trace"
}

# ---- the device ------------------------------------------------------------------------------------------------------------

# assert_whole MTU: nb0, and nb0-peer if it is there, are as nb0.h says.
assert_whole() {
	local bad
	bad=$(ip -n "$(ns n)" -d -j link show | jq -c --argjson mtu "$1" '.[] | select(.ifname | startswith("nb0"))
		| select((.flags | contains(["UP", "NOARP"])) and .mtu == $mtu and .ifalias == "natbridge node"
			and .inet6_addr_gen_mode == "none" and .operstate != "DOWN" | not)')
	[ -z "$bad" ] || fail "$bad"
	ip -n "$(ns n)" link show dev nb0 >/dev/null || return
	[ "$(ns_exec n sysctl -n net.ipv6.conf.nb0.disable_ipv6)" = 0 ] || fail "IPv6 is off"
	bad=$(ip -n "$(ns n)" address show | grep -A9 ': nb0' | grep inet || true)
	[ -z "$bad" ] || fail "$bad"
}

# The kind that this kernel gives.
kind() {
	ip -n "$(ns n)" -d -j link show dev nb0 | jq -r '.[].linkinfo.info_kind'
}

is_pair() {
	[ "$(kind)" = veth ] || skip "this kernel has dummies"
}

@test "nb0 is made, and a second call writes nothing" {
	local index mac mtu
	run -1 nodenet find
	[ -n "$(writes ensure 1450)" ] || fail "no writes seen: $(cat "$NBT_DIR/trace")"
	assert_whole 1450
	run -0 nodenet ensure 1450
	read -r index mac mtu <<<"$output"
	[ "$index $mac $mtu" = "$(ip -n "$(ns n)" -j link show dev nb0 | jq -r '.[] | "\(.ifindex) \(.address) \(.mtu)"')" ]
	run -0 writes ensure 1450
	[ -z "$output" ] || fail "$output"
	run -0 nodenet find
	[ "$output" = "$index $mac $mtu" ]
	run -0 nodenet remove
	[ "$(ip -n "$(ns n)" -j link show | jq -r '.[].ifname')" = lo ]
	run -0 nodenet remove
	run -0 writes remove
	[ -z "$output" ] || fail "$output"
}

@test "one sysctl is set, that of nb0 itself, where IPv6 is off on new devices" {
	local bad
	ns_exec n sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	ns_exec n sysctl -a -r '^net\.' 2>/dev/null | sort >"$NBT_DIR/before"
	run -0 nodenet ensure 1450
	assert_whole 1450
	ns_exec n sysctl -a -r '^net\.' 2>/dev/null | sort >"$NBT_DIR/after"
	bad=$(comm -3 "$NBT_DIR/before" "$NBT_DIR/after" | grep -vE 'net\.ipv[46]\.(conf|neigh)\.nb0|dev_weight|nf_conntrack_count' || true)
	[ -z "$bad" ] || fail "$bad"
	# what a new device has otherwise
	bad=$(diff <(conf_of default) <(conf_of nb0) | grep '^>' | grep -vE '\.(disable_ipv6|addr_gen_mode|mtu|forwarding) ' || true)
	[ -z "$bad" ] || fail "$bad"
	ns_exec n sysctl -qw net.ipv6.conf.nb0.disable_ipv6=1
	run -0 nodenet ensure 1450
	assert_whole 1450
}

conf_of() {
	ns_exec n sysctl -a -r "^net\.ipv[46]\.conf\.$1\." 2>/dev/null | sed "s/\.$1\././" | sort
}

@test "IPv6 is off on the node: nb0 is made all the same, again without a second write" {
	ns_exec n sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	run -0 nodenet ensure 1450
	assert_whole 1450
	run -0 writes ensure 1450
	[ -z "$output" ] || fail "$output"
}

@test "another MTU, and MTUs that are none" {
	local before mtu
	run -0 nodenet ensure 1450
	run -0 nodenet ensure 1400
	assert_whole 1400
	run -0 nodenet ensure 9000
	assert_whole 9000
	before=$(links)
	for mtu in 0 1279 65536; do
		run -1 nodenet ensure $mtu
		[[ $output = *"MTU $mtu of link \"nb0\" is not in 1280..65535"* ]] || fail "$output"
	done
	[ "$before" = "$(links)" ]
	run -0 nodenet ensure 1280
	assert_whole 1280
}

@test "a device nb0 of somebody else is named, and stays as it is" {
	local way before
	for way in "type bridge" "address 02:00:00:00:00:01 type veth peer name x0" "type veth peer name nb0-peer"; do
		# shellcheck disable=SC2086 # words
		ip -n "$(ns n)" link add nb0 $way
		before=$(links)
		run -1 nodenet ensure 1450
		[[ $output = *'link "nb0" '*"is not natbridge's"* ]] || fail "$output"
		run -1 nodenet find
		run -0 nodenet unroute
		run -0 nodenet remove
		[ "$before" = "$(links)" ]
		ip -n "$(ns n)" link delete nb0
	done
	# Our MAC, but an alias of somebody else.
	run -0 nodenet ensure 1450
	ip -n "$(ns n)" link set nb0 alias mine
	before=$(links)
	run -1 nodenet ensure 1450
	[[ $output = *'alias "mine"'* ]] || fail "$output"
	run -0 nodenet remove
	[ "$before" = "$(links)" ]
}

@test "a device nb0-peer of somebody else is named, and nothing is made" {
	local before
	run -0 nodenet ensure 1450
	is_pair
	run -0 nodenet remove
	ip -n "$(ns n)" link add nb0-peer type bridge
	before=$(links)
	run -1 nodenet ensure 1450
	[[ $output = *'link "nb0-peer" '*"is not natbridge's"* ]] || fail "$output"
	[ "$before" = "$(links)" ]
}

@test "the other end is in another namespace: said, and nb0 can be removed" {
	run -0 nodenet ensure 1450
	is_pair
	ns_create r
	ip -n "$(ns n)" link set nb0-peer netns "$(ns r)"
	run -1 nodenet ensure 1450
	[[ $output = *'the other end of "nb0" is in another network namespace; delete "nb0"'* ]] || fail "$output"
	run -0 nodenet remove
	ns_delete r
	run -0 nodenet ensure 1450
	assert_whole 1450
}

@test "killed at any request or write: the next call completes it, or removes it" {
	local call number next killed
	ns_exec n sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	for next in ensure remove; do
		for call in sendto write; do
			for ((number = 1; number < 40; number++)); do
				killed=0
				(
					ns_exec n strace -o /dev/null -e "inject=$call:signal=KILL:when=$number" "$NBT_BUILD/test/netns/nodenet" \
						ensure 1450 >/dev/null 2>&1
					exit # not in its place: else bats hears of the kill
				) || killed=$?
				if [ $next = ensure ]; then
					run -0 nodenet ensure 1450
					assert_whole 1450
				fi
				run -0 nodenet remove
				[ "$(ip -n "$(ns n)" -j link show | jq -r '.[].ifname')" = lo ] || fail "$call $number: left: $(links)"
				[ $killed != 0 ] || break
			done
			echo "# $next after a kill at $((number - 1)) calls of $call"
			[ $number -gt 1 ]
			[ $number -lt 40 ]
		done
	done
}

@test "what others have changed is put right" {
	local change
	run -0 nodenet ensure 1450
	for change in "nb0 down" "nb0 arp on" "nb0 mtu 1300" "nb0 addrgenmode eui64"; do
		# shellcheck disable=SC2086 # words
		ip -n "$(ns n)" link set $change
		run -0 nodenet ensure 1450
		assert_whole 1450
	done
	# a link-local address as well
	ip -n "$(ns n)" link set nb0 down addrgenmode eui64
	ip -n "$(ns n)" link set nb0 up
	wait_for 20 grep -q ' nb0$' <(ns_exec n cat /proc/net/if_inet6)
	run -0 nodenet ensure 1450
	assert_whole 1450
	is_pair
	for change in "nb0-peer down" "nb0-peer arp on" "nb0-peer mtu 1300" "nb0-peer addrgenmode eui64" "nb0-peer alias mine"; do
		# shellcheck disable=SC2086 # words
		ip -n "$(ns n)" link set $change
		run -0 nodenet ensure 1450
		assert_whole 1450
	done
	# too small for IPv6, which leaves the device
	ip -n "$(ns n)" link set nb0 mtu 1000
	run -0 nodenet ensure 1450
	assert_whole 1450
}

# ---- packets ---------------------------------------------------------------------------------------------------------------

@test "a packet to a Service leaves by nb0, and what no program takes ends there" {
	local file=$NBT_DIR/frames mac target arrivals=0
	uplink
	run -0 nodenet ensure 1450
	[ "$(kind)" = dummy ] || arrivals=3
	mac=$(ip -n "$(ns n)" -j link show dev nb0 | jq -r '.[].address')
	run -0 nodenet routes 10.96.0.0/12=192.0.2.1 fd00:96::/112=fd00:c0::1
	for target in 10.96.0.5 fd00:96::5; do
		capture n any "$file" host "$target"
		capture n nb0 "$file.nb0" host "$target"
		run -1 ns_exec n ping -c 3 -i 0.2 -W 1 "$target"
		[[ $output = *"3 packets transmitted, 0 received, 100% packet loss"* ]] || fail "$output"
		capture_end "$file"
		capture_end "$file.nb0"
		# each once out of nb0, with nb0's own MAC as destination; of a pair, once into nb0-peer, as another host's
		assert_captured $((3 + arrivals)) "$file"
		run -0 ns_exec n tcpdump -nn -t -r "$file" # which knows the devices' names
		[ "$(grep -c '^nb0  *Out ' <<<"$output")" = 3 ] || fail "$output"
		[ "$(grep -c '^nb0-peer  *P ' <<<"$output")" = $arrivals ] || fail "$output"
		[ "$(captured "$file.nb0" -e | grep -c "^$mac > $mac,")" = 3 ] || fail "$(captured "$file.nb0" -e)"
		[ "$(captured "$file.nb0" | grep -cE '(192.0.2.1|fd00:c0::1) > ')" = 3 ] || fail "$(captured "$file.nb0")"
	done
	[ -z "$(ip -n "$(ns n)" neigh show dev nb0 | grep -v NOARP || true)" ] || fail "$(ip -n "$(ns n)" neigh show dev nb0)"
	# the device itself asks nobody
	run -0 ns_exec n sh -c 'cat /proc/net/dev_snmp6/nb0*'
	[ "$(awk '/Out(NeighborSolicits|RouterSolicits|NeighborAdvertisements)/ { n++; sum += $2 } END { print (n > 0), sum }' <<<"$output")" = "1 0" ] || fail "$output"
}

@test "what comes in at nb0 from a Service passes the strict reverse path filter and is answered by nb0" {
	local file=$NBT_DIR/frames mac
	uplink
	run -0 nodenet ensure 1450
	is_pair
	mac=$(ip -n "$(ns n)" -j link show dev nb0 | jq -r '.[].address')
	run -0 nodenet routes 10.96.0.0/12=192.0.2.1 fd00:96::/112=fd00:c0::1
	capture n nb0 "$file"
	# by the other end; a program redirects it into nb0
	"$NBT_ROOT/test/netns/frames.py" make "Ether(dst='$mac') / IP(src='10.96.0.5', dst='192.0.2.1') / ICMP()" \
		"Ether(dst='$mac') / IPv6(src='fd00:96::5', dst='fd00:c0::1') / ICMPv6EchoRequest()" |
		ns_exec n "$NBT_ROOT/test/netns/frames.py" send nb0-peer
	capture_end "$file"
	assert_captured 1 "$file" src 192.0.2.1 and dst 10.96.0.5 and 'icmp[icmptype] == icmp-echoreply'
	assert_captured 1 "$file" src fd00:c0::1 and dst fd00:96::5 and 'ip6[40] == 129'
}

# ---- routes ----------------------------------------------------------------------------------------------------------------

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

# ---- devices ---------------------------------------------------------------------------------------------------------------

# devices [PATTERN...]: their names, on one line.
devices() {
	nodenet devices "$@" | awk '$1 != "mtu" { print $1 }' | paste -sd ' '
}

# link NAME WAY...: made and brought up.
link() {
	ip -n "$(ns n)" link add "$@"
	ip -n "$(ns n)" link set "$1" up
}

@test "devices: Ethernet, up, with an address and no master" {
	run -0 nodenet devices
	[ "$output" = "mtu 1500" ] || fail "$output"
	uplink
	run -0 nodenet ensure 1450
	ip -n "$(ns n)" address add 10.9.9.9/32 dev nb0
	link br0 type bridge
	ip -n "$(ns n)" address add 10.244.0.1/24 dev br0
	link port0 type veth peer name port1
	ip -n "$(ns n)" address add 10.1.0.1/24 dev port0
	[ "$(devices)" = "up0 br0 port0" ] || fail "$(devices)"
	ip -n "$(ns n)" link set port0 master br0
	[ "$(devices)" = "up0 br0" ] || fail "$(devices)"
	link six0 type veth peer name six1
	ip -n "$(ns n)" address add fd00:6::1/64 dev six0 nodad
	[ "$(devices)" = "up0 br0 six0" ] || fail "$(devices)" # not six1, which has a link-local address
	ip -n "$(ns n)" link set six0 mtu 1400
	ip -n "$(ns n)" link set br0 mtu 9000
	run -0 nodenet devices
	[ "$(grep -v br0 <<<"$output")" = "$(printf '%s\n' "up0 1500 192.0.2.1 fd00:c0::9" "six0 1400 - fd00:6::1" "mtu 1400")" ] || fail "$output"
	ip -n "$(ns n)" link set six0 mtu 1000 # without IPv6 then
	ip -n "$(ns n)" address add 10.6.0.1/24 dev six0
	run -0 nodenet devices
	[[ $output = *"six0 1000 10.6.0.1 -"*"mtu 1280" ]] || fail "$output"
	ip -n "$(ns n)" link set six0 down
	[ "$(devices)" = "up0 br0" ] || fail "$(devices)"
}

@test "devices: addresses that no packet should have" {
	link a0 type veth peer name a1
	ip -n "$(ns n)" link set a1 up
	ip -n "$(ns n)" address add 10.1.0.1/24 dev a0 preferred_lft 0
	ip -n "$(ns n)" address add 169.254.20.10/32 dev a0
	ip -n "$(ns n)" address add 10.2.0.1/24 dev a0 scope link
	ip -n "$(ns n)" address add fd00:1::1/64 dev a0 nodad preferred_lft 0
	[ -z "$(devices)" ] || fail "$(nodenet devices)"
	ip -n "$(ns n)" address add 10.3.0.1/24 dev a0
	ip -n "$(ns n)" address add 10.3.0.2/24 dev a0
	run -0 nodenet devices
	[[ $output = "a0 1500 10.3.0.1 -"* ]] || fail "$output"
	ip -n "$(ns n)" address add fd00:3::1/64 dev a0 nodad
	run -0 nodenet devices
	[[ $output = "a0 1500 10.3.0.1 fd00:3::1"* ]] || fail "$output"
}

@test "devices: a VXLAN" {
	uplink
	ip -n "$(ns n)" link add vx0 type vxlan id 5 dstport 4789 local 192.0.2.1 2>/dev/null || skip "no vxlan in this kernel"
	ip -n "$(ns n)" link set vx0 up mtu 1450
	ip -n "$(ns n)" address add 10.244.3.0/32 dev vx0
	run -0 nodenet devices
	[[ $output = *"vx0 1450 10.244.3.0 -"*"mtu 1450" ]] || fail "$output"
}

@test "devices: a VLAN" {
	uplink
	ip -n "$(ns n)" link add link up0 name vl5 type vlan id 5 2>/dev/null || skip "no vlan in this kernel"
	ip -n "$(ns n)" link set vl5 up
	ip -n "$(ns n)" address add 10.5.0.1/24 dev vl5
	[ "$(devices)" = "up0 vl5" ] || fail "$(devices)"
}

@test "devices: a tunnel that is no Ethernet" {
	ip -n "$(ns n)" tuntap add tun0 mode tun 2>/dev/null || skip "no tun in this kernel"
	ip -n "$(ns n)" link set tun0 up
	ip -n "$(ns n)" address add 10.7.0.1/24 dev tun0
	[ -z "$(devices)$(devices 'tun*')" ] || fail "$(devices)"
}

@test "devices: patterns pick by name, whatever state and addresses; never natbridge's own" {
	uplink
	run -0 nodenet ensure 1450
	link br0 type bridge
	link port0 type veth peer name port1
	ip -n "$(ns n)" link set port0 master br0
	link veth1 type veth peer name eth0 netns "$(ns n)"
	ip -n "$(ns n)" link set veth1 alias natbridge:net:container:eth0
	[ "$(devices 'up?')" = up0 ] || fail "$(devices 'up?')"
	[ "$(devices port1 'br*')" = "br0 port1" ] || [ "$(devices port1 'br*')" = "port1 br0" ] || fail "$(devices port1 'br*')"
	[ "$(devices '[op]*')" = "$(devices 'port*')" ] || fail "$(devices '[op]*')"
	[ "$(devices '*' | tr ' ' '\n' | sort | paste -sd ' ')" = "br0 eth0 port0 port1 up0 up0-peer" ] || fail "$(devices '*')"
	[ -z "$(devices 'nb0*' lo none)" ] || fail "$(devices 'nb0*' lo none)"
	run -0 nodenet devices none
	[ "$output" = "mtu 1500" ]
}
