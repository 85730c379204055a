# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the programs here share: where things are, configurations, processes that stay, names and addresses of a cluster. Everything
# of cluster $CLUSTER lies in $CLUSTER_DIR, its network namespaces are $CLUSTER-lan, $CLUSTER-outside, $CLUSTER-1, $CLUSTER-2 and so on,
# its cgroups /$CLUSTER-1 and so on; so two clusters with other names can be up at once.

KUBE_TEST=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
KUBE_ROOT=$(cd "$KUBE_TEST/../.." && pwd)
KUBE_BUILD=$KUBE_ROOT/build
export AGENT_MANIFEST=$KUBE_ROOT/packaging/kubernetes/natbridge-agent.yaml
# Built programs and images, which outlive the sources; see build and images.
KUBE_CACHE=${KUBE_CACHE:-/var/cache/natbridge-test/kubernetes}
export KUBE_BIN=$KUBE_CACHE/bin KUBE_IMAGES=$KUBE_CACHE/image
export TEST_BIN_DIR=${TEST_BIN_DIR:-/opt/natbridge-test/bin}
export CLUSTER=${CLUSTER:-nbk}
# Not below /etc, /opt, /run, /var/lib or /var/log, of which each node has its own.
export CLUSTER_DIR=/var/tmp/natbridge-kubernetes/$CLUSTER
export KUBECONFIG=$CLUSTER_DIR/control/admin.conf
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
# A try costs tenths of a second, if it asks the API server.
export WAIT_STEP=0.2

# shellcheck source=test/kubernetes/versions
. "$KUBE_TEST/versions"
# shellcheck source=test/netns/wait.bash
. "$KUBE_TEST/../netns/wait.bash"

# Clients outside, which are behind "lan", and the addresses that "cloud" gives.
export OUTSIDE=198.51.100 OUTSIDE6=2001:db8:100:: BALANCER_CIDR=198.18.0.0/16 BALANCER_CIDR6=fd00:18::/64
export SERVICE_CIDR=10.96.0.0/16,fd00:10:96::/112 POD_CIDR=10.244.0.0/16,fd00:10:244::/48 DNS_IP=10.96.0.10 DNS_IP6=fd00:10:96::a

die() {
	echo "kubernetes: $*" >&2
	exit 1
}

# ---- configurations --------------------------------------------------------------------------------------------------------

configuration_names() {
	awk '!/^#/ && NF { print $1 }' "$KUBE_TEST/configurations"
}

# configuration_read NAME: sets CNI, MODE, PROXY, BRIDGE_NF, AGENT and NET by its row.
configuration_read() {
	local row
	row=$(awk -v name="$1" '!/^#/ && $1 == name' "$KUBE_TEST/configurations")
	# shellcheck disable=SC2034 # for the callers
	read -r CONFIGURATION CNI MODE PROXY BRIDGE_NF AGENT NET <<<"$row"
	[ -n "$NET" ] || die "there is no configuration '$1'; they are $(configuration_names | xargs)"
}

# configuration_lacks: after configuration_read, prints what this build lacks for it; fails if that is nothing.
configuration_lacks() {
	case $AGENT in
	process | fast) [ ! -x "$KUBE_BUILD/natbridge-agent" ] && echo "this build has no natbridge-agent" ;;
	daemonset) [ ! -e "$(agent_image)" ] && echo "this build has no image; run: make image" ;;
	*) false ;;
	esac
}

# What "make image" has made.
agent_image() {
	local version
	version=$(sed -n 's/.*NB_VERSION "\(.*\)"/\1/p' "$KUBE_ROOT/include/natbridge/version.h")
	echo "$KUBE_BUILD/natbridge_${version}_$(dpkg --print-architecture).image.tar"
}

# One with another map layout; only "make test-kubernetes" makes it.
agent_other_image() {
	echo "$KUBE_BUILD/other/image/image.tar"
}

# ---- a cluster's names and addresses -----------------------------------------------------------------------------------------

# netns N|lan|outside COMMAND...: in the network namespace of node N, and with the machine's files and processes.
netns() {
	local name=$1
	shift
	nsenter "--net=/run/netns/$CLUSTER-$name" -- "$@"
}

node_ip() {
	echo "172.31.255.$1"
}

node_ip6() {
	echo "fd00:31::$1"
}

# The numbers of the nodes that are there.
nodes() {
	local dir
	for dir in "$CLUSTER_DIR"/node-*; do
		[ ! -d "$dir" ] || echo "${dir##*/node-}"
	done
}

# kubectl, on node 1.
k() {
	netns 1 "$KUBE_BIN/kubectl" "$@"
}

# kq ARGUMENT...: the same, quiet; for conditions and for what is expected to work.
kq() {
	k "$@" >/dev/null 2>&1
}

# ---- processes that stay ---------------------------------------------------------------------------------------------------

# daemon_start NETNS NAME COMMAND...: in that network namespace; its output goes to log/NAME. Of what starts, each process has
# CLUSTER_PROCESS in its environment.
daemon_start() {
	local netns=$1 name=$2
	shift 2
	mkdir -p "$CLUSTER_DIR"/{pids,log}
	CLUSTER_PROCESS=$CLUSTER setsid nsenter "--net=/run/netns/$netns" -- "$@" >>"$CLUSTER_DIR/log/$name" 2>&1 </dev/null 3>&- &
	echo $! >"$CLUSTER_DIR/pids/$name"
	disown
}

# daemon_end NAME [SIGNAL]: and waits until it is gone. It may have gone already.
daemon_end() {
	local pids=$CLUSTER_DIR/pids/$1
	[ -e "$pids" ] || return 0
	! daemon_alive "$1" || kill "-${2:-KILL}" "$(<"$pids")"
	wait_for 30 daemon_gone "$1" || return
	rm "$pids"
}

# The process with that number is ours: the number may have gone to another.
daemon_alive() {
	{ tr '\0' '\n' <"/proc/$(<"$CLUSTER_DIR/pids/$1")/environ" | grep -qx "CLUSTER_PROCESS=$CLUSTER"; } 2>/dev/null
}

daemon_gone() {
	! daemon_alive "$1"
}
