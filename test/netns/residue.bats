#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The checks for what is left behind: each thing that they count, left on purpose, makes them fail and is named.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net
}

teardown_file() {
	suite_end
}

# left NAME: the node is not clean, and that is the count which says so.
left() {
	run ! node_assert_clean n
	[[ $output = *"> $1 "* ]] || fail "expected $1 among:" "$output"
}

# ---- a node ----------------------------------------------------------------------------------------------------------------

@test "of a node: ports and other links of pods, bridge entries, filters, programs" {
	ip -n "$(ns n)" link add br1 type bridge
	node_assert_clean n
	ip -n "$(ns n)" link add veth0000 type veth peer name peer0
	left ports
	ip -n "$(ns n)" link set veth0000 name port0 master br1
	left ports
	bridge -n "$(ns n)" fdb add 02:00:00:00:00:01 dev port0 master static
	left fdb
	bridge -n "$(ns n)" fdb del 02:00:00:00:00:01 dev port0 master
	ip -n "$(ns n)" link set port0 nomaster
	node_assert_clean n
	tc -n "$(ns n)" qdisc add dev port0 clsact
	tc -n "$(ns n)" filter add dev port0 ingress protocol all u32 match u32 0 0 flowid 1:1
	left filters
	tc -n "$(ns n)" qdisc del dev port0 clsact
	ns_exec n "$NBT_BUILD/test/netns/marker" port0 7 2>/dev/null || skip "this kernel has no tcx"
	left programs
	ip -n "$(ns n)" link del port0
	ip -n "$(ns n)" link del br1
}

@test "of a node: rules and chains, but not the frame for those of pods" {
	ns_exec n nft 'add table inet cni_plugins_masquerade
		add chain inet cni_plugins_masquerade masq_checks
		add chain inet cni_plugins_masquerade postrouting { type nat hook postrouting priority 100; }
		add rule inet cni_plugins_masquerade postrouting jump masq_checks'
	node_assert_clean n
	ns_exec n nft 'add rule inet cni_plugins_masquerade masq_checks counter'
	left rules
	ns_exec n nft 'flush ruleset; add table ip nat; add chain ip nat CNI-1'
	left rules
	ns_exec n nft flush ruleset
}

@test "of a node: addresses, results in the cache, pins of a pod" {
	local file kind
	for file in ipam/net/10.244.0.9:addresses cni/results/net-x-eth0:cached; do
		kind=${file#*:} file=$NBT_DIR/node-n/${file%:*}
		mkdir -p "${file%/*}"
		touch "$file"
		left "$kind"
		rm "$file"
	done
	pods_up n net a
	pods_down n net a
	node_assert_clean n
	bpftool map pin pinned "$(pins)/endpoints" "$(pins)/port1"
	left pins
	rm "$(pins)/port1"
}

pins() {
	echo "$NBT_DIR/node-n/bpf/natbridge/net/$NBT_LAYOUT"
}

@test "of a node: pod addresses in the maps of a network" {
	local sizes key value
	pods_up n net a
	pods_down n net a
	sizes=$(bpftool -j map show pinned "$(pins)/endpoints" | jq -r '"\(.bytes_key) \(.bytes_value)"')
	key=$(zeros "${sizes% *}") value=$(zeros "${sizes#* }")
	# shellcheck disable=SC2086 # a word for each byte
	bpftool map update pinned "$(pins)/endpoints" key hex $key value hex $value
	left endpoints
	# shellcheck disable=SC2086
	bpftool map delete pinned "$(pins)/endpoints" key hex $key
	node_assert_clean n
}

zeros() {
	printf '00 %.0s' $(seq "$1")
}

@test "of a node: a plugin that is still at work" {
	# as long as it has to, by that name
	# shellcheck disable=SC2016 # for the node's shell
	node_exec n bash -c 'exec -a "$0" sleep 1000' "$NBT_BUILD/natbridge" >/dev/null 2>&1 3>&- &
	wait_for 20 at_work
	RESIDUE_WAIT=0 run ! node_assert_clean n
	[[ $output = *"processes of natbridge left: $NBT_BUILD/natbridge"* ]] || fail "$output"
	kill "$(ip netns pids "$(ns n)")"
	node_assert_clean n
}

at_work() {
	[[ "$(node_processes n)" = "$NBT_BUILD/natbridge"* ]]
}

@test "what cannot be counted is no zero" {
	# shellcheck disable=SC2317 # for node_state
	node_endpoints() { :; }
	run ! node_state n
	[[ $output = *"not counted: endpoints"* ]] || fail "$output"
}

# ---- the machine -----------------------------------------------------------------------------------------------------------

# suite NAME COMMAND [TEARDOWN-COMMAND [DEFINITION]]: a file of tests of its own, whose only test does that, on a machine of its
# own: links, rules, mounts, processes.
suite() {
	local dir=$BATS_TEST_TMPDIR/$1 test='@test'
	mkdir -p "$dir"
	cat >"$dir/suite.bats" <<-END
		load "$NBT_ROOT/test/netns/lib"
		outside=$dir
		${4:-}
		setup_file() { suite_begin; }
		teardown_file() { suite_end ${3:-}; }
		pod() { node_create n; network_write n net; pods_up n net a; pods_down n net a; }
		first() { bpf_ids n | awk -v kind=\$1 '\$1 == kind { print \$2; exit }'; }
		pin() { mkdir "\$outside/bpf" && mount -t bpf bpf "\$outside/bpf" && bpftool \$1 pin id "\$(first \$1)" "\$outside/bpf/\$1"; }
		$test "$1" { $2; }
	END
	# shellcheck disable=SC2016 # for that shell
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TEST_BIN_DIR="$TEST_BIN_DIR" RESIDUE_WAIT="${WAIT:-1}" \
		unshare -mnp --fork --kill-child --mount-proc sh -c 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib/cni &&
			bats --formatter tap "$1/suite.bats"' sh "$dir" 3>&- 4>&-
}

# caught NAME PATTERN COMMAND [TEARDOWN-COMMAND [DEFINITION]]: such a suite fails at its end, with these words.
caught() {
	local name=$1 pattern=$2
	shift 2
	run -1 suite "$name" "$@"
	[[ $output = *"ok 1 $name"*"not ok 2 teardown_file failed"* ]] || fail "$name:" "$output"
	# shellcheck disable=SC2053 # a pattern
	[[ $output = *$pattern* ]] || fail "$name:" "$output"
}

# shellcheck disable=SC2016 # what the suites do is for their own shell
@test "of the machine: nothing, links, rules, mounts, namespaces, files, pins, processes" {
	WAIT=30 run -0 suite nothing pod
	caught links '> links 2' 'ip link add left0 type bridge'
	caught rules '> rules' 'nft add table inet left'
	caught mounts '> mounts 1' 'mkdir $NBT_DIR/left; mount -t tmpfs tmpfs $NBT_DIR/left'
	caught namespaces '> namespaces 1' 'ns_create left' '' 'ns_delete() { :; }'
	caught files '> files 1' 'touch /var/lib/cni/left'
	caught pins '> pins 1' 'mount -t tmpfs tmpfs /sys/fs/bpf; mkdir /sys/fs/bpf/left'
	caught processes '> processes 1' '"$NBT_BUILD/test/netns/tool" serve udp 9 left >/dev/null 2>&1 3>&- & disown'
}

@test "programs and maps that the kernel keeps" {
	caught program 'programs or maps are left: *prog ' 'pod; pin prog'
	caught map 'programs or maps are left: map ' 'pod; pin map'
}

# shellcheck disable=SC2016
@test "what is gone after a moment is not left" {
	WAIT=30 run -0 suite moment 'ip link add left0 type bridge
		(wait_for 20 test -e $NBT_DIR/residue-after && ip link del left0) >/dev/null 2>&1 3>&- & disown'
}

# ---- the end of a file -----------------------------------------------------------------------------------------------------

@test "a failure before the end of a teardown is one, and the rest is taken down all the same" {
	caught teardown 'not ok 2' 'pod' 'false'
	caught function 'not ok 2' 'pod' 'pods_down n never a'
	[ "$(namespaces)" = n ]
}

# Bats calls teardown functions in a condition: of several commands only the last one can fail them.
@test "each teardown function of the tests is one command" {
	# shellcheck disable=SC2016 # awk's
	run -0 awk '
		/^teardown(_file)?\(\) \{$/ { name = FILENAME ": " $0; commands = 0; next }
		name && /^}/ { if (commands != 1) print name, commands, "commands"; name = ""; next }
		name && NF { commands++ }' "$NBT_ROOT"/test/*/*.bats
	[ -z "$output" ] || fail "$output"
}
