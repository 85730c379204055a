#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# From kube-proxy to natbridge, and back, with kube-proxy itself and a kube-apiserver: D12. They are built by test/kubernetes/build.

load lib
load agent
load load

KUBE_BIN=${KUBE_CACHE:-/var/cache/natbridge-test/kubernetes}/bin
HERE4=192.0.2.1 HERE6=fd00:c0:0::1
VIP4=10.96.0.10 VIP6=fd00:10:96::10

setup_file() {
	local program
	for program in etcd kube-apiserver kubectl kube-proxy; do
		[ -x "$KUBE_BIN/$program" ] || export NBT_SKIP="$KUBE_BIN/$program is missing; run: test/kubernetes/build etcd kube-apiserver kubectl kube-proxy"
	done
	suite_begin
	[ -z "${NBT_SKIP:-}" ] || return 0
	export CLUSTER=$NBT
	node_create n
	remote_create n outer
	ip -n "$(ns n)" route add default via 192.0.2.2
	ip -n "$(ns n)" -6 route add default via fd00:c0:0::2
	network_write n net
	pods_up n net b c
	"$NBT_ROOT/test/kubernetes/apiserver" up "$(ns n)" >"$NBT_DIR/control"
	cp "$(<"$NBT_DIR/control")/admin.conf" "$NBT_DIR/kubeconfig"
	node_object | kubectl apply -f -
	service default/web $VIP4,$VIP6 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$(pod_ip b 6),$(pod_ip c 4),$(pod_ip c 6)" | jq '
		.items[0].spec += {type: "NodePort", ipFamilyPolicy: "RequireDualStack"} | .items[0].spec.ports |= map(if .protocol == "TCP" then .nodePort = 30080 else .nodePort = 30081 end)
		| .items[1:] |= map(.endpoints |= map(.nodeName = "here" | .conditions = {ready: true}))' | kubectl apply -f -
	for at in b c; do
		serve $at tcp 8080
		serve $at udp 8080
	done
}

# bats 1.8 cannot skip in setup_file, so each test does.
setup() {
	[ -z "${NBT_SKIP:-}" ] || skip "$NBT_SKIP"
}

teardown() {
	strictly leave
}

# What a test has begun.
leave() {
	load_leave
	proxy_stop
	agent_stop
	ns_exec n "$KUBE_BIN/kube-proxy" --cleanup >/dev/null 2>&1 || true
	agent --service-proxy node --cleanup
}

teardown_file() {
	suite_end take_down
}

take_down() {
	[ -z "${NBT_SKIP:-}" ] || return 0
	nothing_of_the_node_is_left
	ns_exec n nft flush ruleset
	"$NBT_ROOT/test/kubernetes/apiserver" down
	pods_down n net b c
	ip -n "$(ns n)" link del up0
}

kubectl() {
	ns_exec n "$KUBE_BIN/kubectl" --kubeconfig "$NBT_DIR/kubeconfig" "$@" >/dev/null
}

node_object() {
	jq -n '{apiVersion: "v1", kind: "Node", metadata: {name: "here"}, status: {addresses: ($ARGS.positional | map({type: "InternalIP", address: .}))}}' \
		--args $HERE4 $HERE6
}

# proxy_start MODE: returns when the node reaches the Service by kube-proxy's rules.
proxy_start() {
	cat >"$NBT_DIR/proxy.yaml" <<-END
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: $1
		hostnameOverride: here
		clusterCIDR: 10.244.0.0/16,fd00:10:244::/48
		healthzBindAddress: 127.0.0.1:10456
		metricsBindAddress: 127.0.0.1:10449
		clientConnection: { kubeconfig: $NBT_DIR/kubeconfig }
		conntrack: { maxPerCore: 0, min: 0 }
	END
	ip netns exec "$(ns n)" "$KUBE_BIN/kube-proxy" --config "$NBT_DIR/proxy.yaml" -v=2 >"$NBT_DIR/proxy.log" 2>&1 3>&- &
	echo $! >"$NBT_DIR/proxy.pid"
	disown
	wait_for 20 proxy_has_rules "$1" || fail "$(<"$NBT_DIR/proxy.log")"
}

proxy_has_rules() {
	local family
	for family in ip ip6; do
		case $1 in
		nftables) ns_exec n nft list map $family kube-proxy service-nodeports ;;
		iptables) ns_exec n "${family}tables" -t nat -S KUBE-NODEPORTS ;;
		esac 2>/dev/null | grep -q 30081 || return
	done
}

proxy_stop() {
	local pid
	pid=$(pgrep -f "^[^ ]*/kube-proxy --config $NBT_DIR/" | tail -n 1)
	[ -n "$pid" ] || return 0
	kill "$pid"
	wait_for 10 gone "$pid"
}

talk_all() {
	local id
	for id in n-tcp n6-tcp port-tcp n-udp n6-udp; do
		talk_say $id "$1"
		echo "$id ${output% *}"
	done >"$NBT_DIR/talked"
}

# talk_below ID NS PROTO ADDRESS PORT: a connection whose source is not one of natbridge's ports. kube-proxy's masquerading gives any.
talk_below() {
	talk_open "$@"
	talk_say "$1" hello
	while [ "$(cut -d ' ' -f 3 <<<"$output")" -ge 61000 ]; do
		talk_close "$1"
		talk_open "$@"
		talk_say "$1" hello
	done
}

# there_and_back MODE FOUND COMMAND...: from kube-proxy in that mode to natbridge, and by that command back.
there_and_back() {
	local proto
	proxy_start "$1"
	for proto in tcp udp; do
		talk_below n-$proto n $proto $VIP4 80
		talk_below n6-$proto n $proto $VIP6 80
	done
	talk_below port-tcp outer tcp $HERE4 30080
	talk_all one
	cp "$NBT_DIR/talked" "$NBT_DIR/talked.before"
	run -1 agent --service-proxy node --once
	[[ $output == *"a kube-proxy serves this node (found: "*"$2"* ]] || fail "$output"

	load_start n $VIP4 80
	load_start outer $HERE4 30080 30081
	proxy_stop
	agent_start --service-proxy node --takeover
	wait_for 10 grep -q "rules of kube-proxy are removed" "$NBT_DIR/agent.log"
	talk_all two
	diff "$NBT_DIR/talked.before" "$NBT_DIR/talked"
	load_goes_on n outer
	talk_all three
	diff "$NBT_DIR/talked.before" "$NBT_DIR/talked"
	run -0 ns_exec n nft list ruleset
	[[ $output != *KUBE-S* && $output != *"table ip kube-proxy"* && $output != *"table ip6 kube-proxy"* ]]
	# A datagram that is under way in that moment is not sent again.
	load_end -1 n outer

	load_start n $VIP4 80
	load_start outer $HERE4 30080 30081
	[ "$3" = agent_start ] || agent_stop
	proxy_start "$1"
	load_goes_on n outer
	[ "$3" != agent_start ] || agent_stop
	"${@:3}"
	nothing_of_the_node_is_left
	load_goes_on n outer
	# Connections that natbridge has translated end, also the one that a client has just opened.
	load_end -1 n outer
}

@test "D12: from kube-proxy in mode nftables to natbridge and back: connections go on, and new ones do not fail" {
	there_and_back nftables "nftables table ip kube-proxy" agent_start
}

@test "D12: from kube-proxy in mode iptables to natbridge and back: connections go on, and new ones do not fail" {
	there_and_back iptables "iptables chain KUBE-SERVICES in table ip nat" agent --service-proxy node --cleanup
}
