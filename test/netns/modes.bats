#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A network changes its mode while its pods run: by a changed config, at the next ADD.

load lib
load kube

VIP4=10.96.0.10 VIP6=fd00:96::10

setup_file() {
	suite_begin
}

teardown_file() {
	suite_end
}

# start NODE MODE: a node with kube-proxy's rules for a Service of pod b, and pods a and b.
start() {
	local family vip
	node_create "$1"
	network_write "$1" net ".plugins[0].serviceProxy.mode = \"$2\""
	pods_up "$1" net "${1}a" "${1}b"
	serve "${1}b" tcp 8080 b
	serve "${1}b" udp 5353 b
	for family in 4 6; do
		vip=VIP$family
		echo "web tcp ${!vip} 80 $(pod_ip "${1}b" $family),8080"
		echo "web udp ${!vip} 53 $(pod_ip "${1}b" $family),5353"
	done | kube_iptables "$1"
}

finish() {
	local node=$1
	shift
	pods_down "$node" net "${@/#/$node}"
	kube_gone "$node"
}

# change NODE MODE: the config, with the same Service for mode ebpf.
change() {
	network_write "$1" net "$(jq -n --arg mode "$2" --arg b4 "$(pod_ip "${1}b" 4)" --arg b6 "$(pod_ip "${1}b" 6)" -r '
		".plugins[0].serviceProxy = \({mode: $mode, services: [
			{name: "default/web", vip: "10.96.0.10", port: 80, protocol: "TCP", backends: ["\($b4):8080"]},
			{name: "default/web", vip: "10.96.0.10", port: 53, protocol: "UDP", backends: ["\($b4):5353"]},
			{name: "default/web", vip: "fd00:96::10", port: 80, protocol: "TCP", backends: ["[\($b6)]:8080"]},
			{name: "default/web", vip: "fd00:96::10", port: 53, protocol: "UDP", backends: ["[\($b6)]:5353"]}]})"')"
}

# served NODE: the Service answers, by TCP and UDP and over IPv4 and IPv6, with nothing but the mode to see to it.
served() {
	local vip
	for vip in $VIP4 $VIP6; do
		run -0 ask "${1}a" -n 2 tcp "$vip" 80
		[[ $output = "b "* ]]
		run -0 ask "${1}a" -n 2 udp "$vip" 53
		[[ $output = "b "* ]]
	done
}

# programs NODE POD: the names of our programs at its port, and behind a "/" those at the bridge.
programs() {
	local dev
	for dev in "$(pod_veth "$1" "$2")" cni0; do
		programs_at "$1" "$dev" | paste -sd' '
	done | paste -sd/
}

# goes_on ID TEXT: that connection still is there.
goes_on() {
	talk_say "$1" "$2"
	[[ $output = "b "*" $2" ]] || fail "$1, $2: $output"
}

@test "off, assist, ebpf, assist, ebpf, off: ports follow at the next ADD, CHECK tells before, connections go on" {
	local mode before=off number=0
	start m off
	node_bridge_nf m 1
	talk_open service-off ma tcp $VIP4 80
	talk_open direct ma tcp "$(pod_ip mb 4)" 8080
	goes_on service-off off
	goes_on direct off
	[ "$(programs m ma)" = / ]
	for mode in assist ebpf assist ebpf; do
		change m $mode
		run pod_check m ma net
		[ "$status" != 0 ]
		[[ $output = *"no datapath"* || $output = *"not in mode \"$mode\""* || $output = *"of another mode"* ]] || fail "$output"
		number=$((number + 1))
		pods_up m net "mx$number"
		node_bridge_nf m 0
		case $mode in
		assist) [ "$(programs m ma)" = "nb_assist_from/nb_assist_host" ] || fail "$mode: $(programs m ma)" ;;
		ebpf) [ "$(programs m ma)" = "nb_from_pod nb_to_pod/" ] || fail "$mode: $(programs m ma)" ;;
		esac
		[ "$(programs m ma)" = "$(programs m "mx$number")" ]
		for pod in ma mb "mx$number"; do
			run -0 pod_check m $pod net
		done
		goes_on direct "$mode"
		goes_on "service-$before" "$mode"
		talk_close "service-$before"
		talk_open "service-$mode" ma tcp $VIP4 80
		goes_on "service-$mode" "$mode"
		served m
		run -0 ctl m status
		[[ $output = "net: mode $mode,"* ]]
		before=$mode
	done
	change m off
	run pod_check m ma net
	[[ $status != 0 && $output = *"though the mode is off"* ]] || fail "$output"
	pods_up m net mx5
	[ "$(programs m ma)$(programs m mb)$(programs m mx5)" = /// ]
	[ -z "$(ls "$NBT_DIR/node-m/bpf/natbridge")" ]
	run -0 pod_check m ma net
	goes_on direct off
	finish m a b x1 x2 x3 x4 x5
}

@test "pods of mode off are entered with what their namespaces say of them" {
	start o off
	change o ebpf
	pods_up o net ox
	run -0 ctl o -o json endpoint list
	for pod in oa ob ox; do
		for family in 4 6; do
			[ "$(jq -r --arg address "$(pod_ip $pod $family)" '.[] | select(.address == $address) | "\(.mac) \(.port) \(.state)"' <<<"$output")" = \
				"$(pod_mac $pod) $(pod_veth o $pod) attached" ] || fail "$pod $family: $output"
		done
	done
	# To itself, which needs the gateway.
	change o ebpf
	services_apply o "$(service default/self 10.96.0.31,fd00:96::31 TCP:80:8080 "$(pod_ip ob 4),$(pod_ip ob 6)")"
	run -0 ask ob tcp 10.96.0.31 80
	assert_answer b "$GATEWAY4"
	run -0 ask ob tcp fd00:96::31 80
	assert_answer b "$GATEWAY6"
	finish o a b x
	run -0 ctl o endpoint list
	[ "$(wc -l <<<"$output")" -le 1 ]
}

@test "pins that were lost: the next ADD makes a datapath anew, with all pods" {
	local dir=$NBT_DIR/node-l/bpf/natbridge
	start l assist
	rm -r "$dir"/net
	change l assist
	pods_up l net lx
	served l
	for pod in la lb lx; do
		run -0 pod_check l $pod net
	done
	finish l a b x
}

@test "a port that cannot follow does not keep others from it" {
	start g off
	ip -n "$(ns g)" link set "$(pod_veth g ga)" alias "natbridge:net:#0123:eth0"
	change g assist
	pods_up g net gx
	run -0 pod_check g gb net
	run pod_check g ga net
	[ "$status" != 0 ]
	ip netns exec "$(ns g)" ip link delete "$(pod_veth g ga)"
	finish g a b x
}
