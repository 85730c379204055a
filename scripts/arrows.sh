#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which folder may use which: checks the includes of all sources, and the symbols of the objects in build/obj that "make all"
# made. Prints each arrow against the rules and each circle of calls between files; fails if there is one.
# Usage: arrows.sh [BUILD], in the root of the sources.
set -euo pipefail

build=${1:-build}

# A folder, and the folders that it may use besides itself. bpf is the programs themselves.
rules='
include
lib/util      include
lib/json      include lib/util
lib/net       include lib/util
lib/firewall  include lib/util lib/net
lib/maps      include lib/util
lib/node      include lib/util lib/net lib/maps lib/datapath
lib/service   include lib/util lib/maps lib/net
lib/datapath  include lib/util lib/maps lib/net
lib/kube      include lib/util lib/json lib/service
lib/metrics   include lib/util lib/json lib/maps lib/datapath
lib/monitor   include lib/util lib/maps lib/datapath
lib/trial     include lib/util lib/maps lib/datapath lib/monitor
lib/conf      include lib/util lib/json lib/maps lib/service lib/datapath
plugin        include lib/util lib/json lib/net lib/firewall lib/maps lib/service lib/datapath lib/kube lib/conf
cli           include lib/util lib/json lib/net lib/firewall lib/maps lib/service lib/datapath lib/node lib/kube lib/metrics lib/monitor lib/trial cli/doctor cli/why
agent         include lib/util lib/json lib/net lib/firewall lib/maps lib/service lib/datapath lib/node lib/kube lib/conf lib/metrics
cli/doctor    include lib/util lib/json lib/net lib/firewall lib/maps lib/service lib/datapath lib/node lib/conf cli
cli/why       include lib/util lib/json lib/net lib/maps lib/service lib/datapath lib/monitor lib/trial cli cli/doctor
bpf           include bpf/lib bpf/ebpf bpf/assist bpf/node
bpf/lib       include
bpf/ebpf      include bpf/lib
bpf/assist    include bpf/lib
bpf/node      include bpf/lib bpf/ebpf
'

# "FILE FILE WHY" a line: an include of the second in the first.
includes() {
	local file found
	find include lib plugin cli agent bpf -name '*.[ch]' | sort | while read -r file; do
		sed -n 's/^#include [<"]\([^>"]*\)[>"].*/\1/p' "$file" | while read -r found; do
			if [ -f "$(dirname "$file")/$found" ]; then
				echo "$file $(dirname "$file")/$found include"
			elif [ -f "include/$found" ]; then
				echo "$file include/$found include"
			elif [ -f "$found" ]; then
				echo "$file $found include"
			fi
		done
	done
}

# The same for what a file calls or reads of another: "FILE FILE SYMBOL".
symbols() {
	local objects
	mapfile -t objects < <(cd "$build/obj" && find lib plugin cli agent -name '*.o' | sort)
	[ ${#objects[@]} -gt 0 ] || {
		echo "arrows: $build/obj holds no objects; run make first" >&2
		return 1
	}
	# An object whose source has moved or gone is a left-over of an older build.
	for i in "${!objects[@]}"; do
		[ -f "${objects[i]%.o}.c" ] || unset "objects[i]"
	done
	# Programs have symbols of one name each, such as main(): only lib's are seen by others.
	(cd "$build/obj" && nm -A "${objects[@]}") | awk '
		{
			file = $1
			sub(/:.*/, "", file)
			sub(/\.o$/, ".c", file)
			folder = file
			sub(/\/.*/, "", folder)
		}
		$(NF - 1) ~ /^[TDBRV]$/ { home[(folder == "lib" ? "" : folder) " " $NF] = file }
		$(NF - 1) == "U" { uses[++n] = file " " folder " " $NF }
		END {
			for (i = 1; i <= n; i++) {
				split(uses[i], use, " ")
				to = home[use[2] " " use[3]]
				if (to == "")
					to = home[" " use[3]]
				if (to != "" && to != use[1])
					print use[1], to, use[3]
			}
		}'
}

# Arrows from a folder to one that its rule does not name.
forbidden() {
	awk -v rules="$rules" '
		function folder(file) {
			if (file ~ /^include\//)
				return "include"
			sub(/\/[^\/]*$/, "", file)
			return file
		}
		BEGIN {
			n = split(rules, lines, "\n")
			for (i = 1; i <= n; i++) {
				words = split(lines[i], word, " ")
				known[word[1]] = 1
				for (j = 2; j <= words; j++)
					allowed[word[1], word[j]] = 1
			}
		}
		{
			from = folder($1)
			to = folder($2)
			if (!(from in known))
				print $1 ": no rule for the folder " from
			else if (from != to && !((from, to) in allowed))
				print $1 " uses " $2 " (" $3 "): " from " may not use " to
		}' | sort -u
}

# The files of each circle, as tsort finds them; the arrows come in on stdin. A header and its .c file are two.
circles() {
	awk '$1 != $2 { print $1, $2 }' | sort -u | { tsort 2>&1 >/dev/null || true; } |
		sed -n 's/^tsort: -: input contains a loop:$/a circle:/p; s/^tsort: \([^-]\)/  \1/p'
}

found=$(
	included=$(includes)
	called=$(symbols)
	printf '%s\n' "$included" "$called" | forbidden
	circles <<<"$included"
	circles <<<"$called"
)
printf '%s' "${found:+$found
}"
[ -z "$found" ]
