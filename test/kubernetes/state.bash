# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the machine holds, before a cluster came and after it went. After lib.bash and node.bash.

# A count a line.
machine_state() {
	echo "links $(ip -j link show | jq length)"
	echo "namespaces $(ip netns list | grep -cE "^$CLUSTER-(lan|outside|[0-9]+)( |$)" || true)"
	echo "mounts $(grep -c " $CLUSTER_DIR/" /proc/mounts || true)"
	echo "cgroups $(cgroups | wc -l)"
	echo "processes $(cluster_processes | wc -l)"
	echo "rules $(nft list ruleset 2>/dev/null | wc -l)"
	echo "pins $(find /sys/fs/bpf -mindepth 1 2>/dev/null | wc -l)"
	echo "files $(find /var/lib/cni -type f 2>/dev/null | wc -l)"
}

# The numbers of the cluster's own processes, and of those in its cgroups.
cluster_processes() {
	{
		grep -lszx "CLUSTER_PROCESS=$CLUSTER" /proc/[0-9]*/environ | cut -d / -f 3
		cgroups | while read -r dir; do
			find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null
		done
	} | sort -un
}

machine_as_before() {
	machine_state >"$CLUSTER_DIR/after" && cmp -s "$CLUSTER_DIR/before" "$CLUSTER_DIR/after"
}
