#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tuning plugin changes behind natbridge, and what anybody changes in the pod later: its MAC address, MTU and flags.

load lib
load kube

VIP4=10.96.0.10 VIP6=fd00:96::10
TUNED=02:00:00:00:00:42
MODES="ebpf assist"
TUNING='[{type: "tuning", mac: "'$TUNED'", mtu: 1400, promisc: true, allmulti: true, sysctl: {"net.ipv4.conf.IFNAME.arp_filter": "1"}}]'

setup_file() {
	suite_begin
}

teardown_file() {
	suite_end
}

teardown() {
	strictly nodes_down
}

nodes_down() {
	local node
	for node in $(nodes); do
		pods_down "$node" net "${node}a" "${node}b" "${node}c" >/dev/null 2>&1 || true
		kube_gone "$node"
		ns_exec "$node" nft flush ruleset
		node_delete "$node"
	done
}

# chain MODE PLUGINS [FILTER]: a node, named after the mode, with pods a, b and c. b has these plugins behind natbridge, gets the
# capabilities of $CAPS, and is the Service's backend.
chain() {
	local node=$1 pod
	node_create "$node"
	network_write "$node" net ".plugins[0].serviceProxy.mode = \"$1\" | ${3:-.}"
	pods_up "$node" net "${node}a" "${node}c"
	network_write "$node" net ".plugins[0].serviceProxy.mode = \"$1\" | .plugins += $2 | ${3:-.}"
	pod_create "${node}b"
	CAP_ARGS=${CAPS:-} pod_add "$node" "${node}b" net >/dev/null
	for pod in a b c; do
		serve "$node$pod" tcp 8080 $pod
		serve "$node$pod" udp 5353 $pod
	done
	services "$node"
}

services() {
	local node=$1
	case $node in
	ebpf)
		services_apply "$node" "$(service default/web $VIP4,$VIP6 TCP:80:8080,UDP:53:5353,TCP:90:9000,TCP:91:9001 \
			"$(pod_ip "${node}b" 4),$(pod_ip "${node}b" 6)")"
		;;
	assist)
		kube_nftables "$node" <<-END
			web tcp $VIP4 80 $(pod_ip "${node}b" 4),8080
			web udp $VIP4 53 $(pod_ip "${node}b" 4),5353
			in tcp $VIP4 90 $(pod_ip "${node}b" 4),9000
			out tcp $VIP4 91 $(pod_ip "${node}b" 4),9001
			web tcp $VIP6 80 $(pod_ip "${node}b" 6),8080
			web udp $VIP6 53 $(pod_ip "${node}b" 6),5353
			in tcp $VIP6 90 $(pod_ip "${node}b" 6),9000
			out tcp $VIP6 91 $(pod_ip "${node}b" 6),9001
		END
		;;
	esac
}

# works MODE: Services and pods, from both sides.
works() {
	local mode=$1 client family vip pod
	for family in 4 6; do
		vip=VIP$family
		for client in a b; do
			[ "$mode" = off ] || answered "$mode$client" b "${!vip}" 80 53
			for pod in a b c; do
				answered "$mode$client" $pod "$(pod_ip "$mode$pod" "$family")" 8080 5353
			done
		done
	done
}

# answered NS BY ADDRESS PORT-TCP PORT-UDP
answered() {
	run ask "$1" -n 3 tcp "$3" "$4"
	[[ $output = "$2 "* ]] || fail "$1 to $3 tcp $4: $output"
	run ask "$1" -n 3 udp "$3" "$5"
	[[ $output = "$2 "* ]] || fail "$1 to $3 udp $5: $output"
}

@test "tuning changes MAC, MTU and flags at ADD: CHECK passes, Services and pods work" {
	local mode
	for mode in off $MODES; do
		chain "$mode" "$TUNING"
		[ "$(pod_mac "${mode}b")" = $TUNED ]
		jq -e --arg mac $TUNED '.interfaces[2].mac == $mac' "$NBT_DIR/node-$mode/results/${mode}b.json"
		run pod_check "$mode" "${mode}b"
		[ "$status" = 0 ] || fail "$output"
		works "$mode"
		pod_del "$mode" "${mode}b"
	done
}

# frames FILE MAC: how many were sent to that address.
frames() {
	captured "$1" ether dst "$2" | wc -l
}

@test "a MAC changed by hand: connections go on, frames come with the new one, none comes to another pod" {
	local mode pod old dump=$NBT_DIR/frames family vip
	for mode in $MODES; do
		chain "$mode" '[]'
		for family in 4 6; do
			vip=VIP$family
			talk_open service$family "${mode}a" tcp "${!vip}" 80
			talk_say service$family one
			talk_open direct$family "${mode}a" tcp "$(pod_ip "${mode}b" $family)" 8080
			talk_say direct$family one
		done
		for pod in b a; do
			old=$(pod_mac "$mode$pod")
			ip -n "$(ns "$mode$pod")" link set eth0 address 02:00:00:00:01:0$pod
			for family in service4 direct4 service6 direct6; do
				talk_say "$family" two
				[[ $output = "b "*" two" ]] || fail "$mode $pod $family: $output"
			done
			works "$mode"
			# Whatever was under way has arrived: from here on, all is sent to the new address.
			capture "$mode$pod" eth0 "$dump" ip or ip6
			capture "${mode}c" eth0 "$dump-c" "(dst host $(pod_ip "$mode$pod" 4) or dst host $(pod_ip "$mode$pod" 6)) and not ether src $(pod_mac "${mode}c")"
			for family in 4 6; do
				vip=VIP$family
				run -0 ask "${mode}a" -n 50 tcp "${!vip}" 80
				run -0 ask "${mode}b" -n 50 tcp "${!vip}" 80
				run -0 ask "${mode}a" -n 50 tcp "$(pod_ip "${mode}b" $family)" 8080
			done
			capture_end "$dump"
			capture_end "$dump-c"
			[ "$(frames "$dump" "$old")" = 0 ] || fail "$mode $pod: $(captured "$dump" ether dst "$old" | head -n 3)"
			[ "$(frames "$dump" 02:00:00:00:01:0$pod)" -ge 200 ] || fail "$mode $pod: $(frames "$dump" 02:00:00:00:01:0$pod) frames" "$(<"$dump.log")"
			assert_captured 0 "$dump-c"
			run pod_check "$mode" "$mode$pod"
			[[ $status != 0 && $output = *"MAC"* ]] || fail "$output"
		done
		for family in service4 direct4 service6 direct6; do
			talk_close $family
		done
	done
}

# static_at MODE POD MAC: the bridge has a static entry of that address at the pod's port.
static_at() {
	bridge -n "$(ns "$1")" -j fdb show br cni0 | jq -e --arg mac "$3" --arg dev "$(pod_veth "$1" "$1$2")" \
		'any(.[]; .mac == $mac and .ifname == $dev and .state == "static")'
}

@test "a changed MAC: the endpoint list has it at once, and the next ADD makes it a static entry of the bridge" {
	local mode
	for mode in $MODES; do
		chain "$mode" '[]'
		[ "$(ctl "$mode" -o json endpoint list | jq -r --arg ip "$(pod_ip "${mode}b" 4)" '.[] | select(.address == $ip) | .mac')" = "$(pod_mac "${mode}b")" ]
		ip -n "$(ns "${mode}b")" link set eth0 address $TUNED
		run -0 ask "${mode}b" tcp "$(pod_ip "${mode}a" 4)" 8080
		[ "$(ctl "$mode" -o json endpoint list | jq -r --arg ip "$(pod_ip "${mode}b" 4)" '.[] | select(.address == $ip) | .mac')" = $TUNED ]
		run ! static_at "$mode" b $TUNED
		pods_up "$mode" net "${mode}d"
		run -0 static_at "$mode" b $TUNED
		run -0 static_at "$mode" a "$(pod_mac "${mode}a")"
		pods_down "$mode" net "${mode}d"
	done
}

@test "what a pod says of its MAC takes none from the bridge or from another pod" {
	local mode pod victim frames=$NBT_ROOT/test/netns/frames.py
	for mode in $MODES; do
		chain "$mode" '[]'
		for victim in "$(ip -n "$(ns "$mode")" -j link show dev cni0 | jq -r '.[0].address')" "$(pod_mac "${mode}b")"; do
			"$frames" make "Ether(src='$victim', dst='ff:ff:ff:ff:ff:ff')/ARP(op=1, hwsrc='$victim', psrc='$(pod_ip "${mode}c" 4)', pdst='$(pod_ip "${mode}a" 4)')" |
				ns_exec "${mode}c" "$frames" send eth0
			run -0 ask "${mode}b" tcp "$(pod_ip "${mode}a" 4)" 8080
			[ "$(ctl "$mode" -o json endpoint list | jq -r --arg ip "$(pod_ip "${mode}c" 4)" '.[] | select(.address == $ip) | .mac')" = "$victim" ]
			pods_up "$mode" net "${mode}d"
			run ! static_at "$mode" c "$victim"
			pods_down "$mode" net "${mode}d"
		done
		run -0 static_at "$mode" b "$(pod_mac "${mode}b")"
		run -0 ns_exec "${mode}a" ping -c 1 -W 2 "$GATEWAY4"
		# Its next ARP tells the truth again.
		for pod in a b c; do
			ip -n "$(ns "$mode$pod")" neigh flush dev eth0
		done
		run -0 ask "${mode}c" tcp "$(pod_ip "${mode}a" 4)" 8080
		works "$mode"
		[ "$(ctl "$mode" -o json endpoint list | jq -r --arg ip "$(pod_ip "${mode}c" 4)" '.[] | select(.address == $ip) | .mac')" = "$(pod_mac "${mode}c")" ]
	done
}

@test "macspoofchk holds a pod to the MAC that natbridge gave it, which is tuning's by the capability of both" {
	local mode spoof='.plugins[0] |= (.macspoofchk = true | .capabilities.mac = true)'
	for mode in $MODES; do
		CAPS='{"mac": "'$TUNED'"}' chain "$mode" '[{type: "tuning", capabilities: {mac: true}}]' "$spoof"
		[ "$(pod_mac "${mode}b")" = $TUNED ]
		works "$mode"
		ip -n "$(ns "${mode}b")" link set eth0 address 02:00:00:00:00:43
		run ! ask "${mode}b" -t 300 tcp "$(pod_ip "${mode}a" 4)" 8080
		run ! ask "${mode}b" -t 300 tcp $VIP4 80
		ip -n "$(ns "${mode}b")" link set eth0 address $TUNED
		works "$mode"
		pods_down "$mode" net "${mode}a" "${mode}b" "${mode}c"
		ns_exec "$mode" nft delete table bridge nat
	done
}

# Servers of volume in pod b: 9000 counts what it gets, 9001 sends as much.
volume_servers() {
	local node=$1
	head -c 2000000 /dev/zero >"$NBT_DIR/volume"
	ip netns exec "$(ns "${node}b")" socat -u TCP6-LISTEN:9000,ipv6only=0,reuseaddr,fork "SYSTEM:wc -c >>$NBT_DIR/got" 2>/dev/null 3>&- &
	disown
	ip netns exec "$(ns "${node}b")" socat -U TCP6-LISTEN:9001,ipv6only=0,reuseaddr,fork "OPEN:$NBT_DIR/volume" 2>/dev/null 3>&- &
	disown
	wait_for 30 listens "${node}b" 9001
	wait_for 30 listens "${node}b" 9000
}

listens() {
	ns_exec "$1" ss -Hltn "sport = :$2" | grep -q .
}

# bulk CLIENT ADDRESS PORT-IN PORT-OUT: two megabytes there and back.
bulk() {
	local to=$2
	[[ $to != *:* ]] || to="[$to]"
	: >"$NBT_DIR/got"
	timeout 30 ip netns exec "$(ns "$1")" socat -u "OPEN:$NBT_DIR/volume" "TCP:$to:$3" || fail "to $2 port $3"
	wait_for 30 grep -qx 2000000 "$NBT_DIR/got" || fail "to $2 port $3: $(cat "$NBT_DIR/got")"
	[ "$(timeout 30 ip netns exec "$(ns "$1")" socat -u "TCP:$to:$4" - | wc -c)" = 2000000 ] || fail "from $2 port $4"
}

@test "a smaller MTU at the backend: bulk transfers arrive both ways, and a datagram too large is lost as on a plain bridge" {
	local mode family vip large
	large=$(printf 'x%.0s' {1..1400})
	for mode in off $MODES; do
		chain "$mode" '[{type: "tuning", mtu: 1280}]'
		volume_servers "$mode"
		[ "$(ip -n "$(ns "${mode}b")" -j link show dev eth0 | jq '.[0].mtu')" = 1280 ]
		run -0 pod_check "$mode" "${mode}b"
		for family in 4 6; do
			vip=VIP$family
			bulk "${mode}a" "$(pod_ip "${mode}b" $family)" 9000 9001
			[ "$mode" = off ] || bulk "${mode}a" "${!vip}" 90 91
			[ "$mode" = off ] || bulk "${mode}b" "${!vip}" 90 91
			run ! ask "${mode}a" -t 300 -m "$large" udp "$(pod_ip "${mode}b" $family)" 5353
		done
	done
}
