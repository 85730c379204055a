#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The table that an agent writes on each node is what the cluster's Services and EndpointSlices say, by all kinds of addresses.

load ../scenario

setup_file() {
	[ "$AGENT" != no ] || return 0
	scenario_begin 300
	app_create web 3
}

setup() {
	[ "$AGENT" != no ] || skip "$CONFIGURATION runs no agent"
}

teardown_file() {
	[ "$AGENT" != no ] || return 0
	agents_start
	scenario_end
}

# service NAME SPEC: of the app's pods, on both families.
service() {
	jq -n --arg name "$1" --argjson spec "$2" '{apiVersion: "v1", kind: "Service", metadata: {name: $name}, spec: ({
		selector: {app: "web"}, ipFamilyPolicy: "RequireDualStack", ports: [{name: "http", port: 80, targetPort: 8080}]} + $spec)}' |
		kn create -f -
}

# The load balancer has both addresses.
balanced() {
	[ "$(kn get service balanced -o json | jq '.status.loadBalancer.ingress | length')" = 2 ]
}

@test "NodePorts, external addresses, load balancers, policy Local, affinity, two protocols of a port, no endpoint: each node has them" {
	service node-port '{"type": "NodePort", "externalTrafficPolicy": "Local"}'
	service external '{"externalIPs": ["192.0.2.1", "2001:db8::1"]}'
	service balanced '{"type": "LoadBalancer", "externalTrafficPolicy": "Local"}'
	wait_for 30 balanced
	service here '{"internalTrafficPolicy": "Local"}'
	service affine '{"sessionAffinity": "ClientIP"}'
	service both '{"ports": [{"name": "a", "port": 80, "protocol": "TCP", "targetPort": 8080}, {"name": "b", "port": 80, "protocol": "UDP", "targetPort": 8081}]}'
	service nobody '{"selector": {"app": "nobody"}}'
	tables_assert
}

@test "one pod more, some that end, a node's only one: policy Local follows" {
	run -0 app_scale web 4
	run -0 app_ready web
	tables_assert
	run -0 app_scale web 1
	tables_assert
	wait_for 60 app_gone web 1
	tables_assert
}

@test "what changed while no agent ran is there after its start, what went is gone" {
	agents_stop
	kn delete service external both
	kn patch service here --type=merge -p '{"spec": {"internalTrafficPolicy": "Cluster"}}'
	service new '{"type": "NodePort"}'
	run -0 app_scale web 3
	run -0 app_ready web
	agents_start
	tables_assert
}
