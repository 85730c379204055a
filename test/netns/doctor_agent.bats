#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl doctor on a node that natbridge-agent serves whole: faults of the agent, of its API server, and of what the node's own
# table needs.

# shellcheck disable=SC2016,SC2034 # the commands of a row are run by fault(), and use what is set here
load lib
load agent
load node
load kube
load doctor

DOCTOR_NODE=n
VIP4=10.96.0.10 VIP6=fd00:96::10

setup_file() {
	suite_begin
	node_begin "a b" far
	node_is_strict
	objects
	agent_start --service-proxy node
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

setup() {
	N=$(ns n)
}

# With a NodePort, so that clients outside are served, and the node's own processes at its NodePorts.
objects() {
	service default/web $VIP4,$VIP6 TCP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)" |
		jq '.items[0].spec += {type: "NodePort"} | .items[0].spec.ports[0].nodePort = 30080' | put_list
}

restart() {
	agent_stop
	agent_start --service-proxy node
}

healthz_is() {
	[ "$(ns_exec n curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:10256/healthz)" = "$1" ]
}

@test "A healthy node with an agent, strict rp_filter and rules that drop INVALID has no finding" {
	wait_for 10 programs_are_out
	is_healthy
	[ "$(diagnose --network @node)" = "[]" ]
}

programs_are_out() {
	programs_at n up0 | grep -qx nb_device_out
}

@test "The agent does not answer; the Node is gone; a kube-proxy beside it; another clock; an object that cannot be read" {
	local pid
	pid=$(agent_pid)
	fault 'kill -STOP "$pid"' 'kill -CONT "$pid"' agent "process $pid: natbridge-agent does not answer"
	fault 'remove /api/v1/nodes/here; wait_for 5 healthz_is 503' 'put_node $HERE4 $HERE6; wait_for 5 healthz_is 200' agent-node "no Node of this name"
	fault 'echo "web tcp 10.96.0.10 80 10.244.0.9,8080" | kube_iptables_rules | ns_exec n iptables-restore' 'kube_gone n' kube-proxy "KUBE-SERVICES"
	fault 'ns_exec n nft add table ip kube-proxy' 'ns_exec n nft delete table ip kube-proxy' kube-proxy "nftables table ip kube-proxy"
	fault 'api PUT /clock -d "{\"ahead\": 3600}"; restart' 'api PUT /clock -d "{\"ahead\": 0}"; restart' clock "behind that of the API server 127.0.0.1:8001"
	fault 'api PUT /clock -d "{\"ahead\": -3600}"; restart' 'api PUT /clock -d "{\"ahead\": 0}"; restart' clock "ahead of"
	jq -n '{metadata: {name: "large", namespace: "default", annotations: {x: ("y" * 9000000)}}, spec: {}}' >"$NBT_DIR/large.json"
	fault 'api PUT /api/v1/services/default.large -d "@$NBT_DIR/large.json"; wait_for 5 skipped 1' 'remove /api/v1/services/default.large; restart' api-object "skipped 1 services"
	mkdir "$NBT_DIR/other"
	LC_ALL=C sed 's/\(natbridge-agent[ \/]\)0\.1\.0/\10.1.9/g' "$NBT_BUILD/natbridge-agent" >"$NBT_DIR/other/natbridge-agent"
	chmod +x "$NBT_DIR/other/natbridge-agent"
	fault 'NBT_BUILD=$NBT_DIR/other restart' restart agent-version "has version 0.1.9"
	is_as_before
}

@test "A table that cannot be written" {
	local number
	network_write n small '.plugins[0].serviceProxy.limits = {frontends: 16, backends: 16} | .plugins[0].bridge = "cni1" | .plugins[0].ipam.ranges = [[{subnet: "10.245.0.0/24"}]]'
	agent_stop
	: >"$NBT_DIR/agent.log"
	agent --service-proxy node >"$NBT_DIR/agent.log" 2>&1 3>&- &
	disown
	# One by one: a list that is too long as a whole leaves the table as it is, which is not full.
	for number in $(seq 20); do
		service "default/s$number" "10.97.0.$number" TCP:80:8080 "$THERE4" | put_list
		wait_for 20 small_has_or_refuses "10.97.0.$number"
	done
	wait_for 20 grep -q "small.*too many" "$NBT_DIR/agent.log"
	[ "$(not_written | jq -c keys)" = '["small"]' ]
	fault : : agent-health '"small" is not equal to the cluster: too many services' table-full small
	for number in $(seq 20); do
		remove "/api/v1/services/default.s$number"
		remove "/apis/discovery.k8s.io/v1/endpointslices/default.s$number-ipv4"
	done
	rm "$NBT_DIR/node-n/net.d/small.conflist"
	agent_stop
	ctl n --network small uninstall >/dev/null
	rm -rf "$NBT_DIR/state"
	agent_start --service-proxy node
	[ "$(not_written)" = null ]
	is_as_before
}

not_written() {
	ns_exec n curl -s http://127.0.0.1:10256/healthz | jq .natbridge.notWritten
}

small_has_or_refuses() {
	ctl n --network small service list | grep -wF "$1" >/dev/null || grep -q "small.*too many" "$NBT_DIR/agent.log"
}

skipped() {
	ns_exec n curl -s http://127.0.0.1:10256/healthz | jq -e --argjson n "$1" '.natbridge.watches.services.skippedObjects == $n' >/dev/null
}

@test "Settings of the kernel that the node's own table needs" {
	fault 'ns_exec n sysctl -qw net.ipv4.ip_local_port_range="32768 65535"' 'ns_exec n sysctl -qw net.ipv4.ip_local_port_range="32768 60999"' local-ports "61000 to 65535"
	ns_exec n sysctl -qw net.ipv4.ip_local_port_range="32768 62000" net.ipv4.ip_local_reserved_ports="10,61000-65535"
	is_healthy
	ns_exec n sysctl -qw net.ipv4.ip_local_port_range="32768 60999" net.ipv4.ip_local_reserved_ports=""
	fault 'ns_exec n sysctl -qw net.ipv4.conf.lo.accept_local=0' 'ns_exec n sysctl -qw net.ipv4.conf.lo.accept_local=1' accept-local accept_local
	is_as_before
}

@test "A drop of the node's own table that grows" {
	local pid
	(while :; do ask n -t 20 udp 10.96.77.77 53 || true; done) >/dev/null 2>&1 3>&- &
	pid=$!
	SECONDS_WATCHED=1 run --separate-stderr diagnose
	kill "$pid"
	wait "$pid" 2>/dev/null || true
	expect_findings drops "@node: drop_no_vip has grown"
}

# An agent that has done its part, and is gone. The service ranges, and so the routes, may come after the table is filled.
serve_once() {
	agent_start --service-proxy node
	wait_for 10 has_routes
	agent_stop -KILL
}

has_routes() {
	[ "$({ ip -n "$N" route show dev nb0; ip -n "$N" -6 route show dev nb0; } | grep -cE '^(10.96.0.0/12|fd00:96::/112) ')" = 2 ]
}

# With nobody who mends it at once: then it is also found that there is no agent.
@test "Faults of nb0, its routes and the programs at devices, and that no agent runs" {
	agent_stop -KILL
	ALWAYS=(agent "@node: no natbridge-agent feeds")
	fault : :
	fault 'ip -n "$N" link set nb0 down' 'ip -n "$N" link set nb0 up; serve_once' nb0 "is down"
	fault 'ip -n "$N" route del 10.96.0.0/12 dev nb0' : nb0-route 10.96.0.0/12
	fault 'ip -n "$N" route add 10.96.0.0/12 dev up0' 'ip -n "$N" route del 10.96.0.0/12 dev up0; serve_once' nb0-route '"up0"'
	fault 'programs_detach n up0' 'serve_once' device-program "up0: " device-program "up0: "
	fault 'ip -n "$N" link del nb0' 'serve_once' nb0 "no link"
	is_as_before
	ALWAYS=()
	agent_start --service-proxy node
	is_healthy
}

@test "An agent that is configured and cannot run: no server, a wrong key" {
	agent_stop
	agent --service-proxy node --cleanup
	cat >"$NBT_DIR/agent.yaml" <<-END
		apiVersion: natbridge.io/v1alpha1
		kind: AgentConfiguration
		clientConnection: {kubeconfig: $NBT_DIR/kubeconfig}
		cniConfDir: $NBT_DIR/node-n/net.d
	END
	fault : : agent "agent.yaml configures an agent"
	fault 'kill "$(<"$NBT_DIR/holder.pid")"; wait_for 5 gone "$(<"$NBT_DIR/holder.pid")"' holder_start agent "agent.yaml" \
		api "cannot follow services, endpointslices, nodes: 127.0.0.1:8001"
	put_node "$HERE4" "$HERE6"
	put_ranges 10.96.0.0/12 fd00:96::/112
	objects
	echo "serviceProxi: node" >>"$NBT_DIR/agent.yaml"
	fault : : agent "agent.yaml" api serviceProxi
	rm "$NBT_DIR/agent.yaml"
	agent_start --service-proxy node
	is_healthy
}

@test "The API server is gone" {
	fault 'kill "$(<"$NBT_DIR/holder.pid")"; wait_for 5 gone "$(<"$NBT_DIR/holder.pid")"; sleep 0.2' 'holder_start; put_node $HERE4 $HERE6; put_ranges 10.96.0.0/12 fd00:96::/112; objects' \
		api "127.0.0.1:8001: Connection refused"
	restart
	is_as_before
}
