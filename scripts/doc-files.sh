#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Compares the file names in the documents with the files that there are. "make lint" calls it. Prints each file that a document
# names and that does not exist, and each source file that neither doc/DESIGN.md nor doc/DATAPATH.md names; then the exit status
# is 1. A name is what stands between backquotes: a path, a file name, or in those two documents the stem of one; * stands for
# any text in it.
set -euo pipefail
cd "$(dirname "$0")/.."

files=$(git ls-files -co --exclude-standard)
sources=$(grep -E '^(lib|bpf|plugin|cli|agent)/.*\.[ch]$' <<<"$files")

# quoted FILE...: what stands between backquotes, if it can be a file's name.
quoted() {
	awk -F '`' '!/^```/ { for (i = 2; i <= NF; i += 2) print $i }' "$@" | { grep -xE '[A-Za-z0-9_./*-]+' || true; } | sort -u
}

# pattern NAME: NAME as a regular expression.
pattern() {
	sed 's/\./\\./g; s/\*/[^\/]*/g' <<<"$1"
}

faults=$(
	for document in README.md CONTRIBUTING.md SECURITY.md doc/*.md test/*/README.md test/*/*/README.md; do
		quoted "$document" | grep -E '(\.(c|h|bats|bash|sh|conflist)$|^(lib|bpf|plugin|cli|agent|include|test|scripts|examples|packaging|doc)/)' |
			while read -r name; do
				name=${name%/}
				grep -qE "(^|/)$(pattern "$name")(/|$)" <<<"$files" || [[ $name = /* || $name = net/* ]] || echo "$document names $name, which does not exist"
			done
	done
	# The first column of a table of files holds stems.
	awk -F '|' '/^\| file/ { on = 1; next } !/^\|/ { on = 0 } on && !/^\|-/ { print $2 }' doc/DESIGN.md |
		awk -F '`' '{ for (i = 2; i <= NF; i += 2) print $i }' | while read -r name; do
		grep -qE "(^|/)$(pattern "$name")(\.bpf)?(\.[ch])?$" <<<"$files" || echo "doc/DESIGN.md names $name, which does not exist"
	done
	named=$(quoted doc/DESIGN.md doc/DATAPATH.md)
	stems=$(sed 's/.*\///; s/\.[ch]$//' <<<"$named" | sort -u | sed 's/\*/.*/g' | paste -sd'|')
	{ grep -vE "/($stems)(\.bpf)?\.[ch]$" <<<"$sources" || true; } | sed 's|.*|doc/DESIGN.md and doc/DATAPATH.md do not name &|'
)
[ -z "$faults" ] || {
	echo "$faults"
	exit 1
}
