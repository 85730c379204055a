#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# B34: what connections carry, as conntrack list shows it, held against what the client's own kernel counts: rules in its namespace see the
# same packets.

load lib
load agent
load node

setup_file() {
	suite_begin
	node_begin "a b" far
	agent_start --service-proxy node --metrics-bind-address 127.0.0.1:10249
	service default/bulk 10.96.0.10,fd00:96::10 TCP:80:9000,UDP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)" | put_list
	service default/far 10.96.0.11,fd00:96::11 TCP:80:9000,UDP:80:8080 "$THERE4,$THERE6" | put_list
	node_serve b far
	wait_for 10 ask a -t 500 udp 10.96.0.10 80
	wait_for 10 ask n -t 500 udp fd00:96::11 80
	server b
	server far
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

# server NS: gives what it is sent to nobody, until the namespace goes.
server() {
	ip netns exec "$(ns "$1")" socat -u TCP6-LISTEN:9000,ipv6only=0,reuseaddr,fork OPEN:/dev/null,wronly >/dev/null 2>&1 3>&- &
	disown
	wait_for 20 listening "$1"
}

listening() {
	ns_exec "$1" ss -Hltn "sport = 9000" | grep -q .
}

# watch NS PORT: counts the packets between NS and port 80 of any address, from the client's port PORT.
watch() {
	ns_exec "$1" nft -f - <<-END
		table inet watch {
			chain out {
				type filter hook output priority 0
				meta l4proto { tcp, udp } th dport 80 th sport $2 counter
			}
			chain in {
				type filter hook input priority 0
				meta l4proto { tcp, udp } th sport 80 th dport $2 counter
			}
		}
	END
}

# seen NS: what watch has counted: packets and bytes there, and back.
seen() {
	ns_exec "$1" nft -j list table inet watch |
		jq -r '[.nftables[] | .rule // empty | {chain, c: (.expr[] | .counter // empty)}] | sort_by(.chain) | reverse | map("\(.c.packets) \(.c.bytes)") | join(" ")'
}

# carried NETWORK PORT: the same, as natbridge has it.
carried() {
	ctl n --network "$1" -o json conntrack list |
		jq -r --argjson port "$2" '.[] | select(.original.sport == $port) | [.original, .reply | .packets, .bytes] | join(" ")'
}

# assert_equal_counts NETWORK NS PORT
assert_equal_counts() {
	local of_kernel ours
	of_kernel=$(seen "$2") ours=$(carried "$1" "$3")
	ns_exec "$2" nft delete table inet watch
	[ "$of_kernel" = "$ours" ] || fail "port $3: the client's kernel: $of_kernel; natbridge: $ours"
	echo "$ours"
}

# send NS VIP PORT: 8 MiB by TCP.
send() {
	ns_exec "$1" timeout 60 socat -u OPEN:/dev/zero,rdonly,readbytes=8388608 "TCP:$2:80,sourceport=$3,reuseaddr"
}

# converse NS VIP PORT: three datagrams, each with its answer.
converse() {
	ns_exec "$1" "$NBT_BUILD/test/netns/tool" ask -n 3 -p "$3" udp "$2" 80 >/dev/null
}

# all_of NETWORK NS VIP4 VIP6 PORT
all_of() {
	local vip port=$5 packets bytes
	for vip in "$3" "[$4]"; do
		watch "$2" "$port"
		send "$2" "$vip" "$port"
		read -r packets bytes _ <<<"$(assert_equal_counts "$1" "$2" "$port")"
		[ "$bytes" -ge 8388608 ]
		# Offloaded: far fewer packets than segments of 1,500 bytes.
		[ "$packets" -lt 5000 ] || fail "$packets packets for $bytes bytes"
		port=$((port + 1))
		watch "$2" "$port"
		converse "$2" "$(tr -d '[]' <<<"$vip")" "$port"
		read -r packets _ <<<"$(assert_equal_counts "$1" "$2" "$port")"
		[ "$packets" -ge 3 ]
		port=$((port + 1))
	done
}

@test "B34: conntrack list counts what a pod's connections to a pod of the bridge carry: TCP by offload and UDP, both families" {
	all_of net a 10.96.0.10 fd00:96::10 20100
}

@test "conntrack list counts what goes through the host: to a backend on another node" {
	all_of net a 10.96.0.11 fd00:96::11 20200
}

@test "conntrack list counts what the node's own processes send to a pod, and to another node" {
	local vip
	for vip in 10.96.0.10 fd00:96::10 10.96.0.11 fd00:96::11; do
		watch n 20300
		converse n "$vip" 20300
		assert_equal_counts @node n 20300
		ctl n --network @node conntrack flush
	done
}

@test "conntrack list: packets= and bytes= stand where conntrack -L has them" {
	converse a 10.96.0.10 20400
	run -0 ctl n --network net conntrack list --dst 10.96.0.10 -p udp
	grep -Eq "dport=80 packets=3 bytes=[0-9]+ src=$(pod_ip b 4) .* dport=20400 packets=3 bytes=[0-9]+" <<<"$output" || fail "$output"
}
