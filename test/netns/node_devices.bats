#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# lib/node: the list of the node's devices.

load lib
load nodenet

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
