# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What nodes and the machine hold, counted before and after. Part of lib.bash.

# What a node holds that comes and goes with pods, one count a line. Pins of networks stay by design until the bpffs goes.
node_state() {
	local node=$1 dir=$NBT_DIR/node-$1 dev
	echo "ports $(ip -n "$NBT-$node" -j link show type veth | jq '[.[] | select(.master)] | length')"
	echo "fdb $(bridge -n "$NBT-$node" fdb show | grep -c ' static' || true)"
	echo "rules $(node_rules "$node")"
	for dev in $(ip -n "$NBT-$node" -j link show | jq -r '.[].ifname'); do
		echo "filters $dev $(tc -n "$NBT-$node" filter show dev "$dev" ingress 2>/dev/null | wc -l)"
		echo "programs $dev $(ns_exec "$node" "$NBT_BUILD/test/netns/attached" "$dev" 2>/dev/null | wc -l)"
	done | awk '{ sum[$1] += $3 } END { print "filters", sum["filters"] + 0; print "programs", sum["programs"] + 0 }'
	echo "addresses $(find "$dir/ipam" -type f ! -name lock ! -name 'last_reserved_ip.*' | wc -l)"
	echo "cached $(find "$dir/cni" -type f | wc -l)"
	echo "endpoints $(node_endpoints "$node")"
}

# Rules, but for the frame around the masquerading of pods, which stays once it is there, as the reference plugins leave it.
node_rules() {
	ns_exec "$1" nft -j list ruleset 2>/dev/null | jq '[.nftables[].rule? | select(.)
		| select((.table == "cni_plugins_masquerade" and .chain == "postrouting") | not)] | length'
}

# Pod addresses in the maps of all networks of the node.
node_endpoints() {
	local map count=0
	for map in "$NBT_DIR/node-$1"/bpf/natbridge/*/*/endpoints; do
		[ ! -e "$map" ] || count=$((count + $(bpftool -j map dump pinned "$map" | jq length)))
	done
	echo "$count"
}

# All pods were deleted: the node is as it was when it was made.
node_assert_clean() {
	local dir=$NBT_DIR/node-$1
	node_state "$1" | diff "$dir/state" - || fail "node $1 is not as it was before its pods came (see above)"
}

# The ids of programs and maps that the node's pins and ports lead to, "prog 12" or "map 34" a line.
bpf_ids() {
	local dir=$NBT_DIR/node-$1 pin id
	find "$dir/bpf" -type f | while read -r pin; do
		id=$(bpftool -j map show pinned "$pin" 2>/dev/null | jq -r '.id // empty')
		if [ -n "$id" ]; then
			echo "map $id"
		else
			bpftool -j prog show pinned "$pin" 2>/dev/null | jq -r '"prog \(.id // empty)", "map \(.map_ids[]?)"'
			bpftool -j link show pinned "$pin" 2>/dev/null | jq -r '"prog \(.prog_id // empty)"'
		fi
	done | sort -u
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
}

# The machine is as it was at suite_begin and the kernel has let go of every program and map of the nodes, which takes it a
# moment after the last reference went. Only our own ids count: others may load programs meanwhile.
assert_no_residue() {
	wait_for 30 bpf_ids_gone || fail "programs or maps are left: $(bpf_ids_left | tr '\n' ',')"
	wait_for 30 machine_as_before || {
		diff "$NBT_DIR/residue-before" "$NBT_DIR/residue-after" || true
		fail "the machine is not as it was before the suite (see above)"
	}
}

machine_as_before() {
	residue_snapshot after
	cmp -s "$NBT_DIR/residue-before" "$NBT_DIR/residue-after"
}

bpf_ids_left() {
	local kind id
	[ -e "$NBT_DIR/bpf_ids" ] || return 0
	sort -u "$NBT_DIR/bpf_ids" | while read -r kind id; do
		[ -z "$id" ] || ! bpftool "$kind" show id "$id" >/dev/null 2>&1 || echo "$kind $id"
	done
}

bpf_ids_gone() {
	[ -z "$(bpf_ids_left)" ]
}
