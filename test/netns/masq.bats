#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# ipMasq with iptables, the backend that is used where it is installed: rules as the reference plugin makes them.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0] |= (.ipMasq = true | .serviceProxy.mode = "off")'
	network_write n side '.plugins[0] |= (.bridge = "cni1" | .ipMasq = true | .serviceProxy.mode = "off"
		| .ipam.ranges = [[{subnet: "10.245.0.0/24"}]])'
}

teardown_file() {
	suite_end
}

teardown() {
	strictly no_rules_left
}

no_rules_left() {
	local left
	left=$(cni_rules n || true)
	forget_tables n
	[ -z "$left" ] || fail "left:" "$left"
}

# iptables leaves empty tables and chains, and the plugin of the reference leaves its own.
forget_tables() {
	ns_exec "$1" nft flush ruleset
}

# What the plugins have in table nat, and in the nftables of their own: a line each.
cni_rules() {
	{
		ns_exec "$1" iptables -t nat -S
		ns_exec "$1" ip6tables -t nat -S
		ns_exec "$1" nft list ruleset 2>/dev/null | grep 'masquerade comment'
	} | grep -E 'CNI-|net: '
}

# masked NODE POD: its rules, the names of node and pod masked.
masked() {
	cni_rules "$1" | sed "s/$(container_id "$2")/ID/; s/CNI-[0-9a-f]*/CNI-HASH/g"
}

@test "the rules are those of the reference plugin, and each plugin removes the other's" {
	local mine
	node_create r
	network_write r net '.plugins[0] |= (.type = "bridge" | .ipMasq = true)'
	pods_up r net ra
	pods_up n net na
	mine=$(masked n na)
	[ "$(wc -l <<<"$mine")" = 8 ]
	[ "$mine" = "$(masked r ra)" ] || fail "$mine" "$(masked r ra)"
	# Container ids are hashes of the namespaces' names: the other plugin is called under the same.
	sed -i 's/"natbridge"/"bridge"/' "$NBT_DIR/node-n/net.d/net.conflist"
	sed -i 's/"bridge",/"natbridge",/; s/"ipMasq"/"serviceProxy": {"mode": "off"}, &/' "$NBT_DIR/node-r/net.d/net.conflist"
	pods_down n net na
	pods_down r net ra
	[ -z "$(cni_rules n)$(cni_rules r)" ]
	forget_tables r
	sed -i 's/"type": "bridge"/"type": "natbridge"/' "$NBT_DIR/node-n/net.d/net.conflist"
}

@test "two interfaces of one container share the chain; DEL without a namespace, and twice" {
	pod_create na
	run -0 plugin_call n ADD na "$(plugin_config n net)"
	run -0 plugin_call n ADD na "$(plugin_config n net)" CNI_IFNAME=net1
	[ "$(ns_exec n iptables -t nat -S POSTROUTING | grep -c CNI-)" = 2 ]
	[ "$(ns_exec n iptables -t nat -S | grep -c -- '-N CNI-')" = 1 ]
	[ "$(ns_exec n iptables -t nat -S | grep -c MASQUERADE)" = 1 ]
	run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_NETNS=
	run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_NETNS= CNI_IFNAME=net1
	run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_NETNS=
	ns_delete na
}

@test "DEL of one of two interfaces keeps the other's rules, and the last DEL removes the chain" {
	local order namespace other
	for order in "eth0 net1" "net1 eth0"; do
		for namespace in "$(ns_path na)" ""; do
			other=${order#* }
			pod_create na
			run -0 plugin_call n ADD na "$(plugin_config n net)"
			run -0 plugin_call n ADD na "$(plugin_config n net)" CNI_IFNAME=net1
			run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_NETNS="$namespace" CNI_IFNAME="${order% *}"
			[ "$(ns_exec n iptables -t nat -S POSTROUTING | grep CNI- | awk '{ print $4 }')" = "$(pod_ip na 4 "$other")/32" ] ||
				fail "$order, '$namespace':" "$(cni_rules n)"
			[ "$(ns_exec n ip6tables -t nat -S POSTROUTING | grep CNI- | awk '{ print $4 }')" = "$(pod_ip na 6 "$other")/128" ] ||
				fail "$order, '$namespace':" "$(cni_rules n)"
			[ "$(cni_rules n | grep -c MASQUERADE)" = 2 ] || fail "$order, '$namespace':" "$(cni_rules n)"
			# Again, as a runtime may.
			run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_NETNS="$namespace" CNI_IFNAME="${order% *}"
			[ "$(cni_rules n | grep -c -- '-A POSTROUTING')" = 2 ] || fail "$order, '$namespace':" "$(cni_rules n)"
			run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_NETNS="$namespace" CNI_IFNAME="$other"
			[ -z "$(cni_rules n)" ] || fail "$order, '$namespace':" "$(cni_rules n)"
			ns_delete na
		done
	done
}

@test "two interfaces, and their namespace goes first: nothing is left after both DELs" {
	pod_create na
	run -0 plugin_call n ADD na "$(plugin_config n net)"
	run -0 plugin_call n ADD na "$(plugin_config n net)" CNI_IFNAME=net1
	ns_delete na
	run -0 plugin_call n DEL na "$(plugin_config n net)"
	run -0 plugin_call n DEL na "$(plugin_config n net)" CNI_IFNAME=net1
}

@test "CHECK names the address whose rules are missing" {
	local chain
	pods_up n net na
	run -0 pod_check n na
	chain=$(ns_exec n ip6tables -t nat -S POSTROUTING | grep -o 'CNI-.*')
	ns_exec n ip6tables -t nat -F "$chain"
	run ! pod_check n na
	[[ $output = *"the masquerade rule of $(pod_ip na 6) is missing"* ]] || fail "$output"
	ns_exec n iptables -t nat -F POSTROUTING
	run ! pod_check n na
	[[ $output = *"the masquerade rule of $(pod_ip na 4) is missing"* ]] || fail "$output"
	# The chains are found although no rule leads to them.
	pods_down n net na
}

@test "C6: GC removes the rules of this network's pods that are gone, and nobody else's" {
	local config
	pods_up n net na nb
	pods_up n side nc
	ns_exec n iptables -t nat -N CNI-foreign
	ns_exec n iptables -t nat -A POSTROUTING -s 192.0.2.1 -j CNI-foreign
	ip -n "$(ns n)" link delete "$(pod_veth n nb)"
	config=$(plugin_config n net ".[\"cni.dev/valid-attachments\"] = [{containerID: \"$(container_id na)\", ifname: \"eth0\"}]")
	run -0 plugin_call n GC nb "$config"
	[[ $output = *"2 masquerading rules removed"* ]] || fail "$output"
	run -0 pod_check n na
	run -0 pod_check n nc side
	[ "$(ns_exec n iptables -t nat -S POSTROUTING | grep -c CNI-)" = 3 ]
	pods_down n net na nb
	pods_down n side nc
	ns_exec n iptables -t nat -S | grep -q 'POSTROUTING -s 192.0.2.1/32 -j CNI-foreign'
	ns_exec n iptables -t nat -F POSTROUTING
	ns_exec n iptables -t nat -X CNI-foreign
}

@test "what iptables itself refuses is said in its words, and nothing is left" {
	pod_create na
	ns_exec n nft 'add table ip nat; add chain ip nat POSTROUTING { type filter hook input priority 0; }'
	run ! plugin_call n ADD na "$(plugin_config n net)"
	[[ $output = *"cannot add masquerade rules: iptables"* ]] || fail "$output"
	forget_tables n
	run -0 plugin_call n DEL na "$(plugin_config n net)"
	ns_delete na
}

@test "a program of iptables that fails or is killed is named, and nothing is left" {
	local bin=$NBT_DIR/bin program end
	pod_create na
	mkdir "$bin"
	for program in iptables iptables-restore ip6tables ip6tables-restore; do
		for end in 'exit 4' 'kill -KILL $$'; do
			printf '#!/bin/sh\n%s\n' "$end" >"$bin/$program"
			chmod 755 "$bin/$program"
			run ! plugin_call n ADD na "$(plugin_config n net)" PATH="$bin:$PATH"
			[[ $output = *"masquerade rules: $program failed with status "* ]] || fail "$program, $end: $output"
			[ -z "$(cni_rules n)" ] || fail "$program, $end:" "$(cni_rules n)"
			rm "$bin/$program"
			run -0 plugin_call n ADD na "$(plugin_config n net)"
			printf '#!/bin/sh\n%s\n' "$end" >"$bin/$program"
			chmod 755 "$bin/$program"
			run ! plugin_call n DEL na "$(plugin_config n net)" PATH="$bin:$PATH"
			[[ $output = *"masquerade rules: $program failed with status "* ]] || fail "$program, $end: $output"
			rm "$bin/$program"
			run -0 plugin_call n DEL na "$(plugin_config n net)"
			[ -z "$(cni_rules n)" ] || fail "$program, $end:" "$(cni_rules n)"
		done
	done
	ns_delete na
}

@test "the older iptables: GC and DEL find its rules, when ipMasq was switched off since as well" {
	local bin=$NBT_DIR/legacy off program pod
	command -v iptables-legacy || skip "iptables-legacy is not installed"
	off=$(plugin_config n net '.ipMasq = false')
	mkdir "$bin"
	for program in iptables iptables-restore ip6tables ip6tables-restore; do
		ln -s "$(command -v "${program/tables/tables-legacy}")" "$bin/$program"
	done
	for pod in na nb; do
		pod_create $pod
		run -0 plugin_call n ADD $pod "$(plugin_config n net)" PATH="$bin:$PATH"
	done
	[ "$(legacy_rules | grep -c POSTROUTING)" = 4 ] || skip "this kernel has no tables of it"
	run -0 plugin_call n GC na "$(jq ".\"cni.dev/valid-attachments\" = [{containerID: \"$(container_id na)\", ifname: \"eth0\"}]" <<<"$off")" \
		PATH="$bin:$PATH"
	[ "$(legacy_rules | grep -c POSTROUTING)" = 2 ] || fail "$(legacy_rules)"
	run -0 plugin_call n DEL na "$off" PATH="$bin:$PATH"
	[ -z "$(legacy_rules)" ] || fail "$(legacy_rules)"
	run -0 plugin_call n DEL nb "$off" PATH="$bin:$PATH"
	ns_delete na
	ns_delete nb
}

legacy_rules() {
	{
		ns_exec n iptables-legacy -t nat -S
		ns_exec n ip6tables-legacy -t nat -S
	} | grep CNI-
}

@test "without iptables in PATH nftables is used, and what it made is removed once iptables is there again" {
	pod_create na
	run -0 plugin_call n ADD na "$(plugin_config n net)" PATH=/nonexistent
	run ! grep CNI- <(ns_exec n iptables -t nat -S)
	[ "$(ns_exec n nft list ruleset | grep -c 'masquerade comment')" = 2 ]
	run -0 plugin_call n DEL na "$(plugin_config n net)"
	run ! plugin_call n ADD na "$(plugin_config n net '.ipMasqBackend = "iptables"')" PATH=/nonexistent
	[[ $output = *'"iptables" is not in PATH'* ]] || fail "$output"
	ns_delete na
}

@test "STATUS says what is missing" {
	run -0 plugin_call n STATUS none "$(plugin_config n net '.ipMasqBackend = "iptables"')"
	run ! plugin_call n STATUS none "$(plugin_config n net '.ipMasqBackend = "iptables"')" PATH=/nonexistent
	[[ $output = *'ipMasq: "iptables" is not in PATH'* ]] || fail "$output"
}
