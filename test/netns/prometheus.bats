#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# D13: the rules and the dashboard of packaging/prometheus, in a Prometheus that scrapes a node under load.

load lib
load agent
load node

RULES=$NBT_ROOT/packaging/prometheus/rules.yaml
DASHBOARD=$NBT_ROOT/packaging/prometheus/dashboard.json

setup_file() {
	suite_begin
	node_begin "a b" far
	node_serve b
	agent_start --service-proxy node --metrics-bind-address 127.0.0.1:10249
	web 1
	service default/none 10.96.0.11 TCP:80:8080 "" | put_list
	wait_for 10 ask a -t 500 tcp 10.96.0.10 80
	prometheus_start
	under_load
}

teardown_file() {
	suite_end take_down
}

take_down() {
	[ ! -f "$NBT_DIR/prometheus.pid" ] || kill "$(<"$NBT_DIR/prometheus.pid")"
	node_end "a b"
}

# web N: the Service default/web with N ports; the change of its slices is dated.
web() {
	local ports
	ports=$(seq -f 'TCP:%g:8080' -s , 80 $((79 + $1)))
	service default/web 10.96.0.10,fd00:96::10 "$ports" "$(pod_ip b 4),$(pod_ip b 6)" |
		jq '.items[] |= if .kind == "EndpointSlice" then .metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"] =
			(now | todate) else . end' | put_list
}

# Requests end and others begin: a watch stays for minutes.
server_restarts() {
	kill "$(<"$NBT_DIR/holder.pid")"
	holder_start
	put_node "$HERE4" "$HERE6"
	put_ranges 10.96.0.0/12 fd00:96::/112
	web 1
}

prometheus_start() {
	cat >"$NBT_DIR/prometheus.yaml" <<-EOT
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: ["$RULES"]
		scrape_configs:
		  - job_name: natbridge-agent
		    static_configs: [{targets: ["127.0.0.1:10249"]}]
	EOT
	ns_exec n prometheus --config.file="$NBT_DIR/prometheus.yaml" --storage.tsdb.path="$NBT_DIR/prometheus" \
		--web.listen-address=127.0.0.1:9090 >"$NBT_DIR/prometheus.log" 2>&1 3>&- &
	echo $! >"$NBT_DIR/prometheus.pid"
	disown
	wait_for 30 ns_exec n curl -fsS http://127.0.0.1:9090/-/ready
}

# A connection of a pod, one of the node, a drop, a ping.
knock() {
	ask a -t 500 tcp 10.96.0.10 80 >/dev/null || true
	ask n -t 500 tcp 10.96.0.10 80 >/dev/null || true
	ask a -t 500 tcp 10.96.0.11 80 >/dev/null || true
	ns_exec a ping -c 1 -W 1 10.96.0.10 >/dev/null || true
}

# Whether it has data, while there is load: rates are of the last minute.
has_data_under_load() {
	has_data "$1" && return
	knock
	return 1
}

# Connections, drops and changes, until the rules have seen several scrapes of them.
under_load() {
	local i
	for ((i = 2; i < 8; i++)); do
		web $i
		knock
		sleep 1
	done
	wait_for 30 has_data 'natbridge:network_programming_seconds:p99 > 0'
	server_restarts
	wait_for 60 has_data 'sum(rate(rest_client_request_duration_seconds_count[1m])) > 0'
	wait_for 30 has_data 'rate(rest_client_requests_total[1m])'
}

# query EXPRESSION: the values now, a line each.
query() {
	ns_exec n curl -fsS http://127.0.0.1:9090/api/v1/query --data-urlencode "query=$1" | jq -r '.data.result[].value[1]'
}

# has_data EXPRESSION: it has a value that is a number.
has_data() {
	query "$1" | grep -qvx NaN
}

# queries: of the dashboard, a line each, as Grafana would send them.
queries() {
	jq -r '.panels[].targets[]?.expr' "$DASHBOARD" | sed 's/[$]instance/.*/g; s/[$]network/.*/g; s/[$]__rate_interval/1m/g'
}

@test "Each query of the dashboard has data" {
	local expression n=0
	while read -r expression; do
		wait_for 30 has_data_under_load "$expression" || fail "no data: $expression"
		n=$((n + 1))
	done < <(queries)
	[ $n -ge 20 ]
}

@test "Each record has data, which is what the alerts compare" {
	local record n=0
	while read -r record; do
		has_data "$record" || fail "no data: $record"
		n=$((n + 1))
	done < <(sed -n 's/.*- record: //p' "$RULES")
	[ $n -ge 15 ]
	sed -n '/- alert:/,$ s/.*expr: //p' "$RULES" | while read -r expression; do
		grep -qF "record: ${expression%%[ {]*}" "$RULES" || fail "not recorded: $expression"
	done
	[ "$(ns_exec n curl -fsS http://127.0.0.1:9090/api/v1/rules | jq '[.data.groups[].rules[] | select(.health != "ok")] | length')" = 0 ]
}

@test "The variables of the dashboard have values" {
	[ "$(query 'count(natbridge_datapath_info)')" = 2 ]
	has_data 'natbridge_datapath_info{instance="127.0.0.1:10249",network="net"}'
}

@test "A healthy node fires no alert; each alert fires by its fault" {
	local alert
	promtool check rules "$RULES"
	promtool test rules "$NBT_ROOT/test/prometheus/rules_test.yaml"
	while read -r alert; do
		grep -q "name: $alert" "$NBT_ROOT/test/prometheus/rules_test.yaml" || fail "not tested: $alert"
	done < <(sed -n 's/.*- alert: //p' "$RULES")
}
