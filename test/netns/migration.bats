#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# doc/MIGRATION.md: its commands, step by step, there and back, on a node whose pods have the reference plugin bridge, whose Services
# are rules as kube-proxy writes them, and whose br_netfilter is on. Connections are made all the time, from old pods and from new
# ones; none fails.

# shellcheck disable=SC2317,SC2329 # the functions of steps are called by their names
load lib
load agent
load kube
load load
load doctor

DOCUMENT=$NBT_ROOT/doc/MIGRATION.md
HERE4=192.0.2.1 HERE6=fd00:c0::1
VIP4=10.96.0.10 VIP6=fd00:96::10

setup_file() {
	suite_begin
	node_create n
	remote_create n far
	ip -n "$(ns n)" route add default via 192.0.2.2
	ip -n "$(ns n)" -6 route add default via fd00:c0:0::2
	network_write n pods '.plugins[0].type = "bridge" | .plugins[0].hairpinMode = true'
	export CONFLIST=$NBT_DIR/node-n/net.d/pods.conflist
	cp "$CONFLIST" "$NBT_DIR/at-first"
	node_bridge_nf n 1
	pods_up n pods old client
	serve old tcp 8080
	serve old udp 8080
	holder_start
	put_node $HERE4 $HERE6
	put_ranges 10.96.0.0/12 fd00:96::/112
	backends old
	load_start client $VIP4 80
}

teardown_file() {
	suite_end take_down
}

take_down() {
	kill "$(<"$NBT_DIR/holder.pid")" 2>/dev/null || true
	ip -n "$(ns n)" link del up0
	kube_gone n
	node_bridge_nf n 0
	ip -n "$(ns n)" link del cni0
}

# backends POD...: the Service has these, for kube-proxy and in the API.
backends() {
	local pod v4="" v6="" api=""
	for pod in "$@"; do
		v4+=" $(pod_ip "$pod" 4),8080"
		v6+=" $(pod_ip "$pod" 6),8080"
		api+=,$(pod_ip "$pod" 4),$(pod_ip "$pod" 6)
	done
	echo "$v4" >"$NBT_DIR/backends4"
	echo "$v6" >"$NBT_DIR/backends6"
	kube_rules
	service default/web $VIP4,$VIP6 TCP:80:8080,UDP:80:8080 "${api#,}" | put_list
}

kube_rules() {
	local proto
	for proto in tcp udp; do
		echo "web $proto $VIP4 80$(<"$NBT_DIR/backends4")"
		echo "web $proto $VIP6 80$(<"$NBT_DIR/backends6")"
		[ ! -e "$NBT_DIR/one" ] || echo "one $proto 10.96.0.11 80 $(<"$NBT_DIR/one"),8080"
	done | kube_iptables n
}

# ---- the commands of the document ----

# commands STEP: those of its transcript.
commands() {
	awk -v step="$1" '
		/^<!-- step: / { mine = $3 == step }
		/^```$/ { inside = 0 }
		inside && mine { print }
		/^```console$/ { inside = 1 }' "$DOCUMENT"
}

# The agent's configuration, which the document has edited by hand.
agent_options() {
	case $1 in
	ebpf) ;;
	node) echo --service-proxy node --takeover true ;;
	node-back) echo --service-proxy pods ;;
	esac
}

# play STEP COMMAND: what the operator types, where this node has it.
play() {
	local step=$1 command=$2
	command=${command//\/etc\/cni\/net.d\/10-pods.conflist/$CONFLIST}
	command=${command//\/tmp\//$NBT_DIR/}
	command=${command//10.244.0.5/$(pod_ip new 4 2>/dev/null || true)}
	case $command in
	"natbridgectl doctor")
		DOCTOR_NODE=n CNI_DIR=${CONFLIST%/*} run --separate-stderr diagnose
		# shellcheck disable=SC2154 # set by run
		[ "$status" -lt 5 ] || fail "$step: $output $stderr"
		;;
	"natbridgectl why "*)
		# shellcheck disable=SC2086 # several words
		run -0 ctl n ${command#natbridgectl }
		[[ $output == *"The packet gets to"* ]] || fail "$step: $output"
		;;
	"systemctl start natbridge-agent")
		# No network has a table yet, with which it could be done.
		: >"$NBT_DIR/agent.log"
		agent >"$NBT_DIR/agent.log" 2>&1 3>&- &
		disown
		;;
	"journalctl -u natbridge-agent --grep "*) wait_for 20 grep -q "$(cut -d\" -f2 <<<"$command")" "$NBT_DIR/agent.log" ;;
	"systemctl stop natbridge-agent")
		agent_stop
		agent --cleanup
		;;
	"systemctl restart natbridge-agent")
		agent_stop
		# shellcheck disable=SC2046 # several words
		agent_start $(agent_options "$step")
		;;
	"kubectl -n kube-system patch daemonset kube-proxy -p"*) ;; # its rules stay
	"kubectl -n kube-system patch daemonset kube-proxy --type json"*) kube_rules ;;
	"sysctl "* | "jq "* | "mv "*) ns_exec n bash -c "$command" ;;
	*) fail "the document has another command: $command" ;;
	esac
}

step() {
	local command n=0
	while IFS= read -r command; do
		n=$((n + 1))
		play "$1" "${command#\$ }" || return
	done < <(commands "$1")
	[ $n -gt 0 ] || fail "the document has no step $1"
}

# reached FROM...: each reaches the Service by both families and protocols, and a pod of the other plugin directly.
reached() {
	local from proto vip
	for from in "$@"; do
		for proto in tcp udp; do
			for vip in $VIP4 $VIP6; do
				run ask "$from" $proto "$vip" 80
				[ "$status" = 0 ] || fail "$from does not reach $vip by $proto: $output"
			done
		done
	done
}

is_translated_by() {
	ctl n -o json conntrack list 2>/dev/null | jq -e --arg client "$(pod_ip "$1" 4)" 'any(.[]; .original.src == $client)' >/dev/null
}

@test "1: installed, and nothing changes" {
	step install
	reached client
}

@test "2: new pods have natbridge beside those of bridge, br_netfilter and kube-proxy; and back" {
	step plugin
	pods_up n pods new
	serve new tcp 8080
	serve new udp 8080
	reached client new
	backends old new
	reached client new
	step plugin-back
	diff <(jq -S . "$CONFLIST") <(jq -S . "$NBT_DIR/at-first")
	pods_up n pods passing
	[ -z "$(programs_at n "$(pod_veth n passing)")" ]
	reached client new passing
	pods_down n pods passing
	step plugin
	load_goes_on client
}

@test "3: the pods are recreated, br_netfilter is off; and back" {
	load_end client
	pods_up n pods second
	serve second tcp 8080
	serve second udp 8080
	load_start second $VIP4 80
	backends new second
	pods_down n pods old client
	step hooks
	[ "$(ns_exec n cat /proc/sys/net/bridge/bridge-nf-call-iptables)" = 0 ]
	reached new second
	step hooks-back
	[ "$(ns_exec n cat /proc/sys/net/bridge/bridge-nf-call-iptables)" = 1 ]
	reached new second
	step hooks
	load_goes_on second
}

# A connection that is being made while the ports of both pods change may fail: one by TCP and one by UDP for each change.
@test "4: natbridge translates for pods; connections with one backend go on; and back" {
	load_end second
	load_start second $VIP4 80
	pod_ip second 4 >"$NBT_DIR/one"
	kube_rules
	service default/one 10.96.0.11 TCP:80:8080 "$(<"$NBT_DIR/one")" | put_list
	talk_open still new tcp 10.96.0.11 80
	talk_say still before
	step ebpf
	pods_up n pods third
	step ebpf-now
	reached new second third
	is_translated_by third
	talk_say still after
	[[ $output == *after ]] || fail "$output"
	talk_open late new tcp 10.96.0.11 80
	talk_say late before
	step ebpf-back
	pods_up n pods fourth
	step agent-back
	reached new second third fourth
	talk_say late "and back"
	[[ $output == *"and back" ]] || fail "$output"
	talk_close still
	talk_close late
	pods_down n pods fourth
	step ebpf
	pods_up n pods fourth
	reached new second third fourth
	load_goes_on second
	load_end -6 second
	load_start second $VIP4 80
}

@test "5: without kube-proxy; and back" {
	step node
	[ "$(ns_exec n iptables-save | grep -c KUBE-SVC)" = 0 ]
	reached new second third n
	load_goes_on second
	step node-back
	reached new second third n
	load_goes_on second
	step node
	reached new second third n
	load_goes_on second
	load_end second
}

@test "All the way back: nothing of natbridge is left" {
	step node-back
	step ebpf-back
	pods_up n pods fifth
	step agent-back
	step hooks-back
	step plugin-back
	pods_down n pods new second third fourth fifth
	pods_up n pods client old
	serve old tcp 8080
	serve old udp 8080
	backends old
	reached client
	ctl n uninstall
	[ -z "$(find "$NBT_DIR/node-n/bpf" -name natbridge)" ]
	reached client
	pods_down n pods client old
}
