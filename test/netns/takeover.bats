#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridge takes over from kube-proxy: D12. The rules are in kube-proxy's shape (kube.bash); kube_proxy.bats does it with
# kube-proxy itself. outer is a client beyond the node's uplink, which also leads to everything else.

load lib
load agent
load node
load kube
load load

CLIENT4=192.0.2.2
EXTERNAL4=203.0.113.7

setup_file() {
	suite_begin
	node_begin "b c" outer
	ip -n "$(ns n)" route add default via $CLIENT4
	ip -n "$(ns n)" -6 route add default via fd00:c0:0::2
	service default/web 10.96.0.10,fd00:96::10 TCP:80:8080,UDP:80:8080 "$(backends b c)" |
		jq --arg external "$EXTERNAL4" '.items[0].spec += {type: "NodePort", externalIPs: [$external]} | .items[0].spec.ports |= map(.nodePort = 30080)' | put_list
	node_serve b c
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "b c"
}

teardown() {
	strictly leave
}

# What a test has begun.
leave() {
	load_leave
	ip -n "$(ns n)" link del kube-ipvs0 2>/dev/null || true
	agent_stop
	agent --service-proxy node --cleanup
	kube_gone n
	legacy_gone
	ns_exec n nft flush ruleset
	ns_exec n conntrack -F 2>/dev/null || true
}

legacy_gone() {
	local command table
	for command in iptables-legacy ip6tables-legacy; do
		for table in nat filter mangle; do
			grep -qx $table "/proc/$(netns_pid)/net/$([ $command = iptables-legacy ] && echo ip || echo ip6)_tables_names" || continue
			ns_exec n $command -t $table -F
			ns_exec n $command -t $table -X
		done
	done
}

# The process of holder.py, which is in the node's namespace.
netns_pid() {
	pgrep -f "holder.py 127.0.0.1 8001" | tail -n 1
}

backends() {
	local pod
	for pod in "$@"; do
		printf '%s,%s,' "$(pod_ip "$pod" 4)" "$(pod_ip "$pod" 6)"
	done | sed 's/,$//'
}

# The frontends as kube.bash wants them: each with both pods behind it.
frontends() {
	local proto four six
	four="$(pod_ip b 4),8080 $(pod_ip c 4),8080"
	six="$(pod_ip b 6),8080 $(pod_ip c 6),8080"
	for proto in tcp udp; do
		cat <<-END
			web $proto 10.96.0.10 80 $four
			port $proto "$HERE4" 30080 $four
			external $proto $EXTERNAL4 80 $four
			web $proto fd00:96::10 80 $six
			port $proto "$HERE6" 30080 $six
		END
	done
}

# Rules of others in the tables that kube-proxy uses, and those that the kubelet makes.
foreign_rules() {
	local restore
	for restore in iptables-restore ip6tables-restore; do
		ns_exec n $restore --noflush <<-END
			*nat
			:KUBE-KUBELET-CANARY - [0:0]
			:KUBE-MARK-DROP - [0:0]
			:CNI-HOSTPORT-DNAT - [0:0]
			:KUBERNETES - [0:0]
			-A PREROUTING -m addrtype --dst-type LOCAL -m comment --comment "not -j KUBE-SERVICES" -j CNI-HOSTPORT-DNAT
			-A POSTROUTING -m comment --comment " -j KUBE-POSTROUTING" -j MASQUERADE -o nowhere
			-A KUBE-MARK-DROP -j MARK --or-mark 0x8000
			-A CNI-HOSTPORT-DNAT -p tcp -m tcp --dport 7777 -j KUBERNETES
			COMMIT
			*filter
			:KUBE-FIREWALL - [0:0]
			:KUBE-KUBELET-CANARY - [0:0]
			-A INPUT -j KUBE-FIREWALL
			-A OUTPUT -j KUBE-FIREWALL
			-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
			-A FORWARD -m comment --comment kube-proxy -j ACCEPT
			COMMIT
			*mangle
			:KUBE-KUBELET-CANARY - [0:0]
			:KUBE-IPTABLES-HINT - [0:0]
			COMMIT
		END
	done
	ns_exec n nft -f - <<-END
		table ip kube-proxy-of-others { chain services { type nat hook prerouting priority dstnat; tcp dport 7 accept; }; }
		table inet kube-proxy { chain services { tcp dport 7 accept; }; }
	END
}

# What there is beside counters and the handles of rules.
all_rules() {
	local save
	for save in "$@"; do
		ns_exec n "$save-save" 2>/dev/null | sed 's/ \[[0-9:]*\]$//; /^#/d'
	done
	ns_exec n nft list tables | grep -v natbridge-takeover | sort
	ns_exec n nft -s list table ip kube-proxy-of-others
	ns_exec n nft -s list table inet kube-proxy
}

# more_chains: those that kube.bash does not make.
more_chains() {
	local restore
	for restore in iptables-restore ip6tables-restore; do
		ns_exec n $restore --noflush <<-END
			*nat
			:KUBE-NODEPORTS - [0:0]
			:KUBE-PROXY-CANARY - [0:0]
			:KUBE-SVL-AAAAAAAAAAAAAAAA - [0:0]
			:KUBE-FW-AAAAAAAAAAAAAAAA - [0:0]
			:KUBE-EXT-AAAAAAAAAAAAAAAA - [0:0]
			-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
			-A KUBE-NODEPORTS -p tcp -m tcp --dport 30081 -g KUBE-EXT-AAAAAAAAAAAAAAAA
			-A KUBE-EXT-AAAAAAAAAAAAAAAA -j KUBE-MARK-MASQ
			-A KUBE-EXT-AAAAAAAAAAAAAAAA -j KUBE-SVL-AAAAAAAAAAAAAAAA
			COMMIT
			*filter
			:KUBE-SERVICES - [0:0]
			:KUBE-EXTERNAL-SERVICES - [0:0]
			:KUBE-NODEPORTS - [0:0]
			:KUBE-PROXY-FIREWALL - [0:0]
			:KUBE-PROXY-CANARY - [0:0]
			-I INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
			-I OUTPUT -m conntrack --ctstate NEW -j KUBE-SERVICES
			-I FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES
			-I INPUT -j KUBE-NODEPORTS
			COMMIT
			*mangle
			:KUBE-PROXY-CANARY - [0:0]
			COMMIT
		END
	done
}

# legacy COMMAND...: with iptables-legacy in the place of iptables.
legacy() {
	local bin=$NBT_DIR/legacy name
	mkdir -p "$bin"
	for name in iptables ip6tables iptables-restore ip6tables-restore; do
		ln -sf "$(command -v "${name/tables/tables-legacy}")" "$bin/$name"
	done
	PATH=$bin:$PATH "$@"
}

refused() {
	run -1 agent --service-proxy node --once "$@"
	ns_exec n bash -c '! ip link show nb0 2>/dev/null'
}

@test "D12: with rules of a kube-proxy it refuses to start, and names them and what to do" {
	frontends | kube_nftables n
	refused
	[[ $output == *"a kube-proxy serves this node (found: nftables table ip kube-proxy, nftables table ip6 kube-proxy): start with --takeover"*"run kube-proxy --cleanup" ]]
	run agent --service-proxy node --check
	[[ $output == *"FAILED kube-proxy: a kube-proxy serves this node"* ]]
	kube_gone n
	frontends | kube_iptables n
	refused
	[[ $output == *"found: iptables chain KUBE-SERVICES in table ip nat, iptables chain KUBE-FORWARD in table ip filter, iptables chain KUBE-SERVICES in table ip6 nat"* ]]
	kube_gone n
	foreign_rules
	run -0 agent --service-proxy node --once
	run -1 agent --takeover
	[[ $output == *"takeover: requires serviceProxy: node" ]]
}

@test "D12: mode ipvs and rules of iptables-legacy; the latter can only be seen with CAP_NET_RAW" {
	ip -n "$(ns n)" link add kube-ipvs0 type veth peer name ipvs-peer
	refused --takeover
	[[ $output == *"a kube-proxy in mode ipvs serves this node (found: device kube-ipvs0): stop it and run kube-proxy --cleanup"* ]]
	ip -n "$(ns n)" link del kube-ipvs0
	frontends | legacy kube_iptables n
	refused
	[[ $output == *"found: iptables-legacy chain KUBE-SERVICES in table nat, iptables-legacy chain KUBE-FORWARD in table filter, ip6tables-legacy"* ]]
	RIGHTS=bpf,+net_admin,+perfmon run -0 agent --service-proxy node --takeover --once
	[[ $output == *"cannot be seen whether iptables-legacy has rules"*"Permission denied"* ]]
	run -0 ns_exec n iptables-legacy -t nat -S KUBE-SERVICES
}

@test "D12: takeover removes kube-proxy's rules and no others" {
	local before
	foreign_rules
	before=$(all_rules iptables ip6tables)
	ns_exec n nft flush ruleset
	frontends | kube_nftables n
	frontends | kube_iptables n # flushes what else is there
	foreign_rules
	more_chains
	run -0 agent --service-proxy node --takeover --once
	[[ $output == *"The rules of kube-proxy are removed"* ]]
	diff <(echo "$before") <(all_rules iptables ip6tables)
	run -0 agent --service-proxy node --once
}

@test "D12: the same with iptables-legacy" {
	local before
	legacy foreign_rules
	before=$(all_rules iptables-legacy ip6tables-legacy)
	ns_exec n nft flush ruleset
	frontends | legacy kube_iptables n
	legacy foreign_rules
	legacy more_chains
	run -0 agent --service-proxy node --takeover --once
	diff <(echo "$before") <(all_rules iptables-legacy ip6tables-legacy)
}

@test "D12: what others use of kube-proxy's chains stays" {
	frontends | kube_iptables n
	ns_exec n iptables-restore --noflush <<-END
		*nat
		:CNI-HOSTPORT - [0:0]
		-A CNI-HOSTPORT -j KUBE-MARK-MASQ
		COMMIT
	END
	run -0 agent --service-proxy node --takeover --once
	[[ $output == *"KUBE-MARK-MASQ and KUBE-POSTROUTING stay"* ]]
	run -0 ns_exec n iptables -t nat -S
	[[ $output != *KUBE-SERVICES* && $output == *"-A POSTROUTING -j KUBE-POSTROUTING"* && $output == *"-A KUBE-MARK-MASQ -j MARK"* ]]
	run -0 ns_exec n ip6tables -t nat -S
	[[ $output != *KUBE-* ]]
}

# With rules of that mode: connections that are there go on, and new ones do not fail. Of those from outside only TCP to a NodePort is sure
# to keep its backend: what may begin anywhere is picked up.
takes_over() {
	local id
	frontends | "$1" n
	wait_for 5 ask n -t 500 tcp 10.96.0.10 80
	for id in tcp udp; do
		talk_open n-$id n $id 10.96.0.10 80
		talk_open n6-$id n $id fd00:96::10 80
		talk_open port-$id outer $id "$HERE4" 30080
	done
	talk_open external-udp outer udp $EXTERNAL4 80
	talk_all one
	cp "$NBT_DIR/talked" "$NBT_DIR/talked.before"
	load_start n 10.96.0.10 80
	load_start outer "$HERE4" 30080
	agent_start --service-proxy node --takeover
	wait_for 10 grep -q "rules of kube-proxy are removed" "$NBT_DIR/agent.log"
	talk_all two
	diff "$NBT_DIR/talked.before" "$NBT_DIR/talked"
	load_goes_on n outer
	talk_all three
	diff "$NBT_DIR/talked.before" "$NBT_DIR/talked"
	load_end n outer
	for id in port-udp external-udp; do
		talk_say $id four
		[[ $output == [bc]" $CLIENT4 "*four ]]
	done
	run -0 ask outer tcp $EXTERNAL4 80
	[ "$(ctl n --network @node -o json conntrack list | jq length)" -gt 0 ]
}

# Says something over each connection that keeps its backend; who answered which client is left in the file talked.
talk_all() {
	local id
	for id in n-tcp n6-tcp port-tcp n-udp n6-udp; do
		talk_say $id "$1"
		echo "$id ${output% *}"
	done >"$NBT_DIR/talked"
}

@test "D12: connections go on while it takes over from mode nftables, and new ones do not fail" {
	takes_over kube_nftables
}

@test "D12: connections go on while it takes over from mode iptables, and new ones do not fail" {
	takes_over kube_iptables
}
