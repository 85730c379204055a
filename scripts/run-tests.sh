#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs test suites and counts over all of them. Usage: run-tests.sh SUITE... with the suites unit, bpf, netns, runtimes,
# differential and parity. T="a.bats b.bats" picks files of netns or runtimes, and by test/DIRECTORY/... others. Quiet but for
# failures and skips; the last line is "N passed, N failed, N skipped". Fails if a test failed, if one that was announced never
# ran, if a program or file announced none and named no reason, or if none passed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

BUILD=build
# No suite may hang: seconds for each program or file, several times what the longest takes.
LIMIT=${LIMIT:-1200}
passed=0
failed=0
skipped=0
# Bats formats times by bc or not at all; the rest of a user's settings has no place here either.
export LC_ALL=C
unset CDPATH BATS_RUN_SKIPPED

# count NAME STATUS_FILE: reads the TAP of one program or file from stdin, prints failures and skips, adds to the counts.
count() {
	local name=$1 status_file=$2 line planned=0 seen=0 ok=0 bad=0 skips=0 in_failure=0
	local output=()
	while IFS= read -r line; do
		output+=("$line")
		case $line in
		1..0" # SKIP "*) # all of them
			skips=$((skips + 1)) in_failure=0
			echo "    skipped: $name: ${line#*# SKIP }"
			;;
		1..[0-9]*)
			line=${line#1..}
			planned=$((planned + ${line%%[!0-9]*}))
			;;
		"ok "*"# skip"* | "ok "*"# SKIP"* | "not ok "*"# SKIP"*) # bats; cmocka, which says "not ok" before it
			skips=$((skips + 1)) seen=$((seen + 1)) in_failure=0
			echo "    skipped: ${line#*ok }"
			;;
		"ok "*) ok=$((ok + 1)) seen=$((seen + 1)) in_failure=0 ;;
		"not ok "*)
			bad=$((bad + 1)) seen=$((seen + 1)) in_failure=1
			echo "    FAILED: ${line#not ok }"
			;;
		*)
			# The last of these lines say the least: bash repeats there what the test did.
			[ $in_failure = 0 ] || [ $in_failure -gt 40 ] || echo "      ${line:0:400}"
			[ $in_failure = 0 ] || in_failure=$((in_failure + 1))
			;;
		esac
	done
	if [ "$seen" -lt "$planned" ]; then
		echo "    FAILED: $name: $((planned - seen)) of $planned tests never ran"
		bad=$((bad + planned - seen))
	elif [ $((seen + skips)) = 0 ]; then
		echo "    FAILED: $name: no test ran, exit status $(cat "$status_file")"
		[ ${#output[@]} = 0 ] || printf '      %s\n' "${output[@]: -20}"
		bad=1
	elif [ "$(cat "$status_file")" != 0 ] && [ $bad = 0 ]; then
		echo "    FAILED: $name: exit status $(cat "$status_file")"
		printf '      %s\n' "${output[@]: -20}"
		bad=1
	fi
	printf '  %-40s %3d passed %3d failed %3d skipped\n' "$name" "$ok" "$bad" "$skips"
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skips))
}

# run NAME COMMAND...: COMMAND prints TAP.
run() {
	local name=$1 status_file
	shift
	status_file=$(mktemp)
	count "$name" "$status_file" < <(
		timeout -k 10 "$LIMIT" "$@" 2>&1
		echo $? >"$status_file"
	)
	rm -f "$status_file"
}

# skip_suite NAME REASON: a suite that cannot run here counts as one skip.
skip_suite() {
	echo "    skipped: $1: $2"
	skipped=$((skipped + 1))
}

unit() {
	local program
	for program in test/unit/test_*.c; do
		program=$BUILD/${program%.c}
		CMOCKA_MESSAGE_OUTPUT=TAP run "${program#"$BUILD"/test/}" "$program"
	done
}

bpf() {
	CMOCKA_MESSAGE_OUTPUT=TAP run bpf "$BUILD/test/bpf"
}

# scenarios DIR: its bats files, or those of $T.
scenarios() {
	local file files=("$1"/*.bats)
	[ -z "${T:-}" ] || read -ra files <<<"$T"
	for file in "${files[@]}"; do
		[[ $file = test/* ]] || file=$1/$file
		[ -e "$file" ] || {
			echo "run-tests: there is no $file" >&2
			exit 2
		}
		run "${file#test/}" bats --formatter tap "$file"
	done
}

netns() {
	scenarios test/netns
}

runtimes() {
	scenarios test/runtimes
}

differential() {
	run differential test/differential/run --tap
	run differential-assist test/differential/run --tap --assist
}

parity() {
	run parity test/parity/run --tap
}

for suite in "$@"; do
	case $suite in
	unit) unit ;;
	bpf | netns | runtimes | differential | parity)
		if [ "$(id -u)" = 0 ]; then
			"$suite"
		else
			skip_suite "$suite" "needs root; run: sudo make test"
		fi
		;;
	*)
		echo "run-tests: there is no suite '$suite'; they are unit, bpf, netns, runtimes, differential and parity" >&2
		exit 2
		;;
	esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
