#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# VLANs: frames that pods tag themselves, and a bridge that filters by VLAN. Node e translates (mode ebpf), on node i the host's
# rules do (mode assist). Pods are named after their node: ea, eb, ec.

load ../netns/lib
load ../netns/kube

WEB4=10.96.0.10 WEB6=fd00:96::10
SELF4=10.96.0.12 SELF6=fd00:96::12
FAR4=10.96.0.13 FAR6=fd00:96::13
APART4=10.96.0.14 APART6=fd00:96::14
NODES="e i"

setup_file() {
	local node pod n=0
	suite_begin
	for node in $NODES; do
		node_create "$node"
		network_write "$node" net "$([ "$node" = e ] || echo '.plugins[0].serviceProxy.mode = "assist" |') ."
		pods_up "$node" net "${node}a" "${node}b" "${node}c"
		remote_create "$node" "${node}r" $n
		n=$((n + 1))
		for pod in a b c r; do
			serve "$node$pod" tcp 8080 $pod
			serve "$node$pod" udp 8080 $pod
		done
	done
	services_apply e "$(service default/web $WEB4,$WEB6 TCP:80:8080,UDP:80:8080 "$(both eb)")" \
		"$(service default/self $SELF4,$SELF6 TCP:80:8080,UDP:80:8080 "$(both ea)")" \
		"$(service default/far $FAR4,$FAR6 TCP:80:8080,UDP:80:8080 192.0.2.2,fd00:c0::2)" \
		"$(service default/apart $APART4,$APART6 TCP:80:8080,UDP:80:8080 "$(both ec)")"
	frontends | kube_iptables i
}

teardown_file() {
	suite_end take_down
}

take_down() {
	local node
	for node in $NODES; do
		pods_down "$node" net "${node}a" "${node}b" "${node}c" "${node}d"
		kube_gone "$node"
	done
}

both() {
	echo "$(pod_ip "$1" 4),$(pod_ip "$1" 6)"
}

# The same Services for the rules of node i.
frontends() {
	local family proto web self far apart
	for family in 4 6; do
		web=WEB$family self=SELF$family far=FAR$family apart=APART$family
		for proto in tcp udp; do
			cat <<-END
				web$family $proto ${!web} 80 $(pod_ip ib $family),8080
				self$family $proto ${!self} 80 $(pod_ip ia $family),8080
				far$family $proto ${!far} 80 $([ $family = 4 ] && echo 192.0.2.6 || echo fd00:c0:1::2),8080
				apart$family $proto ${!apart} 80 $(pod_ip ic $family),8080
			END
		done
	done
}

# answered POD NAME PEER4 PEER6 ADDRESS4 ADDRESS6 PORT: by NAME, which saw PEER, by TCP and UDP.
answered() {
	local proto
	for proto in tcp udp; do
		run ask "$1" -n 3 $proto "$5" "$7"
		assert_answer "$2" "$3"
		run ask "$1" -n 3 $proto "$6" "$7"
		assert_answer "$2" "$4"
	done
}

# All kinds of connections of pod a, on either node.
all_work() {
	local node a4 a6
	for node in $NODES; do
		a4=$(pod_ip "${node}a" 4) a6=$(pod_ip "${node}a" 6)
		answered "${node}a" b "$a4" "$a6" $WEB4 $WEB6 80
		answered "${node}a" r "$a4" "$a6" $FAR4 $FAR6 80
		answered "${node}a" b "$a4" "$a6" "$(pod_ip "${node}b" 4)" "$(pod_ip "${node}b" 6)" 8080
		run -0 ask "${node}a" -n 3 tcp $SELF4 80
		assert_answer a "$GATEWAY4"
		run -0 ask "${node}a" -n 3 udp $SELF6 80
	done
}

# tagged NS VID N [DEV [LINK-OPTION...]]: a VLAN of the pod's own, at 10.5.VID.N and fd00:5:VID::N.
tagged() {
	local name=$1 vid=$2 n=$3 dev=${4:-eth0}
	shift 3
	shift $(($# > 0))
	ip -n "$NBT-$name" link add link "$dev" name "$dev.$vid" type vlan id "$vid" "$@"
	ip -n "$NBT-$name" link set "$dev.$vid" up
	ip -n "$NBT-$name" address add "10.5.$vid.$n/24" dev "$dev.$vid"
	ip -n "$NBT-$name" address add "fd00:5:$vid::$n/64" dev "$dev.$vid" nodad
}

# tags_pass VID DEV: on both nodes, between a and b. The Service's address stands at b's VLAN as well, under the Service's port:
# the one who answers says whether the frame was translated.
tags_pass() {
	local node vid=$1 dev=$2
	for node in $NODES; do
		answered "${node}a" b "10.5.$vid.1" "fd00:5:$vid::1" "10.5.$vid.2" "fd00:5:$vid::2" 8080
		ip -n "$NBT-${node}a" route add $WEB4 via "10.5.$vid.2" dev "$dev"
		ip -n "$NBT-${node}a" route add $WEB6 via "fd00:5:$vid::2" dev "$dev"
		answered "${node}a" tagged "10.5.$vid.1" "fd00:5:$vid::1" $WEB4 $WEB6 80
		ip -n "$NBT-${node}a" route del $WEB4
		ip -n "$NBT-${node}a" route del $WEB6
		answered "${node}a" b "$(pod_ip "${node}a" 4)" "$(pod_ip "${node}a" 6)" $WEB4 $WEB6 80
	done
	[[ $(ctl e conntrack list) != *10.5.* ]] || fail "tracked: $(ctl e conntrack list)"
}

# move_to VID NODE POD...: from the VLAN where they are, as untagged ports.
move_to() {
	local vid=$1 node=$2 pod
	shift 2
	for pod in "$@"; do
		into_vlan "$node" "$(pod_veth "$node" "$pod")" "$vid" pvid untagged
	done
}

# into_vlan NODE DEV VID [FLAG...]: that one only.
into_vlan() {
	local node=$1 dev=$2 vid=$3 self=()
	shift 3
	[ "$dev" != cni0 ] || self=(self)
	bridge -n "$NBT-$node" vlan del dev "$dev" vid 1-4094 "${self[@]}"
	bridge -n "$NBT-$node" vlan add dev "$dev" vid "$vid" "$@" "${self[@]}"
}

@test "B18: frames with an 802.1Q tag pass untranslated, the tag beside the packet or in it" {
	local node
	for node in $NODES; do
		tagged "${node}a" 5 1
		tagged "${node}b" 5 2
		ip -n "$NBT-${node}b" address add $WEB4/32 dev eth0.5
		ip -n "$NBT-${node}b" address add $WEB6/128 dev eth0.5 nodad
		serve "${node}b" tcp 80 tagged
		serve "${node}b" udp 80 tagged
	done
	tags_pass 5 eth0.5
	for node in $NODES; do
		ns_exec "${node}a" ethtool -K eth0 tx-vlan-offload off
		ns_exec "${node}b" ethtool -K eth0 tx-vlan-offload off
	done
	tags_pass 5 eth0.5
}

@test "B18: frames with two tags pass untranslated" {
	local node
	for node in $NODES; do
		ip -n "$NBT-${node}a" link add link eth0 name q type vlan proto 802.1ad id 7
		ip -n "$NBT-${node}b" link add link eth0 name q type vlan proto 802.1ad id 7
		ip -n "$NBT-${node}a" link set q up
		ip -n "$NBT-${node}b" link set q up
		tagged "${node}a" 6 1 q
		tagged "${node}b" 6 2 q
	done
	tags_pass 6 q.6
}

@test "a bridge that filters by VLAN, all ports in its first one" {
	local node
	for node in $NODES; do
		ip -n "$NBT-$node" link set cni0 type bridge vlan_filtering 1
	done
	all_work
}

@test "CHECK tells that the bridge filters by now, until the next ADD has taken the fast path from the network" {
	local node
	for node in $NODES; do
		run ! pod_check "$node" "${node}a"
		[[ $output = *'bridge "cni0" filters by VLAN now'* ]] || fail "$output"
		pod_create "${node}d"
		run -0 pod_add "$node" "${node}d"
		[[ $output = *'network net has no "vlan"'* ]] || fail "$output"
		pod_check "$node" "${node}a"
		[ "$(fast_path "$node")" = false ]
	done
	all_work
}

fast_path() {
	ctl "$1" -o json status | jq '.[0].fastPath'
}

@test "a bridge that filters, pods and host in another VLAN" {
	local node
	for node in $NODES; do
		move_to 100 "$node" "${node}a" "${node}b"
		into_vlan "$node" cni0 100 pvid untagged
	done
	all_work
	for node in $NODES; do
		pod_check "$node" "${node}a"
		pod_check "$node" "${node}b"
	done
}

@test "a pod in another VLAN is not reached, directly or through a Service" {
	local node proto dump
	for node in $NODES; do
		dump=$NBT_DIR/apart-$node
		move_to 200 "$node" "${node}c"
		capture "${node}c" eth0 "$dump" 'port 8080'
		for proto in tcp udp; do
			run ! ask "${node}a" -t 2000 $proto "$(pod_ip "${node}c" 4)" 8080
			run ! ask "${node}a" -t 2000 $proto $APART4 80
			run ! ask "${node}a" -t 2000 $proto $APART6 80
		done
		capture_end "$dump"
		assert_captured 0 "$dump"
	done
}

@test "fastPath: true, given, vouches for the VLANs" {
	network_write e net '.plugins[0].serviceProxy.fastPath = true'
	pod_again
	[ "$(fast_path e)" = true ]
	pod_check e ea
	run -0 ask ea tcp $WEB4 80
	network_write e net
	pod_again
	[ "$(fast_path e)" = false ]
}

pod_again() {
	pods_down e net ed
	pods_up e net ed
}

@test "a pod at a trunk port reaches those in its VLANs" {
	local node
	for node in $NODES; do
		into_vlan "$node" "$(pod_veth "$node" "${node}c")" 100
		ip -n "$NBT-${node}c" link add link eth0 name eth0.100 type vlan id 100
		ip -n "$NBT-${node}c" link set eth0.100 up
		ip -n "$NBT-${node}c" address add 10.5.100.3/24 dev eth0.100
		ip -n "$NBT-${node}c" address add fd00:5:100::3/64 dev eth0.100 nodad
		ip -n "$NBT-${node}a" address add 10.5.100.1/24 dev eth0
		ip -n "$NBT-${node}a" address add fd00:5:100::1/64 dev eth0 nodad
		answered "${node}a" c 10.5.100.1 fd00:5:100::1 10.5.100.3 fd00:5:100::3 8080
		answered "${node}c" a 10.5.100.3 fd00:5:100::3 10.5.100.1 fd00:5:100::1 8080
		ip -n "$NBT-${node}a" address del 10.5.100.1/24 dev eth0
		ip -n "$NBT-${node}a" address del fd00:5:100::1/64 dev eth0
	done
}

@test "the host in the VLAN by a link of its own on the bridge" {
	local node
	for node in $NODES; do
		into_vlan "$node" cni0 100
		ip -n "$NBT-$node" link add link cni0 name cni0.100 type vlan id 100
		ip -n "$NBT-$node" address flush dev cni0 scope global
		ip -n "$NBT-$node" link set cni0.100 up
		ip -n "$NBT-$node" address add "$GATEWAY4/24" dev cni0.100
		ip -n "$NBT-$node" address add "$GATEWAY6/64" dev cni0.100 nodad
	done
	all_work
}
