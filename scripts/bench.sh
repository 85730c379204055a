#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Side-by-side figures. Usage: bench.sh [all | check | count]. Client and server share one CPU. The paths are measured in turn within each round, so that
# what the machine does meanwhile hits all of them; what counts is the median over the rounds of one path's ratio to another of
# the same round. "all" measures the paths of test/bench/arms.bash, what the programs cost, and real clients; it prints tables and writes
# build/bench/ (rounds.txt, result.json, report.txt, *.svg). "check" measures what test/bench/targets.txt names with up to 1,000
# Services, in two minutes, and fails where a ratio is under its floor. "count" is for a guest whose clock counts instructions
# (INSTRUCTIONS=1 test/kernels/run): the same paths once, in thousands of instructions, which do not scatter.
#
# ROUNDS (default 25), MILLISECONDS (of one measurement, default 70: many short ones even out a noisy machine better than a few
# long ones), FAMILIES ("4 6"), KINDS ("tcp-rr tcp-crr udp-rr tcp-stream"), PATHS (default: all; "plain-pod" among them).
set -euo pipefail
cd "$(dirname "$0")/.."

WHAT=${1:-all}
if [ "$WHAT" = count ]; then
	ROUNDS=1 MILLISECONDS=${MILLISECONDS:-300} KINDS=${KINDS:-tcp-rr tcp-crr udp-rr}
fi
ROUNDS=${ROUNDS:-25}
MILLISECONDS=${MILLISECONDS:-70}
OUT=build/bench
CPU=$(($(nproc) - 1))
read -ra KINDS <<<"${KINDS:-tcp-rr tcp-crr udp-rr tcp-stream}"
BASE="plain-pod nat-vip nat-pod nat-backend assist-pod assist-vip ipt1-pod ipt1-vip nft1-vip veth-pod peer-pod hooks-pod
	outplain-pod outbound-pod outpods-pod outnode-pod outnode-vip outfast-vip outnft-vip"
SCALE="ipt100-vip ipt1000-vip ipt10000-vip nft100-vip nft1000-vip nft10000-vip nat1000-vip nat10000-vip nat100000-vip
	full100000-vip full1000000-vip"
[ "$WHAT" = all ] || BASE="plain-pod nat-vip nat-pod assist-pod assist-vip ipt1-vip veth-pod peer-pod hooks-pod
	outplain-pod outpods-pod outnode-pod outnode-vip outfast-vip outnft-vip" SCALE="" FAMILIES=${FAMILIES:-4}
FAMILIES=${FAMILIES:-4 6}
read -rd '' -a ALL <<<"${PATHS:-$BASE $SCALE}" || true

# lib.bash is made for bats, which has this function.
bats_require_minimum_version() { :; }
# shellcheck source=test/netns/lib.bash
. test/netns/lib.bash
# shellcheck source=test/netns/kube.bash
. test/netns/kube.bash
# shellcheck source=test/netns/agent.bash
. test/netns/agent.bash
# shellcheck source=test/bench/arms.bash
. test/bench/arms.bash
# shellcheck source=test/bench/costs.bash
. test/bench/costs.bash

[ "$(id -u)" = 0 ] || {
	echo "bench: needs root; run: sudo make bench" >&2
	exit 1
}
trap 'set +e; suite_destroy; rm -rf "$NBT_DIR"' EXIT

progress() {
	[ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2
}

prepare() {
	local path arm
	local -A made=()
	for path in "${ALL[@]}"; do
		arm=${path%-*}
		[ -z "${made[$arm]:-}" ] || continue
		progress "arm $arm"
		bench_make "$arm"
		made[$arm]=1
	done
	sleep 2
}

# Paths with many Services or connections are measured over IPv4 alone, and without the stream.
skips() {
	[[ $SCALE = *"$1"* ]] && { [ "$2" = 6 ] || [ "$3" = tcp-stream ]; }
}

# rate PATH KIND FAMILY: one measurement, "RATE CPU-RATE".
rate() {
	local arm=${1%-*}
	bench_target "$1" "$3"
	build/test/bench/rate -c "$CPU" -s "$MILLISECONDS" "/run/netns/$NBT-${arm}a" "/run/netns/$NBT-${arm}b" "$2" \
		"$ADDRESS" "$PORT" "$LISTEN"
}

# Rows "ROUND FAMILY KIND PATH RATE CPU-RATE".
run_rounds() {
	local round family kind path value order=("${ALL[@]}")
	for ((round = 1; round <= ROUNDS; round++)); do
		# Another one comes first in each round.
		order=("${order[@]:1}" "${order[0]}")
		for family in $FAMILIES; do
			for kind in "${KINDS[@]}"; do
				progress "round $round of $ROUNDS: $kind, IPv$family"
				for path in "${order[@]}"; do
					! skips "$path" "$family" "$kind" || continue
					value=$(rate "$path" "$kind" "$family") || {
						echo "bench: $path, $kind, IPv$family: no figure" >&2
						return 1
					}
					echo "$round $family $kind $path $value"
				done
			done
		done
	done
	progress
}

mkdir -p "$NBT_DIR" "$OUT"
if [ "$WHAT" = all ]; then
	# On a machine that has nothing else to do as yet.
	progress "runs of the programs"
	bench_costs >"$OUT/costs.txt"
fi
prepare
if [ "$WHAT" = all ]; then
	# Before the rounds, since sockperf cannot bind to a port at which a closed connection waits.
	progress "real clients"
	bench_real >"$OUT/real.txt"
	bench_memory >"$OUT/memory.txt"
fi
run_rounds >"$OUT/rounds.txt"
suite_destroy
/usr/bin/python3 -B test/bench/report.py "$WHAT" "$OUT" "$MILLISECONDS"
