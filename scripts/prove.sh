#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What "make prove" runs, as root: the proofs of the connection table and of the arithmetic in their long forms, of which
# "make test" runs the short ones. Each step runs whatever the ones before it found; the last lines say what failed.
# PROVE_SECONDS: how long each storm lasts.
set -u
cd "$(dirname "$0")/.." || exit

BUILD=${BUILD:-build}
PROVE_SECONDS=${PROVE_SECONDS:-600}
failed=()

step() {
	local start=$SECONDS
	echo "== $*"
	"$@" || failed+=("$*")
	echo "== $((SECONDS - start)) s"
}

step env INTERLEAVE=--long scripts/run-tests.sh interleave
step env BUILD="$BUILD" test/prove/run --long
step env BUILD="$BUILD" test/prove/run --mutations
step env NB_STORM_SECONDS="$PROVE_SECONDS" "$BUILD/test/bpf" storm
step env NB_STORM_SECONDS="$PROVE_SECONDS" bats --formatter tap test/netns/storm.bats

[ ${#failed[@]} = 0 ] || printf 'failed: %s\n' "${failed[@]}"
[ ${#failed[@]} = 0 ]
