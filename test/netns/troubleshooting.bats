#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# doc/TROUBLESHOOTING.md: each fault is made, and its commands print there what stands in the document. A transcript follows a
# comment that names its fault. What differs from run to run is made equal: names of veth pairs, times, ports, process ids.

# shellcheck disable=SC2317,SC2329 # the functions of faults are called by their names
load lib
load agent
load node
load doctor

DOCUMENT=$NBT_ROOT/doc/TROUBLESHOOTING.md

setup_file() {
	suite_begin
	node_begin "a b" far
	objects
	agent_start --service-proxy node
	wait_for 10 table_has shop/web
	node_serve b far
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

setup() {
	N=$(ns n)
}

# put NAME N BACKENDS [FILTER]: the Service shop/NAME at the Nth VIP.
put() {
	service "shop/$1" "10.96.0.$2" TCP:80:8080 "$3" | jq "${4:-.}" | put_list
}

objects() {
	put api 10 "$(pod_ip b 4),$THERE4"
	put db 20 "10.244.0.20,10.2.0.7" '.items[1].endpoints[0].conditions = {ready: false} | .items[1].endpoints[1].conditions = {ready: false, serving: false, terminating: true}'
	put far 30 10.2.0.9
	put lb 40 "$(pod_ip b 4)" '.items[0].spec += {type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.0/24"]} |
		.items[0].status = {loadBalancer: {ingress: [{ip: "198.51.100.9"}]}}'
	put local 50 "$THERE4" '.items[0].spec += {type: "NodePort", externalTrafficPolicy: "Local"} | .items[0].spec.ports[0].nodePort = 30050 |
		.items[1].endpoints[0].nodeName = "other"'
	put web 60 "$(pod_ip b 4)"
}

table_has() {
	ctl n --network net -o json service list | jq -e --arg name "$1" 'any(.[]; .name == $name)' >/dev/null
}

# ---- faults: NAME makes it, NAME_over takes it away ----

none() { :; }

firewall() {
	ns_exec n nft 'add table inet walls; add chain inet walls between { type filter hook forward priority 0; }; add rule inet walls between ip daddr 192.0.2.2 drop'
	put behind 70 "$THERE4"
	wait_for 10 table_has shop/behind
}

firewall_over() {
	ns_exec n nft delete table inet walls
}

off_bridge() { ip -n "$N" link set "$(pod_veth n b)" nomaster; }

off_bridge_over() {
	ip -n "$N" link set "$(pod_veth n b)" master cni0
	bridge -n "$N" fdb replace "$(pod_mac b)" dev "$(pod_veth n b)" master static
	ctl n endpoint list >/dev/null
}

detached() { programs_detach n "$(pod_veth n a)"; }

detached_over() {
	pods_down n net a
	pods_up n net a
}

not_forwarding() { ns_exec n sysctl -qw net.ipv4.conf.all.forwarding=0; }
not_forwarding_over() { ns_exec n sysctl -qw net.ipv4.conf.all.forwarding=1; }

agent_dead() {
	agent_stop -KILL
	service shop/web 10.96.0.60 TCP:80:8080 "$(pod_ip b 4)" | put_list
}

agent_dead_over() { agent_start --service-proxy node; }

knocking() {
	WATCH=1
	(while [ ! -e "$NBT_DIR/quiet" ]; do ask a -t 100 tcp 10.96.0.20 80; done) >/dev/null 2>&1 3>&- &
	disown
}

knocking_over() {
	WATCH=0
	touch "$NBT_DIR/quiet"
	sleep 0.3
}

# ---- the document ----

# transcripts: "FAULT LINE..." of each, a line; the lines of a transcript are joined by \x1f.
transcripts() {
	awk '
		/^<!-- fault: / { fault = $3 }
		/^```$/ && inside { print fault lines; inside = 0; fault = "" }
		inside { lines = lines "\x1f" $0 }
		/^```console$/ { if (!fault) { print "a transcript without a fault in line " NR > "/dev/stderr"; exit 1 } inside = 1; lines = "" }' "$DOCUMENT"
}

# Makes equal what differs from run to run. Names of veth pairs become v1, v2 in their order.
equal() {
	sed -E 's/[0-9]+\.[0-9] ms/N ms/g; s/[0-9.]+ s\b/N s/g; s/(from|sent) (10\.244\.0\.2):[0-9]+/\1 \2:N/; s/10\.244\.0\.[24]:[0-9]+ >/10.244.0.2:N >/
		s/^[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]+ /T /; s/process [0-9]+/process N/g; s/([0-9a-f]{2}:){5}[0-9a-f]{2}/MAC/g; s/has grown by [0-9]+/has grown by N/; s/link [0-9]+:/link N:/; s/has [0-9]+ open/has N open/; s/ +/ /g; s/ $//' |
		awk '{
			out = ""
			while (match($0, /veth[0-9a-f]+/)) {
				name = substr($0, RSTART, RLENGTH)
				if (!(name in names)) names[name] = "v" ++n
				out = out substr($0, 1, RSTART - 1) names[name]
				$0 = substr($0, RSTART + RLENGTH)
			}
			print out $0 }'
}

# play COMMAND: as an operator of the node runs it.
play() {
	local command=$1
	[[ $command == natbridgectl\ * ]] || fail "the document has another command: $command" || return
	command=${command//VETH_A/$(pod_veth n a)}
	# The node's directory of networks, and no waiting for counters.
	[[ $command != "natbridgectl doctor" ]] || command+=" --cni-conf-dir $NBT_DIR/node-n/net.d --agent-config $NBT_DIR/agent.yaml --seconds ${WATCH:-0}"
	# shellcheck disable=SC2086 # several words
	node_exec n timeout 20 "$NBT_BUILD/natbridgectl" ${command#natbridgectl } 2>&1 || true
}

# replay FAULT LINES: a transcript is what the commands in it print.
replay() {
	local fault=$1 lines=$2 line printed=""
	"$fault"
	while IFS= read -r line; do
		[[ $line != '$ '* ]] || printed+=$line$'\n'$(play "${line#\$ }")$'\n'
	done <<<"$lines"
	[ -z "${TRANSCRIPTS:-}" ] || printf '%s' "$printed" >>"$TRANSCRIPTS"
	! declare -F "${fault}_over" >/dev/null || "${fault}_over"
	diff <(equal <<<"$lines") <(equal <<<"${printed%$'\n'}") || fail "of fault $fault" "$printed"
}

@test "Each transcript is what the commands print" {
	local all fault lines n=0 failed=0
	all=$(transcripts)
	while IFS=$'\x1f' read -r fault lines; do
		n=$((n + 1))
		replay "$fault" "$(tr '\037' '\n' <<<"$lines")" || failed=$((failed + 1))
	done <<<"$all"
	[ "$failed" = 0 ] || fail "$failed of $n transcripts"
	[ "$n" -ge 12 ] || fail "only $n transcripts"
}
