#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What can be checked without running anything; "make lint" calls it with the compilers and flags of the build. Goes through
# all checks and fails at the end if one found something.
# shellcheck disable=SC2317 # the functions below are called by check
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

status=0
shopt -s nullglob
c_sources=(lib/*/*.c {plugin,cli,cli/doctor,cli/why,agent}/*.c test/*/*.c)
bpf_sources=(bpf/*.bpf.c)
headers=(include/natbridge/{abi,handover,version}.h lib/*/*.h {plugin,cli,cli/doctor,cli/why,agent}/*.h test/*/*.h)
bpf_headers=(bpf/*/*.h include/natbridge/{abi,conn_index,handover}.h)
hosted=(test/hosted/bpf/*.h test/interleave/*/*.[ch] test/prove/bpf/*.[ch]) # compiled with the programs in them
shells=(scripts/*.sh scripts/*.bash examples/*.sh .ci/run test/*/*.bash {test/agent,test/bench-agent,test/differential,test/differential/node,test/parity,test/prove}/run test/kernels/{run,init,guest,storm}
	test/interleave/broken/build test/kubernetes/{build,images,apiserver,cloud,up,down,at,e2e,e2e-table,run,versions})
suites=(test/*/*.bats test/*/*/*.bats)
read -ra cc_flags <<<"$CPPFLAGS $CFLAGS"
read -ra bpf_flags <<<"$BPF_CFLAGS"

# check NAME COMMAND...: runs it and says what came of it.
check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "  ok      $name"
	else
		echo "  FAILED  $name"
		printf '%s\n' "$output" | sed 's/^/          /'
		status=1
	fi
}

# in_parallel FILES... -- COMMAND...: COMMAND FILE for each, on all CPUs.
in_parallel() {
	local files=()
	while [ "$1" != -- ]; do
		files+=("$1")
		shift
	done
	shift
	[ ${#files[@]} -gt 0 ] || return 0
	printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" "$@"
}

formatting() {
	clang-format --dry-run -Werror "${c_sources[@]}" "${bpf_sources[@]}" "${headers[@]}" "${bpf_headers[@]}" "${hosted[@]}"
}

# bats sets output and lines (SC2154) and runs each test in a subshell, which is meant (SC2030, SC2031).
shell_scripts() {
	shellcheck -x "${shells[@]}" &&
		{ [ ${#suites[@]} = 0 ] || shellcheck -x -s bats -e SC2030,SC2031,SC2154 "${suites[@]}"; }
}

# conn_index.h leaves some of its functions to those who include it, which only clang can be told to accept.
headers_alone() {
	in_parallel "${headers[@]}" -- "$CC" "${cc_flags[@]}" -fsyntax-only -x c -Wno-unused-function &&
		in_parallel "${bpf_headers[@]}" -- "$CLANG" "${bpf_flags[@]}" -fsyntax-only -x c -Wno-unused-function -Wno-undefined-internal
}

compiler_warnings() {
	in_parallel "${c_sources[@]}" -- "$1" "${cc_flags[@]}" -fsyntax-only
}

tidy_c() {
	printf '%s\0' "${c_sources[@]}" | xargs -0 -I{} -P "$(nproc)" clang-tidy --quiet {} -- "${cc_flags[@]}"
}

tidy_bpf() {
	clang-tidy --quiet "${bpf_sources[@]}" -- "${bpf_flags[@]}"
}

# Of the pages that one refers to, mandoc finds those of the directory that it runs in.
manual_pages() {
	(cd doc/man && mandoc -T lint -- *.[58])
}

licence_lines() {
	local missing
	missing=$(git ls-files -co --exclude-standard 2>/dev/null | grep -vxE 'LICENSE|.*\.(json|conflist)' | while read -r file; do
		[ ! -f "$file" ] || head -n 3 "$file" | grep -q 'SPDX-License-Identifier: ' || echo "$file: no SPDX line at its head"
	done)
	printf '%s\n' "$missing"
	[ -z "$missing" ]
}

for tool in clang-format clang-tidy shellcheck mandoc git; do
	command -v $tool >/dev/null || {
		echo "lint: $tool is missing; run: sudo make deps" >&2
		exit 1
	}
done

check "SPDX line in every file" licence_lines
check "ids of doc/SEMANTICS.md" scripts/semantics.sh
check "clang-format" formatting
check "shellcheck" shell_scripts
check "arrows between folders, circles of files" scripts/arrows.sh
check "files that documents name" scripts/doc-files.sh
check "mandoc: manual pages" manual_pages
check "each header alone" headers_alone
check "$CC: warnings" compiler_warnings "$CC"
check "$CLANG: warnings" compiler_warnings "$CLANG"
check "clang-tidy" tidy_c
check "clang-tidy: eBPF" tidy_bpf
exit $status
