# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the scenarios share. Each file works in a Kubernetes namespace of its own, on the cluster $CLUSTER that is up, and looks so:
#
#	load ../scenario
#	setup_file() { scenario_begin 300; app_create web 2; load_begin web; }
#	teardown_file() { scenario_end; }
#	@test "..." { load_mark; ...; load_assert 100; }

bats_require_minimum_version 1.5.0

# shellcheck source=test/kubernetes/lib.bash
. "${BASH_SOURCE[0]%/*}/lib.bash"
# shellcheck source=test/kubernetes/control.bash
. "$KUBE_TEST/control.bash"
# shellcheck source=test/kubernetes/node.bash
. "$KUBE_TEST/node.bash"
configuration_read "$(cat "$CLUSTER_DIR/configuration")"

AGNHOST=localhost/e2e/agnhost:$AGNHOST_TAG
# How long a pod that ends goes on serving: longer than what follows the API server needs to hear of it.
LINGER=10

# scenario_begin SECONDS: each test of the file may take so long.
scenario_begin() {
	export BATS_TEST_TIMEOUT=$1
	export SPACE=${BATS_TEST_FILENAME##*/}
	export SPACE=${SPACE%.bats}
	k create namespace "$SPACE"
	wait_for 30 kq -n "$SPACE" get serviceaccount default
}

# scenario_end [SECONDS]: how long it may take until all is deleted.
scenario_end() {
	k delete namespace "$SPACE" --timeout="${1:-120}s"
}

# needs_nodes N: else the test is skipped.
needs_nodes() {
	[ "$(nodes | wc -l)" -ge "$1" ] || skip "needs $1 nodes"
}

# kubectl in the file's Kubernetes namespace.
kn() {
	k -n "$SPACE" "$@"
}

# note TEXT...: a figure, into the log of the run.
note() {
	echo "# $SPACE: $*" >&3
}

# ---- what serves -----------------------------------------------------------------------------------------------------------

# app_create NAME REPLICAS: a Deployment whose pods say their names, and a Service on port 80, of both families. Pods are spread
# over the nodes; a rolling restart takes none away before another is ready.
app_create() {
	app_objects "$1" "$2" | kn create -f -
	app_ready "$1"
}

app_objects() {
	jq -n --arg name "$1" --argjson replicas "$2" --arg image "$AGNHOST" --argjson linger $LINGER '
		{app: $name} as $labels
		| {apiVersion: "v1", kind: "List", items: [{
			apiVersion: "apps/v1", kind: "Deployment", metadata: {name: $name}, spec: {
				replicas: $replicas, selector: {matchLabels: $labels}, strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 2}},
				template: {metadata: {labels: $labels}, spec: {
					terminationGracePeriodSeconds: ($linger + 10),
					topologySpreadConstraints: [{maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway",
						labelSelector: {matchLabels: $labels}}],
					containers: [{name: "web", image: $image,
						args: ["netexec", "--http-port=8080", "--udp-port=8081", "--delay-shutdown=\($linger)"],
						readinessProbe: {httpGet: {path: "/healthz", port: 8080}, periodSeconds: 1}}]}}}
		}, {
			apiVersion: "v1", kind: "Service", metadata: {name: $name}, spec: {
				selector: $labels, ipFamilyPolicy: "RequireDualStack", ports: [{name: "http", port: 80, targetPort: 8080}]}
		}]}'
}

app_scale() {
	kn scale deployment "$1" --replicas="$2"
}

app_ready() {
	kn rollout status deployment "$1" --timeout=180s
}

# app_gone NAME PODS: no more than so many are left, those that linger included.
app_gone() {
	[ "$(kn get pods -l app="$1" -o name | wc -l)" -le "$2" ]
}

# app_urls NAME: both addresses of its Service.
app_urls() {
	kn get service "$1" -o json | jq -r '.spec.clusterIPs[] | if contains(":") then "http://[\(.)]/hostname" else "http://\(.)/hostname" end'
}

app_pods() {
	kn get pods -l app="$1" -o json | jq -r '.items[] | select(.metadata.deletionTimestamp == null) | .metadata.name' | sort
}

# app_reached_by CLIENT NAME: a client's requests, by both families, are answered by all pods of the app and by no other.
app_reached_by() {
	local url answers
	for url in $(app_urls "$2"); do
		answers=$(client_exec "$1" bash -c "for _ in {1..80}; do curl -gsSf --max-time 5 '$url' || exit; echo; done" | sort -u) || return
		[ "$answers" = "$(app_pods "$2")" ] || return
	done
}

# ---- what asks -------------------------------------------------------------------------------------------------------------

# What runs in a client's pod: one new connection after the other. Failures go to one file, how many there were to another.
client_loop() {
	local requests=0 url said
	: >/tmp/failed
	while :; do
		for url in "$@"; do
			said=$(curl -gsSf --max-time 10 "$url" 2>&1) || echo "$(date +%T.%N) $url $said" >>/tmp/failed
			requests=$((requests + 1))
			echo $requests >/tmp/requests.new
			mv /tmp/requests.new /tmp/requests
		done
	done
}

# client_create NAME NODE [URL...]: a pod on that node that asks these again and again, or nothing.
client_create() {
	jq -n --arg name "$1" --arg node "node$2" --arg image "$AGNHOST" --arg loop "$(declare -f client_loop)" '{
		apiVersion: "v1", kind: "Pod", metadata: {name: $name}, spec: {
			nodeSelector: {"kubernetes.io/hostname": $node}, terminationGracePeriodSeconds: 0,
			containers: [{name: "client", image: $image, command: ["bash", "-c",
				"\($loop); [ $# = 0 ] || client_loop \"$@\"; sleep infinity", "client"], args: $ARGS.positional}]}
	}' --args "${@:3}" | kn create -f -
	kn wait --for=condition=Ready --timeout=60s "pod/$1"
}

# client_exec NAME COMMAND...
client_exec() {
	kn exec "$1" -- "${@:2}"
}

# load_begin APP: a client "load-N" on each node asks the app's Service.
load_begin() {
	local n urls
	mapfile -t urls < <(app_urls "$1")
	for n in $(nodes); do
		client_create "load-$n" "$n" "${urls[@]}"
		wait_for 60 load_requests "load-$n"
	done
}

load_clients() {
	kn get pods -o name | sed -n 's,^pod/\(load-[0-9]*\)$,\1,p'
}

load_requests() {
	client_exec "$1" cat /tmp/requests 2>/dev/null
}

# From now on load_assert counts.
load_mark() {
	local client
	for client in $(load_clients); do
		client_exec "$client" bash -c ': >/tmp/failed; cp /tmp/requests /tmp/mark'
	done
}

# load_went_on REQUESTS: each client has made so many since load_mark.
load_went_on() {
	local client count
	for client in $(load_clients); do
		# shellcheck disable=SC2016 # for the shell in the pod
		count=$(client_exec "$client" bash -c 'echo $(($(</tmp/requests) - $(</tmp/mark)))') || return
		[ "$count" -ge "$1" ] || return
	done
}

load_failed() {
	local client
	for client in $(load_clients); do
		client_exec "$client" sed "s/^/$client: /" /tmp/failed
	done
}

# load_assert REQUESTS: since load_mark each client has made so many, or makes them soon, and none failed.
load_assert() {
	local failed
	wait_for 120 load_went_on "$1" || fail "the clients do not go on: $(load_failed | tail -n 5)"
	failed=$(load_failed)
	[ -z "$failed" ] || fail "$(wc -l <<<"$failed") requests failed:" "$(head -n 20 <<<"$failed")"
}

# ---- what the agents write -------------------------------------------------------------------------------------------------

# table_wanted N TABLE: the frontends that the cluster's Services and EndpointSlices make on node N, by the rules of Kubernetes, a line
# each. TABLE is that of the network "pods", or the node's own, "@node", which has those of clients outside as well.
table_wanted() {
	k get services,endpointslices -A -o json | jq -r --arg table "$2" --arg node "node$1" --arg v4 "$(node_ip "$1")" --arg v6 "$(node_ip6 "$1")" '
		def family: if contains(":") then "IPv6" else "IPv4" end;
		def usable: (.conditions.serving != false) and .conditions.terminating == true;
		def ready: .conditions.ready != false;
		def chosen: map(select(ready)) as $ready | if $ready != [] then $ready else map(select(usable)) end;
		def proxied: ((.metadata.labels // {}) | (has("service.kubernetes.io/service-proxy-name") or has("service.kubernetes.io/headless")) | not);
		(.items | map(select(.kind == "EndpointSlice" and proxied))) as $slices
		| .items[] | select(.kind == "Service" and proxied and .spec.type != "ExternalName" and (.spec.clusterIP // "None") != "None")
		| . as $service | .spec.ports[] as $port | .spec.clusterIPs[] as $vip
		| [$slices[] | select(.metadata.namespace == $service.metadata.namespace and .addressType == ($vip | family)
				and .metadata.labels["kubernetes.io/service-name"] == $service.metadata.name)
			| (.ports // [])[] as $target | select(($target.name // "") == ($port.name // "") and $target.protocol == $port.protocol)
			| (.endpoints // [])[] | {address: .addresses[0], port: $target.port, conditions, nodeName}] as $all
		| {cluster: ($all | chosen), local: ($all | map(select(.nodeName == $node)) | chosen)} as $sets
		| ({kind: "ClusterIP", address: $vip, port: $port.port,
				set: (if .spec.internalTrafficPolicy == "Local" then $sets.local else $sets.cluster end)},
			((.status.loadBalancer.ingress // [])[].ip | select(family == ($vip | family)) | {kind: "LoadBalancer", address: ., port: $port.port, set: $sets.cluster}),
			((.spec.externalIPs // [])[] | select(family == ($vip | family)) | {kind: "ExternalIP", address: ., port: $port.port, set: $sets.cluster}),
			($port.nodePort // empty | {kind: "NodePort", address: (if ($vip | family) == "IPv4" then $v4 else $v6 end), port: ., set: $sets.cluster}))
		| ., (select($table == "@node" and .kind != "ClusterIP") | .side = " outside"
			| if $service.spec.externalTrafficPolicy == "Local" then .set = $sets.local else . end)
		| "\(.kind) \(.address) \(.port) \($port.protocol) \($service.metadata.namespace)/\($service.metadata.name) "
			+ (.set | map("\(.address) \(.port)") | unique | join(",")) + (.side // "")' | sort
}

# table_has N TABLE: those of natbridge's table on that node.
table_has() {
	inside "$1" natbridgectl --network "$2" -o json service list | jq -r '.[] | "\(.kind) \(.address) \(.port) \(.protocol) \(.name) "
		+ (.backends | map("\(.address) \(.port)") | unique | join(",")) + (if .side then " \(.side)" else "" end)' | sort
}

# table_right N TABLE: they are the same.
table_right() {
	local wanted
	wanted=$(table_wanted "$@")
	[ -n "$wanted" ] && [ "$wanted" = "$(table_has "$@")" ]
}

# tables_assert: those of all nodes are, or become so.
tables_assert() {
	local n table tables=(pods)
	[ "$PROXY" != none ] || tables+=(@node)
	for n in $(nodes); do
		for table in "${tables[@]}"; do
			wait_for 30 table_right "$n" "$table" ||
				fail "node$n, $table: wanted, and there:" "$(diff <(table_wanted "$n" "$table") <(table_has "$n" "$table"))"
		done
	done
}
