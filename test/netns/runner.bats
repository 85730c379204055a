#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/run-tests.sh: what does not run, or dies, does not count as passed.

load lib

# What the runner says of a program of tests that prints the lines on stdin and ends with that exit status: program STATUS.
program() {
	local dir=$BATS_TEST_TMPDIR
	mkdir -p "$dir"/{scripts,test/unit,build/test/unit}
	cp "$NBT_ROOT/scripts/run-tests.sh" "$dir/scripts"
	touch "$dir/test/unit/test_it.c"
	{
		printf '#!/bin/sh\ncat <<"END"\n'
		cat
		printf 'END\nexit %s\n' "$1"
	} >"$dir/build/test/unit/test_it"
	chmod +x "$dir/build/test/unit/test_it"
	env -u T "$dir/scripts/run-tests.sh" unit
}

# says STATUS SUMMARY [TEXT]: the runner's exit status, its last line, and something among the others.
says() {
	[ "$status" = "$1" ] || fail "exit status $status:" "$output"
	[ "${lines[-1]}" = "$2" ] || fail "$output"
	[[ $output = *"${3:-}"* ]] || fail "$output"
}

@test "tests that pass, fail, or are skipped by bats and by cmocka" {
	run program 0 <<<$'1..2\nok 1 one\nok 2 two'
	says 0 "2 passed, 0 failed, 0 skipped"
	run program 1 <<<$'1..2\nok 1 one\nnot ok 2 two\n# why'
	says 1 "1 passed, 1 failed, 0 skipped" $'FAILED: 2 two\n      # why'
	run program 0 <<<$'1..3\nok 1 one\nok 2 two # skip no time\nnot ok 3 - three # SKIP'
	says 0 "1 passed, 0 failed, 2 skipped" "skipped: 2 two # skip no time"
}

@test "tests that never ran, and an exit status that no test explains" {
	run program 0 <<<$'1..3\nok 1 one'
	says 1 "1 passed, 2 failed, 0 skipped" "2 of 3 tests never ran"
	run program 139 <<<$'1..1\nok 1 one'
	says 1 "1 passed, 1 failed, 0 skipped" "exit status 139"
	run program 0 <<<$'1..2\nok 1 one\n# it said: ok 2 # SKIP'
	says 1 "1 passed, 1 failed, 0 skipped" "1 of 2 tests never ran"
}

@test "a program that says nothing, announces nothing, or is missing" {
	run program 0 <<<''
	says 1 "0 passed, 1 failed, 0 skipped" "no test ran, exit status 0"
	run program 0 <<<'1..0'
	says 1 "0 passed, 1 failed, 0 skipped" "no test ran"
	rm "$BATS_TEST_TMPDIR/build/test/unit/test_it"
	run "$BATS_TEST_TMPDIR/scripts/run-tests.sh" unit
	says 1 "0 passed, 1 failed, 0 skipped" "exit status 127"
	run "$BATS_TEST_TMPDIR/scripts/run-tests.sh" parity
	says 1 "0 passed, 1 failed, 0 skipped" "exit status 127"
}

@test "a suite that cannot run names its reason, and is no success alone" {
	run program 0 <<<'1..0 # SKIP this kernel has none'
	says 1 "0 passed, 0 failed, 1 skipped" "skipped: unit/test_it: this kernel has none"
}
