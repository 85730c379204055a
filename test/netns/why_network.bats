#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl why, about what networks and ports are like: modes, limits, ports that are cut off or isolated, source checks. No agent
# feeds the tables.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipspoofchk = true | .plugins[0].capabilities.bandwidth = true'
	network_write n apart '.plugins[0] += {bridge: "cni1", portIsolation: true} | .plugins[0].ipam.ranges = [[{subnet: "10.245.0.0/24"}]]'
	network_write n assist '.plugins[0].bridge = "cni2" | .plugins[0].serviceProxy.mode = "assist" | .plugins[0].ipam.ranges = [[{subnet: "10.246.0.0/24"}]]'
	network_write n plain '.plugins[0].bridge = "cni3" | .plugins[0].serviceProxy.mode = "off" | .plugins[0].ipam.ranges = [[{subnet: "10.247.0.0/24"}]]'
	pods_up n net a b
	pods_up n apart c d
	pods_up n assist e f
	pods_up n plain g
	services_apply n "$(service default/web 10.96.0.10,fd00:96::10 TCP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/apart 10.96.0.20 TCP:80:8080 "$(pod_ip d 4)")" \
		"$(service default/six fd00:96::66 TCP:80:8080 "$(pod_ip b 6)")"
	serve b tcp 8080
	serve d tcp 8080
}

teardown_file() {
	suite_end take_down
}

take_down() {
	pods_down n net a b
	pods_down n apart c d
	pods_down n assist e f
	pods_down n plain g
}

setup() {
	N=$(ns n)
}

# why SRC DST: text on one line.
why() {
	run --separate-stderr ctl n why "$@"
}

# has WORDS...: the last output.
has() {
	local words
	for words; do
		# shellcheck disable=SC2154 # set by run
		[[ $output$stderr == *"$words"* ]] || fail "no \"$words\": $output$stderr" || return
	done
}

@test "By the name of a port, in both families; the source check is named" {
	why "$(pod_veth n a)" 10.96.0.10:80
	has "$(pod_ip a 4) to 10.96.0.10:80" "source check  on" "past the bridge into port \"$(pod_veth n b)\"" "in the table"
	why "$(pod_veth n a)" "[fd00:96::10]:80"
	has "$(pod_ip a 6) to [fd00:96::10]:80" "The packet gets to [$(pod_ip b 6)]:8080."
	why "$(pod_veth n a)" default/web:p0
	has "$(pod_ip a 4) to 10.96.0.10:80"
}

@test "A pod whose bandwidth is limited: through the host, as its client and as its backend" {
	tc -n "$N" qdisc add dev "$(pod_veth n b)" root tbf rate 100mbit burst 100000 latency 10ms
	why --send "$(pod_ip a 4)" 10.96.0.10:80
	has "through the host's IP stack, since the bandwidth of port \"$(pod_veth n b)\" is limited" "It works"
	why "$(pod_ip b 4)" 10.96.0.10:80
	has "fast path     off for this pod"
	tc -n "$N" qdisc del dev "$(pod_veth n b)" root
}

@test "A backend that is cut off from its bridge" {
	ip -n "$N" link set "$(pod_veth n b)" nomaster
	why --send "$(pod_ip a 4)" 10.96.0.10:80
	[ "$status" = 5 ]
	has "$(pod_ip b 4):8080  yes  $(pod_veth n b)  drop_cut_off" "dropped, and the sender is not told: drop_cut_off" \
		"the packet was dropped at \"$(pod_veth n a)\" of network \"net\": drop_cut_off" "What to do: natbridgectl endpoint list"
	ip -n "$N" link set "$(pod_veth n b)" master cni0
	why --send "$(pod_ip a 4)" 10.96.0.10:80
	has "It works"
}

@test "portIsolation" {
	why --send "$(pod_ip c 4)" 10.96.0.20:80
	[ "$status" = 5 ]
	has drop_isolated "What to do: nothing, if portIsolation or the VLANs are meant so"
}

@test "Mode assist: the host's rules translate; mode off: nothing is natbridge's" {
	why "$(pod_ip e 4)" 10.96.0.10:80
	[ "$status" = 0 ]
	has "mode assist" "nb_assist_from" "its rules translate, those of kube-proxy" "natbridge leaves the packet to the host's rules"
	why "$(pod_ip e 4)" "$(pod_ip f 4):80"
	has "service       none: $(pod_ip f 4) is the pod at port"
	why "$(pod_veth n g)" 10.96.0.10:80
	[ "$status" = 1 ]
	has "network \"plain\"" "its mode is off"
	why "$(pod_ip g 4)" 10.96.0.10:80
	has "no pod of this node has the address $(pod_ip g 4), or its mode is off"
}

@test "Nobody serves the node and clients outside" {
	local src
	ip -n "$N" link add up9 type veth peer name up9p
	ip -n "$N" link set up9 up
	ip -n "$N" route add 192.0.2.0/24 dev up9
	for src in node 192.0.2.77; do
		why $src 10.96.0.10:80
		[ "$status" = 0 ] || fail "$output$stderr"
		has "natbridge does not translate what the node and clients outside send" "natbridge does nothing with the packet."
	done
	ip -n "$N" link del up9
	why node default/web:80
	[ "$status" = 3 ]
	has "the node's own table is not set up"
}

@test "Two networks with a pod of one address: --network decides" {
	network_write n twin '.plugins[0].bridge = "cni4" | .plugins[0].isGateway = false | .plugins[0].ipam.ranges = [[{subnet: "10.244.0.0/24"}]] | .plugins[0].ipam.dataDir = "'"$NBT_DIR"'/twin"'
	pods_up n twin t
	why "$(pod_ip a 4)" 10.96.0.10:80
	[ "$status" = 1 ]
	has 'networks "net" and "twin" both have such a pod'
	why --network net "$(pod_ip a 4)" 10.96.0.10:80
	has 'of network "net"'
	pods_down n twin t
	ctl n --network twin uninstall
	rm "$NBT_DIR/node-n/net.d/twin.conflist"
}

@test "A port without its program; the host's own routes for what it forwards" {
	programs_detach n "$(pod_veth n a)"
	why "$(pod_ip a 4)" 10.96.0.10:80
	[ "$status" = 5 ]
	has "program       missing at \"$(pod_veth n a)\"" "natbridge does not see what the pod sends." "delete and recreate the pod"
	pods_down n net a
	pods_up n net a
	services_apply n "$(service default/far 10.96.0.30 TCP:80:8080 10.2.0.9)"
	ip -n "$N" link add up9 type veth peer name up9p
	ip -n "$N" link set up9 up
	ip -n "$N" link set up9p up
	ip -n "$N" route add 10.2.0.0/24 dev up9 table 100
	why "$(pod_ip a 4)" 10.96.0.30:80
	[ "$status" = 5 ]
	has "which has no route there"
	ip -n "$N" rule add iif cni0 lookup 100
	why "$(pod_ip a 4)" 10.96.0.30:80
	[ "$status" = 0 ]
	has "which sends it by \"up9\""
	ip -n "$N" rule del iif cni0 lookup 100
	ip -n "$N" link del up9
	services_apply n "$(service default/web 10.96.0.10,fd00:96::10 TCP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/six fd00:96::66 TCP:80:8080 "$(pod_ip b 6)")"
}

@test "Pings beyond, families, the other end of a connection, addresses that nobody has, a bpffs that is none" {
	local port
	why "$(pod_ip a 4)" 10.250.1.1/icmp
	has "natbridge does nothing with the packet."
	why "$(pod_veth n a)" default/six:80
	has "$(pod_ip a 6) to [fd00:96::66]:80" "The packet gets to [$(pod_ip b 6)]:8080."
	talk_open open a tcp 10.96.0.10 80
	talk_say open hello
	port=$(ctl n --network net -o json conntrack list | jq --arg a "$(pod_ip a 4)" 'map(select(.assured and .original.src == $a)) | .[0].original.sport')
	why "$(pod_ip b 4):8080" "$(pod_ip a 4):$port"
	has "an answer of the one from $(pod_ip a 4):$port to 10.96.0.10:80" "The packet gets to $(pod_ip a 4):$port."
	why --send "$(pod_ip a 4):$port" 10.96.0.10:80
	[ "$status" = 1 ]
	has "the packet was not sent: cannot send from port $port there" "connection    open, to $(pod_ip b 4):8080, ESTABLISHED"
	talk_close open
	why ::1 "[fd00:96::10]:80"
	[ "$status" = 1 ]
	has "no packet to a Service has the source ::1"
	why --network apart "$(pod_ip a 4)" 10.96.0.10:80
	has "network \"apart\" has no pod with the address $(pod_ip a 4)"
	mkdir "$NBT_DIR/node-n/bpf/natbridge/zz" "$NBT_DIR/node-n/bpf/natbridge/zz/v99"
	why "$(pod_ip a 4)" 10.96.0.10:80
	[ "$status" = 0 ]
	rmdir "$NBT_DIR/node-n/bpf/natbridge/zz/v99" "$NBT_DIR/node-n/bpf/natbridge/zz"
	why --bpffs /tmp node 10.96.0.10:80
	[ "$status" = 1 ]
}

@test "Without privileges it says so" {
	run node_exec n setpriv --reuid nobody --clear-groups "$NBT_BUILD/natbridgectl" why node 10.96.0.10:80
	[ "$status" != 0 ]
	[ -n "$output" ]
}
