# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# natbridge-agent on node n, which follows a server there (test/agent/holder.py), and the objects that it finds. VIP4 and VIP6 are
# the file's.

# The node, where it is another one than n.
agent_node() {
	echo "${AGENT_NODE:-n}"
}

# A server that holds objects in memory and is changed by hand, and what an agent needs to follow it.
holder_start() {
	cat >"$NBT_DIR/kubeconfig" <<-EOT
		current-context: c
		clusters: [{name: c, cluster: {server: "http://127.0.0.1:8001"}}]
		users: [{name: u, user: {}}]
		contexts: [{name: c, context: {cluster: c, user: u}}]
	EOT
	rm -f "$NBT_DIR/holder.log" # of another one
	ip netns exec "$(ns "$(agent_node)")" python3 "$NBT_ROOT/test/agent/holder.py" 127.0.0.1 8001 >"$NBT_DIR/holder.log" 2>&1 3>&- &
	echo $! >"$NBT_DIR/holder.pid"
	disown
	wait_for 20 grep -q ready "$NBT_DIR/holder.log"
}

# The command line of the agent; more options follow. RIGHTS: its capabilities, as "bpf,+net_admin"; all by default. UNDER: a
# program that runs it, as strace.
agent() {
	node_exec "$(agent_node)" setpriv --bounding-set "-all,+${RIGHTS:-all}" "${UNDER[@]}" "$NBT_BUILD/natbridge-agent" --kubeconfig "$NBT_DIR/kubeconfig" \
		--cni-conf-dir "$NBT_DIR/node-$(agent_node)/net.d" --hostname-override here --state-dir "$NBT_DIR/state" --healthz-bind-address 127.0.0.1:10256 "$@"
}

# agent_start [OPTION...]: returns when all tables are equal to the cluster.
agent_start() {
	: >"$NBT_DIR/agent.log"
	agent "$@" >"$NBT_DIR/agent.log" 2>&1 3>&- &
	echo $! >"$NBT_DIR/agent.pid"
	disown
	wait_for 20 grep -q "equal to the cluster" "$NBT_DIR/agent.log" || fail "$(<"$NBT_DIR/agent.log")"
}

# The process itself, below ip netns exec.
agent_pid() {
	pgrep -f "^[^ ]*/natbridge-agent --kubeconfig $NBT_DIR/" | tail -n 1
}

agent_stop() {
	local pid
	pid=$(agent_pid)
	[ -n "$pid" ] || return 0
	kill "${1:--TERM}" "$pid"
	wait_for 10 gone "$pid"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

api() {
	ns_exec "$(agent_node)" curl -sf -X "$1" "http://127.0.0.1:8001/admin$2" "${@:3}" >/dev/null
}

# put_service NAME SPEC; put_slice NAME SERVICE ADDRESS[,...] [NODE]: of namespace default.
put_service() {
	api PUT "/api/v1/services/default.$1" -d "$(jq -nc --arg name "$1" --argjson spec "$2" '{metadata: {name: $name, namespace: "default"}, spec: $spec}')"
}

put_slice() {
	api PUT "/apis/discovery.k8s.io/v1/endpointslices/default.$1" -d "$(jq -nc --arg name "$1" --arg service "$2" --arg addresses "$3" --arg node "${4:-here}" '
		($addresses | split(",")) as $all | {metadata: {name: $name, namespace: "default", labels: {"kubernetes.io/service-name": $service}},
		addressType: (if $all[0] | contains(":") then "IPv6" else "IPv4" end), ports: [{port: 8080, name: "", protocol: "TCP"}],
		endpoints: ($all | map({addresses: [.], nodeName: $node}))}')"
}

remove() {
	api DELETE "$1"
}

web_spec() {
	jq -nc --arg v4 "$VIP4" --arg v6 "$VIP6" '{clusterIP: $v4, clusterIPs: [$v4, $v6], ports: [{port: 80, protocol: "TCP"}]}'
}

# table [NETWORK]: each frontend and its backends, a line each.
table() {
	ctl n --network "${1:-net}" -o json service list 2>/dev/null | jq -r '.[] | "\(.name) \(.address):\(.port) \(.backends | map(.address) | join(","))"'
}

table_is() {
	[ "$(table "${2:-net}")" = "$1" ]
}

expect_table() {
	wait_for 10 table_is "$@" || fail "$(table "${2:-net}")" "$(<"$NBT_DIR/agent.log")"
}

# put_list <LIST: Services and EndpointSlices as service() prints them, of which endpoints without a nodeName are on the
# node "here".
put_list() {
	local path key object
	while IFS=$'\t' read -r path key object; do
		api PUT "$path/$key" -d "$object" || return
	done < <(jq -rc '.items[] | (if .kind == "EndpointSlice" then .endpoints |= map({nodeName: "here"} + .) else . end)
		| [if .kind == "Service" then "/api/v1/services" else "/apis/discovery.k8s.io/v1/endpointslices" end,
			"\(.metadata.namespace).\(.metadata.name)", tojson] | @tsv' | sed 's/\\\\/\\/g')
}

# put_node ADDRESS...: the Node "here".
put_node() {
	api PUT /api/v1/nodes/here -d "$(jq -nc '$ARGS.positional as $all | {metadata: {name: "here"},
		status: {addresses: ($all | map({type: "InternalIP", address: .}))}}' --args "$@")"
}

put_ranges() {
	api PUT /apis/networking.k8s.io/v1/servicecidrs/kubernetes -d "$(jq -nc '{metadata: {name: "kubernetes"}, spec: {cidrs: $ARGS.positional}}' --args "$@")"
}

# After --cleanup, on node n.
nothing_of_the_node_is_left() {
	run ! ip -n "$(ns n)" link show nb0
	run -0 ip -n "$(ns n)" route show table all proto 110
	[ -z "$output" ]
	run -0 ip -n "$(ns n)" -6 route show table all proto 110
	[ -z "$output" ]
	[ ! -e "$NBT_DIR/node-n/bpf/natbridge/@node" ]
	[ -z "$(programs_at n up0)$(programs_at n cni0 | grep nb_device || true)" ]
}
