# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A node: network, mount, process and host name namespaces of its own, so that containerd, kubelet and the CNI plugins have their
# default paths there and see neither the machine's nor another node's. Its files are in $CLUSTER_DIR/node-N; what node_mounts hides
# the node sees only through $CLUSTER_DIR and $KUBE_CACHE. After lib.bash and configuration_read.

# ---- network: a bridge in a namespace of its own, to which each node has one cable ----------------------------------------

TUNNEL_MTU=1430 # less than Ethernet's by the headers of VXLAN over IPv6

lan_create() {
	ip netns add "$CLUSTER-lan"
	# It is a router as well; a connection stays with the node to which its first packet went.
	netns lan sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 \
		net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1
	ip -n "$CLUSTER-lan" link set lo up
	ip -n "$CLUSTER-lan" link add lan0 type bridge
	ip -n "$CLUSTER-lan" address add 172.31.255.254/24 dev lan0
	ip -n "$CLUSTER-lan" address add fd00:31::fe/64 dev lan0 nodad
	ip -n "$CLUSTER-lan" link set lan0 up
	outside_create
}

# A namespace of its own, for clients whose addresses are none of the nodes' network.
outside_create() {
	local ns=$CLUSTER-outside
	ip netns add "$ns"
	ip -n "$ns" link set lo up
	ip -n "$ns" link add eth0 type veth peer name outside netns "$CLUSTER-lan"
	ip -n "$CLUSTER-lan" address add "$OUTSIDE.1/24" dev outside
	ip -n "$CLUSTER-lan" address add "${OUTSIDE6}1/64" dev outside nodad
	ip -n "$CLUSTER-lan" link set outside up
	ip -n "$ns" address add "$OUTSIDE.2/24" dev eth0
	ip -n "$ns" address add "${OUTSIDE6}2/64" dev eth0 nodad
	ip -n "$ns" link set eth0 up
	ip -n "$ns" route add default via "$OUTSIDE.1"
	ip -n "$ns" -6 route add default via "${OUTSIDE6}1"
}

# node_network N OTHER-NODES...
node_network() {
	local n=$1 ns=$CLUSTER-$1 other
	shift
	ip netns add "$ns"
	netns "$n" sysctl -qw "net.bridge.bridge-nf-call-iptables=$BRIDGE_NF" "net.bridge.bridge-nf-call-ip6tables=$BRIDGE_NF" \
		net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
	ip -n "$ns" link set lo up
	ip -n "$ns" link add eth0 type veth peer name "n$n" netns "$CLUSTER-lan"
	ip -n "$ns" address add "$(node_ip "$n")/24" dev eth0
	ip -n "$ns" address add "$(node_ip6 "$n")/64" dev eth0 nodad
	ip -n "$ns" link set eth0 up
	ip -n "$CLUSTER-lan" link set "n$n" master lan0 up
	# kube-proxy translates the node's own connections to a Service on their way out: they need a route first.
	ip -n "$ns" route add default via 172.31.255.254
	ip -n "$ns" -6 route add default via fd00:31::fe
	[ "$NET" = plain ] || node_tunnel "$n"
	for other in lan "$@"; do
		node_route "$n" "$other"
	done
}

# node_tunnel N: a VXLAN device for each family, as flannel makes them.
node_tunnel() {
	local ns=$CLUSTER-$1
	ip -n "$ns" link add flannel.1 address "$(tunnel_mac "$1")" mtu "$TUNNEL_MTU" type vxlan id 1 dev eth0 local "$(node_ip "$1")" dstport 8472 nolearning
	ip -n "$ns" link add flannel-v6.1 address "$(tunnel_mac "$1")" mtu "$TUNNEL_MTU" type vxlan id 1 dev eth0 local "$(node_ip6 "$1")" dstport 8472 nolearning
	ip -n "$ns" address add "10.244.$1.0/32" dev flannel.1
	ip -n "$ns" address add "fd00:10:244:$1::/128" dev flannel-v6.1 nodad
	ip -n "$ns" link set flannel.1 up
	ip -n "$ns" link set flannel-v6.1 up
}

tunnel_mac() {
	echo "02:00:0a:f4:0$1:01"
}

# node_route N AT: the way to node N's pods.
node_route() {
	local ns=$CLUSTER-$2 mac
	mac=$(tunnel_mac "$1")
	if [[ $NET = vxlan && $2 != lan ]]; then
		bridge -n "$ns" fdb append "$mac" dev flannel.1 dst "$(node_ip "$1")"
		bridge -n "$ns" fdb append "$mac" dev flannel-v6.1 dst "$(node_ip6 "$1")"
		ip -n "$ns" neigh add "10.244.$1.0" lladdr "$mac" dev flannel.1 nud permanent
		ip -n "$ns" neigh add "fd00:10:244:$1::" lladdr "$mac" dev flannel-v6.1 nud permanent
		ip -n "$ns" route add "10.244.$1.0/24" via "10.244.$1.0" dev flannel.1 onlink
		ip -n "$ns" -6 route add "fd00:10:244:$1::/64" via "fd00:10:244:$1::" dev flannel-v6.1 onlink
		return
	fi
	ip -n "$CLUSTER-$2" route add "10.244.$1.0/24" via "$(node_ip "$1")"
	ip -n "$CLUSTER-$2" -6 route add "fd00:10:244:$1::/64" via "$(node_ip6 "$1")"
}

# ---- namespaces and mounts -------------------------------------------------------------------------------------------------

# Starts the first process of the node, which reaps what other processes leave behind; its number goes to node-N/pid.
node_begin() {
	local n=$1 parent log=$CLUSTER_DIR/node-$1/log
	: >"$log"
	node_first "$n" bash -c "$(declare -f node_mounts node_overlay node_sysctls)
		set -e
		node_mounts $n
		echo ready
		sleep infinity & wait" >"$log" 2>&1 </dev/null 3>&- &
	parent=$!
	disown
	wait_for 30 grep -q ready "$log" || fail "$(<"$log")" || return
	pgrep -P "$parent" >"$CLUSTER_DIR/node-$n/pid"
}

# In the background only: the shell becomes unshare, whose only child is the first process.
node_first() {
	local n=$1
	shift
	export KUBE_BUILD CLUSTER_PROCESS=$CLUSTER
	exec setsid nsenter "--net=/run/netns/$CLUSTER-$n" -- unshare --mount --propagation private --uts --pid --fork --kill-child --mount-proc "$@"
}

# Ends every process of the node.
node_end() {
	local pid=$CLUSTER_DIR/node-$1/pid
	[ -s "$pid" ] || return 0
	kill -KILL "$(<"$pid")" 2>/dev/null || true
	wait_for 30 node_gone "$1"
}

node_gone() {
	! kill -0 "$(<"$CLUSTER_DIR/node-$1/pid")" 2>/dev/null
}

# inside N COMMAND...: in all namespaces of the node, with nothing of the caller's environment.
inside() {
	local n=$1
	shift
	nsenter --target "$(<"$CLUSTER_DIR/node-$n/pid")" --mount --net --pid --uts -- env -i PATH="$KUBE_BIN:$KUBE_BUILD:$PATH" \
		HOME=/root LC_ALL=C CLUSTER_PROCESS="$CLUSTER" "$@"
}

# inside_start N NAME COMMAND...: a process that stays, a child of the node's first one: nsenter would stop with it, and never reap it.
# inside_end N NAME [SIGNAL] ends it, inside_signal N NAME SIGNAL sends it one.
inside_start() {
	local n=$1 name=$2
	shift 2
	# shellcheck disable=SC2016 # for the shell inside
	inside "$n" bash -c 'setsid "$@" & echo $! >"$0"' "$CLUSTER_DIR/node-$n/$name.pid" "$@" >>"$CLUSTER_DIR/log/$name-$n" 2>&1 </dev/null 3>&-
}

inside_signal() {
	inside "$1" kill "-$3" "$(<"$CLUSTER_DIR/node-$1/$2.pid")"
}

inside_end() {
	[ -e "$CLUSTER_DIR/node-$1/$2.pid" ] || return 0
	inside_signal "$1" "$2" "${3:-KILL}" 2>/dev/null || true
	wait_for 30 inside_gone "$1" "$2" || return
	rm "$CLUSTER_DIR/node-$1/$2.pid"
}

inside_gone() {
	! inside_signal "$1" "$2" 0 2>/dev/null
}

node_mounts() {
	local node=$CLUSTER_DIR/node-$1 dir
	mkdir -p "$node"/{overlay,kubelet,containerd,pods,cgroup}
	mount -t tmpfs tmpfs "$node/overlay"
	for dir in etc opt var/lib var/log; do
		node_overlay "$node/overlay" $dir
	done
	mount -t tmpfs tmpfs /run
	mkdir -p /run/netns /run/lock
	mount --bind /run/netns /run/netns
	# A sysfs of this network namespace, with the machine's cgroups.
	mount --rbind /sys/fs/cgroup "$node/cgroup"
	mount -t sysfs sysfs /sys
	mount --rbind "$node/cgroup" /sys/fs/cgroup
	umount --lazy "$node/cgroup"
	mount -t bpf bpf /sys/fs/bpf
	rm -rf /etc/cni /opt/cni /var/lib/{cni,kubelet,containerd}
	mkdir -p /etc/cni/net.d /opt/cni/bin /var/lib/{cni,kubelet,containerd} /var/log/{pods,containers}
	# Not on an overlay: containerd makes overlays of it.
	mount --bind "$node/kubelet" /var/lib/kubelet
	mount --bind "$node/containerd" /var/lib/containerd
	mount --bind "$node/pods" /var/log/pods
	node_sysctls
	hostname "node$1"
	cp "$KUBE_BUILD/natbridge" "$TEST_BIN_DIR"/{bridge,host-local,loopback,portmap} /opt/cni/bin/
	echo "nameserver 172.31.255.254" >/run/resolv.conf
	mount --make-rshared /
}

node_overlay() {
	mkdir -p "$1/$2"/{upper,work}
	mount -t overlay overlay -o "lowerdir=/$2,upperdir=$1/$2/upper,workdir=$1/$2/work" "/$2"
}

# The kubelet insists on these values, which are the whole machine's: it is shown them, and nothing is changed.
node_sysctls() {
	local key value
	mkdir -p /run/sysctl
	while read -r key value; do
		echo "$value" >"/run/sysctl/${key//\//.}"
		mount --bind "/run/sysctl/${key//\//.}" "/proc/sys/$key"
	done <<-END
		vm/overcommit_memory 1
		vm/panic_on_oom 0
		kernel/panic 10
		kernel/panic_on_oops 1
		kernel/keys/root_maxkeys 1000000
		kernel/keys/root_maxbytes 25000000
	END
}

# ---- cgroups: the node's own one in each hierarchy, to which its kubelet keeps -----------------------------------------------

node_cgroups() {
	local hierarchy dir file
	for hierarchy in /sys/fs/cgroup/*/; do
		dir=$hierarchy$CLUSTER-$1
		mkdir -p "$dir"
		for file in cpuset.cpus cpuset.mems; do
			[ ! -e "$dir/$file" ] || cat "$hierarchy/$file" >"$dir/$file"
		done
	done
}

cgroups() {
	find /sys/fs/cgroup -maxdepth 2 -type d -name "$CLUSTER-[0-9]*" 2>/dev/null
}

cgroups_remove() {
	local dir
	cgroups | while read -r dir; do
		find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
	done
	[ -z "$(cgroups)" ]
}

# ---- what runs on a node ---------------------------------------------------------------------------------------------------

# The network "pods". The reference plugin needs hairpin mode where natbridge does not.
cni_config() {
	jq -n --arg n "$1" --arg type "$CNI" --arg mode "$MODE" --arg net "$NET" --argjson mtu "$TUNNEL_MTU" '{
		cniVersion: "1.0.0", name: "pods", plugins: [
			({type: $type, bridge: "cni0", isDefaultGateway: true,
				ipam: {type: "host-local", ranges: [[{subnet: "10.244.\($n).0/24"}], [{subnet: "fd00:10:244:\($n)::/64"}]]}}
				+ if $type == "natbridge" then {serviceProxy: {mode: $mode}} else {hairpinMode: true} end + if $net == "vxlan" then {mtu: $mtu} else {} end),
			{type: "portmap", capabilities: {portMappings: true}}
		]}'
}

containerd_config() {
	cat <<-END
		version = 2
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/gc/pause:$PAUSE_TAG"
		  disable_apparmor = true
		  # Root may lack CAP_SYS_RESOURCE.
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/opt/cni/bin"
		    conf_dir = "/etc/cni/net.d"
	END
}

kubelet_config() {
	cat <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		cgroupDriver: cgroupfs
		cgroupRoot: /$CLUSTER-$1
		authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
		authorization: { mode: AlwaysAllow }
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		clusterDNS: [$DNS_IP]
		clusterDomain: cluster.local
		resolvConf: /run/resolv.conf
		failSwapOn: false
		failCgroupV1: false
		maxOpenFiles: 20000
		imageGCHighThresholdPercent: 100
		evictionHard: { memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1% }
		nodeStatusUpdateFrequency: 5s
	END
}

# The sizes of the conntrack table are the whole machine's.
proxy_config() {
	cat <<-END
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: $PROXY
		hostnameOverride: node$1
		clusterCIDR: $POD_CIDR
		clientConnection: { kubeconfig: $CLUSTER_DIR/control/kube-proxy.conf }
		conntrack: { maxPerCore: 0, min: 0 }
	END
}

node_files() {
	local node=$CLUSTER_DIR/node-$1
	mkdir -p "$node" "$CLUSTER_DIR/log"
	cni_config "$1" >"$node/10-pods.conflist"
	containerd_config >"$node/containerd.toml"
	kubelet_config "$1" >"$node/kubelet.yaml"
	proxy_config "$1" >"$node/proxy.yaml"
}

# node_up N: everything from its mounts to its kubelet.
node_up() {
	local n=$1 node=$CLUSTER_DIR/node-$1 image images=("$KUBE_IMAGES"/{pause,agnhost,tools,regression,coredns}.tar)
	[ "$AGENT" != daemonset ] || images+=("$(agent_image)")
	[ "$AGENT" != daemonset ] || [ ! -e "$(agent_other_image)" ] || images+=("$(agent_other_image)")
	node_files "$n" || return
	node_cgroups "$n" || return
	node_begin "$n" || return
	inside "$n" cp "$node/10-pods.conflist" /etc/cni/net.d/ || return
	inside_start "$n" containerd containerd --config "$node/containerd.toml"
	wait_for 60 containerd_ready "$n" || return
	for image in "${images[@]}"; do
		inside "$n" ctr -n k8s.io images import "$image" >>"$CLUSTER_DIR/log/images-$n" 2>&1 || return
	done
	kubelet_start "$n"
	sshd_start "$n"
	[ "$PROXY" = none ] || proxy_start "$n"
	[[ $AGENT != @(process|fast) ]] || agent_start "$n"
}

containerd_ready() {
	inside "$1" ctr version >/dev/null 2>&1
}

# Three zones: nodes 1 and 4 are in the first.
kubelet_start() {
	inside_start "$1" kubelet kubelet --config="$CLUSTER_DIR/node-$1/kubelet.yaml" --kubeconfig="$CLUSTER_DIR/control/admin.conf" \
		--hostname-override="node$1" --node-ip="$(node_ip "$1"),$(node_ip6 "$1")" --root-dir=/var/lib/kubelet -v=2 \
		--node-labels="topology.kubernetes.io/zone=zone$((($1 - 1) % 3 + 1))"
}

proxy_start() {
	inside_start "$1" kube-proxy kube-proxy --config="$CLUSTER_DIR/node-$1/proxy.yaml" -v=2
}

# By sshd, e2e.test gives commands to a node, through sudo. One key is that of all hosts and of the client.
sshd_key() {
	ssh-keygen -q -t ed25519 -N "" -f "$CLUSTER_DIR/ssh"
}

sshd_start() {
	local bin=$CLUSTER_DIR/node-$1/bin
	mkdir -p "$bin"
	install -m 0755 /dev/stdin "$bin/sudo" <<<$'#!/bin/sh\nexec "$@"'
	inside "$1" mkdir -p /run/sshd
	inside_start "$1" sshd /usr/sbin/sshd -D -e -f /dev/null -h "$CLUSTER_DIR/ssh" -o AuthorizedKeysFile="$CLUSTER_DIR/ssh.pub" \
		-o StrictModes=no -o PidFile=none -o SetEnv="PATH=$bin:$PATH"
}

# ---- natbridge-agent ---------------------------------------------------------------------------------------------------------

# As a process of the node, with its default paths and a user that may only read. Without kube-proxy it serves the whole node; beside
# one, whose ports are its own default ones, it has others. 10257 and 10259 are the control plane's.
agent_start() {
	local options=(--service-proxy node)
	[ "$AGENT" != fast ] || options+=(--fast-path true)
	[ "$PROXY" = none ] || options=(--healthz-bind-address "127.0.0.1:$(agent_health_port)" --metrics-bind-address 127.0.0.1:10269)
	inside_start "$1" natbridge-agent "$KUBE_BUILD/natbridge-agent" --kubeconfig "$CLUSTER_DIR/control/natbridge-agent.conf" \
		--hostname-override "node$1" "${options[@]}"
}

agent_health_port() {
	[ "$PROXY" = none ] && echo 10256 || echo 10266
}

# Its tables are equal to the cluster.
agent_ready() {
	[ "$(inside "$1" curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(agent_health_port)/readyz")" = 200 ]
}

# Of all nodes: started where none runs; ended, so that none comes back.
agents_start() {
	local n
	if [ "$AGENT" = daemonset ]; then
		k apply -f "$AGENT_MANIFEST"
		agents_rolled_out
		return
	fi
	for n in $(nodes); do
		[ -e "$CLUSTER_DIR/node-$n/natbridge-agent.pid" ] || agent_start "$n"
	done
}

agents_stop() {
	local n
	if [ "$AGENT" = daemonset ]; then
		k -n kube-system delete daemonset natbridge-agent --cascade=foreground --timeout=60s
		return
	fi
	for n in $(nodes); do
		inside_end "$n" natbridge-agent
	done
}

agents_rolled_out() {
	k -n kube-system rollout status daemonset natbridge-agent --timeout=120s
}

# Its pods; "kubectl get" with more words.
agent_pods() {
	k -n kube-system get pods -l app.kubernetes.io/name=natbridge-agent "$@"
}

# agent_kill N: SIGKILL; another comes at once. The kubelet waits longer and longer before it starts a container again, but not
# before it starts that of a new pod.
agent_kill() {
	local pid
	if [[ $AGENT = @(process|fast) ]]; then
		inside_end "$1" natbridge-agent
		agent_start "$1"
		return
	fi
	pid=$(inside "$1" pidof natbridge-agent) || return 0
	inside "$1" kill -KILL "$pid" || true
	k -n kube-system delete pods -l app.kubernetes.io/name=natbridge-agent --field-selector "spec.nodeName=node$1" --wait=false
}

# The process that follows the API server and keeps the nodes' tables: its name for inside_signal.
follower() {
	[[ $AGENT = @(process|fast) ]] && echo natbridge-agent || echo kube-proxy
}
