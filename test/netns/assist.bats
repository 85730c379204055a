#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode assist: the host translates, by rules as kube-proxy writes them in its iptables mode (node i) and in its nftables mode
# (node n), and br_netfilter is off. Each node has pods a, b and c, named after it.

load lib
load kube

VIP4=10.96.0.10 VIP6=fd00:96::10
SELF4=10.96.0.30 SELF6=fd00:96::30
ECHO4=10.96.0.40 ECHO6=fd00:96::40
NODES="i n"

setup_file() {
	local node pod
	suite_begin
	for node in $NODES; do
		node_create "$node"
		network_write "$node" net '.plugins[0].serviceProxy.mode = "assist"'
		pods_up "$node" net "${node}a" "${node}b" "${node}c"
		for pod in a b c; do
			serve "$node$pod" tcp 8080 $pod
			serve "$node$pod" udp 5353 $pod
		done
	done
	frontends i | kube_iptables i
	frontends n | kube_nftables n
	for node in $NODES; do
		whole_host_rules "$node"
		drop_invalid "$node"
	done
}

teardown_file() {
	suite_end take_down
}

take_down() {
	local node
	for node in $NODES; do
		pods_down "$node" net "${node}a" "${node}b" "${node}c"
		kube_gone "$node"
		ns_exec "$node" nft delete table inet invalid
	done
}

frontends() {
	local family vip self
	for family in 4 6; do
		vip=VIP$family self=SELF$family
		cat <<-END
			web tcp ${!vip} 80 $(pod_ip "$1b" $family),8080
			web udp ${!vip} 53 $(pod_ip "$1b" $family),5353
			self tcp ${!self} 80 $(pod_ip "$1a" $family),8080
			self udp ${!self} 53 $(pod_ip "$1a" $family),5353
		END
	done
}

# An address as a whole is pod b's, as a rule by hand or docker's would have it.
whole_host_rules() {
	ns_exec "$1" iptables -t nat -A PREROUTING -d "$ECHO4" -j DNAT --to-destination "$(pod_ip "$1b" 4)"
	ns_exec "$1" ip6tables -t nat -A PREROUTING -d "$ECHO6" -j DNAT --to-destination "$(pod_ip "$1b" 6)"
}

counter() {
	ctl "$1" -o json conntrack stats | jq ".[0].$2"
}

# What the node's own conntrack knows of direct connections between pods.
direct_in_kernel() {
	{
		ns_exec "$1" conntrack -L -d "$(pod_ip "$1b" 4)" 2>/dev/null
		ns_exec "$1" conntrack -L -f ipv6 -d "$(pod_ip "$1b" 6)" 2>/dev/null
	} | wc -l
}

@test "A1, A2: Services of the host's rules work on one bridge without br_netfilter" {
	local node
	for node in $NODES; do
		[ "$(ns_exec "$node" sysctl -n net.bridge.bridge-nf-call-iptables)" = 0 ]
		for vip in $VIP4 $VIP6; do
			run -0 ask "${node}a" -n 3 tcp "$vip" 80
			assert_answer b "$(pod_ip "${node}a" "$(family "$vip")")"
			run -0 ask "${node}a" -n 3 udp "$vip" 53
			assert_answer b "$(pod_ip "${node}a" "$(family "$vip")")"
		done
		[ "$(counter "$node" assisted)" -ge 12 ]
	done
}

family() {
	[[ $1 != *:* ]] && echo 4 || echo 6
}

@test "a direct connection is switched, and netfilter does not see it" {
	local node family
	for node in $NODES; do
		for family in 4 6; do
			run -0 ask "${node}a" -n 3 tcp "$(pod_ip "${node}b" "$family")" 8080
			run -0 ask "${node}a" -n 3 udp "$(pod_ip "${node}b" "$family")" 5353
			run -0 ns_exec "${node}a" ping -c 2 -W 2 "$(pod_ip "${node}b" "$family")"
		done
		[ "$(direct_in_kernel "$node")" = 0 ]
	done
}

@test "A4: a pod reaches itself, with no bridge flag and no promiscuous mode" {
	local node vip
	for node in $NODES; do
		[ "$(ip -n "$(ns "$node")" -j -d link show dev "$(pod_veth "$node" "${node}a")" | jq '.[0].linkinfo.info_slave_data.hairpin')" = false ]
		[ "$(ip -n "$(ns "$node")" -j -d link show dev cni0 | jq '.[0].promiscuity')" = 0 ]
		run -0 ask "${node}a" tcp "$SELF4" 80
		assert_answer a "$GATEWAY4"
		run -0 ask "${node}a" udp "$SELF4" 53
		assert_answer a "$GATEWAY4"
		run -0 ask "${node}a" tcp "$SELF6" 80
		assert_answer a "$GATEWAY6"
		run -0 ask "${node}a" udp "$SELF6" 53
		assert_answer a "$GATEWAY6"
	done
}

@test "A2: no ICMP redirect reaches a pod" {
	local node dump=$NBT_DIR/redirects vip
	for node in $NODES; do
		[ "$(ns_exec "$node" sysctl -n net.ipv4.conf.cni0.send_redirects)" = 1 ]
		capture "${node}a" eth0 "$dump" 'icmp[icmptype] == 5 or (icmp6 and ip6[40] == 137)'
		for vip in $VIP4 $VIP6; do
			run -0 ask "${node}a" -c 10 tcp "$vip" 80
			run -0 ask "${node}a" -c 10 udp "$vip" 53
		done
		run -0 ask "${node}a" tcp "$SELF4" 80
		capture_end "$dump"
		assert_captured 0 "$dump"
		[ "$(counter "$node" drop_redirect)" -gt 0 ]
	done
}

# clash ORDER PROTOCOL: one client port to a Service and straight to its backend, both kept open.
clash() {
	local node family order=$1 proto=$2 port vip sport first second
	port=80 sport=$((20000 + RANDOM % 9000))
	[ "$proto" = tcp ] || port=53
	for node in $NODES; do
		for family in 4 6; do
			vip=VIP$family sport=$((sport + 1))
			first="$proto ${!vip} $port" second="$proto $(pod_ip "${node}b" $family) $([ "$proto" = tcp ] && echo 8080 || echo 5353)"
			[ "$order" = service-first ] || { local other=$first; first=$second second=$other; }
			# shellcheck disable=SC2086 # several words
			talk_open one "${node}a" -p "$sport" $first
			talk_say one first
			[[ $output = "b "*" first" ]] || fail "$node $family $order $proto, first: $output"
			# shellcheck disable=SC2086
			talk_open two "${node}a" -p "$sport" $second
			talk_say two second
			[[ $output = "b "*" second" ]] || fail "$node $family $order $proto, second: $output"
			for _ in 1 2 3; do
				talk_say one again
				[[ $output = "b "*" again" ]] || fail "$node $family $order $proto, first again: $output"
				talk_say two again
				[[ $output = "b "*" again" ]] || fail "$node $family $order $proto, second again: $output"
			done
			talk_close one
			talk_close two
		done
	done
}

@test "B5: one client port to a Service and then straight to its backend" {
	clash service-first tcp
	clash service-first udp
}

@test "B5: one client port straight to a backend and then to its Service" {
	clash direct-first tcp
	clash direct-first udp
}

# source_ports DUMP: of the first packets of connections that came to the backends' ports, a line each.
source_ports() {
	captured "$1" 'tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn' | sed -E 's/^IP [0-9.]+\.([0-9]+) > .*/\1/'
}

@test "B5: a client port that was used straight to a backend, and is free again, stays as it is to the Service" {
	local node dump=$NBT_DIR/reused sport=30001 changed
	for node in $NODES; do
		changed=$(counter "$node" port_changed)
		capture "${node}b" eth0 "$dump" tcp port 8080
		run -0 ask "${node}a" -p $sport tcp "$(pod_ip "${node}b" 4)" 8080
		# Nothing reminds the client of the first connection, which it has closed. What a CPU has noted holds for a tick, an
		# eighth of a second at most; nothing that a program could wait for tells of its end.
		sleep 0.2
		ns_exec "${node}a" ss -K state time-wait sport = :$sport >/dev/null
		run -0 ask "${node}a" -p $sport tcp "$VIP4" 80
		capture_end "$dump"
		[ "$(source_ports "$dump" | paste -sd' ')" = "$sport $sport" ] || fail "$(captured "$dump")"
		[ "$(counter "$node" port_changed)" = "$changed" ]
	done
}

@test "B5: a client port that was used straight to a backend in this very moment works to the Service" {
	local node sport dump=$NBT_DIR/moment tool="'$NBT_BUILD/test/netns/tool' ask"
	for node in $NODES; do
		# The client resets what comes to it with the backend's address.
		capture "${node}a" eth0 "$dump" 'tcp[tcpflags] & tcp-rst != 0'
		for sport in {30021..30040}; do
			# Both within a tick, if the machine is not too busy.
			run -0 ns_exec "${node}a" sh -c "$tool -p $sport tcp $(pod_ip "${node}b" 4) 8080 && ss -K state time-wait sport = :$sport &&
				$tool -n 3 -p $sport tcp $VIP4 80"
			output=${lines[-1]}
			assert_answer b "$(pod_ip "${node}a" 4)"
		done
		capture_end "$dump"
		assert_captured 0 "$dump"
	done
}

@test "B5: a port that stood for another is free for a direct connection once that one is over" {
	local node dump=$NBT_DIR/stand-in sport=30002 other
	for node in $NODES; do
		capture "${node}b" eth0 "$dump" tcp port 8080
		talk_open direct "${node}a" -p $sport tcp "$(pod_ip "${node}b" 4)" 8080
		talk_say direct one
		talk_open service "${node}a" -p $sport tcp "$VIP4" 80
		talk_say service two
		[[ $output = "b "*" two" ]] || fail "$output"
		capture_end "$dump"
		other=$(source_ports "$dump" | tail -n 1)
		[ "$other" != $sport ]
		# As long as it is needed, nobody else gets it.
		run ask "${node}a" -t 500 -p "$other" tcp "$(pod_ip "${node}b" 4)" 8080
		[ "$status" != 0 ]
		talk_say service three
		[[ $output = "b "*" three" ]] || fail "$output"
		talk_close service
		talk_close direct
		wait_for 20 over "$node" $sport
		run -0 ask "${node}a" -p "$other" tcp "$(pod_ip "${node}b" 4)" 8080
		assert_answer b "$(pod_ip "${node}a" 4)"
	done
}

# over NODE PORT: the node's conntrack holds no connection from there that still goes on.
over() {
	! ns_exec "$1" conntrack -L -p tcp --sport "$2" 2>/dev/null | grep -qE 'ESTABLISHED|_WAIT|LAST_ACK' ||
		ns_exec "$1" conntrack -L -p tcp --sport "$2" 2>/dev/null | grep -q TIME_WAIT
}

# Frames that the bridge device has received, as it counts them.
received() {
	ip -n "$(ns "$1")" -j -s link show dev cni0 | jq '.[0].stats64.rx.packets'
}

# past_bridge NODE CLIENT: how many frames the bridge device counts while a connection to the Service has 100 questions.
past_bridge() {
	local before
	ask "$2" tcp "$VIP4" 80 >/dev/null || return
	before=$(received "$1")
	ask "$2" -n 100 tcp "$VIP4" 80 >/dev/null || return
	echo $(($(received "$1") - before))
}

@test "what the host translates between pods goes past the bridge, but not for a pod whose traffic is shaped" {
	[ "$(past_bridge i ia)" -lt 20 ]
	network_write i net '.plugins[0].serviceProxy.mode = "assist" | .plugins[0].capabilities.bandwidth = true'
	pod_create ishaped
	CAP_ARGS='{"bandwidth": {"ingressRate": 100000000, "ingressBurst": 10000000, "egressRate": 100000000, "egressBurst": 10000000}}' \
		pod_add i ishaped net >/dev/null
	[ "$(past_bridge i ishaped)" -ge 100 ]
	pod_del i ishaped net
	ns_delete ishaped
	[ "$(past_bridge i ia)" -lt 20 ]
}

at_bridge() {
	programs_at "$1" cni0 | grep -cx nb_assist_host
}

@test "the program at the bridge: one of each network, CHECK misses it, the last pod takes it along" {
	local pod
	node_create q
	network_write q net '.plugins[0].serviceProxy.mode = "assist"'
	network_write q other '.plugins[0].serviceProxy.mode = "assist" 
		| .plugins[0].ipam.ranges = [[{subnet: "10.245.0.0/24"}]] | .plugins[0] |= del(.isGateway, .isDefaultGateway)'
	pods_up q net qa qb
	pods_up q other qc
	[ "$(at_bridge q)" = 2 ]
	run -0 pod_check q qa net
	run -0 pod_check q qc other
	programs_detach q cni0
	run pod_check q qa net
	[[ $status != 0 && $output = *"nb_assist_host is not attached to link"* ]] || fail "$output"
	# The next ADD of a network brings back its own.
	pods_up q net qd
	run -0 pod_check q qa net
	run pod_check q qc other
	[ "$status" != 0 ]
	pods_up q other qe
	run -0 pod_check q qc other
	pods_down q other qc qe
	[ "$(at_bridge q)" = 1 ]
	run -0 pod_check q qa net
	pods_down q net qa qb qd
	[ "$(at_bridge q)" = 0 ]
}

@test "B5: straight to a pod of another network on the same bridge, and by its Service, from one port" {
	local sport=30003
	node_create w
	network_write w net '.plugins[0].serviceProxy.mode = "assist" | .plugins[0].ipam.ranges = [[{subnet: "10.244.0.0/24", rangeEnd: "10.244.0.99"}]]'
	network_write w other '.plugins[0].serviceProxy.mode = "assist" | .plugins[0] |= del(.isGateway, .isDefaultGateway)
		| .plugins[0].ipam.ranges = [[{subnet: "10.244.0.0/24", rangeStart: "10.244.0.100"}]]'
	pods_up w net wa
	pods_up w other wb
	serve wb tcp 8080 b
	echo "web tcp $VIP4 80 $(pod_ip wb 4),8080" | kube_iptables w
	talk_open direct wa -p $sport tcp "$(pod_ip wb 4)" 8080
	talk_say direct one
	talk_open service wa -p $sport tcp "$VIP4" 80
	talk_say service two
	[[ $output = "b "*" two" ]] || fail "$output"
	talk_say direct three
	[[ $output = "b "*" three" ]] || fail "$output"
	talk_close service
	talk_close direct
	pods_down w net wa
	pods_down w other wb
	kube_gone w
}

@test "more direct connections than there is room for: what is forgotten goes on" {
	local i flows
	node_create f
	network_write f net '.plugins[0].serviceProxy = {mode: "assist", conntrack: {max: 1030}}'
	pods_up f net fa fb
	serve fb tcp 8080 b
	serve fb udp 5353 b
	echo "web tcp $VIP4 80 $(pod_ip fb 4),8080" | kube_iptables f
	for i in 1 2 3 4 5 6; do
		talk_open "d$i" fa -p "$((30010 + i))" tcp "$(pod_ip fb 4)" 8080
		talk_say "d$i" one
		[[ $output = "b "*" $((30010 + i)) "*" one" ]] || fail "$output"
	done
	run -0 ask fa -c 5000 udp "$(pod_ip fb 4)" 5353
	run -0 ask fa -c 50 tcp "$VIP4" 80
	for i in 1 2 3 4 5 6; do
		talk_say "d$i" two
		[[ $output = "b "*" $((30010 + i)) "*" two" ]] || fail "$output"
		talk_close "d$i"
	done
	flows=$(ctl f -o json status | jq -c '.[0].maps[] | select(.name == "flows") | [.entries > 900, .entries <= .max, .max]')
	[ "$flows" = "[true,true,1032]" ] || fail "$flows"
	pods_down f net fa fb
	kube_gone f
}

@test "echoes to an address that the host translates as a whole" {
	local node
	for node in $NODES; do
		run -0 ns_exec "${node}a" ping -c 3 -i 0.1 -W 2 "$ECHO4"
		run -0 ns_exec "${node}a" ping -c 3 -i 0.1 -W 2 "$ECHO6"
	done
}

@test "B5: one echo id to a translated address and straight to the pod, either order" {
	local node family other id=1000
	for node in $NODES; do
		for family in 4 6; do
			other=ECHO$family id=$((id + 2))
			both_ping "${node}a" "$id" "${!other}" "$(pod_ip "${node}b" "$family")"
			both_ping "${node}a" $((id + 1)) "$(pod_ip "${node}b" "$family")" "${!other}"
		done
	done
}

# both_ping NS ID FIRST SECOND: two pings at once with one id, for which ping takes the answers of either: as many answers must
# come from each address as requests went there.
both_ping() {
	local dump=$NBT_DIR/echoes to asked pid
	capture "$1" eth0 "$dump" 'icmp[icmptype] == 0 or icmp[icmptype] == 8 or (icmp6 and (ip6[40] == 128 or ip6[40] == 129))'
	ip netns exec "$(ns "$1")" stdbuf -oL ping -i 0.05 -W 2 -e "$2" "$3" >"$dump.log1" 2>&1 3>&- &
	pid=$!
	wait_for 20 grep -q 'bytes from' "$dump.log1"
	run ns_exec "$1" ping -c 16 -i 0.05 -W 2 -e "$2" "$4"
	kill -INT $pid
	wait $pid || true
	capture_end "$dump"
	for to in "$3" "$4"; do
		asked=$(captured "$dump" dst "$to" | wc -l)
		[ "$asked" -ge 4 ] || fail "$asked requests to $to" "$(captured "$dump")"
		assert_captured "$asked" "$dump" src "$to"
	done
}

@test "B15: an ICMP error about a translated datagram reaches the client" {
	local node vip
	for node in $NODES; do
		# Nobody listens there.
		run -0 ns_exec "$node" iptables -t nat -I PREROUTING -d "$VIP4" -p udp --dport 54 -j DNAT --to-destination "$(pod_ip "${node}b" 4):5454"
		run -0 ns_exec "$node" ip6tables -t nat -I PREROUTING -d "$VIP6" -p udp --dport 54 -j DNAT --to-destination "[$(pod_ip "${node}b" 6)]:5454"
		for vip in $VIP4 $VIP6; do
			run -1 ask "${node}a" -t 2000 udp "$vip" 54
			[[ $output = *"refused"* ]] || fail "$output"
		done
	done
}

@test "B16: fragments of a translated datagram and of its answer" {
	local node vip long
	long=$(printf 'x%.0s' {1..1900})
	for node in $NODES; do
		ip -n "$(ns "${node}a")" link set eth0 mtu 1280
		ip -n "$(ns "${node}b")" link set eth0 mtu 1280
		for vip in $VIP4 $VIP6; do
			run -0 ask "${node}a" -n 3 -m "$long" udp "$vip" 53
			[[ $output = *"$long"* ]]
			run -0 ask "${node}a" -n 3 -m "$long" udp "$(pod_ip "${node}b" "$(family "$vip")")" 5353
			[[ $output = *"$long"* ]]
		done
		ip -n "$(ns "${node}a")" link set eth0 mtu 1500
		ip -n "$(ns "${node}b")" link set eth0 mtu 1500
	done
}

@test "a thousand connections to Services and a thousand direct ones: none is INVALID, none is reset" {
	local node family vip before
	for node in $NODES; do
		before=$(invalid "$node")
		for family in 4 6; do
			vip=VIP$family
			ask "${node}a" -c 500 tcp "${!vip}" 80 >"$NBT_DIR/mix-service" 2>&1 3>&- &
			run -0 ask "${node}a" -c 500 tcp "$(pod_ip "${node}b" "$family")" 8080
			[ "${#lines[@]}" = 500 ]
			wait $! || fail "$(tail -n 3 "$NBT_DIR/mix-service")"
			[ "$(wc -l <"$NBT_DIR/mix-service")" = 500 ]
		done
		[ "$(invalid "$node")" = "$before" ]
	done
}

# host_ports BACKEND: a node whose network has portmap behind natbridge, and a pod that a port of the node leads to.
host_ports() {
	local address node=p$1
	node_create "$node"
	network_write "$node" net ".plugins[0].serviceProxy.mode = \"assist\"
		| .plugins[0].ipMasq = true
		| .plugins += [{type: \"portmap\", capabilities: {portMappings: true}, backend: \"$1\", snat: true}]"
	pods_up "$node" net "${node}a"
	pod_create "${node}b"
	local ports='{"portMappings": [{"hostPort": 18080, "containerPort": 8080, "protocol": "tcp"},
		{"hostPort": 18053, "containerPort": 5353, "protocol": "udp"}]}'
	CAP_ARGS=$ports pod_add "$node" "${node}b" net
	serve "${node}b" tcp 8080 b
	serve "${node}b" udp 5353 b
	for address in $GATEWAY4 $GATEWAY6; do
		run -0 ask "${node}a" -n 3 tcp "$address" 18080
		[[ $output = "b "* ]]
		run -0 ask "${node}a" -n 3 udp "$address" 18053
		[[ $output = "b "* ]]
		# The pod itself, by the node's port.
		run -0 ask "${node}b" -n 3 tcp "$address" 18080
		[[ $output = "b "* ]]
	done
	CAP_ARGS=$ports pod_del "$node" "${node}b" net
	pod_del "$node" "${node}a" net
	ns_delete "${node}a"
	ns_delete "${node}b"
	ns_exec "$node" nft flush ruleset
}

@test "a port of the node leads to a pod on the same bridge: portmap with iptables" {
	host_ports iptables
}

@test "a port of the node leads to a pod on the same bridge: portmap with nftables" {
	host_ports nftables
}

@test "Services and connections are the host's: natbridgectl says so, whatever is asked for" {
	local words reason='network "net": in mode assist the host translates Services and tracks connections; use'
	for words in "service list" "service delete default/web" "service apply -f -" "conntrack list" "conntrack flush" "conntrack set udp=9"; do
		# shellcheck disable=SC2086 # several words
		run -1 --separate-stderr ctl i --network net $words < <(service default/web 10.96.0.10 TCP:80:8080 192.0.2.2)
		[[ -z $output && $stderr = "natbridgectl: $reason"* ]] || fail "$words: $output" "$stderr"
	done
	# Without a name those that list are empty, and those that change something fail.
	for words in "service list" "conntrack list"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr ctl i -o json $words
		[ "$output" = "[]" ]
		[ "$stderr" = 'natbridgectl: note: network "net": in mode assist the host translates Services and tracks connections' ] || fail "$stderr"
	done
	for words in "service delete default/web" "service apply -f -" "conntrack flush" "conntrack set udp=9"; do
		# shellcheck disable=SC2086
		run -1 --separate-stderr ctl i $words < <(service default/web 10.96.0.10 TCP:80:8080 192.0.2.2)
		[[ -z $output && $stderr = "natbridgectl: $reason"* ]] || fail "$words: $output" "$stderr"
	done
	run -0 ctl i conntrack stats
	run -0 ctl i endpoint list
	run -0 ctl i status
	[[ $output = "net: mode assist,"* ]]
}
