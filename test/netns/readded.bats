#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The same attachment is added again, without a DEL and with another address: nothing of the former one is left beside it.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net
	pod_create a
}

teardown_file() {
	suite_end take_down
}

take_down() {
	ns_delete a
	ns_exec n nft flush ruleset
}

# add ADDRESS4 ADDRESS6 JQ-FILTER [NAME=VALUE...]: ADD of pod a, whose namespace is a new one unless IFNAME is given.
add() {
	local ips="[\"$1/24\", \"$2/64\"]" filter=$3
	shift 3
	if [ -z "$*" ]; then
		ns_delete a
		pod_create a
	fi
	run -0 plugin_call n ADD a "$(plugin_config n net "$STATIC | .ipam.addresses = ($ips | map({address: .})) | $filter")" "$@"
}

STATIC='.isGateway = false | .isDefaultGateway = false | .ipam = {type: "static"}'

# All rules of pods, by whatever backend, and what the maps and the bridge have.
left() {
	{
		ns_exec n iptables -t nat -S 2>/dev/null
		ns_exec n ip6tables -t nat -S 2>/dev/null
	} | grep -o 'POSTROUTING -s [^ ]*\|-A CNI-.* -j [A-Z]*' | sed 's/CNI-[0-9a-f]*/CNI/; s/-m comment.*-j/-j/' || true
	ns_exec n nft list ruleset 2>/dev/null | grep -o 'saddr [^ ]* .*masquerade comment\|^.*jump cni-br-iface[^ ]*' || true
	node_endpoints n
	bridge -n "$NBT-n" fdb show br cni0 | grep -c 'static' || true
	ip -n "$NBT-n" -j link show master cni0 | jq length
}

@test "masquerade and MAC rules, map entries, FDB entries and ports, for each backend" {
	local backend i once
	for backend in iptables nftables; do
		add 10.244.0.50 fd00:10:244::50 ".ipMasq = true | .ipMasqBackend = \"$backend\" | .macspoofchk = true"
		once=$(left)
		for i in 51 52 53; do
			add 10.244.0.$i fd00:10:244::$i ".ipMasq = true | .ipMasqBackend = \"$backend\" | .macspoofchk = true"
		done
		wait_for 5 ports_are 1
		[ "$(left | sed 's/\.53/.50/; s/::53/::50/')" = "$once" ] || fail "$backend:" "$(left)" "instead of" "$once"
		run -0 plugin_call n DEL a "$(plugin_config n net "$STATIC")"
		[ "$(left | paste -sd' ')" = "0 0 0" ] || fail "$(left)"
	done
}

ports_are() {
	[ "$(ip -n "$NBT-n" -j link show master cni0 | jq length)" = "$1" ]
}

@test "what the config does not ask for any more: another backend, one family, no rules at all" {
	add 10.244.0.60 fd00:10:244::60 '.ipMasq = true | .ipMasqBackend = "iptables" | .macspoofchk = true'
	add 10.244.0.61 fd00:10:244::61 '.ipMasq = true | .ipMasqBackend = "nftables"'
	[[ "$(left)" != *POSTROUTING* && "$(left)" != *cni-br-iface* ]] || fail "$(left)"
	[ "$(left | grep -c saddr)" = 2 ] || fail "$(left)"
	add 10.244.0.62 fd00:10:244::62 '.ipMasq = true | .ipMasqBackend = "iptables"'
	[ "$(left | grep -c POSTROUTING)" = 2 ] || fail "$(left)"
	[[ "$(left)" != *saddr* ]] || fail "$(left)"
	add 10.244.0.63 fd00:10:244::63 '.ipMasq = true | .ipMasqBackend = "iptables" | .ipam.addresses |= .[:1]'
	[ "$(left | grep POSTROUTING)" = "POSTROUTING -s 10.244.0.63/32" ] || fail "$(left)"
	add 10.244.0.64 fd00:10:244::64 .
	! left | grep -E 'POSTROUTING|CNI|saddr' || fail "rules are left"
	run -0 plugin_call n DEL a "$(plugin_config n net "$STATIC")"
}

@test "another interface of the container keeps its rules, also when this ADD fails" {
	local backend filter
	for backend in iptables nftables; do
		filter=".ipMasq = true | .ipMasqBackend = \"$backend\""
		add 10.244.0.70 fd00:10:244::70 "$filter"
		add 10.244.0.71 fd00:10:244::71 "$filter" CNI_IFNAME=net1
		[ "$(left | grep -cE '(POSTROUTING -s|saddr).*[.:]7[01][ /]|s [^ ]*[.:]7[01]/')" -ge 4 ] || fail "$(left)"
		left >"$NBT_DIR/both"
		# its route cannot be: by then its rules are made
		run ! plugin_call n ADD a "$(plugin_config n net "$STATIC | .ipam.addresses = [{address: \"10.244.0.72/24\"}] |
			.ipam.routes = [{dst: \"10.9.0.0/16\", gw: \"10.8.0.1\"}] | $filter")" CNI_IFNAME=net2
		left | diff "$NBT_DIR/both" - || fail "the failed ADD changed rules"
		run -0 plugin_call n DEL a "$(plugin_config n net "$STATIC")" CNI_IFNAME=net1
		run -0 plugin_call n DEL a "$(plugin_config n net "$STATIC")"
	done
}
