#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Metrics of the datapath: natbridgectl metrics, and the same numbers at the end of the agent's /metrics.

load lib
load agent
load node

setup_file() {
	suite_begin
	node_begin "a b" far
	node_serve b
	agent_start --service-proxy node --metrics-bind-address 127.0.0.1:10249
	service default/web 10.96.0.10,fd00:96::10 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)" | put_list
	service default/none 10.96.0.11 TCP:80:8080 "" | put_list
	wait_for 10 ask a -t 500 tcp 10.96.0.10 80
	wait_for 10 ask n -t 500 tcp 10.96.0.10 80
	run -1 ask a -t 3000 tcp 10.96.0.11 80
	talk_open stays a tcp 10.96.0.10 80
	talk_say stays one
	ask a udp fd00:96::10 80 >/dev/null
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

# value SERIES: of the metrics on stdin.
value() {
	awk -v series="$1" '!/^#/ && substr($0, 1, length($0) - length($NF) - 1) == series { print $NF; found = 1 } END { exit !found }'
}

# of_agent: the agent's metrics of the datapath.
of_agent() {
	ns_exec n curl -sS http://127.0.0.1:10249/metrics | grep natbridge_datapath_
}

agent_says() {
	of_agent | grep -qxF "$1"
}

@test "promtool has nothing to say about the metrics of the tool, nor about those of the agent" {
	ctl n metrics >"$NBT_DIR/metrics"
	promtool check metrics <"$NBT_DIR/metrics"
	of_agent >"$NBT_DIR/of-agent"
	promtool check metrics <"$NBT_DIR/of-agent"
}

@test "Each counter, connection, port and map is there, as stats, list and status have it" {
	local network stats name metrics of
	metrics=$(ctl n metrics)
	for network in net @node; do
		stats=$(ctl n --network $network -o json conntrack stats)
		for name in $(jq -r '.[0] | to_entries[] | select(.value | type == "number") | .key' <<<"$stats"); do
			case $name in
			entries) continue ;;
			drop*) of="drops_total{network=\"$network\",reason=\"$name\"}" ;;
			*) of="events_total{network=\"$network\",event=\"$name\"}" ;;
			esac
			run -0 value "natbridge_datapath_$of" <<<"$metrics"
			[ "$output" = "$(jq ".[0].$name" <<<"$stats")" ] || fail "$of: $output"
		done
		[ "$(value "natbridge_datapath_connections_limit{network=\"$network\"}" <<<"$metrics")" = "$(jq '.[0].settings.max' <<<"$stats")" ]
	done
	[ "$(value 'natbridge_datapath_drops_total{network="net",reason="drop_no_backend"}' <<<"$metrics")" -ge 1 ]
	[ "$(value 'natbridge_datapath_ports{network="net",state="attached"}' <<<"$metrics")" = 2 ]
	[ "$(value 'natbridge_datapath_info{network="net",mode="ebpf",layout="10"}' <<<"$metrics")" = 1 ]
	[ "$(value 'natbridge_datapath_info{network="@node",mode="node",layout="10"}' <<<"$metrics")" = 1 ]
	[ "$(value 'natbridge_datapath_connections{network="net",protocol="tcp",state="ESTABLISHED"}' <<<"$metrics")" = \
		"$(ctl n --network net -o json conntrack list | jq '[.[] | select(.state == "ESTABLISHED")] | length')" ]
	[ "$(value 'natbridge_datapath_connections{network="net",protocol="udp",state="REPLIED"}' <<<"$metrics")" -ge 1 ]
	[ "$(grep '^natbridge_datapath_map_' <<<"$metrics" | sed 's/.*entries{\(.*\)} \(.*\)/\1 \2/; /capacity/d' | sort)" = \
		"$(ctl n -o json status | jq -r '.[] | .network as $n | .maps[] | "network=\"\($n)\",map=\"\(.name)\" \(.entries)"' | sort)" ]
}

@test "The agent serves the same series" {
	[ "$(of_agent | sed 's/ [0-9.e+]*$//')" = "$(ctl n metrics | grep natbridge_datapath_ | sed 's/ [0-9.e+]*$//')" ]
}

@test "--network has one network; a network that cannot be read says so and leaves the others" {
	local pin text
	run -0 ctl n --network net metrics
	[[ $output == *'network="net"'* && $output != *@node* ]]
	run -3 ctl n --network other metrics
	pin=$(ctl n --network net -o json status | jq -r '.[0].directory')/counters
	node_exec n mv "$pin" "$pin-away"
	run --separate-stderr -1 ctl n metrics
	wait_for 10 agent_says 'natbridge_datapath_readable{network="net"} 0' # it reads them every 5 s
	of_agent >"$NBT_DIR/of-agent"
	node_exec n mv "$pin-away" "$pin"
	[[ $stderr == *"pins are missing"*"/net/"* ]] || fail "$stderr"
	for text in "$output" "$(<"$NBT_DIR/of-agent")"; do
		[ "$(value 'natbridge_datapath_readable{network="net"}' <<<"$text")" = 0 ]
		[ "$(value 'natbridge_datapath_readable{network="@node"}' <<<"$text")" = 1 ]
		[[ $text == *'natbridge_datapath_info{network="@node"'* && $text != *'natbridge_datapath_info{network="net"'* ]] || fail "$text"
	done
	wait_for 10 agent_says 'natbridge_datapath_readable{network="net"} 1'
}

@test "A port without its programs, and one that is down, are counted as such" {
	ip -n "$(ns n)" link set "$(pod_veth n b)" down
	run -0 ctl n metrics
	ip -n "$(ns n)" link set "$(pod_veth n b)" up
	[ "$(value 'natbridge_datapath_ports{network="net",state="down"}' <<<"$output")" = 1 ]
	[ "$(value 'natbridge_datapath_ports{network="net",state="attached"}' <<<"$output")" = 1 ]
}
