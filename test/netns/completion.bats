#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl completion: what bash and zsh make of it, as functions and at a terminal.

load lib

setup() {
	suite_begin
	mkdir "$NBT_DIR/home" "$NBT_DIR/home/a dir"
	touch "$NBT_DIR/home/objects.yaml"
	cd "$NBT_DIR/home" || return
	"$NBT_BUILD/natbridgectl" completion bash >completion.bash
	"$NBT_BUILD/natbridgectl" completion zsh >_natbridgectl
}

teardown() {
	suite_leave
}

@test "completion bash: shellcheck, and the function that bash is to call" {
	run -0 bash --noprofile --norc -c '. ./completion.bash; complete -p natbridgectl'
	[ "$output" = "complete -F _natbridgectl natbridgectl" ]
	command -v shellcheck >/dev/null || skip "shellcheck is not installed"
	run -0 shellcheck completion.bash
}

# offered WORD...: what bash offers for the last word, in one line; then the options of compopt.
offered() {
	# shellcheck disable=SC2016 # for the bash below
	bash --noprofile --norc -c '. ./completion.bash
		compopt() { options+=" $*"; }
		COMP_WORDS=(natbridgectl "$@") COMP_CWORD=$#
		_natbridgectl
		echo "${COMPREPLY[*]}${options}"' - "$@"
}

@test "completion bash: nouns, verbs, options and values" {
	local line words expected settings
	while IFS='|' read -r line expected; do
		# "_" stands for an empty word.
		read -ra words <<<"$line"
		run -0 offered "${words[@]/#_/}"
		[ "$output" = "$expected" ] || fail "$line: $output"
	done <<-END
		_|service conntrack endpoint status monitor metrics why doctor install upgrade uninstall completion help version
		s|service status
		x|
		service _|apply list delete
		conntrack s|stats set
		status _|
		-o json service l|list
		-o = json service l|list
		--network s service _|apply list delete
		service --network s _|apply list delete
		service -h d|delete
		-o _|plain json
		--output j|json
		--output =|plain json
		--output = j|json
		--network _|
		--bpffs a|a dir -o filenames
		service apply -f o|objects.yaml -o filenames
		service apply --file = o|objects.yaml -o filenames
		-|--network --bpffs --output --help --version
		status --|--network --bpffs --output --help --version --watch
		service apply --k|--keep
		service apply -f x -f y --p|--prune-all
		service list --k|
		install a|a dir -o filenames
		uninstall --d|--dry-run
		conntrack set m|max= -o nospace
		conntrack set max = 1 udp_|udp_stream= -o nospace
		conntrack set max = 1|
		completion _|bash zsh networks services pods ends
		status --watch --|--network --bpffs --output --help --version --watch
		status --watch 5 --w|--watch
		completion bash _|
		help con|conntrack
		help service _|apply list delete
		help service list _|
	END
	# The settings are those that conntrack set takes.
	run -0 offered conntrack set ''
	settings=$(sed 's/ -o nospace//; s/=//g' <<<"$output" | tr ' ' '\n' | sort)
	node_create n
	network_write n net
	pods_up n net a
	[ "$settings" = "$(ctl n -o json conntrack stats | jq -r '.[0].settings | keys[]' | sort)" ] || fail "$settings"
	pods_down n net a
}

# typed: the arguments that natbridgectl gets when these keys are typed, a line each; > is the tab key. "script" gives a terminal.
typed() {
	cat >rc <<-'END'
		natbridgectl() {
			printf '<%s>' "$@" >>typed
			echo >>typed
		}
	END
	case $1 in
	bash)
		echo ". ./completion.bash" >>rc
		set -- bash --noprofile --rcfile rc -i
		;;
	zsh)
		# shellcheck disable=SC2016 # for zsh
		printf '%s\n' 'fpath=($PWD $fpath)' 'autoload -Uz compinit && compinit -u -D' >>rc
		mv rc .zshrc
		set -- env ZDOTDIR="$PWD" zsh -d -i
		;;
	esac
	{ tr '>' '\t' && echo exit; } | timeout 30 script -qec "$*" /dev/null >terminal 2>&1 || fail "$(<terminal)"
	cat typed
}

keys() {
	cat <<-END
		natbridgectl conn>se>max>1 tcp_es>9
		natbridgectl --output=js>serv>ap>-f obj>--ke>
		natbridgectl -o js>st>
		natbridgectl status --dry>
		natbridgectl unin>--dry>
		natbridgectl --bpffs a>status
		natbridgectl help serv>de>
		natbridgectl compl>z>
	END
}

expected() {
	cat <<-END
		<conntrack><set><max=1><tcp_established=9>
		<--output=json><service><apply><-f><objects.yaml><--keep>
		<-o><json><status>
		<status><--dry>
		<uninstall><--dry-run>
		<--bpffs><a dir/status>
		<help><service><delete>
		<completion><zsh>
	END
}

@test "completion bash: typed at a terminal" {
	run -0 typed bash < <(keys)
	diff <(expected) - <<<"$output"
}

@test "completion zsh: typed at a terminal" {
	command -v zsh >/dev/null || skip "zsh is not installed"
	run -0 zsh -n _natbridgectl
	run -0 typed zsh < <(keys)
	diff <(expected) - <<<"$output"
	# An option is not offered beside one that excludes it, or twice.
	rm typed
	run -0 typed zsh <<-END
		natbridgectl service apply --keep --pru>
		natbridgectl service apply --network x --netw>
	END
	[ "$output" = $'<service><apply><--keep><--pru>\n<service><apply><--network><x><--netw>' ] || fail "$output"
}

@test "completion zsh: read by source as well" {
	command -v zsh >/dev/null || skip "zsh is not installed"
	# shellcheck disable=SC2016 # for zsh
	run -0 zsh -f -c 'autoload -Uz compinit && compinit -u -D; . ./_natbridgectl; echo $_comps[natbridgectl]'
	[ "$output" = _natbridgectl ]
}
