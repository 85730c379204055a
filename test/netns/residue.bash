# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What nodes and the machine hold, counted before and after. Part of lib.bash. residue.bats has a test of each count.

# How long what is left may take to go, in seconds.
RESIDUE_WAIT=${RESIDUE_WAIT:-30}

# What a node holds that comes and goes with pods, a count a line. Pins of networks stay by design until the bpffs goes, the
# bridge and its addresses as well.
node_state() {
	local node=$1 dir=$NBT_DIR/node-$1 dev
	{
		echo "ports $(ip -n "$NBT-$node" -j link show type veth | jq '[.[] | select(.master or (.ifname | startswith("veth")))] | length')"
		echo "fdb $(bridge -n "$NBT-$node" fdb show | grep -c ' static' || true)"
		echo "rules $(node_rules "$node")"
		for dev in $(ip -n "$NBT-$node" -j link show | jq -r '.[].ifname'); do
			echo "filters $dev $(tc -n "$NBT-$node" filter show dev "$dev" ingress 2>/dev/null | wc -l)"
			echo "programs $dev $(ns_exec "$node" "$NBT_BUILD/test/netns/attached" "$dev" 2>/dev/null | wc -l)"
		done | awk '{ sum[$1] += $3 } END { print "filters", sum["filters"] + 0; print "programs", sum["programs"] + 0 }'
		echo "addresses $(find "$dir/ipam" -type f ! -name lock ! -name 'last_reserved_ip.*' | wc -l)"
		echo "cached $(find "$dir/cni" -type f | wc -l)"
		echo "endpoints $(node_endpoints "$node")"
		echo "pins $(find "$dir/bpf" -type f ! -regex '.*/natbridge/[^/]*/v[0-9]*/[a-z_]*' ! -name '*.debug' | wc -l)"
	} | awk '{ print } $2 !~ /^[0-9]+$/ { print "not counted: " $1 >"/dev/stderr"; bad = 1 } END { exit bad }'
}

# Rules and chains, but for the frame around the masquerading of pods, which stays once it is there, as the reference plugins
# leave it. Base chains belong to whoever made the table.
node_rules() {
	ns_exec "$1" nft -j list ruleset 2>/dev/null | jq '[.nftables[] | (.rule? // (.chain? | select(. and (has("hook") | not)))) | select(.)
		| select((.table == "cni_plugins_masquerade" and (.chain == "postrouting" or .name == "masq_checks")) | not)] | length'
}

# Pod addresses in the maps of all networks of the node.
node_endpoints() {
	local map count=0
	for map in "$NBT_DIR/node-$1"/bpf/natbridge/*/*/endpoints; do
		[ ! -e "$map" ] || count=$((count + $(bpftool -j map dump pinned "$map" | jq length)))
	done
	echo "$count"
}

# All pods were deleted: the node is as it was when it was made, and no plugin is at work in it.
node_assert_clean() {
	local dir=$NBT_DIR/node-$1
	node_state "$1" | diff "$dir/state" - || fail "node $1 is not as it was before its pods came (see above)" || return
	wait_for "$RESIDUE_WAIT" node_idle "$1" || fail "node $1 has processes of natbridge left: $(node_processes "$1")"
}

# The processes of the plugin, of its IPAM plugin and of natbridgectl in the node.
node_processes() {
	ip netns pids "$NBT-$1" | xargs -r ps -o args= -p | grep -E '(^|/)(natbridge|natbridgectl|host-local)( |$)' || true
}

node_idle() {
	[ -z "$(node_processes "$1")" ]
}

# bpf_note NODE: what its pins and links lead to now must have gone from the kernel at the end.
bpf_note() {
	bpf_ids "$1" >>"$NBT_DIR/bpf_ids"
}

# The ids of programs and maps that the node's pins and links lead to, "prog 12" or "map 34" a line.
bpf_ids() {
	{
		bpf_pinned "$1"
		bpf_attached "$1"
	} | sort -u
}

bpf_pinned() {
	local pin id
	find "$NBT_DIR/node-$1/bpf" -type f | while read -r pin; do
		id=$(bpftool -j map show pinned "$pin" 2>/dev/null | jq -r '.id // empty')
		if [ -n "$id" ]; then
			echo "map $id"
		else
			bpftool -j prog show pinned "$pin" 2>/dev/null | jq -r 'select(.id) | "prog \(.id)", "map \(.map_ids[]?)"'
			bpftool -j link show pinned "$pin" 2>/dev/null | jq -r 'select(.prog_id) | "prog \(.prog_id)"'
		fi
	done
}

bpf_attached() {
	local dev hook
	[ -e "$(ns_path "$1")" ] || return 0
	for dev in $(ip -n "$NBT-$1" -j link show | jq -r '.[].ifname'); do
		ns_exec "$1" "$NBT_BUILD/test/netns/attached" -i "$dev" 2>/dev/null | awk '$2 ~ /^nb_/ { print "prog", $3 }'
		for hook in ingress egress; do
			tc -n "$NBT-$1" filter show dev "$dev" $hook 2>/dev/null | sed -n 's/.* nb_.* id \([0-9]\+\).*/prog \1/p'
		done
	done
}

# residue_snapshot NAME: what the machine itself holds.
residue_snapshot() {
	machine_state >"$NBT_DIR/residue-$1"
}

machine_state() {
	echo "links $(ip -j link show | jq length)"
	echo "namespaces $(namespaces | wc -l)"
	echo "mounts $(grep -c " $NBT_DIR/" /proc/mounts || true)"
	echo "rules $(nft list ruleset 2>/dev/null | wc -l)"
	echo "pins $(find /sys/fs/bpf -mindepth 1 2>/dev/null | wc -l)"
	echo "files $(find /var/lib/cni -type f 2>/dev/null | wc -l)"
	echo "processes $(suite_processes | wc -l)"
}

# Processes of this file's tests that run a program of this build or a CNI plugin.
suite_processes() {
	find /proc -maxdepth 2 -name exe \( -lname "$NBT_BUILD/*" -o -lname "$TEST_BIN_DIR/*" \) 2>/dev/null | while read -r exe; do
		! tr '\0' '\n' 2>/dev/null <"${exe%exe}environ" | grep -qxF "NBT_DIR=$NBT_DIR" || echo "$exe"
	done
}

# The machine is as it was at suite_begin and the kernel has let go of every program and map of the nodes, which takes it a
# moment after the last reference went. Only our own ids count: others may load programs meanwhile.
assert_no_residue() {
	local status=0
	wait_for "$RESIDUE_WAIT" bpf_ids_gone || {
		echo "programs or maps are left: $(bpf_ids_left | tr '\n' ',')" >&2
		status=1
	}
	wait_for "$RESIDUE_WAIT" machine_as_before || {
		diff "$NBT_DIR/residue-before" "$NBT_DIR/residue-after" >&2
		echo "the machine is not as it was before the suite (see above)" >&2
		status=1
	}
	return $status
}

machine_as_before() {
	residue_snapshot after && cmp -s "$NBT_DIR/residue-before" "$NBT_DIR/residue-after"
}

bpf_ids_left() {
	local kind id
	[ -e "$NBT_DIR/bpf_ids" ] || return 0
	sort -u "$NBT_DIR/bpf_ids" | while read -r kind id; do
		! bpftool "$kind" show id "$id" >/dev/null 2>&1 || echo "$kind $id"
	done
}

bpf_ids_gone() {
	[ -z "$(bpf_ids_left)" ]
}
