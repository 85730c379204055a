#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# lib/node: the device nb0, and packets that leave and come in by it.

load lib
load nodenet

links() {
	ip -n "$(ns n)" -d -j link show | jq -S .
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
	# what a new device has otherwise; of itself the kernel looks for no duplicates on a dummy
	bad=$(diff <(conf_of default) <(conf_of nb0) | grep '^>' | grep -vE '\.(disable_ipv6|addr_gen_mode|accept_dad|mtu|forwarding) ' || true)
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
		[[ $output = *'a link "nb0" of somebody else'* ]] || fail "$output"
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
	[[ $output = *'a link "nb0-peer" of somebody else (kind "bridge", alias "")'* ]] || fail "$output"
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
	# too small for IPv6, which leaves the device
	ip -n "$(ns n)" link set nb0 mtu 1000
	run -0 nodenet ensure 1450
	assert_whole 1450
}

@test "what others have changed at the other end is put right" {
	local change
	run -0 nodenet ensure 1450
	is_pair
	for change in "nb0-peer down" "nb0-peer arp on" "nb0-peer mtu 1300" "nb0-peer addrgenmode eui64" "nb0-peer alias mine"; do
		# shellcheck disable=SC2086 # words
		ip -n "$(ns n)" link set $change
		run -0 nodenet ensure 1450
		assert_whole 1450
	done
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
