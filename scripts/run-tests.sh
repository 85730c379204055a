#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs test suites and counts over all of them. Usage: run-tests.sh SUITE... with the suites unit, agent, interleave, prove, bpf,
# netns, runtimes, kubernetes, differential and parity. T="a.bats b.bats" picks files of netns or runtimes, and by
# test/DIRECTORY/... others.
# INTERLEAVE has options for the programs of interleave, such as --long. BUILD is the build directory. Prints failures and
# skips, at the end the time of each suite and the slowest files; the last line is "N passed, N failed, N skipped". Fails if a
# test failed, if one that was announced never ran, if a program or file announced none and named no reason, or if none passed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

BUILD=${BUILD:-build}
# No suite may hang: seconds for each program or file, several times what the longest takes.
LIMIT=${LIMIT:-1200}
# Programs and files of one suite that run at a time: much of a scenario is waiting for the kernel. A file with the line
# "# Runs first: REASON" starts before the others, one with "# Runs alone: REASON" runs by itself after them.
JOBS=${JOBS:-$(nproc)}
SLOWEST=10
passed=0
failed=0
skipped=0
# Bats formats times by bc or not at all; the rest of a user's settings has no place here either.
export LC_ALL=C
unset CDPATH BATS_RUN_SKIPPED

# count NAME STATUS SECONDS: reads the TAP of one program or file from stdin, prints failures and skips, adds to the counts.
count() {
	local name=$1 status=$2 seconds=$3 line planned=0 seen=0 ok=0 bad=0 skips=0 in_failure=0
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
		echo "    FAILED: $name: $((planned - seen)) of $planned tests never ran, exit status $status"
		printf '      %s\n' "${output[@]:${#output[@]} > 20 ? -20 : 0}"
		bad=$((bad + planned - seen))
	elif [ $((seen + skips)) = 0 ]; then
		echo "    FAILED: $name: no test ran, exit status $status"
		[ ${#output[@]} = 0 ] || printf '      %s\n' "${output[@]:${#output[@]} > 20 ? -20 : 0}"
		bad=1
	elif [ "$status" != 0 ] && [ $bad = 0 ]; then
		echo "    FAILED: $name: exit status $status"
		printf '      %s\n' "${output[@]:${#output[@]} > 20 ? -20 : 0}"
		bad=1
	fi
	printf '  %-40s %3d passed %3d failed %3d skipped %7.1f s\n' "$name" "$ok" "$bad" "$skips" "$seconds"
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skips))
}

declare -A name_of=() since_of=() # by process
work=$(mktemp -d) || exit 2
times=$work/times
trap 'rm -rf "$work"' EXIT
trap 'stop; exit 130' INT TERM

# start NAME COMMAND...: COMMAND prints TAP. Bash lets what runs in the background ignore SIGINT; tests use it.
start() {
	local name=$1
	shift
	env --default-signal=INT,QUIT timeout -k 10 "$LIMIT" "$@" >"$work/${name//\//:}" 2>&1 &
	name_of[$!]=$name since_of[$!]=$(now)
}

# Waits until one of those that run ends, and counts it.
finish() {
	local pid status name seconds
	wait -n -p pid
	status=$?
	name=${name_of[$pid]}
	seconds=$(awk -v us=$(($(now) - since_of[$pid])) 'BEGIN { printf "%.1f", us / 1000000 }')
	unset "name_of[$pid]" "since_of[$pid]"
	echo "$seconds $name" >>"$times"
	count "$name" $status "$seconds" <"$work/${name//\//:}"
}

# pool NAME COMMAND...: as soon as there is room for it. all_finish waits for those that still run.
pool() {
	[ ${#name_of[@]} -lt "$JOBS" ] || finish
	start "$@"
}

all_finish() {
	while [ ${#name_of[@]} -gt 0 ]; do
		finish
	done
}

run() {
	start "$@"
	finish
}

stop() {
	[ ${#name_of[@]} = 0 ] || kill "${!name_of[@]}"
}

# In microseconds.
now() {
	echo "${EPOCHREALTIME/./}"
}

# skip_suite NAME REASON: a suite that cannot run here counts as one skip.
skip_suite() {
	echo "    skipped: $1: $2"
	skipped=$((skipped + 1))
}

unit() {
	local program
	export CMOCKA_MESSAGE_OUTPUT=TAP
	for program in test/unit/test_*.c; do
		program=${program%.c}
		pool "${program#test/}" "$BUILD/$program"
	done
	all_finish
}

agent() {
	run agent env BUILD="$BUILD" test/agent/run --tap
}

interleave() {
	local name script options=() arguments
	read -ra options <<<"${INTERLEAVE:-}"
	for name in test/interleave/scenarios/*.c; do
		name=${name##*/}
		pool "interleave/${name%.c}" "$BUILD/test/interleave/${name%.c}" "${options[@]}"
	done
	# Its name is a program of scenarios, of which one must find what is broken.
	for script in test/interleave/broken/*.sed; do
		name=${script##*/}
		read -ra arguments < <(sed -n 's/^# run: [a-z_]* *//p' "$script")
		pool "interleave/broken/${name%.sed}" "$BUILD/test/interleave/broken/${name%.sed}" --broken "${arguments[*]}"
	done
	all_finish
}

# Its comparison with the kernel needs root, and is skipped without.
prove() {
	if /usr/bin/python3 -c 'import z3' 2>/dev/null; then
		run prove env BUILD="$BUILD" test/prove/run --tap
	else
		skip_suite prove "python3-z3 is missing; run: sudo make deps"
	fi
}

bpf() {
	CMOCKA_MESSAGE_OUTPUT=TAP run bpf "$BUILD/test/bpf"
}

# scenarios DIR: its bats files, or those of $T. In a file, "# Runs first: ...", "# Runs alone: ..." and "# Runs again with NAME=VALUE."
# say how.
scenarios() {
	local file again files=("$1"/*.bats) first=() others=() alone=()
	[ -z "${T:-}" ] || read -ra files <<<"$T"
	for file in "${files[@]}"; do
		[[ $file = test/* ]] || file=$1/$file
		[ -e "$file" ] || {
			echo "run-tests: there is no $file" >&2
			exit 2
		}
		case $(grep -o '^# Runs [a-z]*: ' "$file") in
		*first*) first+=("$file") ;;
		*alone*) alone+=("$file") ;;
		*) others+=("$file") ;;
		esac
	done
	for file in "${first[@]}" "${others[@]}"; do
		pool "${file#test/}" bats --formatter tap "$file"
		again=$(sed -nE 's/^# Runs again with ([A-Z_]+=[^ ]*)\.$/\1/p' "$file")
		[ -z "$again" ] || pool "${file#test/} $again" env "$again" bats --formatter tap "$file"
	done
	all_finish
	for file in "${alone[@]}"; do
		run "${file#test/}" bats --formatter tap "$file"
	done
}

netns() {
	scenarios test/netns
}

runtimes() {
	scenarios test/runtimes
}

# Not the clusters of test/kubernetes/run.
kubernetes() {
	scenarios test/kubernetes
}

differential() {
	pool differential test/differential/run --tap
	pool differential-assist test/differential/run --tap --assist
	pool differential-node test/differential/node/run --tap
	pool differential-node-fast-path test/differential/node/run --tap --fast-path
	all_finish
}

parity() {
	run parity test/parity/run --tap
}

# What took the time: the suites, in the order in which they ran, and the slowest programs and files.
print_times() {
	[ -e "$times" ] || return 0
	printf '\nseconds  suite\n'
	cat "$work/suites"
	printf '\nseconds  slowest files\n'
	sort -rn "$times" | head -n "$SLOWEST" | awk '{ printf "%7.1f  %s\n", $1, $2 }'
	echo
}

for suite in "$@"; do
	since=$(now)
	case $suite in
	unit | agent | interleave | prove) "$suite" ;;
	bpf | netns | runtimes | kubernetes | differential | parity)
		if [ "$(id -u)" = 0 ]; then
			"$suite"
		else
			skip_suite "$suite" "needs root; run: sudo make test"
		fi
		;;
	*)
		echo "run-tests: there is no suite '$suite'; they are unit, agent, interleave, prove, bpf, netns, runtimes, kubernetes, differential and parity" >&2
		exit 2
		;;
	esac
	awk -v us=$(($(now) - since)) -v suite="$suite" 'BEGIN { printf "%7.1f  %s\n", us / 1000000, suite }' >>"$work/suites"
done

print_times
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
