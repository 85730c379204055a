# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the scenarios share. A "node" is a network namespace with its own bpffs, network configs, IPAM files and CNI cache, in
# which the plugin runs; pods and machines elsewhere are more namespaces. All names start with $NBT, which is unique to the
# test file, and everything lies in $NBT_DIR, so that a teardown finds all of it. A file looks like this:
#
#	load lib
#	setup_file() { suite_begin; node_create n; network_write n net; pod_create a; pod_add n a net; }
#	teardown_file() { suite_end pods_down n net a; }
#	@test "A1: ..." { run -0 ask a tcp "$VIP" 80; }

bats_require_minimum_version 1.5.0

NBT_ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
NBT_BUILD=$NBT_ROOT/build
TEST_BIN_DIR=${TEST_BIN_DIR:-/opt/natbridge-test/bin}
# Colons separate the folders of CNI_PATH, and shells and awk within the tests read quotes and backslashes.
case $NBT_ROOT:$TEST_BIN_DIR in
*:*:* | *[\'\"\\]*)
	echo "$NBT_ROOT: the path of the sources, or TEST_BIN_DIR, contains a colon, a quote or a backslash: scenarios cannot run here" >&2
	exit 2
	;;
esac
# Set once for each file: tests and file hooks run in processes of their own.
export NBT=${NBT:-nbt-$$}
export NBT_DIR=/run/$NBT
export PATH=$PATH:/usr/sbin:/sbin

# The directory of a network's pins is named after the layout of the maps.
NBT_LAYOUT=v$(sed -n 's/.*NB_ABI_VERSION = \([0-9]*\).*/\1/p' "$NBT_ROOT/include/natbridge/abi.h")
export NBT_LAYOUT

# The addresses of network_write's networks.
export POD_CIDR4=10.244.0.0/24 POD_CIDR6=fd00:10:244::/64 GATEWAY4=10.244.0.1 GATEWAY6=fd00:10:244::1

# shellcheck source=test/netns/residue.bash
. "${BASH_SOURCE[0]%/*}/residue.bash"
# shellcheck source=test/netns/wait.bash
. "${BASH_SOURCE[0]%/*}/wait.bash"
# shellcheck source=test/netns/capture.bash
. "${BASH_SOURCE[0]%/*}/capture.bash"

# ---- suites ----------------------------------------------------------------------------------------------------------------

# First thing of setup_file: remembers what the machine holds.
suite_begin() {
	mkdir -p "$NBT_DIR"
	residue_snapshot before
}

# suite_end [COMMAND...]: all that teardown_file does. COMMAND deletes the pods, by pod_del; each node must then be as clean as it
# was at node_create; then everything goes, and the machine must hold what it held before.
suite_end() {
	local node status=0
	[ -d "$NBT_DIR" ] || return 0 # skipped
	[ $# = 0 ] || strictly "$@" || status=1
	for node in $(nodes); do
		node_assert_clean "$node" || status=1
	done
	suite_leave || status=1
	return $status
}

# suite_leave: the same without a look at the nodes.
suite_leave() {
	local status=0
	suite_destroy
	assert_no_residue || status=1
	rm -rf "$NBT_DIR" || status=1
	return $status
}

# strictly COMMAND...: runs it as a test does, so that the first command that fails ends it. Bats calls teardown and teardown_file
# in a condition, and there bash goes on after each failure, in functions and subshells as well, but not in what a trap runs.
strictly() {
	local command
	printf -v command '%q ' "$@"
	# shellcheck disable=SC2064 # the command of now
	(trap "trap - EXIT; set -eE; $command" EXIT)
}

# Removes all namespaces, mounts and files of this file's tests, whatever state they are in.
suite_destroy() {
	local name
	for name in $(nodes); do
		bpf_note "$name" || true
	done
	for name in $(namespaces); do
		ns_delete "$name"
	done
	for name in $(nodes); do
		bpffs_destroy "$name" 2>/dev/null || true
	done
}

namespaces() {
	ip netns list | awk -v prefix="$NBT-" 'index($1, prefix) == 1 { print substr($1, length(prefix) + 1) }'
}

nodes() {
	local dir
	for dir in "$NBT_DIR"/node-*; do
		[ ! -d "$dir" ] || echo "${dir##*/node-}"
	done
}

# ---- namespaces ------------------------------------------------------------------------------------------------------------

ns() {
	echo "$NBT-$1"
}

ns_path() {
	echo "/run/netns/$NBT-$1"
}

ns_create() {
	ip netns add "$NBT-$1"
	ip -n "$NBT-$1" link set lo up
}

# Link-local addresses are usable at once: while one is tentative, no neighbour is solicited for forwarded packets.
ns_no_dad() {
	ns_exec "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
}

# Ends the processes in it and removes it.
ns_delete() {
	local pids
	pids=$(ip netns pids "$NBT-$1" 2>/dev/null) || return 0
	# shellcheck disable=SC2086 # one word for each pid
	[ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
	ip netns del "$NBT-$1"
}

# ns_exec NAME COMMAND...: in a pod's or any other namespace. pod_exec is the same.
ns_exec() {
	local name=$1
	shift
	ip netns exec "$NBT-$name" "$@"
}

pod_exec() {
	ns_exec "$@"
}

# ---- nodes -----------------------------------------------------------------------------------------------------------------

# A namespace that forwards, with br_netfilter's hooks off and a bpffs of its own.
node_create() {
	local node=$1 dir=$NBT_DIR/node-$1 key
	mkdir -p "$dir"/{bpf,net.d,ipam,cni,results}
	mount -t bpf bpf "$dir/bpf"
	ns_create "$node"
	ns_no_dad "$node"
	for key in ipv4.ip_forward ipv6.conf.all.forwarding ipv6.conf.default.forwarding; do
		ns_exec "$node" sysctl -qw "net.$key=1"
	done
	node_bridge_nf "$node" 0
	node_state "$node" >"$dir/state"
}

# node_delete NODE: asserts that it is as it was at node_create, and removes it. suite_end asks whether the kernel let go.
node_delete() {
	local status=0
	node_assert_clean "$1" || status=1
	bpf_note "$1" || status=1
	ns_delete "$1" || status=1
	bpffs_destroy "$1" || status=1
	rm -rf "$NBT_DIR/node-$1" || status=1
	return $status
}

# Takes away the node's pins as well: where / is no shared mount, processes that others started in a namespace meanwhile have a
# copy of this mount, for as long as they live.
bpffs_destroy() {
	find "$NBT_DIR/node-$1/bpf" -mindepth 1 ! -name '*.debug' -delete # which bpffs has by itself
	umount "$NBT_DIR/node-$1/bpf"
}

# node_bridge_nf NODE 0|1: whether br_netfilter shows bridged frames to iptables.
node_bridge_nf() {
	local key
	for key in iptables ip6tables arptables; do
		ns_exec "$1" sh -c "[ ! -e /proc/sys/net/bridge/bridge-nf-call-$key ] || sysctl -qw net.bridge.bridge-nf-call-$key=$2"
	done
}

# node_exec NODE COMMAND...: in the node, with the environment of the plugin; /var/lib/cni is the node's own.
node_exec() {
	local node=$1 dir=$NBT_DIR/node-$1
	shift
	mkdir -p /var/lib/cni
	NATBRIDGE_BPFFS=$dir/bpf NETCONFPATH=$dir/net.d CNI_PATH=${CNI_PATH:-$NBT_BUILD:$TEST_BIN_DIR} \
		ip netns exec "$NBT-$node" sh -c "mount --bind '$dir/cni' /var/lib/cni && exec \"\$@\"" sh "$@"
}

# natbridgectl in the node.
ctl() {
	local node=$1
	shift
	node_exec "$node" "${NATBRIDGECTL:-$NBT_BUILD/natbridgectl}" "$@"
}

# network_write NODE NAME [JQ-FILTER]: a dual-stack network of one natbridge plugin with host-local addresses; the filter
# changes it, for example '.plugins[0].type = "bridge"' or '.plugins[0].serviceProxy.mode = "off"'.
network_write() {
	local node=$1 name=$2 filter=${3:-.}
	jq -n --arg name "$name" --arg dir "$NBT_DIR/node-$node/ipam" --arg v4 "$POD_CIDR4" --arg v6 "$POD_CIDR6" '{
		cniVersion: "1.1.0", name: $name,
		plugins: [{
			type: "natbridge", bridge: "cni0", isGateway: true, isDefaultGateway: true,
			ipam: {type: "host-local", dataDir: $dir, ranges: [[{subnet: $v4}], [{subnet: $v6}]]}
		}]
	}' | jq "$filter" >"$NBT_DIR/node-$node/net.d/$name.conflist"
}

# The config of one plugin as a runtime passes it on stdin: plugin_config NODE NETWORK [JQ-FILTER].
plugin_config() {
	jq '{cniVersion, name} + .plugins[0]' "$NBT_DIR/node-$1/net.d/$2.conflist" | jq "${3:-.}"
}

# plugin_call NODE COMMAND POD CONFIG-JSON [NAME=VALUE...]: natbridge itself, without cnitool; IFNAME is eth0, the container id
# is cnitool's, and more or other variables may be given (CNI_IFNAME=net1).
plugin_call() {
	local node=$1 command=$2 pod=$3 config=$4
	shift 4
	node_exec "$node" env CNI_COMMAND="$command" CNI_CONTAINERID="$(container_id "$pod")" CNI_NETNS="$(ns_path "$pod")" \
		CNI_IFNAME=eth0 "$@" "$NBT_BUILD/natbridge" <<<"$config"
}

# ---- pods ------------------------------------------------------------------------------------------------------------------

pod_create() {
	ns_create "$1"
}

# The id that cnitool makes for a namespace.
container_id() {
	printf 'cnitool-%.20s' "$(printf %s "$(ns_path "$1")" | sha512sum)"
}

# pod_cni NODE VERB POD [NETWORK]: cnitool add|del|check; CNI_IFNAME, CNI_ARGS and CAP_ARGS as cnitool takes them.
pod_cni() {
	node_exec "$1" "$TEST_BIN_DIR/cnitool" "$2" "${4:-net}" "$(ns_path "$3")"
}

# pod_add NODE POD [NETWORK]: prints the result, which also stays in $NBT_DIR/node-NODE/results/POD.json.
pod_add() {
	pod_cni "$1" add "$2" "${3:-net}" >"$NBT_DIR/node-$1/results/$2.json" || return
	cat "$NBT_DIR/node-$1/results/$2.json"
}

pod_del() {
	pod_cni "$1" del "$2" "${3:-net}"
}

pod_check() {
	pod_cni "$1" check "$2" "${3:-net}"
}

# attachments POD...: the JSON of a GC's cni.dev/valid-attachments with these.
attachments() {
	local pod
	for pod in "$@"; do
		jq -nc --arg id "$(container_id "$pod")" '{containerID: $id, ifname: "eth0"}'
	done | jq -sc .
}

# pods_up NODE NETWORK POD...: creates and adds them all.
pods_up() {
	local node=$1 network=$2 pod
	shift 2
	for pod in "$@"; do
		pod_create "$pod"
		pod_add "$node" "$pod" "$network" >/dev/null || return
	done
}

# pods_down NODE NETWORK POD...: deletes them all.
pods_down() {
	local node=$1 network=$2 pod status=0
	shift 2
	for pod in "$@"; do
		pod_del "$node" "$pod" "$network" || status=1
		ns_delete "$pod"
	done
	return $status
}

# pod_ip POD 4|6 [IFNAME]: its address without the prefix length.
pod_ip() {
	ip -n "$NBT-$1" -j "-$2" address show dev "${3:-eth0}" scope global | jq -r '.[0].addr_info[0].local'
}

pod_mac() {
	ip -n "$NBT-$1" -j link show dev "${2:-eth0}" | jq -r '.[0].address'
}

# pod_veth NODE POD [IFNAME]: the name of its port on the node.
pod_veth() {
	local index
	index=$(ip -n "$NBT-$2" -j link show dev "${3:-eth0}" | jq -r '.[0].link_index // empty')
	ip -n "$NBT-$1" -j link show | jq -r --argjson index "${index:-0}" '.[] | select(.ifindex == $index) | .ifname'
}

# programs_at NODE DEV: the names of our programs at that link, a line each, whether attached by tcx or clsact.
programs_at() {
	local hook
	ns_exec "$1" "$NBT_BUILD/test/netns/attached" "$2" 2>/dev/null | awk '{ print $2 }' || true
	for hook in ingress egress; do
		tc -n "$NBT-$1" filter show dev "$2" $hook 2>/dev/null | awk 'match($0, /nb_[a-z_]+/) { print substr($0, RSTART, RLENGTH) }' || true
	done
}

# programs_detach NODE DEV: takes them away.
programs_detach() {
	ns_exec "$1" "$NBT_BUILD/test/netns/attached" -d "$2" >/dev/null 2>&1 || true
	tc -n "$NBT-$1" filter delete dev "$2" ingress 2>/dev/null || true
	tc -n "$NBT-$1" filter delete dev "$2" egress 2>/dev/null || true
}

# ---- machines beyond the node ----------------------------------------------------------------------------------------------

# remote_create NODE NAME [N]: a namespace on a link of its own with the node, at 192.0.2.(4N+2)/30 and fd00:c0:N::2/64, which
# routes everything to the node. N is 0 to 60.
remote_create() {
	local node=$1 name=$2 n=${3:-0} base
	base=$((4 * ${3:-0}))
	ns_create "$name"
	ns_no_dad "$name"
	ip link add "up$n" netns "$NBT-$node" type veth peer name eth0 netns "$NBT-$name"
	ip -n "$NBT-$node" address add "192.0.2.$((base + 1))/30" dev "up$n"
	ip -n "$NBT-$node" address add "fd00:c0:$n::1/64" dev "up$n" nodad
	ip -n "$NBT-$node" link set "up$n" up
	ip -n "$NBT-$name" address add "192.0.2.$((base + 2))/30" dev eth0
	ip -n "$NBT-$name" address add "fd00:c0:$n::2/64" dev eth0 nodad
	ip -n "$NBT-$name" link set eth0 up
	ip -n "$NBT-$name" route add default via "192.0.2.$((base + 1))"
	ip -n "$NBT-$name" -6 route add default via "fd00:c0:$n::1"
}

# ---- rules of the host -----------------------------------------------------------------------------------------------------

# drop_invalid NODE: rules that drop what conntrack takes for INVALID, but for the kernel's own redirects of IPv6; invalid NODE: how
# many packets they dropped.
drop_invalid() {
	local chain
	for chain in input forward output; do
		echo "add chain inet invalid $chain { type filter hook $chain priority -1; }; add rule inet invalid $chain icmpv6 type nd-redirect accept; add rule inet invalid $chain ct state invalid counter drop;"
	done | sed '1i add table inet invalid' | ns_exec "$1" nft -f -
}

invalid() {
	ns_exec "$1" nft -j list table inet invalid | jq '[.nftables[].rule.expr[]?.counter.packets? // empty] | add'
}

# ---- services --------------------------------------------------------------------------------------------------------------

# service NAME VIPS PORTS [BACKENDS]: a Service and its EndpointSlices as Kubernetes objects in one List, on stdout. NAME is
# namespace/name; VIPS and BACKENDS are addresses of either family, PORTS are PROTOCOL:PORT:TARGETPORT, each joined by commas.
service() {
	jq -n --arg name "$1" --arg vips "$2" --arg ports "$3" --arg backends "${4:-}" '
		def family: if contains(":") then "IPv6" else "IPv4" end;
		($name | split("/")) as [$namespace, $name]
		| ($ports | split(",") | to_entries | map((.value | split(":")) as [$proto, $port, $target]
			| {name: "p\(.key)", protocol: $proto, port: ($port | tonumber), target: ($target | tonumber)})) as $ports
		| ($vips | split(",")) as $vips
		| {apiVersion: "v1", kind: "List", items: ([{
			apiVersion: "v1", kind: "Service", metadata: {name: $name, namespace: $namespace},
			spec: {type: "ClusterIP", clusterIP: $vips[0], clusterIPs: $vips, ipFamilies: ($vips | map(family)),
				ports: ($ports | map({name, protocol, port, targetPort: .target}))}
		}] + ($backends | split(",") | group_by(family) | map({
			apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: (.[0] | family),
			metadata: {name: "\($name)-\(.[0] | family | ascii_downcase)", namespace: $namespace,
				labels: {"kubernetes.io/service-name": $name}},
			ports: ($ports | map({name, protocol, port: .target})),
			endpoints: map({addresses: [.], conditions: {ready: true}})
		})))}'
}

# services_apply NODE SERVICE-LIST...: one apply of all the lists that service() printed.
services_apply() {
	local node=$1
	shift
	printf '%s\n' "$@" | jq -s '{apiVersion: "v1", kind: "List", items: (map(.items) | add)}' | ctl "$node" service apply -f -
}

# ---- servers and clients ---------------------------------------------------------------------------------------------------

# serve NS tcp|udp PORT [NAME]: a server in that namespace until the namespace goes; returns when it listens. NAME, by default
# that of the namespace, is the first word of its answers.
serve() {
	local log=$NBT_DIR/serve-$1-$2-$3
	: >"$log"
	ip netns exec "$NBT-$1" "$NBT_BUILD/test/netns/tool" serve "$2" "$3" "${4:-$1}" >"$log" 2>&1 3>&- &
	disown
	wait_for 20 grep -q ready "$log"
}

# ask NS [OPTION...] tcp|udp ADDRESS PORT: one message and the answer; see test/netns/tool.c.
ask() {
	local name=$1
	shift
	ns_exec "$name" "$NBT_BUILD/test/netns/tool" ask "$@"
}

# talk_open ID NS [OPTION...] tcp|udp ADDRESS PORT: a connection that stays; talk_say ID TEXT sends a line over it and leaves the
# answer, or the error, in $output. Ends with the test, or by talk_close.
declare -gA NBT_TALK # -g: bats loads this file within a function
talk_open() {
	local id=$NBT_DIR/talk-$1 name=$2 key=$1 fd
	shift 2
	rm -f "$id.in"
	mkfifo "$id.in"
	: >"$id.out"
	ip netns exec "$NBT-$name" "$NBT_BUILD/test/netns/tool" talk "$@" <"$id.in" >"$id.out" 2>&1 3>&- &
	disown
	exec {fd}>"$id.in"
	NBT_TALK[$key]=$fd
}

talk_say() {
	local out=$NBT_DIR/talk-$1.out before
	before=$(wc -l <"$out")
	echo "$2" >&"${NBT_TALK[$1]}" || true
	wait_for 20 longer_than "$out" "$before" || return
	output=$(tail -n 1 "$out")
}

talk_close() {
	local fd=${NBT_TALK[$1]}
	exec {fd}>&-
	unset "NBT_TALK[$1]"
}

longer_than() {
	[ "$(wc -l <"$1")" -gt "$2" ]
}

# assert_answer NAME PEER-ADDRESS: that $output, the last answer, came from that server, and what address it saw as client.
assert_answer() {
	local name peer _
	# shellcheck disable=SC2154 # set by run
	read -r name peer _ <<<"$output"
	[ "$name $peer" = "$1 $2" ] || fail "answered by '$name' which saw '$peer' as its client; expected '$1' and '$2': $output"
}
