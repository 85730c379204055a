# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the bench measures. An arm is a node with pods named after it, ARMa (client) and ARMb (server). A path is an arm and a
# target, "nat-vip". Needs test/netns/lib.bash, kube.bash and agent.bash.
#
# | arm                | what it is                                                                                      |
# |--------------------|-------------------------------------------------------------------------------------------------|
# | veth               | two namespaces on one veth pair, no bridge: the limit                                           |
# | plain              | the reference bridge, br_netfilter off                                                          |
# | hooks, peer        | the same with programs at the ports that do nothing, or nothing but bpf_redirect_peer(): bound.c |
# | iptN, nftN         | the same with br_netfilter and kube-proxy's rules for N Services, in its iptables or nftables mode |
# | assist             | natbridge in mode assist with the rules of ipt1, br_netfilter off                               |
# | nat, natN          | natbridge in mode ebpf with one Service, with N                                                 |
# | fullN              | the same with one Service and N connections in its table                                        |
# | outplain           | the reference bridge, and a client outside of the node, which routes to the server              |
# | outbound           | the same, and the least that programs past the host's stack cost (IPv4)                         |
# | outnft             | the same with kube-proxy's rules for one Service, in its nftables mode                          |
# | outpods            | natbridge serves pods alone: no program at devices of the node                                  |
# | outnode            | natbridge serves the node: the Service's address is an external one                             |
# | outfast            | the same with fastPath: true                                                                    |
#
# | target  | address of                                                                                                 |
# |---------|------------------------------------------------------------------------------------------------------------|
# | pod     | the server, a port that no Service knows                                                                   |
# | backend | the server, the port that it has as a backend: such connections are tracked, see doc/DATAPATH.md             |
# | vip     | the Service                                                                                                |

BENCH_VIP4=10.96.0.10 BENCH_VIP6=fd00:96::10
declare -A BENCH_ADDRESS # of each server, by arm and family

# TCP ports come round again within a second at these rates: a client may use one that is still in TIME_WAIT, and all of them.
bench_tune() {
	ns_exec "$1" sysctl -qw net.ipv4.ip_local_port_range="1024 60999" net.ipv4.tcp_tw_reuse=1
}

# bench_arm ARM NETWORK-FILTER: the node and its pods.
bench_arm() {
	node_create "$1"
	network_write "$1" net "$2"
	pods_up "$1" net "${1}a" "${1}b"
	bench_pods "$1"
}

bench_pods() {
	local pod
	for pod in "${1}a" "${1}b"; do
		bench_tune "$pod"
	done
	BENCH_ADDRESS[$1-4]=$(pod_ip "${1}b" 4) BENCH_ADDRESS[$1-6]=$(pod_ip "${1}b" 6)
}

bench_veth() {
	local end
	for end in a:1 b:2; do
		ns_create "veth${end%:*}"
	done
	ip link add eth0 netns "$NBT-vetha" type veth peer name eth0 netns "$NBT-vethb"
	for end in a:1 b:2; do
		ip -n "$NBT-veth${end%:*}" address add "10.245.0.${end#*:}/24" dev eth0
		ip -n "$NBT-veth${end%:*}" address add "fd00:245::${end#*:}/64" dev eth0 nodad
		ip -n "$NBT-veth${end%:*}" link set eth0 up
	done
	bench_pods veth
}

# bench_frontends ARM N: lines for kube_iptables and kube_nftables. The Service that is measured stands in the middle of N - 1
# others of IPv4, since a list of rules is gone through from its beginning.
bench_frontends() {
	local i half=$(($2 / 2)) family vip
	bench_others 0 "$half"
	for family in 4 6; do
		vip=BENCH_VIP$family
		echo "bench tcp ${!vip} 80 ${BENCH_ADDRESS[$1-$family]},8080"
		echo "bench udp ${!vip} 80 ${BENCH_ADDRESS[$1-$family]},8080"
	done
	bench_others "$half" $(($2 - 1))
}

bench_others() {
	local i
	for ((i = $1; i < $2; i++)); do
		echo "s$i tcp 10.$((100 + i / 62500)).$((i / 250 % 250)).$((i % 250 + 1)) 80 10.1.$((i % 250)).$((i / 250 % 250 + 1)),8080"
	done
}

bench_kube() {
	local arm=$1 n=$2
	bench_arm "$arm" '.plugins[0].type = "bridge"'
	case $arm in
	ipt*) bench_frontends "$arm" "$n" | kube_iptables "$arm" ;;
	nft*) bench_frontends "$arm" "$n" | kube_nftables "$arm" ;;
	esac
	node_bridge_nf "$arm" 1
}

# bench_bound hooks|peer: what no datapath of programs at the ports can get past.
bench_bound() {
	bench_arm "$1" '.plugins[0].type = "bridge"'
	node_exec "$1" "$NBT_BUILD/test/bench/bound" "$1" "$(pod_veth "$1" "${1}a")" "$(pod_veth "$1" "${1}b")"
}

bench_assist() {
	bench_arm assist '.plugins[0].serviceProxy.mode = "assist"'
	bench_frontends assist 1 | kube_iptables assist
}

# bench_services N BACKENDS: that many Services with so many backends each.
bench_services() {
	jq -n --argjson n "$1" --argjson backends "$2" '{apiVersion: "v1", kind: "List", items: [range($n) | . as $i
		| {apiVersion: "v1", kind: "Service", metadata: {name: "s\($i)", namespace: "bench"},
			spec: {clusterIP: "10.\(100 + ($i / 62500 | floor)).\($i / 250 % 250 | floor).\($i % 250 + 1)", ports: [{port: 80}]}},
		{apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
			metadata: {name: "s\($i)-x", namespace: "bench", labels: {"kubernetes.io/service-name": "s\($i)"}},
			ports: [{port: 80}], endpoints: [range($backends) | {addresses: ["10.1.\($i % 250).\(. + 1)"]}]}]}'
}

bench_own_service() {
	service default/bench "$BENCH_VIP4,$BENCH_VIP6" TCP:80:8080,UDP:80:8080 "${BENCH_ADDRESS[$1-4]},${BENCH_ADDRESS[$1-6]}"
}

bench_nat() {
	local arm=$1 n=${2:-1}
	bench_arm "$arm" "${3:-.}"
	services_apply "$arm" "$(bench_own_service "$arm")" 2>/dev/null
	[ "$n" = 1 ] || bench_services $((n - 1)) 1 | ctl "$arm" service apply --keep -f - 2>/dev/null
}

# bench_full ARM N: N connections of others in the table, half-open for as long as the bench takes.
bench_full() {
	local arm=$1 n=$2 sink
	bench_nat "$arm" 1 ".plugins[0].serviceProxy.conntrack = {max: $((n + n / 4)), timeouts: {tcp_syn_sent: 86400}}"
	pods_up "$arm" net "${arm}c" "${arm}d"
	for sink in "${arm}c" "${arm}d"; do
		ns_exec "$sink" nft 'add table inet mute; add chain inet mute input { type filter hook input priority 0; policy drop; }'
	done
	service default/sink 10.96.0.99 TCP:80:8080 "$(pod_ip "${arm}d" 4)" | ctl "$arm" service apply --keep -f - 2>/dev/null
	ns_exec "${arm}c" "$NBT_BUILD/test/netns/load" flood eth0 "$(node_exec "$arm" cat /sys/class/net/cni0/address)" tcp 10.99.0.1 \
		10.96.0.99 80 "$n" >/dev/null
}

# bench_outside ARM NETWORK-FILTER: the node and its pod, and the client on a link of its own.
bench_outside() {
	node_create "$1"
	network_write "$1" net "$2"
	remote_create "$1" "${1}a"
	pods_up "$1" net "${1}b"
	bench_pods "$1"
}

bench_outbound() {
	bench_outside outbound '.plugins[0].type = "bridge"'
	node_exec outbound "$NBT_BUILD/test/bench/bound" route up0 "$(pod_veth outbound outboundb)"
}

bench_outnft() {
	bench_outside outnft '.plugins[0].type = "bridge"'
	bench_frontends outnft 1 | KUBE_OUTSIDE=1 kube_nftables outnft
}

# bench_node ARM pods|node OPTION...: the Service comes from natbridge-agent, which ends then: the table goes on serving.
bench_node() {
	local arm=$1
	local -x AGENT_NODE=$1
	bench_outside "$arm" .
	holder_start
	put_node 192.0.2.1 fd00:c0::1
	put_ranges 10.98.0.0/16 fd00:98::/112
	service default/bench 10.98.0.10,fd00:98::10 TCP:80:8080,UDP:80:8080 "${BENCH_ADDRESS[$arm-4]},${BENCH_ADDRESS[$arm-6]}" |
		jq --arg v4 $BENCH_VIP4 --arg v6 $BENCH_VIP6 '.items[0].spec.externalIPs = [$v4, $v6]' | put_list
	agent --service-proxy "$2" --once "${@:3}" >/dev/null 2>&1
	kill "$(<"$NBT_DIR/holder.pid")"
}

# bench_make ARM: makes it.
bench_make() {
	case $1 in
	veth) bench_veth ;;
	plain) bench_arm plain '.plugins[0].type = "bridge"' ;;
	hooks | peer) bench_bound "$1" ;;
	ipt* | nft*) bench_kube "$1" "${1:3}" ;;
	assist) bench_assist ;;
	outbound) bench_outbound ;;
	outplain) bench_outside outplain '.plugins[0].type = "bridge"' ;;
	outnft) bench_outnft ;;
	outpods) bench_node outpods pods ;;
	outnode) bench_node outnode node ;;
	outfast) bench_node outfast node --fast-path true ;;
	full*) bench_full "$1" "${1#full}" ;;
	nat*) bench_nat "$1" "${1#nat}" ;;
	esac
}

# bench_target PATH FAMILY: sets ADDRESS, PORT and LISTEN.
bench_target() {
	local vip=BENCH_VIP$2
	# shellcheck disable=SC2034 # for the caller
	case $1 in
	*-vip) ADDRESS=${!vip} PORT=80 LISTEN=8080 ;;
	*-backend) ADDRESS=${BENCH_ADDRESS[${1%-*}-$2]} PORT=8080 LISTEN=8080 ;;
	*) ADDRESS=${BENCH_ADDRESS[${1%-*}-$2]} PORT=8081 LISTEN=8081 ;;
	esac
}
