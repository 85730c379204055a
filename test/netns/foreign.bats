#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A bridge that someone else made, and backends on it that natbridge did not attach.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10

# Network net is ours, network other the reference plugin's; both are on bridge cni0 with one IPAM.
setup_file() {
	suite_begin
	node_create n
	ip -n "$(ns n)" link add cni0 type bridge
	ip -n "$(ns n)" address add "$GATEWAY4/24" dev cni0
	ip -n "$(ns n)" address add "$GATEWAY6/64" dev cni0 nodad
	ip -n "$(ns n)" link set cni0 up
	network_write n net
	network_write n other '.plugins[0].type = "bridge" | .plugins[0].ipam.ranges |= [[.[0][0] + {rangeStart: "10.244.0.100"}],
		[.[1][0] + {rangeStart: "fd00:10:244::100"}]]'
	pods_up n net a
	pods_up n other b
	serve b tcp 8080
	services_apply n "$(service default/web $VIP4,$VIP6 TCP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")"
}

teardown_file() {
	suite_end take_down
}

take_down() {
	pods_down n net a
	pods_down n other b
	ip -n "$(ns n)" link del cni0
}

@test "A3, C18: a backend that the reference plugin attached to the same bridge answers from the VIP" {
	local vip
	for vip in $VIP4 $VIP6; do
		run -0 ask a tcp "$vip" 80
		[[ $output = "b "* ]]
	done
}

@test "a bridge that had no MAC of its own keeps the one it has, and services go on, when a port with a lower one joins" {
	local before
	before=$(ip -n "$(ns n)" -j link show cni0 | jq -r '.[0].address')
	ip -n "$(ns n)" link add low0 type veth peer name low1
	ip -n "$(ns n)" link set low0 address 00:00:5e:00:00:01
	ip -n "$(ns n)" link set low0 master cni0
	[ "$(ip -n "$(ns n)" -j link show cni0 | jq -r '.[0].address')" = "$before" ]
	run -0 ask a tcp $VIP4 80
	ip -n "$(ns n)" link del low0
}
