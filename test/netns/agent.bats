#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridge-agent on a node with pods: the tables follow the cluster. The API server is test/agent/holder.py; faults of API servers
# are in test/agent, a real one in test/kubernetes.

load lib
load agent

VIP4=10.96.0.10 VIP6=fd00:96::10

setup_file() {
	suite_begin
	node_create n
	network_write n net
	holder_start
}

teardown_file() {
	suite_end take_down
}

take_down() {
	agent_stop
	pods_down n net a b 2>/dev/null || true
	kill "$(<"$NBT_DIR/holder.pid")" 2>/dev/null || true
}

metric() {
	ns_exec n curl -sf http://127.0.0.1:10249/metrics | grep -qxF "$1"
}

equal_again() {
	sed '1,/Reloading/d' "$NBT_DIR/agent.log" | grep -q "equal to the cluster"
}

@test "D11: the table is filled before the network's first ADD, and the first pod finds it so" {
	put_service web "$(web_spec)"
	put_slice web-1 web 10.244.0.3
	agent_start
	expect_table "default/web $VIP4:80 10.244.0.3
default/web $VIP6:80 "
	pods_up n net a b
	serve b tcp 8080
	put_slice web-1 web "$(pod_ip b 4)"
	put_slice web-6 web "$(pod_ip b 6)"
	expect_table "default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)"
	run -0 ask a tcp $VIP4 80
	assert_answer b "$(pod_ip a 4)"
	run -0 ask a tcp $VIP6 80
	assert_answer b "$(pod_ip a 6)"
}

@test "A change that comes alone is written at once, those that follow are collected for 0.1 s" {
	local start i
	start=${EPOCHREALTIME/./}
	put_slice web-1 web "$(pod_ip b 4),10.244.0.77"
	wait_for 5 table_is "default/web $VIP4:80 $(pod_ip b 4),10.244.0.77
default/web $VIP6:80 $(pod_ip b 6)"
	echo "# $(((${EPOCHREALTIME/./} - start) / 1000)) ms, with the reading"
	agent_stop
	agent_start -v 1
	start=${EPOCHREALTIME/./}
	for ((i = 1; i <= 30; i++)); do
		put_slice web-1 web "$(pod_ip b 4),10.244.0.$((100 + i))"
	done
	wait_for 5 table_is "default/web $VIP4:80 $(pod_ip b 4),10.244.0.130
default/web $VIP6:80 $(pod_ip b 6)"
	[ "$(grep -c "Table written" "$NBT_DIR/agent.log")" -le $(((${EPOCHREALTIME/./} - start) / 100000 + 2)) ] || fail "$(<"$NBT_DIR/agent.log")"
	put_slice web-1 web "$(pod_ip b 4)"
	expect_table "default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)"
}

@test "D1: SIGTERM ends it within a second; the table stays, and a restart writes nothing" {
	local before start
	before=$(table)
	start=${EPOCHREALTIME/./}
	agent_stop
	[ $((${EPOCHREALTIME/./} - start)) -lt 3000000 ] # on a slow machine
	table_is "$before"
	run -0 ask a tcp $VIP4 80
	agent_start -v 1
	table_is "$before"
	run ! grep "Table written" "$NBT_DIR/agent.log"
}

@test "D1: killed while it writes: nothing is lost, and the next one repairs what is half done" {
	local round # bats' run has an i
	for round in $(seq 12); do
		agent_stop -KILL
		run -0 ask a tcp $VIP4 80
		put_slice "s$round" "s$round" "10.244.9.$round,10.244.8.$round"
		put_service "s$round" '{"clusterIP": "10.96.1.'"$round"'", "ports": [{"port": 80}]}'
		agent --once -v 1 >>"$NBT_DIR/once.log" 2>&1 3>&- &
		sleep 0.0$((round % 10))
		kill -KILL "$(agent_pid)" 2>/dev/null || true
		wait || true
		agent_start
	done
	[ "$(table | grep -c '^default/s')" = 12 ]
	for round in $(seq 12); do
		remove "/api/v1/services/default.s$round"
		remove "/apis/discovery.k8s.io/v1/endpointslices/default.s$round"
	done
	expect_table "default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)"
}

@test "What went while nobody followed is removed; another Service may have its address by then" {
	put_service old '{"clusterIP": "10.96.2.1", "ports": [{"port": 80}], "externalIPs": ["203.0.113.1"]}'
	wait_for 5 eval 'table | grep -q "default/old 10.96.2.1"'
	agent_stop
	remove /api/v1/services/default.old
	put_service new '{"clusterIP": "10.96.2.1", "ports": [{"port": 80}]}'
	put_service other '{"clusterIP": "10.96.2.2", "ports": [{"port": 80}], "externalIPs": ["203.0.113.1"]}'
	agent_start
	expect_table "default/new 10.96.2.1:80 
default/other 10.96.2.2:80 
default/other 203.0.113.1:80 
default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)"
	remove /api/v1/services/default.new
	remove /api/v1/services/default.other
}

@test "D7: natbridgectl refuses to change the table and names the agent; --force overrides" {
	local pid
	pid=$(agent_pid)
	run ! ctl n --network net service delete default/web
	[[ $output = *"natbridge-agent (process $pid) feeds this table"* ]] || fail "$output"
	run ! ctl n --network net service apply -f - < <(service default/x 10.96.9.9 TCP:80:80 10.244.0.9)
	[[ $output = *"natbridge-agent (process $pid) feeds this table"* ]] || fail "$output"
	run -0 ctl n --network net service apply --force --keep -f - < <(service default/x 10.96.9.9 TCP:80:80 10.244.0.9)
	run -0 ctl n --network net service delete --force default/x
}

@test "D7: a second agent refuses the network" {
	run ! agent --once --healthz-bind-address "" --metrics-bind-address ""
	[[ $output = *'network "net" belongs to another natbridge-agent, process '"$(agent_pid)"* ]] || fail "$output"
}

@test "D7: in another pid namespace, as in a pod, it refuses without a number" {
	# shellcheck disable=SC2034 # agent() reads it
	local UNDER=(unshare --pid --fork --mount-proc)
	run ! agent --once --healthz-bind-address "" --metrics-bind-address ""
	[[ $output = *'network "net" belongs to another natbridge-agent, which this process cannot see'* ]] || fail "$output"
}

@test "It mounts no bpffs, since others may not see its mounts: it says so, and waits" {
	mkdir "$NBT_DIR/nothing"
	run ! agent --once --healthz-bind-address "" --metrics-bind-address "" --bpffs "$NBT_DIR/nothing"
	[[ $output = *"no bpffs is mounted at \"$NBT_DIR/nothing\": run mount -t bpf bpf $NBT_DIR/nothing"* ]] || fail "$output"
	[ "$(stat -f -c %T "$NBT_DIR/nothing")" != bpf_fs ]
	run ! agent --check --bpffs "$NBT_DIR/nothing"
	[[ $output = *"FAILED network net: no bpffs is mounted at"* ]] || fail "$output"
}

@test "A13, A16: policy Local and the node's zone, as the Node changes" {
	api PUT /api/v1/nodes/here -d '{"metadata": {"name": "here", "labels": {"topology.kubernetes.io/zone": "a"}}, "status": {"addresses": [{"type": "InternalIP", "address": "192.168.7.1"}]}}'
	put_service local '{"type": "NodePort", "clusterIP": "10.96.3.1", "ports": [{"port": 80, "nodePort": 30080}], "internalTrafficPolicy": "Local"}'
	put_slice local-1 local 10.244.0.3 here
	put_slice local-2 local 10.244.1.3 there
	expect_table "default/local 10.96.3.1:80 10.244.0.3
default/local 192.168.7.1:30080 10.244.0.3,10.244.1.3
default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)"
	api PUT /api/v1/nodes/here -d '{"metadata": {"name": "here"}, "status": {"addresses": [{"type": "InternalIP", "address": "192.168.7.2"}]}}'
	wait_for 5 eval 'table | grep -q "192.168.7.2:30080"' || fail "$(table)"
	run ! grep 192.168.7.1 <(table)
	wait_for 20 metric 'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} 0'
	remove /apis/discovery.k8s.io/v1/endpointslices/default.local-1
	wait_for 20 metric 'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} 1'
	remove /api/v1/services/default.local
	remove /apis/discovery.k8s.io/v1/endpointslices/default.local-2
}

@test "A14: a Service that gets a label for another proxy goes, and comes back without it" {
	api PUT /api/v1/services/default.web -d "$(jq -nc --argjson spec "$(web_spec)" '{metadata: {name: "web", namespace: "default", labels: {"service.kubernetes.io/service-proxy-name": "x"}}, spec: $spec}')"
	expect_table ""
	run ! ask a -t 300 tcp $VIP4 80
	put_service web "$(web_spec)"
	expect_table "default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)"
	run -0 ask a tcp $VIP4 80
}

@test "D11: a network that is added later is filled within a second, one that goes keeps its pods" {
	network_write n second '.plugins[0].bridge = "br2" | .plugins[0].ipam.ranges = [[{"subnet": "10.245.0.0/24"}]]'
	wait_for 10 table_is "default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)" second || fail "$(table second)" "$(<"$NBT_DIR/agent.log")"
	put_service web "$(web_spec)" # says the same as before
	wait_for 5 metric 'kubeproxy_sync_proxy_rules_service_changes_pending 0'
	metric 'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1'
	rm "$NBT_DIR/node-n/net.d/second.conflist"
	put_slice web-1 web "$(pod_ip b 4),10.244.0.9"
	wait_for 5 eval 'table second | grep -q 10.244.0.9'
	agent_stop
	put_slice web-1 web "$(pod_ip b 4)"
	agent_start
	wait_for 5 eval '! table second | grep -q 10.244.0.9'
}

on_host() {
	[ "$(ctl n --network net -o json service list | jq --arg vip $VIP4 '.[] | select(.address == $vip) | .onHost')" = "$1" ]
}

@test "A17: the node gets a ClusterIP while one of its links has it, and gives it back" {
	on_host false
	ip -n "$(ns n)" address add $VIP4/32 dev lo
	wait_for 5 on_host true
	ip -n "$(ns n)" address del $VIP4/32 dev lo
	wait_for 5 on_host false
	run -0 ask a tcp $VIP4 80
}

ranges() {
	[ "$(ctl n --network "${2:-net}" -o json status | jq -c '.[0].serviceCIDRs')" = "$1" ]
}

@test "A19: what is sent to a free address of a ServiceCIDR is dropped, and passes when the range goes" {
	local before
	ip -n "$(ns n)" link add out type veth peer name uplink # where there is no way out, nothing is kept from going it
	ip -n "$(ns n)" link set out up
	ip -n "$(ns n)" link set uplink up
	ip -n "$(ns n)" route add default dev out
	ranges '[]'
	api PUT /apis/networking.k8s.io/v1/servicecidrs/kubernetes -d '{"metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/12", "fd00:96::/112"]}}'
	wait_for 5 ranges '["10.96.0.0/12","fd00:96::/112"]' || fail "$(ctl n -o json status)"
	before=$(ctl n --network net -o json conntrack stats | jq '.[0].drop_no_vip')
	run ! ask a -t 300 udp 10.96.77.77 53
	[ "$(ctl n --network net -o json conntrack stats | jq '.[0].drop_no_vip')" -gt "$before" ]
	run -0 ask a tcp $VIP4 80
	network_write n fifth '.plugins[0].bridge = "br5" | .plugins[0].ipam.ranges = [[{"subnet": "10.247.0.0/24"}]] | .plugins[0].serviceProxy.serviceCIDRs = ["10.0.0.0/8"]'
	pods_up n fifth e
	ranges '["10.0.0.0/8"]' fifth # the configuration wins
	pods_down n fifth e
	rm "$NBT_DIR/node-n/net.d/fifth.conflist"
	agent_stop
	remove /apis/networking.k8s.io/v1/servicecidrs/kubernetes
	api PUT /apis/networking.k8s.io/v1/servicecidrs/more -d '{"metadata": {"name": "more"}, "spec": {"cidrs": ["10.98.0.0/16"]}}'
	pods_up n net f # an ADD without ranges of its own leaves those of the cluster
	ranges '["10.96.0.0/12","fd00:96::/112"]'
	pods_down n net f
	agent_start
	wait_for 5 ranges '["10.98.0.0/16"]'
	remove /apis/networking.k8s.io/v1/servicecidrs/more
	wait_for 5 ranges '[]'
	ip -n "$(ns n)" link del out
}

@test "What is left out is logged once, however often the object changes" {
	local i
	for ((i = 0; i < 3; i++)); do
		put_service odd '{"clusterIP": "10.96.5.1", "ports": [{"port": '$((80 + i))'}], "externalIPs": ["127.0.0.1"]}'
		wait_for 5 eval "table | grep -q 10.96.5.1:$((80 + i))"
	done
	[ "$(grep -c 'left out externalIP \\"127.0.0.1' "$NBT_DIR/agent.log")" = 1 ] || fail "$(<"$NBT_DIR/agent.log")"
	remove /api/v1/services/default.odd
	wait_for 5 eval '! table | grep -q default/odd'
}

@test "D8, D9: /healthz, /livez, /readyz and /metrics say so" {
	run -0 ns_exec n curl -sf http://127.0.0.1:10256/healthz
	[ "$(jq -c '[.healthy, .nodeEligible]' <<<"$output")" = "[true,true]" ]
	run -0 ns_exec n curl -sf http://127.0.0.1:10249/metrics
	grep -q '^natbridge_services 1$' <<<"$output" || fail "$output"
	run -0 ns_exec n curl -sf http://127.0.0.1:10249/proxyMode
	[ "$output" = natbridge ]
	remove /api/v1/nodes/here
	wait_for 5 eval '! ns_exec n curl -sf http://127.0.0.1:10256/healthz'
	run -0 ns_exec n curl -sf http://127.0.0.1:10256/livez
	run -0 ns_exec n curl -sf http://127.0.0.1:10256/readyz
}

balanced() {
	put_service lb '{"type": "LoadBalancer", "clusterIP": "10.96.4.1", "ports": [{"port": 80}], "externalTrafficPolicy": "Local", "healthCheckNodePort": '"$1"'}'
}

# health_port URL-PATH [CURL-OPTION...]: "CODE WEIGHT BODY" of port 32100.
health_port() {
	ns_exec n curl -s -o "$NBT_DIR/body" -w '%{http_code} %header{x-load-balancing-endpoint-weight} ' "${@:2}" "http://127.0.0.1:32100$1" || return
	cat "$NBT_DIR/body"
}

health_port_is() {
	[ "$(health_port /)" = "$1" ]
}

@test "A24: load balancers are told at the health check node port whether there are ready endpoints here" {
	local some='200 2 {"service":{"namespace":"default","name":"lb"},"localEndpoints":2,"serviceProxyHealthy":true}'
	local none='503 0 {"service":{"namespace":"default","name":"lb"},"localEndpoints":0,"serviceProxyHealthy":true}'
	balanced 32100
	wait_for 5 eval 'table | grep -q "default/lb"'
	run ! health_port / # kube-proxy's
	agent_stop
	put_slice lb-1 lb 10.244.0.8,10.244.0.9
	agent_start --health-check-node-ports true
	wait_for 5 health_port_is "$some" || fail "$(health_port /)"
	[ "$(health_port /any/path -X POST)" = "$some" ]
	ns_exec n curl -sf -o /dev/null "http://[::1]:32100/"
	put_slice lb-1 lb 10.244.1.8 there
	wait_for 5 health_port_is "$none" || fail "$(health_port /)"
	put_slice lb-1 lb 10.244.0.8,10.244.0.9
	wait_for 5 health_port_is "$some"
	balanced 10249 # where the metrics are
	wait_for 5 grep -q 'Health check node port is not answered.*default/lb.*Address already in use' "$NBT_DIR/agent.log"
	run ! health_port /
	balanced 32100
	wait_for 5 health_port_is "$some"
	remove /api/v1/services/default.lb
	wait_for 5 eval '! health_port /'
	remove /apis/discovery.k8s.io/v1/endpointslices/default.lb-1
}

@test "SIGHUP reads the configuration again, by the same process" {
	local pid
	pid=$(agent_pid)
	kill -HUP "$pid"
	wait_for 10 equal_again || fail "$(<"$NBT_DIR/agent.log")"
	[ "$(agent_pid)" = "$pid" ]
}

@test "--dry-run says what would be written and writes nothing; --cleanup removes the API's Services alone" {
	agent_stop
	remove /api/v1/services/default.web
	run -0 --separate-stderr agent --dry-run
	[[ $output = *"net: 0 frontends added, 0 changed, 2 removed"* ]] || fail "$output" "$stderr"
	expect_table "default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)"
	run -0 agent --cleanup
	expect_table ""
	run -0 agent --cleanup
}

# Before the holder ends: the network's datapath is made, filled and removed by these rights.
@test "three capabilities are enough, and what is missing is named" {
	local lacking set=bpf,+net_admin,+perfmon
	network_write n third '.plugins[0].bridge = "br3" | .plugins[0].ipam.ranges = [[{"subnet": "10.246.0.0/24"}]]'
	put_service web "$(web_spec)"
	RIGHTS=$set run -0 --separate-stderr agent --check
	RIGHTS=$set run -0 agent --once
	table_is "default/web $VIP4:80 $(pod_ip b 4)
default/web $VIP6:80 $(pod_ip b 6)" third || fail "$(table third)"
	RIGHTS=$set agent_start
	wait_for 20 eval 'ns_exec n curl -sf http://127.0.0.1:10256/livez' # the ports of the pods, too
	agent_stop
	RIGHTS=$set run -0 agent --cleanup
	for lacking in bpf net_admin perfmon; do
		RIGHTS=$set,-$lacking run ! agent --once
		[[ $output = *"CAP_${lacking^^} is missing"* ]] || fail "$output"
	done
	remove /api/v1/services/default.web
	rm "$NBT_DIR/node-n/net.d/third.conflist"
}

@test "a network of a newer natbridge is left alone" {
	local pins=$NBT_DIR/node-n/bpf/natbridge/fourth
	network_write n fourth '.plugins[0].bridge = "br4"'
	mkdir -p "$pins/v99"
	run ! agent --once
	[[ $output = *'network "fourth" has map layout 99 of a newer natbridge'*"upgrade and restart it"* ]] || fail "$output"
	[ "$(ls "$pins")" = v99 ]
	rm "$NBT_DIR/node-n/net.d/fourth.conflist"
	rmdir "$pins/v99" "$pins"
}

@test "--convert makes a configuration of kube-proxy's" {
	cat >"$NBT_DIR/kube-proxy" <<-'END'
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		bindAddressHardFail: false
		clientConnection: {kubeconfig: /var/lib/kube-proxy/kubeconfig.conf, qps: 50, burst: 0}
		clusterCIDR: 10.244.0.0/16
		conntrack: {maxPerCore: 1000, min: null}
		featureGates: {}
		healthzBindAddress: "::"
		hostnameOverride: node-7
		iptables: {masqueradeAll: true, minSyncPeriod: 1s, syncPeriod: 0s}
		logging: {format: json, verbosity: 2}
		metricsBindAddress: 0.0.0.0:9999
		mode: iptables
		nodePortAddresses: null
		"evil\nkey: ": 1
	END
	run -0 --separate-stderr "$NBT_BUILD/natbridge-agent" --convert "$NBT_DIR/kube-proxy"
	diff - <(echo "$output") <<-'END'
		apiVersion: natbridge.io/v1alpha1
		kind: AgentConfiguration
		clientConnection:
		  kubeconfig: "/var/lib/kube-proxy/kubeconfig.conf"
		hostnameOverride: "node-7"
		healthzBindAddress: "[::]:10256"
		metricsBindAddress: "0.0.0.0:9999"
		nodePortAddresses: ["0.0.0.0/0", "::/0"] # as kube-proxy without nftables
		healthCheckNodePorts: true # false while a kube-proxy runs, which has these ports
		logging:
		  format: json
		  verbosity: 2
		# clientConnection.qps: the agent has one connection for each resource, and asks for JSON
		# clusterCIDR: the client's address is kept, whoever it is
		# conntrack.maxPerCore: connections are in natbridge's own table: serviceProxy.conntrack of the network
		# iptables.masqueradeAll: the client's address is kept
		# iptables.minSyncPeriod: no rules are written
		# evil: not known to natbridge-agent
	END
	echo "$output" >"$NBT_DIR/converted"
	run "$NBT_BUILD/natbridge-agent" --config "$NBT_DIR/converted" --check
	[[ $output = *'"/var/lib/kube-proxy/kubeconfig.conf": No such file'* ]] || fail "$output" # the configuration itself is fine
	sed -i 's/iptables$/nftables/; s/KubeProxyC/C/' "$NBT_DIR/kube-proxy"
	run ! "$NBT_BUILD/natbridge-agent" --convert "$NBT_DIR/kube-proxy"
	[[ $output = *'"Configuration" are not kubeproxy.config.k8s.io/v1alpha1 and KubeProxyConfiguration'* ]] || fail "$output"
	sed -i 's/ Configuration/ KubeProxyConfiguration/' "$NBT_DIR/kube-proxy"
	run -0 "$NBT_BUILD/natbridge-agent" --convert "$NBT_DIR/kube-proxy"
	[[ $output != *nodePortAddresses* ]] || fail "$output" # the same default
}

@test "--check names each thing that is missing" {
	run -0 --separate-stderr agent --check
	[ "$output" = "ok     rights
ok     network net
ok     API services
ok     API endpointslices
ok     API nodes" ] || fail "$output"
	kill "$(<"$NBT_DIR/holder.pid")"
	run ! agent --check
	[[ $output = *"FAILED API services: "* ]] || fail "$output"
}
