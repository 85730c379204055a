#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Compares the ids of the cases in doc/SEMANTICS.md with those that the tests bear. "make lint" calls it. Prints each id that only
# one of the two has, and each file that a row lists though it does not bear the row's id; then the exit status is 1.
set -euo pipefail
cd "$(dirname "$0")/.."

DOC=doc/SEMANTICS.md
ID='[A-D][0-9]{1,2}'

# The fuzzers' input is no test, and a table of test data may hold such a word in hexadecimal digits.
borne=$(grep -rhowE "$ID" test --include='*.bats' --include='*.c' --include='*.yaml' --exclude-dir=fuzz | sort -u)
listed=$(sed -nE "s/^\| ($ID) \|.*/\1/p" $DOC | sort)

faults=$(
	uniq -d <<<"$listed" | sed "s|.*|$DOC: & is listed twice|"
	comm -23 <(echo "$borne") <(uniq <<<"$listed") | sed "s|.*|$DOC: & is missing, though a test bears it|"
	grep -E "^\| $ID \|" $DOC | while IFS='|' read -r _ id _ _ tests _; do
		id=${id// /} tests=${tests//[\`,]/}
		if [ "${tests// /}" = - ]; then
			! grep -qx "$id" <<<"$borne" || echo "$DOC: $id lists no test, though one bears it"
			continue
		fi
		[ -n "${tests// /}" ] || echo "$DOC: $id lists neither a test nor -"
		for file in $tests; do
			[[ $file = */* ]] || file=differential/scripts/$file
			grep -qsw "$id" "test/$file" || echo "$DOC: $id lists test/$file, which does not bear it"
		done
	done
)
[ -z "$faults" ] || {
	echo "$faults"
	exit 1
}
