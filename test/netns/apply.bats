#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What natbridgectl service apply makes of its input: several files, lists with an object that cannot be used, input that would
# take everything away, other kinds. How single texts are read stands in test/unit/test_kube_input.c.

load lib

setup_file() {
	suite_begin
	node_create n
}

teardown_file() {
	suite_end
}

# Each test begins with two Services in the table, one of two backends.
setup() {
	both | ctl n --network net service apply -f - >/dev/null
}

web() {
	service default/web 10.96.0.10 TCP:80:8080 10.244.0.3,10.244.0.4
}

dns() {
	service kube-system/dns 10.96.0.2 UDP:53:53 192.0.2.2
}

both() {
	{
		web
		dns
	} | jq -s '{apiVersion: "v1", kind: "List", items: (map(.items) | add)}'
}

no_services() {
	echo '{"apiVersion": "v1", "kind": "List", "items": []}'
}

# table: each frontend with its backends.
table() {
	ctl n --network net -o json service list | jq -r '.[] | "\(.name) \(.address):\(.port) \(.backends | map(.address) | join(","))"'
}

BOTH='default/web 10.96.0.10:80 10.244.0.3,10.244.0.4
kube-system/dns 10.96.0.2:53 192.0.2.2'

# refused MESSAGE: the last run failed with that at the end of its one line, and nothing is changed.
refused() {
	[ "$status" = 1 ] || fail "status $status: $stderr"
	[[ -z $output && $stderr = "natbridgectl: "*"$1" ]] || fail "$output" "$stderr"
	[ "$(table)" = "$BOTH" ] || fail "$(table)"
}

@test "several files are one input, a Service in one and its slices in another" {
	both | jq .items[0] >"$NBT_DIR/service.json"
	both | jq '.items[1] | .endpoints[1].addresses = ["10.244.0.9"]' >"$NBT_DIR/slices.json"
	dns | jq -r '.items[] | "---", tojson' >"$NBT_DIR/dns.yaml"
	run -0 --separate-stderr ctl n service apply -f "$NBT_DIR/service.json" -f - -f "$NBT_DIR/dns.yaml" <"$NBT_DIR/slices.json"
	[ -z "$stderr" ] || fail "$stderr"
	[ "$(table)" = "${BOTH/0.4/0.9}" ] || fail "$(table)"
	ctl n service apply -f - < <(both) >/dev/null

	# One that is bad or empty takes none of them.
	echo '{"kind":' >"$NBT_DIR/broken.json"
	run --separate-stderr ctl n service apply -f "$NBT_DIR/service.json" -f "$NBT_DIR/broken.json"
	refused "$NBT_DIR/broken.json: not JSON: line 2, column 1: expected a value (end of input)"
	run --separate-stderr ctl n service apply -f "$NBT_DIR/service.json" -f - </dev/null
	refused "standard input: no Kubernetes object found"
	run --separate-stderr ctl n service apply -f "$NBT_DIR/service.json" -f "$NBT_DIR/service.json"
	refused "Service default/web appears twice in the input"
}

@test "a list: an object that cannot be used is skipped and its Service stays, whether by itself or by its slice" {
	run -0 --separate-stderr ctl n service apply -f - < <(both | jq '.items[0].spec.ports[0].port = 70000
		| .items[2].spec.clusterIPs = ["10.96.0.3"] | .items[2].spec.clusterIP = "10.96.0.3"')
	[ "$stderr" = 'natbridgectl: note: Service default/web: "spec.ports[0].port": 70000 is not a whole number from 1 to 65535: skipped
natbridgectl: note: 1 object skipped; its Service stays in the table as it was' ] || fail "$stderr"
	[ "$(table)" = "${BOTH/96.0.2/96.0.3}" ] || fail "$(table)"

	run -0 --separate-stderr ctl n service apply -f - < <(both | jq '.items[1].ports[0].port = 0')
	[[ $stderr = *'EndpointSlice default/web-ipv4: "ports[0].port": 0 is not'*": skipped"* ]] || fail "$stderr"
	[ "$(table)" = "$BOTH" ] || fail "$(table)"
	run -0 --separate-stderr ctl n service apply -f - < <(both | jq '.items[1].ports[0].port = 0')
	[[ $output = *": nothing changed "* ]] || fail "$output"

	# Its address is another's now, and what is not in the table comes without the slice.
	run -0 ctl n service apply -f - < <(both | jq '.items[0].spec.clusterIP = "x"
		| .items[2].spec |= (.clusterIP = "10.96.0.10" | .clusterIPs = ["10.96.0.10"] | .ports[0] |= (.port = 80 | .protocol = "TCP"))
		| .items[3].ports[0].protocol = "TCP"')
	[ "$(table)" = "kube-system/dns 10.96.0.10:80 192.0.2.2" ] || fail "$(table)"
	run -0 ctl n service apply -f - < <(both | jq '.items[1].ports = 7')
	[ "$(table)" = "default/web 10.96.0.10:80 
kube-system/dns 10.96.0.2:53 192.0.2.2" ] || fail "$(table)"
}

@test "a list: an endpoint that no pod can have is skipped by itself" {
	run -0 --separate-stderr ctl n service apply -f - < <(both | jq '.items[1].endpoints[0].addresses = ["169.254.0.3"]')
	[[ $stderr = 'natbridgectl: note: EndpointSlice default/web-ipv4: "endpoints[0].addresses[0]": "169.254.0.3" is not'*": skipped" ]] ||
		fail "$stderr"
	[ "$(table)" = "${BOTH/10.244.0.3,/}" ] || fail "$(table)"
}

@test "an object that stands for itself is refused if it cannot be used" {
	run --separate-stderr ctl n service apply -f - < <(both | jq '.items[] | select(.metadata.name == "web" and .kind == "Service")
		.spec.ports[0].port = 70000')
	refused 'Service default/web: "spec.ports[0].port": 70000 is not a whole number from 1 to 65535'
	run --separate-stderr ctl n service apply -f - < <(web | jq '.items |= .[:1] | .items[0].spec.clusterIP = "127.0.0.1"')
	refused 'Service default/web: "spec.clusterIP": "127.0.0.1" is not an address that a Service can have'
}

@test "what would remove every Service wants --prune-all" {
	local all='the input would remove every Service of the table (2) and leave none: give --prune-all if that is meant'
	run --separate-stderr ctl n service apply -f - < <(no_services)
	refused "$all"
	run --separate-stderr ctl n service apply -f - < <(both | jq '.items |= map(select(.kind == "EndpointSlice"))')
	[[ $stderr = *"EndpointSlice default/web-ipv4: its Service default/web is not in the input"* ]] || fail "$stderr"
	refused "$all"
	run --separate-stderr ctl n service apply -f - < <(both | jq '.items[].spec.clusterIP = "None"')
	refused "$all"
	run -0 --separate-stderr ctl n service apply --keep -f - < <(no_services)
	[ "$(table)" = "$BOTH" ]
	# An empty list of slices speaks of no Service.
	run -0 --separate-stderr ctl n service apply -f - <<<'{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSliceList", "items": null}'
	[ "$output$stderr" = "natbridgectl: note: the input says nothing of Services: nothing changed" ]
	[ "$(table)" = "$BOTH" ]
	run -0 ctl n service apply --prune-all -f - < <(no_services)
	[[ $output = "net: 0 services, 0 frontends, 0 backends: 0 changed, 0 added, 2 removed "* ]]
	[ -z "$(table)" ]
	# Nothing is there that could get lost.
	run -0 ctl n service apply -f - < <(no_services)
	run -2 --separate-stderr ctl n service apply --keep --prune-all -f - < <(no_services)
	[ "$stderr" = "natbridgectl: --keep and --prune-all exclude each other; see natbridgectl --help" ]
}

@test "a file of many kinds: Services and slices count, the others are counted" {
	both | jq -r '.items[] | "---", tojson' >"$NBT_DIR/chart.yaml"
	cat >>"$NBT_DIR/chart.yaml" <<-END
		---
		apiVersion: apps/v1
		kind: Deployment
		metadata: &meta {name: web, labels: &labels {app: web}}
		spec: {selector: {matchLabels: *labels}, template: {metadata: {<<: *meta}}}
		---
		apiVersion: v1
		kind: Service
		metadata: {name: new, labels: *missing}
	END
	run --separate-stderr ctl n service apply -f "$NBT_DIR/chart.yaml"
	refused "line 17, column 31: alias without an anchor"
	sed -i 's/, labels: \*missing}/}\nspec: {clusterIP: 10.96.0.4, ports: [{port: 80}], selector: {app: new}}/' "$NBT_DIR/chart.yaml"
	run -0 --separate-stderr ctl n service apply -f "$NBT_DIR/chart.yaml"
	[ "$stderr" = 'natbridgectl: note: Service default/new has no backends: no EndpointSlice of it is in the input
natbridgectl: note: 1 object of other kinds ignored' ] || fail "$stderr"
	[ "$(table | wc -l)" = 3 ]
}

@test "the network config has an address: its Service stays, the others are applied" {
	network_write n own '.plugins[0] |= (.bridge = "cni-own" | .ipam.ranges = [[{subnet: "10.245.0.0/24"}]]
		| .serviceProxy.services = [{name: "default/own", vip: "10.96.0.10", port: 80, backends: ["10.245.0.9:80"]}])'
	pods_up n own o
	run -0 --separate-stderr ctl n --network own service apply -f - < <(both)
	[ "$stderr" = "natbridgectl: note: Service default/web: 10.96.0.10:80/TCP stays with default/own of the network config" ] || fail "$stderr"
	run -0 ctl n --network own -o json service list
	[ "$(jq -r '.[] | "\(.name) \(.address) \(.origin)"' <<<"$output")" = "default/own 10.96.0.10 config
kube-system/dns 10.96.0.2 apply" ] || fail "$output"
	# Those of the config are not apply's to remove.
	run -0 ctl n --network own service apply --prune-all -f - < <(no_services)
	run -0 --separate-stderr ctl n --network own service apply -f - < <(no_services)
	[[ $output = *": nothing changed "* ]] || fail "$output"
	pods_down n own o
	rm -rf "$NBT_DIR/node-n/bpf/natbridge/own"
}
