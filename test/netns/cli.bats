#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl: every noun and verb against a real node, plain and JSON, and what it refuses.

load lib

setup_file() {
	suite_begin
	node_create n
	node_create empty
	network_write n net
	pods_up n net a b
	serve b tcp 8080
	serve b udp 8080
}

teardown_file() {
	suite_end pods_down n net a b
}

# Each test begins with one Service on the network of the pods and without any other network.
setup() {
	drop_network other
	web | ctl n --network net service apply -f - >/dev/null
	ctl n conntrack flush >/dev/null
}

drop_network() {
	rm -rf "$NBT_DIR/node-n/bpf/natbridge/$1"
}

web() {
	service default/web 10.96.0.10,fd00:96::10 TCP:80:8080,UDP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)"
}

dns() {
	service kube-system/dns 10.96.0.2 UDP:53:53 192.0.2.2
}

# table: services and frontends of the network, by what JSON says.
table() {
	ctl n --network net -o json service list | jq -r '.[] | "\(.name) \(.address) \(.port) \(.protocol)"'
}

@test "service apply: says what it did, and the second time that nothing changed" {
	dns | ctl n --network net service apply -f - >/dev/null
	run -0 --separate-stderr ctl n --network net service apply -f - < <(web)
	[[ $output =~ ^net:\ 1\ services,\ 4\ frontends,\ 4\ backends:\ 0\ changed,\ 4\ added,\ 1\ removed\ \([0-9]+\ map\ writes,\ [0-9.]+\ ms\)$ ]]
	run -0 --separate-stderr ctl n --network net service apply -f - < <(web)
	[[ $output =~ ^net:\ 1\ services,\ 4\ frontends,\ 4\ backends:\ nothing\ changed\ \([0-9.]+\ ms\)$ ]]
	[ -z "$stderr" ]
	run -0 --separate-stderr ctl n -o json service apply -f - < <(web)
	[ "$(jq -c 'map(del(.milliseconds))' <<<"$output")" = \
		'[{"network":"net","services":1,"frontends":4,"backends":4,"changed":0,"added":0,"removed":0,"mapWrites":0}]' ]
}

@test "service apply: what the file does not name goes, with --keep it stays" {
	run -0 ctl n --network net service apply --keep -f - < <(dns)
	[[ $output = "net: 2 services, 5 frontends, 5 backends: 0 changed, 1 added, 0 removed "* ]]
	run -0 ask a tcp 10.96.0.10 80
	run -0 ctl n --network net service apply -f - < <(dns)
	[[ $output = "net: 1 services, 1 frontends, 1 backends: 0 changed, 0 added, 4 removed "* ]]
	[ "$(table)" = "kube-system/dns 10.96.0.2 53 UDP" ]
}

@test "service apply: YAML of several documents is the same as the JSON List" {
	web | jq -r '.items[] | "---", tojson' >"$NBT_DIR/web.yaml"
	cat >>"$NBT_DIR/web.yaml" <<-END
		---
		apiVersion: v1
		kind: Service
		metadata: {name: none, namespace: default}
		spec:
		  clusterIP: None # headless: left alone
		  ports:
		  - port: 80
	END
	run -0 ctl n --network net service apply -f "$NBT_DIR/web.yaml"
	[[ $output = *": nothing changed "* ]]
}

@test "service apply: without --network every network gets the table, with it one is loaded for its pods to come" {
	run -0 ctl n --network other service apply -f - < <(dns)
	[[ $output = "other: 1 services, "* ]]
	run -0 ctl n service apply -f - < <(web)
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[0]} = "net: "*": nothing changed "* ]]
	[[ ${lines[1]} = "other: "*"4 added, 1 removed "* ]]
	run -0 ctl n service list
	[ "$(grep -c ^net <<<"$output")" = 4 ]
	[ "$(grep -c ^other <<<"$output")" = 4 ]
	run -0 ctl n --network other service delete default/web
	run -0 ctl n --network other service list
	[[ $output =~ ^NETWORK\ +SERVICE\ +PORT\ +FRONTEND\ +KIND\ +AFFINITY\ +BACKENDS\ +FROM$ ]]
	run -0 ctl n --network other -o json service list
	[ "$output" = "[]" ]
	run -0 ctl n --network other -o json status
	[ "$(jq -c '[.[0].maps[] | select(.name == "services" or .name == "frontends" or .name == "backends") | .entries]' <<<"$output")" = "[0,0,0]" ]
}

@test "service apply: bad input names object, field and value, and changes nothing" {
	local before
	before=$(table)
	web | jq '.items[0] | .spec.ports[1].port = 70000' >"$NBT_DIR/bad.json"
	run -1 --separate-stderr ctl n service apply -f "$NBT_DIR/bad.json"
	[ -z "$output" ]
	[ "$stderr" = "natbridgectl: $NBT_DIR/bad.json: Service default/web: \"spec.ports[1].port\": 70000 is not a whole number from 1 to 65535" ]
	run -1 --separate-stderr ctl n -o json service apply -f "$NBT_DIR/bad.json"
	[ "$(jq -r .error <<<"$output")" = "${stderr#natbridgectl: }" ]

	run -1 --separate-stderr ctl n service apply -f - < <(web | jq '.items[].kind = "Deployment"')
	[[ $stderr = *"standard input: no Service and no EndpointSlice found, only 3 objects of other kinds" ]] || fail "$stderr"
	run -1 --separate-stderr ctl n service apply -f - < <(web | jq '.items += [.items[0] | .metadata.name = "twin"]')
	[[ $stderr = *"Service default/twin and Service default/web both claim 10.96.0.10:80/TCP"* ]]
	run -1 --separate-stderr ctl n service apply -f - < <(web | head -c 700)
	[[ $stderr = *"(end of input)"* ]]
	run -1 --separate-stderr ctl n service apply -f - </dev/null
	[[ $stderr = *"no Kubernetes object found" ]]
	run -1 --separate-stderr ctl n service apply -f "$NBT_DIR/missing"
	[ "$stderr" = "natbridgectl: cannot open \"$NBT_DIR/missing\": No such file or directory" ]
	[ "$(table)" = "$before" ]
}

@test "service apply: skipped and ignored objects are named on stderr" {
	run -0 --separate-stderr ctl n service apply -f - < <(web | jq '.items[0].spec.internalTrafficPolicy = "Local"')
	[[ $stderr = *"note: Service default/web: internalTrafficPolicy Local"* ]]
	[ "$(wc -l <<<"$stderr")" = 1 ]
}

@test "service apply: SCTP beside TCP and UDP" {
	ctl n --network net service apply -f - < <(service default/three 10.96.0.78 TCP:80:8080,UDP:80:8080,SCTP:80:8080 "$(pod_ip b 4)") >/dev/null
	[ "$(table | sort)" = "default/three 10.96.0.78 80 SCTP
default/three 10.96.0.78 80 TCP
default/three 10.96.0.78 80 UDP" ]
}

@test "service list: one line a frontend, JSON with the same" {
	run -0 ctl n service list
	[ "${#lines[@]}" = 5 ]
	[[ ${lines[0]} =~ ^NETWORK\ +SERVICE\ +PORT\ +FRONTEND\ +KIND\ +AFFINITY\ +BACKENDS\ +FROM$ ]]
	[[ ${lines[1]} =~ ^net\ +default/web\ +p0\ +10.96.0.10:80/TCP\ +ClusterIP\ +-\ +$(pod_ip b 4):8080\ +apply$ ]]
	run -0 ctl n -o json service list
	[ "$(jq -c '.[1]' <<<"$output")" = "$(jq -nc --arg backend "$(pod_ip b 6)" '{network: "net", name: "default/web", portName: "p0",
		origin: "apply", kind: "ClusterIP", affinity: 0, address: "fd00:96::10", port: 80, protocol: "TCP",
		onHost: false, sourceRanges: [], backends: [{address: $backend, port: 8080}], draining: []}')" ]
}

# A ready endpoint, one that terminates and still answers, and one that does not.
draining() {
	web | jq --arg b "$(pod_ip b 4)" '.items |= map(if .kind == "EndpointSlice" and .addressType == "IPv4" then .endpoints = [
		{addresses: [$b]},
		{addresses: ["192.0.2.3"], conditions: {ready: false, serving: true, terminating: true}},
		{addresses: ["192.0.2.4"], conditions: {ready: false, serving: false, terminating: true}}] else . end)'
}

@test "service list: backends that only keep what they have, and affinity" {
	local b
	b=$(pod_ip b 4)
	draining | jq '.items[0].spec += {sessionAffinity: "ClientIP", sessionAffinityConfig: {clientIP: {timeoutSeconds: 45}}}' |
		ctl n service apply -f - >/dev/null
	run -0 ctl n service list
	grep -Eq "10.96.0.10:80/TCP +ClusterIP +45 +$b:8080,192.0.2.3:8080 \(draining\),192.0.2.4:8080 \(draining\) +apply$" <<<"$output" || fail "$output"
	grep -Eq "10.96.0.10:80/UDP +ClusterIP +45 +$b:8080,192.0.2.3:8080 \(draining\) +apply$" <<<"$output" || fail "$output"
	run -0 ctl n -o json service list
	[ "$(jq -c '.[] | select(.address == "10.96.0.10" and .protocol == "UDP") | [.affinity, .backends, .draining]' <<<"$output")" = \
		"[45,[{\"address\":\"$b\",\"port\":8080}],[{\"address\":\"192.0.2.3\",\"port\":8080}]]" ]
	# New connections get the ready one only.
	for _ in 1 2 3 4 5 6 7 8; do
		run -0 ask a udp 10.96.0.10 80
	done
}

@test "service apply: an address of this host is named once, and marked for as long as it is the host's" {
	on_host() {
		ctl n -o json service list | jq -r '[.[] | select(.onHost) | .address] | unique | join(" ")'
	}
	ns_exec n ip addr add 10.96.0.10/32 dev lo
	run -0 --separate-stderr ctl n service apply -f - < <(web)
	[ "$stderr" = "natbridgectl: note: Service default/web: 10.96.0.10 is an address of this host: its packets go to the host, not to the backends" ] || fail "$stderr"
	[ "$(on_host)" = 10.96.0.10 ]
	[[ $(ctl n service list) = *"10.96.0.10:80/TCP "*" (host),"* ]]
	run -0 --separate-stderr ctl n service apply --keep -f - < <(web)
	[[ $output = *": nothing changed "* && $stderr = *"10.96.0.10 is an address of this host"* ]]
	ns_exec n ip addr del 10.96.0.10/32 dev lo
	run -0 --separate-stderr ctl n service apply -f - < <(web)
	[ -z "$stderr" ]
	[ -z "$(on_host)" ]
	[ "$(table | wc -l)" = 4 ]
}

@test "service delete: removes one Service; one that is not there is an error" {
	dns | ctl n service apply --keep -f - >/dev/null
	run -0 ctl n service delete default/web
	[[ $output = "net: 1 services, 1 frontends, 1 backends: 0 changed, 0 added, 4 removed "* ]]
	[ "$(table)" = "kube-system/dns 10.96.0.2 53 UDP" ]
	run -1 --separate-stderr ctl n service delete default/web
	[ "$stderr" = 'natbridgectl: Service "default/web" not found' ]
}

@test "conntrack list: the shape of conntrack -L" {
	run -0 ask a tcp 10.96.0.10 80
	run -0 ask a udp 10.96.0.10 80
	local a b both counts="packets=[0-9]+ bytes=[0-9]+"
	a=$(pod_ip a 4) b=$(pod_ip b 4)
	run -0 ctl n --network net conntrack list
	both="src=$a dst=10.96.0.10 sport=([0-9]+) dport=80 $counts src=$b dst=$a sport=8080 dport=([0-9]+) $counts"
	[[ $(grep ^tcp <<<"$output") =~ ^tcp\ {6}6\ [0-9]+\ [A-Z_]+\ $both\ \[ASSURED\]$ ]]
	[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
	[[ $(grep ^udp <<<"$output") =~ ^udp\ {6}17\ [0-9]+\ $both$ ]]
	run -0 ctl n conntrack list
	[[ $output = *" network=net"* ]]
	run -0 ctl n -o json conntrack list
	[ "$(jq -c '.[] | select(.protocol == "udp") | [.network, .protonum, .replied, .service, .original.dst, .reply.src]' <<<"$output")" = \
		"[\"net\",17,true,true,\"10.96.0.10\",\"$b\"]" ]
}

@test "conntrack list: filters by source, destination, Service, state and protocol, each alone and together" {
	local of_a of_b
	of_a=$(pod_ip a 4) of_b=$(pod_ip b 4)
	dns | ctl n --network net service apply --keep -f - >/dev/null
	ask a tcp 10.96.0.10 80 >/dev/null
	ask a udp fd00:96::10 80 >/dev/null
	ask a tcp "$of_b" 8080 >/dev/null
	ask a -t 100 udp 10.96.0.2 53 >/dev/null || true
	run -0 ctl n conntrack list
	[ ${#lines[@]} = 4 ] || fail "$output"
	listed 3 --src "$of_a"
	listed 3 --src 10.0.0.0/8
	listed 1 --src ::/0
	listed 0 --src "$of_b"
	listed 1 --dst 10.96.0.10
	listed 1 --dst "$of_b"
	listed 2 --dst 10.96.0.0/12
	listed 2 --service default/web
	listed 1 --service kube-system/dns
	listed 2 -p udp
	listed 2 --protocol tcp
	listed 1 --state UNREPLIED
	listed 0 --state SYN_SENT
	listed 1 --service default/web -p tcp --src "$of_a/32" --dst 10.96.0.10/32
	listed 0 --service default/web --state UNREPLIED
	[ "$(ctl n -o json conntrack list -p udp --service default/web | jq -c 'map([.protocol, .original.dst])')" = '[["udp","fd00:96::10"]]' ]
	run --separate-stderr -1 ctl n conntrack list --service default/none
	[ "$stderr" = 'natbridgectl: no Service "default/none" here; natbridgectl service list has the names' ]
	run --separate-stderr -2 ctl n conntrack list --src 10.0.0.0/33
	[ "$stderr" = 'natbridgectl: --src "10.0.0.0/33" is not an address or a prefix; see natbridgectl --help' ]
	run --separate-stderr -2 ctl n conntrack list --state OPEN
	[[ $stderr == *'--state "OPEN" is not a state of a connection'* ]]
}

# listed N OPTION...: how many connections conntrack list has then.
listed() {
	run -0 ctl n conntrack list "${@:2}"
	[ ${#lines[@]} = "$1" ] || fail "${*:2}: $output"
}

@test "conntrack list: an unanswered connection is marked" {
	service default/nobody 10.96.0.99 UDP:9:9 192.0.2.200 | ctl n service apply --keep -f - >/dev/null
	ask a udp 10.96.0.99 9 || true
	run -0 ctl n --network net conntrack list
	[[ $output =~ udp\ {6}17\ [0-9]+\ src=$(pod_ip a 4)\ dst=10.96.0.99\ sport=[0-9]+\ dport=9\ packets=1\ bytes=[0-9]+\ \[UNREPLIED\]\ src=192.0.2.200\ dst=$(pod_ip a 4)\ sport=9\ dport=[0-9]+\ packets=0\ bytes=0 ]]
}

@test "conntrack flush and stats" {
	run -0 ask a tcp 10.96.0.10 80
	local inserted
	inserted=$(ctl n -o json conntrack stats | jq '.[0].insert')
	[ "$inserted" -gt 0 ]
	run -0 ctl n conntrack stats
	[[ $output =~ ^net$'\n'\ \ entries\ +1$'\n' ]]
	run -0 ctl n conntrack flush
	[ "$output" = "net: 1 connections removed" ]
	[ "$(ctl n conntrack list)" = "" ]
	run -0 ask a tcp 10.96.0.10 80
	[ "$(ctl n -o json conntrack stats | jq '.[0].insert')" -gt "$inserted" ]
}

# Words between backquotes in the first column of the document's tables.
explained() {
	sed -n 's/^| \x60\([a-z_-]*\)\x60 |.*/\1/p' "$NBT_ROOT/doc/COUNTERS.md" | sort
}

@test "every counter and port state has its row in doc/COUNTERS.md, and no other has" {
	diff <(explained) <({
		ctl n -o json conntrack stats | jq -r '.[0] | keys[] | select(. != "network" and . != "settings")'
		printf '%s\n' attached bridge-down detached down gone not-forwarding off-bridge # cli/port.c
	} | sort)
}

# Setting NAME of the network.
setting() {
	ctl n -o json conntrack stats | jq ".[0].settings.$1"
}

@test "conntrack set: settings of the running datapath, all or nothing" {
	[ "$(setting max)" = 131072 ]
	[ "$(setting tcp_established)" = 432000 ]
	run -0 ctl n conntrack set max=4096 udp=7 tcp_established=3600
	[ "$output" = $'net: tcp_established 432000 -> 3600\nnet: udp 30 -> 7\nnet: max 131072 -> 4096' ]
	run -0 ctl n conntrack stats
	[[ $output = *$'\n  settings\n    max                  4096\n'*$'\n    tcp_established      3600\n'* ]]
	# What is there already counts as well, and a packet takes the new timeout over.
	run -0 ask a tcp 10.96.0.10 80
	ask a udp 10.96.0.10 80
	run -0 ctl n -o json conntrack list
	[ "$(jq '.[] | select(.protocol == "udp") | .timeout | . >= 5 and . <= 7' <<<"$output")" = true ]

	local message words
	while IFS='|' read -r message words; do
		# shellcheck disable=SC2086
		run -1 --separate-stderr ctl n conntrack set $words
		[ -z "$output" ]
		[[ $stderr = "natbridgectl: "*"$message"* ]] || fail "$words: $stderr"
		[ "$(setting max) $(setting udp) $(setting tcp_established)" = "4096 7 3600" ]
	done <<-END
		unknown setting "tcp_etablished": use max or |udp=9 tcp_etablished=1
		"udp" is not NAME=VALUE|max=2048 udp
		udp=0: not a number of seconds in 1..31536000|udp=0
		udp=9s: not a number of seconds|udp=9s
		udp=-9: not a number of seconds|udp=-9
		udp=: not a number of seconds|udp=
		udp=99999999999999999999: not a number of seconds|udp=99999999999999999999
		max=1023: not a number of connections in 1024..8388608|max=1023
		was made for 131072 connections|udp=9 max=131073
		udp is given twice: 9 and 8|udp=9 udp=8
	END
	run -2 --separate-stderr ctl n conntrack set
	[ "$stderr" = "natbridgectl: missing NAME=VALUE; see natbridgectl --help" ]
	run -0 ctl n -o json conntrack set udp=30 max=131072 tcp_established=432000
	[ "$(jq -c '.[1]' <<<"$output")" = '{"network":"net","setting":"udp","old":7,"new":30}' ]
}

@test "endpoint list: address, port, MAC and whether the pod is served" {
	run -0 ctl n -o json endpoint list
	[ "$(jq length <<<"$output")" = 4 ]
	for pod in a b; do
		for family in 4 6; do
			jq -e --arg address "$(pod_ip $pod $family)" --arg port "$(pod_veth n $pod)" --arg mac "$(pod_mac $pod)" '.[]
				| select(.address == $address and .port == $port and .mac == $mac and .state == "attached")' <<<"$output"
		done
	done
	run -0 ctl n endpoint list
	[[ ${lines[0]} =~ ^NETWORK\ +ADDRESS\ +PORT\ +MAC\ +STATE$ ]]
	[[ ${lines[1]} =~ ^net\ +$(pod_ip a 4)\ +$(pod_veth n a)\ +$(pod_mac a)\ +attached$ ]]
	# Elsewhere the ports are not there.
	run -0 ns_exec empty env NATBRIDGE_BPFFS="$NBT_DIR/node-n/bpf" "$NBT_BUILD/natbridgectl" endpoint list
	[ "$(grep -c ' gone$' <<<"$output")" = 4 ]
}

@test "status: programs, ports and maps as bpftool and the kernel have them" {
	run -0 ctl n -o json status
	[ "$(jq -r '.[0].network' <<<"$output")" = net ]
	[ "$(jq -r '.[0].programs[].name' <<<"$output" | paste -sd' ')" = "nb_from_pod nb_to_pod nb_enter_pod nb_clock" ]
	[ "$(jq -r '.[0].programs[0].id' <<<"$output")" = "$(bpftool -j prog show pinned "$NBT_DIR/node-n/bpf/natbridge/net/$NBT_LAYOUT/nb_from_pod" | jq .id)" ]
	[ "$(jq -r '.[0].ports | map(.name) | sort | join(" ")' <<<"$output")" = \
		"$(printf '%s\n' "$(pod_veth n a)" "$(pod_veth n b)" | sort | paste -sd' ')" ]
	[ "$(jq '.[0].maps[] | select(.name == "backends") | .entries' <<<"$output")" = 4 ]
	[ "$(jq '.[0].maps[] | select(.name == "endpoints") | .entries' <<<"$output")" = 4 ]
	run -0 ctl n status
	[[ $output =~ ^net:\ mode\ ebpf,\ fast\ path\ on,\ map\ layout\ $NBT_LAYOUT,\ pinned\ in\ .*$'\n'\ +program\ +nb_from_pod\ +id\ [0-9]+$'\n' ]]
	[[ $output =~ $'\n'\ +map\ +backends\ +4\ of\ 262144\ \(0.0\ %\) ]]
}

@test "a node without any network: listings are empty, what needs one says so with a status of its own" {
	local words
	for words in "service list" "conntrack list" "conntrack stats" "conntrack flush" "endpoint list" status; do
		# shellcheck disable=SC2086 # several words
		run -0 --separate-stderr ctl empty $words
		[ -z "$stderr" ]
		# Tables have their heads.
		[[ -z $output || ($words = "service list" || $words = "endpoint list") && $output = NETWORK* ]] || fail "$words: $output"
		[ "${#lines[@]}" -le 1 ]
		# shellcheck disable=SC2086
		run -0 ctl empty -o json $words
		[ "$output" = "[]" ]
	done
	for words in "service apply -f -" "service delete default/web" "conntrack set udp=9"; do
		# shellcheck disable=SC2086
		run -3 --separate-stderr ctl empty $words < <(dns)
		[ "$stderr" = "natbridgectl: no network is set up below \"$NBT_DIR/node-empty/bpf\" yet: the ADD of its first pod does that, unless its mode is off" ] ||
			fail "$stderr"
	done
	for words in "service list" "service delete default/web" "conntrack list" "conntrack flush" "conntrack set udp=9" "endpoint list" status upgrade; do
		# shellcheck disable=SC2086
		run -3 --separate-stderr ctl empty --network nowhere $words
		[[ -z $output && $stderr = 'natbridgectl: network "nowhere" is not set up below "'*'" yet: '* ]] || fail "$words: $stderr"
		# shellcheck disable=SC2086
		run -3 --separate-stderr ctl n --network nowhere $words
		[[ $stderr = 'natbridgectl: network "nowhere" is not set up below "'*'" yet: '* ]] || fail "$words: $stderr"
	done
	run -1 --separate-stderr ctl empty --bpffs "$NBT_DIR" service list
	[ "$stderr" = "natbridgectl: --bpffs \"$NBT_DIR\" is not in a mounted bpffs" ]
}

# The unit tests have all messages.
@test "a wrong command line: exit status 2 and what is wrong with it" {
	local message words
	while IFS='|' read -r message words; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr ctl n $words
		[ -z "$output" ]
		[ "$stderr" = "natbridgectl: $message; see natbridgectl --help" ] || fail "$words: $stderr"
	done <<-END
		missing command|
		unknown command "service lst"|service lst
		missing -f FILE|service apply
		unexpected argument "b"|service delete a b
		"status" does not take --keep|status --keep
		unknown option "--frce"|service list --frce
		--network requires a value|service list --network
		--network "../x" is not a network name|--network ../x service list
		--bpffs is given twice: "/a" and "/b"|--bpffs /a --bpffs=/b service list
		-f - is given twice: standard input can be read once|service apply -f - -f x -f -
	END
	run -0 ctl n --network net --network net -o plain -oplain service list
	run -2 --separate-stderr ctl n -o json service lst
	[ "$(jq -r .error <<<"$output")" = "${stderr#natbridgectl: }" ]
}

@test "help of the program, of each noun and of each command" {
	local command noun
	run -0 ctl n --help
	[ "$output" = "$(ctl n help)" ]
	while read -r command; do
		[[ $output = *"  $command  "* ]] || fail "$output"
		# shellcheck disable=SC2086 # several words
		run -0 ctl n $command --help
		[[ ${lines[0]} = "natbridgectl $command - "* ]] || fail "$output"
		[[ $output = *"SYNOPSIS"*"  natbridgectl [OPTIONS] $command"*"OPTIONS"*"--network NAME "*"natbridgectl(8)"* ]] || fail "$output"
		# shellcheck disable=SC2086
		[ "$output" = "$(ctl n help $command)" ]
		noun=${command%% *}
		run -0 ctl n "$noun" --help
		[[ $output = *"  natbridgectl [OPTIONS] $command"* ]] || fail "$output"
		[ "$output" = "$(ctl n help "$noun")" ]
		run -0 ctl n --help
	done <<-END
		service apply
		service list
		service delete
		conntrack list
		conntrack flush
		conntrack stats
		conntrack set
		endpoint list
		status
		upgrade
		uninstall
		completion
		version
	END
	run -0 ctl n service apply --help
	[[ $output = *"service apply -f FILE [-f FILE]... [--keep | --prune-all]"* ]] || fail "$output"
	run -0 ctl n help help
	[[ $output = *"help [NOUN [VERB]]"* ]] || fail "$output"
	run -0 ctl n help uninstall
	[[ $output = *"uninstall [--dry-run]"* ]] || fail "$output"
	run -0 ctl n version
	[[ $output =~ ^natbridgectl\ [0-9.]+\ \(map\ layout\ $NBT_LAYOUT\)$ ]]
	[ "$output" = "$(ctl n --version)" ]
	[ "$output" = "$(ctl n -o json version)" ]
}

@test "without privileges and with a full disk: one sentence, exit status 1" {
	chmod 0755 "$NBT_DIR" "$NBT_DIR/node-n"
	run -1 --separate-stderr node_exec n setpriv --reuid 65534 --regid 65534 --clear-groups "$NBT_BUILD/natbridgectl" --network net service list
	[ "$(wc -l <<<"$stderr")" = 1 ]
	[[ $stderr = "natbridgectl: "*"ermi"* ]]
	local words
	for words in "service list" help version "completion bash"; do
		run -1 --separate-stderr node_exec n sh -c "'$NBT_BUILD/natbridgectl' $words >/dev/full"
		[ "$stderr" = "natbridgectl: cannot write to standard output: No space left on device" ]
	done
}

# many N: that many Services with three backends each, of which the third changes with $1.
many() {
	jq -n --argjson n 2000 --argjson variant "$1" '{apiVersion: "v1", kind: "List", items: [range($n) | . as $i
		| {apiVersion: "v1", kind: "Service", metadata: {name: "s\($i)", namespace: "many"},
			spec: {clusterIP: "10.97.\($i / 250 | floor).\($i % 250 + 1)", ports: [{port: 80}]}},
		{apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
			metadata: {name: "s\($i)-x", namespace: "many", labels: {"kubernetes.io/service-name": "s\($i)"}},
			ports: [{port: 80}], endpoints: [range(3) as $k | {addresses:
				["10.1.\($i / 250 | floor).\(($i + $k + (if $k == 2 then $variant else 0 end)) % 250 + 1)"]}]}]}'
}

# traced_apply FILE [STRACE-OPTION...]: its calls of bpf() are in $NBT_DIR/trace.
traced_apply() {
	local file=$1
	shift
	NATBRIDGE_BPFFS=$NBT_DIR/node-n/bpf strace -qq -e trace=bpf -o "$NBT_DIR/trace" "$@" \
		"$NBT_BUILD/natbridgectl" --network net service apply -f "$file" >/dev/null
}

@test "an apply that is killed at any of its writes: the next one makes all right, and pods are served meanwhile" {
	local variant number killed=0 old=$NBT_DIR/0.json new=$NBT_DIR/1.json
	for variant in 0 1; do
		{
			many $variant
			web
		} | jq -s '{apiVersion: "v1", kind: "List", items: (map(.items) | add)}' >"$NBT_DIR/$variant.json"
		traced_apply "$NBT_DIR/$variant.json"
	done
	number=$(awk '/BPF_MAP_(UPDATE|DELETE)/ { print NR; exit }' "$NBT_DIR/trace")
	while traced_apply "$old" && ! traced_apply "$new" -e "inject=bpf:signal=KILL:when=$number" 2>/dev/null; do
		grep -q '^+++ killed by SIGKILL' "$NBT_DIR/trace" || fail "$(<"$NBT_DIR/trace")"
		run -0 ask a tcp 10.96.0.10 80
		assert_answer b "$(pod_ip a 4)"
		number=$((number + 1)) killed=$((killed + 1))
	done
	[ $killed -ge 6 ] || fail "killed $killed times"
	run -0 ctl n --network net service apply -f "$new"
	run -0 ctl n --network net service apply -f "$new"
	[[ $output = "net: 2001 services, 2004 frontends, 6004 backends: nothing changed "* ]]
	run -0 ctl n --network net service apply -f - < <(web)
	[ "$(ctl n -o json status | jq -c '[.[0].maps[] | select(.name == "frontends" or .name == "backends") | .entries]')" = "[10,4]" ]
}

@test "a change of one Service of many takes less than 5 ms" {
	many 0 | ctl n --network net service apply -f - >/dev/null
	web | ctl n --network net service apply --keep -f - >/dev/null
	local best=1000000 ms
	for _ in 1 2 3 4 5; do
		ctl n --network net service delete default/web >/dev/null
		ms=$(web | ctl n --network net -o json service apply --keep -f - | jq '.[0].milliseconds * 1000 | floor')
		[ "$ms" -ge "$best" ] || best=$ms
	done
	[ "$best" -lt 5000 ] || fail "best of five: $best us"
}
