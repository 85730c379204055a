#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl doctor: faults of the host's settings, rules and files, of tables and counters, and of mode assist (node m); networks
# of other kinds, which are healthy (node p).

# shellcheck disable=SC2016,SC2034 # the commands of a row are run by fault(), and use what is set here
load lib
load kube
load doctor

DOCTOR_NODE=n

setup_file() {
	doctor_node_begin
}

teardown_file() {
	suite_end doctor_node_end
}

setup() {
	doctor_names
}

@test "Networks of other kinds, healthy as well: no gateway, macspoofchk, isolated ports, one family, a chain, a bpffs of its own" {
	local DOCTOR_NODE=p pod pods="l:l2 k:l2 c:chain f:four o:own"
	node_create p
	network_write p l2 '.plugins[0] += {bridge: "cni2", isGateway: false, isDefaultGateway: false, macspoofchk: true, portIsolation: true}
		| .plugins[0].ipam.ranges = [[{subnet: "10.246.0.0/24"}]]'
	network_write p chain '.plugins[0] += {bridge: "cni3"} | .plugins[0].ipam.ranges = [[{subnet: "10.247.0.0/24"}]] | .plugins += [
		{type: "portmap", capabilities: {portMappings: true}}, {type: "bandwidth", capabilities: {bandwidth: true}}, {type: "firewall"}, {type: "tuning"}]'
	network_write p four '.plugins[0] += {bridge: "cni4", ipMasq: true} | .plugins[0].ipam.ranges = [[{subnet: "10.248.0.0/24"}]]'
	network_write p own ".plugins[0] += {bridge: \"cni5\"} | .plugins[0].ipam.ranges = [[{subnet: \"10.249.0.0/24\"}]] | .plugins[0].serviceProxy.bpffs = \"$NBT_DIR/own-bpf\""
	mkdir "$NBT_DIR/own-bpf"
	mount -t bpf bpf "$NBT_DIR/own-bpf"
	for pod in $pods; do
		pod_create "${pod%:*}"
		CAP_ARGS='{"portMappings": [{"hostPort": 8081, "containerPort": 80, "protocol": "tcp"}], "bandwidth": {"ingressRate": 100000000, "ingressBurst": 1000000}}' \
			pod_add p "${pod%:*}" "${pod#*:}" >/dev/null
	done
	run --separate-stderr diagnose
	for pod in $pods; do
		pod_del p "${pod%:*}" "${pod#*:}"
		ns_delete "${pod%:*}"
	done
	ctl p --bpffs "$NBT_DIR/own-bpf" --network own uninstall >/dev/null
	umount "$NBT_DIR/own-bpf"
	[ "$output" = "[]" ] || fail "$output"
	is_healthy # without pods
	ctl p uninstall >/dev/null # pins, which take long to count
	ns_exec p nft flush ruleset
	node_delete p
}

@test "Faults of settings of the kernel" {
	fault 'ns_exec n sysctl -qw net.ipv4.ip_forward=0' 'ns_exec n sysctl -qw net.ipv4.ip_forward=1' forwarding net/ipv4/ip_forward
	fault 'ns_exec n sysctl -qw net.ipv6.conf.all.forwarding=0' 'ns_exec n sysctl -qw net.ipv6.conf.all.forwarding=1' forwarding net/ipv6/conf/all/forwarding
	fault 'ns_exec n sysctl -qw net.ipv4.conf.cni0.forwarding=0' 'ns_exec n sysctl -qw net.ipv4.conf.cni0.forwarding=1' forwarding net/ipv4/conf/cni0
	fault 'ns_exec n sysctl -qw net.ipv6.conf.cni0.disable_ipv6=1' 'ns_exec n sysctl -qw net.ipv6.conf.cni0.disable_ipv6=0; again a; again b' ipv6-off disable_ipv6
	is_as_before
}

nft_in_n() {
	ns_exec n nft "$@"
}

@test "Rules of the host that drop packets of pods" {
	local base='add table inet t; add chain inet t f { type filter hook forward priority 0;' gone='nft_in_n delete table inet t'
	fault 'nft_in_n "$base }; add rule inet t f iifname cni0 counter drop"' "$gone" rule-drop "rule 1 of chain f in table inet t"
	fault 'nft_in_n "$base }; add rule inet t f ip daddr 10.244.0.0/16 drop"' "$gone" rule-drop "rule 1"
	fault 'nft_in_n "$base }; add rule inet t f ct state established accept; add rule inet t f ip6 saddr { fd00:10:244::/64 } reject"' "$gone" rule-drop "rule 2"
	fault 'nft_in_n "$base policy drop; }"' "$gone" rule-policy "chain f"
	fault 'nft_in_n "$base policy drop; }; add rule inet t f iifname docker0 accept; add rule inet t f ct state established,related accept"' "$gone" rule-policy "no rule accepts"
	fault 'nft_in_n "$base }; add chain inet t g; add rule inet t f jump g; add rule inet t g oifname \"cni*\" drop"' "$gone" rule-drop "chain g"
	fault 'nft_in_n "add table bridge t; add chain bridge t f { type filter hook forward priority 0; }; add rule bridge t f oifname \"$A\" drop"' 'nft_in_n delete table bridge t' rule-drop "bridge t"
	fault 'ns_exec n iptables -A FORWARD -s 10.244.0.0/24 -m comment --comment "no \"way" -j DROP' 'ns_exec n iptables -F FORWARD' rule-drop "iptables filter"
	fault 'ns_exec n iptables -P FORWARD DROP' 'ns_exec n iptables -P FORWARD ACCEPT' rule-policy "iptables filter"
	fault 'ns_exec n ip6tables -A FORWARD -j REJECT' 'ns_exec n ip6tables -F FORWARD' rule-policy "ip6tables filter"
	fault 'ns_exec n iptables-legacy -A FORWARD -o cni0 -j DROP' 'ns_exec n iptables-legacy -F FORWARD' rule-drop "iptables-legacy filter"
	is_as_before
}

@test "Rules of the host that are no fault" {
	ns_exec n nft -f - <<-END
		table inet t {
			chain f {
				type filter hook forward priority 0; policy drop;
				ct state invalid drop
				iifname "docker0" drop
				ip saddr 192.0.2.0/24 drop
				iifname "cni0" tcp dport 25 drop
				iifname "cni0" accept
				oifname "cni0" accept
			}
			chain i { type filter hook input priority 0; policy drop; iifname "lo" accept; }
		}
	END
	is_healthy
	nft_in_n delete table inet t
	ns_exec n iptables -P FORWARD DROP
	ns_exec n iptables -A FORWARD -m set ! --match-set x src -j DROP 2>/dev/null || true
	ns_exec n iptables -A FORWARD -i docker0 -j DROP
	ns_exec n iptables -A FORWARD -i cni0 -p tcp -m tcp --dport 25 -j DROP
	ns_exec n iptables -A FORWARD -d 10.244.0.0/16 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	ns_exec n iptables -A FORWARD ! -i eth0 -j ACCEPT
	is_healthy
	ns_exec n iptables -F FORWARD
	ns_exec n iptables -P FORWARD ACCEPT
	is_healthy
}

@test "Leases without pods, pods without leases, torn and hostile files" {
	local ip
	ip=$(pod_ip a 4)
	old() { touch -d "1 hour ago" "$1"; }
	fault 'printf "gone\r\neth0" >"$LEASES/10.244.0.99"; old "$LEASES/10.244.0.99"' 'rm "$LEASES/10.244.0.99"' lease-left 10.244.0.99
	fault ': >"$LEASES/10.244.0.98"; old "$LEASES/10.244.0.98"' 'rm "$LEASES/10.244.0.98"' lease-torn 10.244.0.98
	fault 'head -c 100000 /dev/urandom >"$LEASES/fd00::1"; old "$LEASES/fd00::1"' 'rm "$LEASES/fd00::1"' lease-torn fd00::1
	fault 'mv "$LEASES/$ip" "$NBT_DIR/lease"' 'mv "$NBT_DIR/lease" "$LEASES/$ip"' lease-lost "$ip"
	# An ADD or DEL may be under way; what is no file is not followed.
	printf 'new\r\neth0' >"$LEASES/10.244.0.97"
	ln -s /etc/passwd "$LEASES/10.244.0.96"
	is_healthy
	rm "$LEASES/10.244.0.97" "$LEASES/10.244.0.96"
	mkfifo "$LEASES/10.244.0.95"
	old "$LEASES/10.244.0.95"
	fault : 'rm "$LEASES/10.244.0.95"' lease-torn 10.244.0.95
	is_as_before
}

@test "A table that is nearly full" {
	local i lists=()
	network_write n small '.plugins[0].serviceProxy.limits = {frontends: 16, backends: 16} | .plugins[0].bridge = "cni1" | .plugins[0].ipam.ranges = [[{subnet: "10.245.0.0/24"}]]'
	pod_create s
	pod_add n s small >/dev/null
	is_healthy
	for ((i = 0; i < 7; i++)); do
		lists+=("$(service "default/s$i" "10.97.0.$((i + 1))" TCP:80:8080 192.0.2.9)")
	done
	printf '%s\n' "${lists[@]}" | jq -s '{apiVersion: "v1", kind: "List", items: (map(.items) | add)}' >"$NBT_DIR/many.json"
	ctl n --network small service apply -f "$NBT_DIR/many.json" >/dev/null || fail "too many"
	run --separate-stderr diagnose
	pods_down n small s
	rm "$NBT_DIR/node-n/net.d/small.conflist"
	ctl n --network small uninstall >/dev/null
	ip -n "$N" link del cni1
	expect_findings table-full frontends
	is_as_before
}

# growing COUNTER COMMAND...: the counter grows while the command runs again and again.
growing() {
	local counter=$1 pid
	shift
	(while :; do "$@" || true; done) >/dev/null 2>&1 3>&- &
	pid=$!
	SECONDS_WATCHED=1 run --separate-stderr diagnose
	kill "$pid"
	wait "$pid" 2>/dev/null || true
	expect_findings drops "$counter has grown"
}

@test "Drops that grow" {
	growing drop_no_backend ask a -t 20 tcp 10.96.0.40 80
	growing drop_no_service ask a -t 20 tcp 10.96.0.10 81
	growing drop_no_vip ask a -t 20 udp 10.96.77.77 53
	ip -n "$(ns a)" address add 10.244.0.200/24 dev eth0
	growing drop_spoofed ns_exec a ping -c 1 -W 0.02 -I 10.244.0.200 10.244.0.1
	ip -n "$(ns a)" address del 10.244.0.200/24 dev eth0
	SECONDS_WATCHED=1 is_healthy
}

# Of node m, as kube.bash wants them.
frontends() {
	echo "web tcp 10.96.0.10 80 $(pod_ip d 4),8080"
	echo "web tcp fd00:96::10 80 $(pod_ip d 6),8080"
}

@test "In mode assist: a program at the bridge, a kube-proxy that is not there" {
	local DOCTOR_NODE=m
	node_create m
	network_write m net '.plugins[0].serviceProxy.mode = "assist"'
	pods_up m net c d
	frontends | kube_nftables m
	drop_invalid m
	is_healthy
	fault 'kube_gone m; ns_exec m nft flush ruleset' 'frontends | kube_nftables m' rule-nobody "translates"
	fault 'programs_detach m cni0' 'pod_del m c; pod_add m c >/dev/null' bridge-program nb_assist_host
	kube_gone m
	frontends | kube_iptables m
	is_healthy
	pods_down m net c d
	network_write m net '.plugins[0].serviceProxy.mode = "off"'
	pods_up m net c
	fault : : bridge-nf "mode is off"
	node_bridge_nf m 1
	is_healthy
	node_bridge_nf m 0
	pods_down m net c
	ns_exec m nft flush ruleset
	node_delete m
}
