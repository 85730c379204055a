#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/run-tests.sh: what does not run, or dies, does not count as passed; what took the time is printed.

load lib

# A tree with nothing but the runner.
setup() {
	mkdir -p "$BATS_TEST_TMPDIR"/{scripts,test/unit,build/test/unit}
	cp "$NBT_ROOT/scripts/run-tests.sh" "$BATS_TEST_TMPDIR/scripts"
}

# write_program NAME STATUS [SECONDS]: a program of tests that takes so long, prints the lines on stdin and ends with that exit
# status.
write_program() {
	local file=$BATS_TEST_TMPDIR/build/test/unit/test_$1
	touch "$BATS_TEST_TMPDIR/test/unit/test_$1.c"
	{
		printf '#!/bin/sh\nsleep %s\ncat <<"END"\n' "${3:-0}"
		cat
		printf 'END\nexit %s\n' "$2"
	} >"$file"
	chmod +x "$file"
}

# runner [NAME=VALUE...]: its unit suite.
# shellcheck disable=SC2120 # called by run
runner() {
	env -u T -u BUILD -u JOBS "$@" "$BATS_TEST_TMPDIR/scripts/run-tests.sh" unit
}

# What the runner says of one such program: program STATUS.
program() {
	write_program it "$1"
	# shellcheck disable=SC2119
	runner
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
	says 1 "1 passed, 2 failed, 0 skipped" $'2 of 3 tests never ran, exit status 0\n      1..3\n      ok 1 one'
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
	run runner
	says 1 "0 passed, 1 failed, 0 skipped" "exit status 127"
	run "$BATS_TEST_TMPDIR/scripts/run-tests.sh" parity
	says 1 "0 passed, 1 failed, 0 skipped" "exit status 127"
}

@test "a suite that cannot run names its reason, and is no success alone" {
	run program 0 <<<'1..0 # SKIP this kernel has none'
	says 1 "0 passed, 0 failed, 1 skipped" "skipped: unit/test_it: this kernel has none"
}

@test "programs that run beside each other: each is counted, and what fails or dies is named" {
	local i
	for i in 1 2 3 4 5 6 7 8 9; do
		write_program "good$i" 0 <<<$'1..2\nok 1 one\nok 2 two'
	done
	write_program bad 1 <<<$'1..1\nnot ok 1 it fails'
	write_program dead 139 <<<''
	for i in 1 2 20; do
		run runner JOBS=$i
		says 1 "18 passed, 2 failed, 0 skipped" "FAILED: 1 it fails"
		[[ $output = *"FAILED: unit/test_dead: no test ran, exit status 139"* ]] || fail "$output"
	done
}

@test "two programs that wait for each other's file run at a time with JOBS=2" {
	local file=$BATS_TEST_TMPDIR/build/test/unit/test_
	write_program a 0 <<<$'1..1\nok 1 a'
	write_program b 0 <<<$'1..1\nok 1 b'
	# shellcheck disable=SC2016 # for the program's shell
	sed -i '2s|.*|touch "$0.here"; for i in $(seq 200); do [ ! -e "$OTHER" ] \|\| break; sleep 0.05; done; [ -e "$OTHER" ] \|\| exit 1|' "$file"{a,b}
	sed -i "2s|^|OTHER=${file}b.here; |" "${file}a"
	sed -i "2s|^|OTHER=${file}a.here; |" "${file}b"
	run runner JOBS=2
	says 0 "2 passed, 0 failed, 0 skipped"
}

# write_scenario NAME COMMAND [LINE]: a file whose only test does that, in the folder of all of them.
write_scenario() {
	local test='@test'
	mkdir -p "$BATS_TEST_TMPDIR/test/netns"
	printf '%s\n' '# of runner.bats' "${3:-#}" "dir=$BATS_TEST_TMPDIR" "load $NBT_ROOT/test/netns/lib" "$test $1 { $2; }" \
		>"$BATS_TEST_TMPDIR/test/netns/$1.bats"
}

# shellcheck disable=SC2016 # for the scenarios
@test "scenarios run beside each other, but for those that are marked, which run by themselves" {
	local alone='[ -e $dir/b ] && [ -e $dir/c ] && [ ! -e $dir/now ] && touch $dir/now && sleep 0.2 && rm $dir/now'
	write_scenario a1 "$alone" '# Runs alone: it says so'
	write_scenario a2 "$alone" '# Runs alone: it says so'
	write_scenario b 'touch $dir/b && wait_for 20 test -e $dir/c'
	write_scenario c 'touch $dir/c && wait_for 20 test -e $dir/b'
	run env -u T -u BUILD JOBS=2 "$BATS_TEST_TMPDIR/scripts/run-tests.sh" netns
	says 0 "4 passed, 0 failed, 0 skipped"
	rm "$BATS_TEST_TMPDIR"/{b,c}
	write_scenario a1 "$alone"
	write_scenario b 'touch $dir/b'
	write_scenario c 'touch $dir/c'
	run env -u T -u BUILD JOBS=1 "$BATS_TEST_TMPDIR/scripts/run-tests.sh" netns
	says 1 "3 passed, 1 failed, 0 skipped" "FAILED: 1 a1"
}

# shellcheck disable=SC2016
@test "a scenario that is marked to be the first starts before the others" {
	write_scenario a '[ -e $dir/z ]'
	write_scenario z 'touch $dir/z' '# Runs first: it says so'
	run env -u T -u BUILD JOBS=1 "$BATS_TEST_TMPDIR/scripts/run-tests.sh" netns
	says 0 "2 passed, 0 failed, 0 skipped"
}

@test "the time of each suite and the slowest ten files, the slowest first" {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10 11; do
		write_program "fast$i" 0 <<<$'1..1\nok 1 one'
	done
	write_program slow 0 1 <<<$'1..1\nok 1 one'
	write_program slower 0 2 <<<$'1..1\nok 1 one'
	run runner JOBS=13
	says 0 "13 passed, 0 failed, 0 skipped"
	# From the bottom: the counts, an empty line, ten files.
	awk '{ print $2 }' <<<"${lines[-11]}" | grep -qx unit/test_slower || fail "$output"
	awk '{ print $2 }' <<<"${lines[-10]}" | grep -qx unit/test_slow || fail "$output"
	[[ ${lines[-12]} = "seconds  slowest files" && ${lines[-13]} = *" unit" && ${lines[-14]} = "seconds  suite" ]] || fail "$output"
	awk '$1 < 2 || $1 > 60 { exit 1 }' <<<"${lines[-11]}" || fail "$output"
	awk '$1 < 2 || $1 > 60 { exit 1 }' <<<"${lines[-13]}" || fail "$output"
}

@test "the build directory can be another one" {
	write_program it 0 <<<$'1..1\nok 1 one'
	mv "$BATS_TEST_TMPDIR/build" "$BATS_TEST_TMPDIR/elsewhere"
	run runner BUILD=elsewhere
	says 0 "1 passed, 0 failed, 0 skipped"
}

@test "ended by a signal, the runner ends what it runs" {
	local pid child
	write_program it 0 <<<''
	# shellcheck disable=SC2016 # for the program's shell
	sed -i '2s|.*|touch "$0.here"; exec sleep 1000|' "$BATS_TEST_TMPDIR/build/test/unit/test_it"
	"$BATS_TEST_TMPDIR/scripts/run-tests.sh" unit >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for 20 test -e "$BATS_TEST_TMPDIR/build/test/unit/test_it.here"
	child=$(pgrep -P "$pid" timeout)
	kill "$pid"
	status=0
	wait "$pid" || status=$?
	[ $status = 130 ]
	wait_for 20 gone "$child"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}
