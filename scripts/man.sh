#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manual page of natbridgectl, made of its own help: that of the program, then that of each command which it lists.
# Usage: man.sh PATH-OF-NATBRIDGECTL >natbridgectl.8
set -euo pipefail

ctl=$1

# The words before the first argument or option of each line of COMMANDS that is a command: "service apply".
commands() {
	"$ctl" help | awk '
		/^[A-Z]/ { on = $0 == "COMMANDS" }
		on && /^  [a-z]/ && $1 != "help" && $1 != "version" { print $1 ($2 ~ /^[a-z]+$/ ? " " $2 : "") }'
}

# to_man LEVEL SECTION...: help on stdin to man(7). Headings become .LEVEL; only those sections if some are named. Text by two
# blanks is a paragraph, deeper text stays as it is, and in a list two blanks begin an item.
to_man() {
	local level=$1
	shift
	awk -v level="$level" -v only=" $* " '
		function plain(text) {
			gsub(/\\/, "\\e", text)
			gsub(/-/, "\\-", text)
			return text ~ /^[.'\'']/ ? "\\&" text : text
		}
		function end_block() {
			if (block)
				print ".fi\n.RE"
			block = 0
		}
		/^[A-Z]/ {
			end_block()
			wanted = only == "  " || index(only, " " $1 " ")
			list = $0 == "COMMANDS" || $0 == "OPTIONS"
			if (wanted)
				print "." level " " (level == "SS" ? substr($0, 1, 1) tolower(substr($0, 2)) : $0)
			next
		}
		!wanted { next }
		/^$/ {
			end_block()
			print ".PP"
			next
		}
		list && /^  [^ ]/ {
			text = substr($0, 3)
			at = match(text, /   */)
			print ".TP\n.B " plain(at ? substr(text, 1, at - 1) : text)
			if (at)
				print plain(substr(text, at + RLENGTH))
			next
		}
		!list && /^    / {
			if (!block)
				print ".RS 4\n.nf"
			block = 1
			print plain(substr($0, 5))
			next
		}
		{
			end_block()
			sub(/^ +/, "")
			print plain($0)
		}
		END { end_block() }' | awk '!/^\.PP$/ { if (gap && !/^\.S[HS]/) print ".PP"; print; gap = 0; next } { gap = 1 }'
}

title=$("$ctl" help | head -n 1)
version=$("$ctl" version | awk '{ print $2 }')

printf '.\\" SPDX-License-Identifier: GPL-2.0-or-later\n'
printf '.TH NATBRIDGECTL 8 "" "natbridge %s" "natbridge"\n.SH NAME\n' "$version"
sed 's/ - / \\- /; s/ (version .*//' <<<"$title"
"$ctl" help | tail -n +2 | to_man SH
commands | while read -r noun verb; do
	printf '.SH "%s"\n' "$(tr '[:lower:]' '[:upper:]' <<<"$noun${verb:+ $verb}")"
	# shellcheck disable=SC2086 # some have no verb
	"$ctl" help "$noun" $verb | tail -n +2 | to_man SS SYNOPSIS DESCRIPTION OUTPUT
done
