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

# value NAME LABELS: of the metrics on stdin; 0 if they have no such series.
value() {
	awk -v series="$1{$2}" '!/^#/ && substr($0, 1, length($0) - length($NF) - 1) == series { print $NF; found = 1 } END { if (!found) print 0 }'
}

# of_agent: the agent's metrics, as they are now: it reads the maps every 5 s.
of_agent() {
	sleep 5.1
	ns_exec n curl -sS http://127.0.0.1:10249/metrics
}

@test "D13: by Service, the agent's counters grow by what connections carry, and their sum by what all have carried" {
	local before after series=natbridge_service_bytes_total labels sum=0 i
	labels='network="net",namespace="default",service="bulk",direction="request"'
	before=$(of_agent)
	for i in 1 2 3; do
		watch a 2050$i
		send a 10.96.0.10 2050$i
		read -r _ bytes _ <<<"$(assert_equal_counts net a 2050$i)"
		sum=$((sum + bytes))
		# The next look finds the connection's end, too.
		after=$(of_agent)
		[ $(($(value $series "$labels" <<<"$after") - $(value $series "$labels" <<<"$before"))) = $sum ] || fail "$(grep "^$series" <<<"$after")"
	done
	[ $(($(value natbridge_service_connections_total "${labels%,*}" <<<"$after") - $(value natbridge_service_connections_total "${labels%,*}" <<<"$before"))) = 3 ]
	# Of the other direction, and of the node's own table.
	[ "$(value $series "${labels/request/reply}" <<<"$after")" -gt "$(value $series "${labels/request/reply}" <<<"$before")" ]
	labels='network="@node",namespace="default",service="far",direction="request"'
	before=$(of_agent)
	watch n 20520
	converse n 10.96.0.11 20520
	read -r packets bytes _ <<<"$(assert_equal_counts @node n 20520)"
	after=$(of_agent)
	[ $(($(value $series "$labels" <<<"$after") - $(value $series "$labels" <<<"$before"))) = "$bytes" ]
	[ $(($(value natbridge_service_packets_total "$labels" <<<"$after") - $(value natbridge_service_packets_total "$labels" <<<"$before"))) = "$packets" ]
}

@test "D13: natbridgectl metrics has what there is: connections by Service and what they have carried" {
	ctl n conntrack flush
	watch a 20600
	converse a 10.96.0.10 20600
	read -r packets bytes answers answer_bytes <<<"$(assert_equal_counts net a 20600)"
	run -0 ctl n metrics
	promtool check metrics <<<"$output"
	local labels='network="net",namespace="default",service="bulk"'
	[ "$(value natbridge_service_connections "$labels" <<<"$output")" = 1 ]
	[ "$(value natbridge_service_carried_packets "$labels,direction=\"request\"" <<<"$output")" = "$packets" ]
	[ "$(value natbridge_service_carried_bytes "$labels,direction=\"request\"" <<<"$output")" = "$bytes" ]
	[ "$(value natbridge_service_carried_packets "$labels,direction=\"reply\"" <<<"$output")" = "$answers" ]
	[ "$(value natbridge_service_carried_bytes "$labels,direction=\"reply\"" <<<"$output")" = "$answer_bytes" ]
	run ! grep '^natbridge_service_bytes_total{' <<<"$output"
	promtool check metrics <<<"$(of_agent | grep natbridge_service_)"
}

@test "D13: drops by Service and reason, of pods and of the node; ports that no Service has are one" {
	local from network vip port
	service default/none 10.96.0.40,fd00:96::40 TCP:80:8080 "" | put_list
	wait_for 10 service_is_there default/none
	for from in a n; do
		network=$([ $from = a ] && echo net || echo @node)
		for vip in 10.96.0.40 fd00:96::40; do
			run -1 ask $from -t 3000 tcp $vip 80
			[[ $output == *refused* ]]
			for port in 81 82 83; do
				run -1 ask $from -t 3000 tcp $vip $port
				[[ $output == *refused* ]]
			done
		done
		for text in "$(ctl n metrics)" "$(of_agent)"; do
			[ "$(value natbridge_service_drops_total "network=\"$network\",namespace=\"default\",service=\"none\",reason=\"drop_no_backend\"" <<<"$text")" = 2 ]
			[ "$(value natbridge_service_drops_total "network=\"$network\",namespace=\"default\",service=\"none\",reason=\"drop_no_service\"" <<<"$text")" = 6 ]
		done
	done
	[ "$(node_exec n bpftool -j map dump pinned "$NBT_DIR/node-n/bpf/natbridge/net/v10/service_drops" | jq length)" = 4 ]
}

service_is_there() {
	ctl n -o json service list | jq -e --arg name "$1" 'map(select(.name == $name)) | map(.network) | unique | length == 2' >/dev/null
}

@test "D13: a Service that is deleted takes its series along; its drops do not come back" {
	local text
	remove /api/v1/services/default.none
	wait_for 10 eval '! service_is_there default/none'
	text=$(of_agent)
	run ! grep 'service="none"' <<<"$text"
}
