#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# test/bench-agent with a few Services: that each row comes, not what is in it. If "build" has made the programs already.

bats_require_minimum_version 1.5.0

export CLUSTER=nbk-bench-$BATS_ROOT_PID
load lib

setup_file() {
	export BATS_TEST_TIMEOUT=240
}

setup() {
	local program
	for program in etcd kube-apiserver kubectl kube-proxy; do
		[ -x "$KUBE_BIN/$program" ] || skip "$KUBE_BIN/$program is missing; run: test/kubernetes/build etcd kube-apiserver kubectl kube-proxy"
	done
}

@test "bench-agent: a figure for each row, of both, and nothing is left" {
	export SERVICES=20 ENDPOINTS=3 ARMS="agent nftables" IDLE_SECONDS=1 CHANGE_SECONDS=0 CHANGES=2 OUT=$BATS_TEST_TMPDIR
	run -0 --separate-stderr "$KUBE_ROOT/test/bench-agent/run" all
	[[ $output = *"20 Services, 3 endpoints each"* ]] || fail "$output"
	run -0 jq -c '.results[] | [.proxy, .changes, .change_syncs >= 2, .first_cpu > 0, .first_peak >= .first_resident, .restart_cpu > 0]' "$OUT/result.json"
	[ "$output" = '["agent",2,true,true,true,true]
["nftables",2,true,true,true,true]' ] || fail "$output"
	[ ! -e "$CLUSTER_DIR" ] || fail "$CLUSTER_DIR is left"
	run ! grep "^$CLUSTER" <(ip netns list)
}
