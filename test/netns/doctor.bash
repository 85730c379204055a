# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Faults made on purpose, and what natbridgectl doctor says of them. DOCTOR_NODE is the node.

# In front of natbridgectl, as setpriv or unshare.
DOCTOR_UNDER=()

# diagnose [OPTION...]: what doctor finds on the node, as JSON. CNI_DIR, AGENT_CONFIG: other ones than the node's; CTL: another tool.
diagnose() {
	node_exec "$DOCTOR_NODE" "${DOCTOR_UNDER[@]}" "${CTL:-$NBT_BUILD/natbridgectl}" -o json doctor --seconds "${SECONDS_WATCHED:-0}" \
		--cni-conf-dir "${CNI_DIR:-$NBT_DIR/node-$DOCTOR_NODE/net.d}" --agent-config "${AGENT_CONFIG:-$NBT_DIR/agent.yaml}" "$@"
}

# is_healthy [OPTION...]: nothing is found.
is_healthy() {
	run -0 --separate-stderr diagnose "$@"
	# shellcheck disable=SC2154 # set by run
	[ "$output" = "[]" ] || fail "$output $stderr"
}

# expect_findings ID WORDS...: the last run found these, each with these words in its subject or in what is wrong, and nothing
# else. The exit status is that of the worst.
expect_findings() {
	local i ids worst given=("$@")
	ids=$(for ((i = 0; i < $#; i += 2)); do echo "${given[i]}"; done | sort)
	[ "$(jq -r '.[].check' <<<"$output" | sort)" = "$ids" ] || fail "expected: $ids" "found: $output $stderr" || return
	for ((i = 0; i < $#; i += 2)); do
		jq -e --arg id "${given[i]}" --arg words "${given[i + 1]}" \
			'any(.[]; .check == $id and ("\(.subject): \(.what)" | contains($words)))' <<<"$output" >/dev/null ||
			fail "no finding ${given[i]} has \"${given[i + 1]}\": $output" || return
	done
	jq -e 'all(.[]; (.why | length) > 10 and (.fix | length) > 3)' <<<"$output" >/dev/null || fail "$output" || return
	worst=$(jq 'map({notice: 0, warning: 4, error: 5}[.severity]) | max' <<<"$output")
	# shellcheck disable=SC2154 # set by run
	[ "$status" = "$worst" ] || fail "exit status $status, not $worst: $output"
}

# fault MAKE UNDO ID WORDS [ID WORDS...]: a row. MAKE is a command that makes the fault, UNDO one that undoes it; expect_findings
# has the rest. What else a node has to say for itself stands in ALWAYS, as ID WORDS.
ALWAYS=()
fault() {
	local make=$1 undo=$2
	shift 2
	eval "$make" || fail "$make" || return
	run --separate-stderr diagnose
	eval "$undo" || fail "$undo" || return
	expect_findings "$@" "${ALWAYS[@]}" || fail "the fault was: $make" || return
}

# The node is as it was before its faults.
is_as_before() {
	run --separate-stderr diagnose
	[ ${#ALWAYS[@]} -gt 0 ] || [ "$output" = "[]" ] || fail "$output $stderr"
	[ ${#ALWAYS[@]} = 0 ] || expect_findings "${ALWAYS[@]}"
}

# doctor_node_begin: node n, in mode ebpf, with pods a and b, Services of which one has no backend, an uplink, and strict rp_filter.
doctor_node_begin() {
	suite_begin
	node_create n
	remote_create n far
	ip -n "$(ns n)" route add default via 192.0.2.2
	network_write n net '.plugins[0].ipMasq = true | .plugins[0].ipspoofchk = true | .plugins[0].serviceProxy.serviceCIDRs = ["10.96.0.0/16"]'
	pods_up n net a b
	ns_exec n sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.cni0.rp_filter=1
	services_apply n "$(service default/web 10.96.0.10,fd00:96::10 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")" \
		"$(service default/none 10.96.0.40 TCP:80:8080)"
}

doctor_node_end() {
	pods_down n net a b
	ip -n "$(ns n)" link del up0
}

# Names of things on node n that a test may have replaced.
# shellcheck disable=SC2034 # for those who load this
doctor_names() {
	A=$(pod_veth n a)
	B=$(pod_veth n b)
	N=$(ns n)
	PINS=$NBT_DIR/node-n/bpf/natbridge/net/$NBT_LAYOUT
	AWAY=$NBT_DIR/node-n/bpf/away
	CONF=$NBT_DIR/node-n/net.d/net.conflist
	LEASES=$NBT_DIR/node-n/ipam/net
}

# again POD: deleted and recreated.
again() {
	pod_del n "$1" && pod_add n "$1" >/dev/null
	doctor_names
}
