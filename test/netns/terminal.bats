#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What natbridgectl's listings look like on a terminal, and that a pipe gets what scripts read; --watch; names for completion.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net
	pods_up n net a b
	serve b tcp 8080
	serve b udp 8080
	services_apply n \
		"$(service default/web 10.96.0.10,fd00:96::10 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),10.9.0.1,10.9.0.2,10.9.0.3,10.9.0.4,$(pod_ip b 6)")" \
		"$(service default/none 10.96.0.11 TCP:80:8080 "" | jq '.items[0].spec += {sessionAffinity: "ClientIP", sessionAffinityConfig: {clientIP: {timeoutSeconds: 3900}}}')"
	ask a udp "$(pod_ip b 4)" 8080
}

teardown_file() {
	suite_end pods_down n net a b
}

# at_terminal COLUMNS ROWS ARGUMENT...: natbridgectl on node n at a terminal of that size; terminal: without carriage returns.
at_terminal() {
	local columns=$1 rows=$2
	shift 2
	TERM=xterm node_exec n script -qefc "stty cols $columns rows $rows; exec '$NBT_BUILD/natbridgectl' $*" /dev/null </dev/null
}

terminal() {
	at_terminal "$@" | tr -d '\r'
}

without_colours() {
	sed 's/\x1b\[[0-9]*m//g'
}

widest() {
	without_colours | awk '{ if (length > max) max = length } END { print max }'
}

@test "service list: backends are wrapped behind commas, a Service without one is marked, affinity is a duration; not in a pipe" {
	run -0 terminal 110 40 service list
	[ "$(widest <<<"$output")" -le 110 ] || fail "$output"
	[ "${#lines[@]}" -gt 6 ]
	[[ $output == *$'\e[33m-\e[0m'* ]] || fail "$output"
	[[ $(without_colours <<<"$output") =~ default/none\ .*\ 1h5m\ +-\  ]] || fail "$output"
	run -0 ctl n service list
	[ "${#lines[@]}" = 6 ]
	[[ $output != *$'\e'* && $output =~ default/none\ .*\ 3900\ +-\  ]] || fail "$output"
}

@test "endpoint list and status: ports that are cut off have a colour, unless NO_COLOR is set" {
	local port
	port=$(pod_veth n b)
	ip -n "$(ns n)" link set "$port" down
	run -0 terminal 80 40 endpoint list
	[[ $output == *$'\e[33mdown\e[0m'* ]] || fail "$output"
	[[ $output =~ attached$'\n' ]] || fail "$output"
	run -0 terminal 80 40 status
	[[ $output == *"ifindex "*$' \e[33mdown\e[0m'* ]] || fail "$output"
	NO_COLOR=1 run -0 terminal 80 40 endpoint list
	[[ $output == *" down"* && $output != *$'\e'* ]] || fail "$output"
	run -0 ctl n endpoint list
	[[ $output == *" down"* && $output != *$'\e'* ]] || fail "$output"
	diff <(NO_COLOR=1 terminal 80 40 status) <(ctl n status)
	ip -n "$(ns n)" link set "$port" up
	wait_for 10 attached "$port"
}

attached() {
	ctl n -o json endpoint list | jq -e --arg port "$1" 'all(.[] | select(.port == $port); .state == "attached")' >/dev/null
}

@test "conntrack list: columns with a duration on a terminal, the format of conntrack -L in a pipe" {
	local a b
	a=$(pod_ip a 4) b=$(pod_ip b 4)
	ctl n conntrack flush
	ask a tcp 10.96.0.10 80 || ask a tcp 10.96.0.10 80 || ask a tcp 10.96.0.10 80 || true
	ask a udp "$b" 8080
	run -0 terminal 120 40 conntrack list -p udp
	[[ ${lines[0]} =~ ^NETWORK\ +PROTOCOL\ +STATE\ +EXPIRES\ +CLIENT\ +TO\ +BACKEND\ +FLAGS$ ]] || fail "$output"
	[[ ${lines[1]} =~ ^net\ +udp\ +-\ +(29|30)s\ +$a:[0-9]+\ +$b:8080\ +$b:8080\ +-$ ]] || fail "$output"
	run -0 ctl n conntrack list -p udp
	[[ $output =~ ^udp\ {6}17\ [0-9]+\ src=$a\ dst=$b\  ]] || fail "$output"
	run -0 terminal 120 80 conntrack stats
	[[ $output =~ tcp_established\ +5d$'\n' && $output =~ \ max\ +131072$'\n' ]] || fail "$output"
	run -0 ctl n conntrack stats
	[[ $output =~ tcp_established\ +432000$'\n' ]] || fail "$output"
}

# watching NAME COMMAND...: in the background, until "unwatch NAME [SIGNAL]", which says how it ended. Its output: $NBT_DIR/NAME.
watching() {
	local name=$1
	shift
	(
		status=0
		"$@" >"$NBT_DIR/$name" 2>&1 3>&- || status=$?
		echo "$status" >"$NBT_DIR/$name.status"
	) 3>&- &
	disown
	wait_for 10 test -s "$NBT_DIR/$name"
}

ctl_pid() {
	# The process in the node's namespace.
	ip netns pids "$(ns n)" | while read -r pid; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != natbridgectl ] || echo "$pid"
	done
}

unwatch() {
	# shellcheck disable=SC2046 # one word for each process
	kill "${2:--INT}" $(ctl_pid)
	wait_for 10 test -s "$NBT_DIR/$1.status"
}

has_lines() {
	[ "$(grep -c "$2" "$NBT_DIR/$1")" -ge "$3" ]
}

@test "--watch in a pipe: a blank line between; a line of JSON each; SIGINT and SIGTERM end it with status 0" {
	watching plain ctl n endpoint list --watch 1
	wait_for 10 has_lines plain ^NETWORK 3
	unwatch plain
	[ "$(<"$NBT_DIR/plain.status")" = 0 ]
	[ "$(grep -c '^$' "$NBT_DIR/plain")" = $(($(grep -c ^NETWORK "$NBT_DIR/plain") - 1)) ]
	[ -n "$(head -n 1 "$NBT_DIR/plain")" ]
	[ "$(grep -c $'\e' "$NBT_DIR/plain")" = 0 ]
	watching json ctl n -o json status --watch=1
	wait_for 10 has_lines json . 3
	unwatch json -TERM
	[ "$(<"$NBT_DIR/json.status")" = 0 ]
	[ "$(wc -l <"$NBT_DIR/json")" = "$(jq -c '.[0].network' "$NBT_DIR/json" | grep -c '"net"')" ]
	run -3 ctl n --network other status --watch
	run -2 ctl n upgrade --watch
}

@test "--watch on a terminal: each listing in the place of the last one, cut to its height; the terminal is as before" {
	watching screen at_terminal 60 6 conntrack stats --watch 1
	wait_for 10 has_lines screen "more lines" 3
	unwatch screen
	[ "$(<"$NBT_DIR/screen.status")" = 0 ]
	# Cleared once, drawn again from the top; lines are cut while it is drawn, and only then.
	[ "$(grep -o $'\e\[2J' "$NBT_DIR/screen" | wc -l)" = 1 ]
	[ "$(grep -o $'\e\[H' "$NBT_DIR/screen" | wc -l)" -ge 3 ]
	[ "$(grep -o $'\e\[?7l' "$NBT_DIR/screen" | wc -l)" = "$(grep -o $'\e\[?7h' "$NBT_DIR/screen" | wc -l)" ]
	# Five lines and what is left: no frame scrolls.
	[ "$(tr -d '\n' <"$NBT_DIR/screen" | grep -o $'\e\[K' | wc -l)" = $((5 * $(grep -c "more lines" "$NBT_DIR/screen"))) ]
}

@test "completion: names of networks, Services and pods, quickly; nothing where nothing can be read" {
	local before
	[ "$(ctl n completion networks)" = net ]
	[ "$(ctl n completion services)" = $'default/none\ndefault/web' ]
	run -0 ctl n completion pods
	[[ $'\n'$output$'\n' == *$'\n'"$(pod_ip a 4)"$'\n'* && $'\n'$output$'\n' == *$'\n'"$(pod_ip b 6)"$'\n'* && $output == *"$(pod_veth n a)"* ]] || fail "$output"
	[ "${#lines[@]}" = 6 ]
	before=$(date +%s%N)
	ctl n completion services >/dev/null
	echo "# $((($(date +%s%N) - before) / 1000000)) ms" >&3
	# Without the capabilities, and without a bpffs.
	run -0 --separate-stderr node_exec n setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all "$NBT_BUILD/natbridgectl" completion services
	[ -z "$output" ]
	run -0 --separate-stderr env NATBRIDGE_BPFFS=/nonexistent "$NBT_BUILD/natbridgectl" completion networks
	[ -z "$output" ]
}

# offered WORD...: what bash offers for the last word, in one line.
offered() {
	# shellcheck disable=SC2016 # for the bash below
	node_exec n env PATH="$NBT_BUILD:$PATH" bash --noprofile --norc -c '. <(natbridgectl completion bash)
		COMP_WORDS=(natbridgectl "$@") COMP_CWORD=$#
		_natbridgectl
		echo "${COMPREPLY[*]}"' - "$@"
}

@test "completion bash: offers them" {
	[ "$(offered --network '')" = net ]
	[ "$(offered service delete default/)" = "default/none default/web" ]
	[ "$(offered conntrack list --service default/w)" = default/web ]
	[ "$(offered monitor --pod 10.)" = "$(pod_ip a 4) $(pod_ip b 4)" ]
	[[ $(offered monitor --pod veth) == *"$(pod_veth n a)"* ]]
	[ "$(offered why no)" = node ]
	[ "$(offered why 10.244.0.2 default/w)" = default/web ]
	# An option with such a value, before the word.
	[ "$(offered --network net monitor --kind dr)" = drop ]
}

@test "completion zsh: offers them" {
	command -v zsh >/dev/null || skip "zsh is not installed"
	mkdir "$NBT_DIR/zsh"
	"$NBT_BUILD/natbridgectl" completion zsh >"$NBT_DIR/zsh/_natbridgectl"
	# shellcheck disable=SC2016 # for zsh
	printf '%s\n' "fpath=($NBT_DIR/zsh \$fpath)" "PATH=$NBT_BUILD:\$PATH" 'autoload -Uz compinit && compinit -u -D' >"$NBT_DIR/zsh/.zshrc"
	for keys in 'service delete default/w>' '--network n>' 'monitor --service default/n>'; do
		echo "print -r -- x natbridgectl $keys" | sed 's/print -r -- x //' | tr '>' '\t' | sed 's/$/ --bpffs \/none/' >"$NBT_DIR/zsh/keys"
		echo exit >>"$NBT_DIR/zsh/keys"
		node_exec n env ZDOTDIR="$NBT_DIR/zsh" timeout 30 script -qec "zsh -d -i" /dev/null <"$NBT_DIR/zsh/keys" >"$NBT_DIR/zsh/out" 2>&1 || true
		case $keys in
		service*) grep -q "default/web" "$NBT_DIR/zsh/out" || fail "$(<"$NBT_DIR/zsh/out")" ;;
		--network*) grep -q "network net" "$NBT_DIR/zsh/out" || fail "$(<"$NBT_DIR/zsh/out")" ;;
		monitor*) grep -q "default/none" "$NBT_DIR/zsh/out" || fail "$(<"$NBT_DIR/zsh/out")" ;;
		esac
	done
}
