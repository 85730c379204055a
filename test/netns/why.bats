#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl why, on a node that natbridge-agent serves whole: what it says of a packet is what becomes of one, and it changes
# nothing. Each question is asked with --send as well, which asks the network itself.

load lib
load agent
load node

setup_file() {
	suite_begin
	node_begin "a b" far
	node_is_strict
	objects
	agent_start --service-proxy node
	wait_for 10 table_has default/odd
	node_serve b far n
}

teardown_file() {
	suite_end take_down
}

take_down() {
	node_end "a b"
}

# put NAME N [BACKENDS]: the Service default/NAME at the Nth VIPs.
put() {
	service "default/$1" "10.96.0.$2,fd00:96::$2" TCP:80:8080,UDP:80:8080 "${3:-}" | jq "${4:-.}" | put_list
}

objects() {
	put pod 10 "$(pod_ip b 4),$(pod_ip b 6)"
	put far 20 "$THERE4,$THERE6"
	put own 30 "$HERE4,$HERE6"
	put none 40
	put nobody 50 10.250.0.1
	put mixed 60 "$(pod_ip b 4),10.2.0.97,10.2.0.98,10.2.0.99" '.items[1].endpoints[1].conditions = {ready: false} |
		.items[1].endpoints[2].conditions = {ready: false, serving: true, terminating: true} | .items[1].endpoints[3].nodeName = "other" |
		.items[0].spec.internalTrafficPolicy = "Local" | .items[1].endpoints[0].nodeName = "here"'
	put port 70 "$(pod_ip b 4)" '.items[0].spec += {type: "NodePort"} | .items[0].spec.ports[0].nodePort = 30070'
	put sticky 80 "$(pod_ip b 4),$(pod_ip b 6)" '.items[0].spec += {sessionAffinity: "ClientIP"}'
	put range 90 "$(pod_ip b 4)" '.items[0].spec += {type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.0/24"]} |
		.items[0].status = {loadBalancer: {ingress: [{ip: "198.51.100.9"}]}}'
	put odd 91 "$(pod_ip b 4)"
}

table_has() {
	ctl n --network net -o json service list | jq -e --arg name "$1" 'any(.[]; .name == $name)' >/dev/null
}

# why [OPTION...] SRC DST: one row of JSON.
why() {
	run --separate-stderr ctl n -o json why "$@"
	# shellcheck disable=SC2154 # set by run
	row=$(jq -c '.[0]' <<<"$output") || fail "$output $stderr"
}

# says RESULT [WORDS...]: the result of the last question, and words that stand in its steps.
says() {
	local result=$1 steps
	shift
	[ "$(jq -r .result <<<"$row")" = "$result" ] || fail "not $result: $row" || return
	steps=$(jq -r '.steps[] | "\(.step): \(.text)"' <<<"$row")
	for words; do
		grep -qF -- "$words" <<<"$steps" || fail "no \"$words\": $steps" || return
	done
}

# happens RESULT OUTCOME SRC DST [WORDS...]: why says so, and so it is: OUTCOME is that of --send.
happens() {
	local result=$1 outcome=$2 src=$3 dst=$4
	shift 4
	why "$src" "$dst"
	says "$result" "$@" || return
	[ "$status" = "$(case $result in arrives | untouched | answered) echo 0 ;; *) echo 5 ;; esac)" ] || fail "status $status: $row" || return
	why --send "$src" "$dst"
	[ "$(jq -r .sent.outcome <<<"$row")" = "$outcome" ] || fail "not \"$outcome\": $row"
}

@test "A pod: to a pod, to another node, to its node; TCP, UDP and pings, both families" {
	local proto family a
	for family in 4 6; do
		a=$(pod_ip a $family)
		for proto in tcp udp; do
			happens arrives answered "$a" "$(vip $family 10):80/$proto" "service: default/pod, port 80" "past the bridge into port \"$(pod_veth n b)\"" \
				"answer: from $(end "$(pod_ip b $family)") becomes one from $(vip $family 10):80"
			happens arrives answered "$a" "$(vip $family 20):80/$proto" "through the host's IP stack, which sends it by \"up0\"" \
				"becomes one from $(vip $family 20):80 at \"$(pod_veth n a)\""
			happens arrives answered "$a" "$(vip $family 30):80/$proto" "through the host's IP stack"
			happens arrives answered "$a" "$(end "$(pod_ip b $family)")/$proto" "service: none: $(pod_ip b $family) is the pod at port \"$(pod_veth n b)\""
		done
		happens answered answered "$a" "$(address $family 10)/icmp" "answered by natbridge itself"
	done
}

# vip FAMILY N, address FAMILY N, end ADDRESS: of the Nth Service, as commands take it.
vip() {
	[ "$1" = 4 ] && echo "10.96.0.$2" || echo "[fd00:96::$2]"
}

address() {
	vip "$@" | tr -d '[]'
}

end() {
	[[ $1 == *:* ]] && echo "[$1]:8080" || echo "$1:8080"
}

@test "The node: to a pod, to another node, to itself; its NodePort" {
	local proto family
	for family in 4 6; do
		for proto in tcp udp; do
			happens arrives answered node "$(vip $family 10):80/$proto" "nb_nb0_out at \"nb0\"" "from the program out by \"cni0\""
			happens arrives answered node "$(vip $family 20):80/$proto" "from the program out by \"up0\""
			happens arrives answered node "$(vip $family 30):80/$proto" "an address of the node itself"
		done
		happens answered answered node "$(address $family 10)/icmp"
	done
	happens arrives answered node "$HERE4:30070" "service: default/port, port 80 (p0): its NodePort" "nb_device_out at \"lo\""
	happens arrives answered node default/pod:80 "service: default/pod"
	happens arrives answered "$(pod_ip a 4)" "$HERE4:30070" "its NodePort"
}

@test "A client outside; its real connections go where why says" {
	why "$THERE4" "$HERE4:30070"
	says arrives "outside of this node" "nb_device_in at \"up0\"" "to $(end "$(pod_ip b 4)")" "becomes one from $HERE4:30070 at \"up0\""
	run -0 ask far tcp "$HERE4" 30070
	assert_answer b "$THERE4"
	why "$THERE4" "10.96.0.10:80"
	says untouched "default/pod, which serves 10.96.0.10 inside of the cluster alone"
	why "$THERE4" "198.51.100.9:80"
	says dropped "source ranges: 1" "drop_source_range"
	run ! ask far -t 500 tcp 198.51.100.9 80
	run ctl n why --send "$THERE4" "$HERE4:30070"
	[ "$status" = 1 ]
	[[ $output == *"not from outside"* ]]
}

@test "A client outside, past the host's IP stack" {
	agent_stop
	agent_start --service-proxy node --fast-path true
	why "$THERE4" "$HERE4:30070"
	says arrives "past the host's IP stack into the pod" "answer: from $(end "$(pod_ip b 4)") becomes one from $HERE4:30070 at \"cni0\""
	run -0 ask far tcp "$HERE4" 30070
	assert_answer b "$THERE4"
	agent_stop
	agent_start --service-proxy node
}

@test "What is lost, with the reason and the cure" {
	local a
	a=$(pod_ip a 4)
	happens rejected "Connection refused" "$a" 10.96.0.40:80 drop_no_backend "backends: none"
	happens rejected "Connection refused" node 10.96.0.40:80 drop_no_backend
	happens rejected "Connection refused" "$a" 10.96.0.10:81 drop_no_service "default/pod: the address has the ports 80/TCP, 80/UDP, and not this port"
	happens dropped "Connection timed out" "$a" 10.96.44.44:80 drop_no_vip "none has this address"
	[ "$(jq -r .fix <<<"$row")" = "natbridgectl service list; kubectl get services -A" ]
	says dropped "heard: the packet was dropped at \"$(pod_veth n a)\" of network \"net\": drop_no_vip"
	why "$a" default/nobody:80
	says noRoute "which has no route there"
	[ "$(jq -r '.backends[0].lost' <<<"$row")" = "the host has no route to it" ]
}

@test "Each endpoint with the reason why it gets new connections or none" {
	why "$(pod_ip a 4)" default/mixed:80
	says arrives "traffic policy Local" "backends: 1 of 4 get new connections" "to $(end "$(pod_ip b 4)")"
	[ "$(jq -c '[.backends[] | [.address, .newConnections, .why]] | sort' <<<"$row")" = "$(jq -cn --arg b "$(pod_ip b 4)" '[
		["10.2.0.97", false, "not ready"], ["10.2.0.98", false, "terminating"],
		["10.2.0.99", false, "on another node, and the traffic policy is Local"], [$b, true, "ready"]] | sort')" ] || fail "$row"
	agent_stop
	why "$(pod_ip a 4)" default/mixed:80
	[ "$(jq -c '[.backends[] | select(.newConnections) | .why]' <<<"$row")" = '["in the table"]' ] || fail "$row"
	agent_start --service-proxy node
}

# code PATH [CURL-OPTION...]: what the agent answers there.
code() {
	ns_exec n curl -s --path-as-is -o "$NBT_DIR/body" -w '%{http_code}' "${@:2}" "http://127.0.0.1:10249$1"
}

@test "The agent's side: /endpoints/NAMESPACE/NAME" {
	local path
	[ "$(code /endpoints/default/mixed)" = 200 ]
	jq -e '.service == "default/mixed" and ([.sets[] | select(.clients == "clusterIP" and .family == "IPv4" and .protocol == "TCP") |
		.policy, .more, (.endpoints | length)] == ["Local", 0, 4])' "$NBT_DIR/body" >/dev/null || fail "$(<"$NBT_DIR/body")"
	jq -e '[.sets[] | "\(.family) \(.protocol) \(.clients) \(.policy)"] | unique | length == 12' "$NBT_DIR/body" >/dev/null || fail "$(<"$NBT_DIR/body")"
	for path in /endpoints/ /endpoints /endpoints/default /endpoints/default/gone /endpoints//mixed /endpoints/default/mixed/ \
		/endpoints/default/../mixed /endpoints/%00 "/endpoints/default/$(printf 'x%.0s' {1..3000})"; do
		[ "$(code "$path")" = 404 ] || fail "$path"
	done
	[ "$(code /endpoints/default/mixed -X POST)" = 405 ]
	service default/large 10.96.0.99 TCP:80:8080 "$(for i in {0..699}; do printf '10.3.%d.%d,' $((i / 200)) $((i % 200 + 1)); done)10.3.9.9" | put_list
	wait_for 5 table_has default/large
	[ "$(code /endpoints/default/large)" = 200 ]
	[ "$(jq -c '[.sets[0].more, (.sets[0].endpoints | length)]' "$NBT_DIR/body")" = "[201,500]" ] || fail "$(<"$NBT_DIR/body")"
	why "$(pod_ip a 4)" default/large:80
	says noRoute "backends: 701 of 701 get new connections"
}

@test "Affinity, and connections that there are" {
	local a port
	a=$(pod_ip a 4)
	why "$a" 10.96.0.80:80
	says arrives "ClientIP for 10800 s; this client has no backend yet"
	talk_open sticky a tcp 10.96.0.80 80
	talk_say sticky hello
	why "$a" 10.96.0.80:80
	says arrives "affinity: ClientIP: this client goes to $(end "$(pod_ip b 4)") for" "a new one; this client has 1 open to there"
	port=$(ctl n -o json conntrack list --dst 10.96.0.80 | jq 'map(select(.assured)) | .[0].original.sport')
	why "$a:$port" 10.96.0.80:80
	says arrives "connection: open, to $(end "$(pod_ip b 4)"), ESTABLISHED"
	talk_close sticky
}

@test "A packet that was sent and is not answered: nothing listens, or the host drops it" {
	local a
	a=$(pod_ip a 4)
	why --send "$a" "$(pod_ip b 4):9"
	[ "$(jq -r .summary <<<"$row")" = "The packet was refused, and not by natbridge." ] || fail "$row"
	[ "$status" = 5 ]
	ns_exec n nft 'add table inet why; add chain inet why f { type filter hook forward priority 0; }; add rule inet why f tcp dport 8080 drop'
	why --send "$a" 10.96.0.20:80
	ns_exec n nft delete table inet why
	[ "$(jq -r .sent.outcome <<<"$row")" = "Connection timed out" ] || fail "$row"
	[[ $(jq -r .summary <<<"$row") == "natbridge let the packet pass, and no answer came"* ]] || fail "$row"
	says arrives "it went to: $(end "$THERE4"), connection SYN_SENT; no answer was seen"
}

@test "A question changes nothing: no connection, counter, affinity, program, map or packet" {
	local before q
	before=$(state)
	for q in "$(pod_ip a 4) 10.96.0.10:80" "$(pod_ip a 4) 10.96.0.40:80" "node 10.96.0.10:80" "node 10.96.9.9:80/udp" "$THERE4 $HERE4:30070" \
		"$(pod_ip a 6) [fd00:96::80]:80/udp" "$(pod_ip a 4) 10.96.0.10/icmp"; do
		# shellcheck disable=SC2086 # two words
		why $q
	done
	diff <(echo "$before") <(state)
}

state() {
	local network
	ns_exec n ip -s -j link show up0 | jq '.[0].stats64.tx.packets'
	for network in net @node; do
		ctl n --network $network -o json conntrack stats | jq -c '.[0].counters'
		bpftool -j map dump pinned "$NBT_DIR/node-n/bpf/natbridge/$network/v$(layout)/affinities" | jq length
		bpftool -j map dump pinned "$NBT_DIR/node-n/bpf/natbridge/$network/v$(layout)/endpoints" | jq -c 'sort'
	done
	find "$NBT_DIR/node-n/bpf" | sort
}

layout() {
	sed -n 's/.*NB_ABI_VERSION = \([0-9]*\),.*/\1/p' "$BATS_TEST_DIRNAME/../../include/natbridge/abi.h"
}

@test "What cannot be asked is said" {
	while read -r src dst words; do
		# shellcheck disable=SC2154 # set by run
		run ctl n why "$src" "$dst"
		[ "$status" = 1 ] || fail "$src $dst: status $status: $output"
		[[ $output == *"$words"* ]] || fail "$src $dst: $output"
	done <<-END
		veth0 10.96.0.10:80 there is no link "veth0"
		up0 10.96.0.10:80 "up0" is not the port of a pod
		10.244.0.77 10.96.0.10:80 no pod of this node has the address 10.244.0.77
		a/b 10.96.0.10:80 "a/b" is not "node", an address, or the name of a pod's port
		node 10.96.0.10 "10.96.0.10" is not ADDRESS:PORT
		node 10.96.0.10:80/icmp "10.96.0.10:80/icmp" is not ADDRESS:PORT
		node 10.96.0.10:0 "10.96.0.10:0" is not ADDRESS:PORT
		node default/pod "default/pod" is not ADDRESS:PORT
		node default/gone:80 the table has no Service "default/gone"
		node default/pod:81 has no such port
		node default/pod:80/sctp has no such port
		10.244.0.2 [fd00:96::10]:80 are not of one family
	END
	run ctl n why node
	[ "$status" != 0 ]
}

@test "Text for people" {
	run -0 ctl n why "$(pod_ip a 4)" 10.96.0.10:80
	diff <(sed "s/has [0-9]* open/has 0 open/; s/$(pod_veth n a)/VETHA/g; s/$(pod_veth n b)/VETHB/g; s/$(pod_ip a 4)/A/g; s/$(pod_ip b 4)/B/g; s/  *$//" <<<"$output") - <<-'END'
		A to 10.96.0.10:80/tcp

		sender        the pod with A at port "VETHA" of network "net", mode ebpf
		program       nb_from_pod at "VETHA"
		service       default/pod, port 80 (p0): its ClusterIP; traffic policy Cluster
		connection    a new one; this client has 0 open to there
		backends      1 of 1 get new connections
		              BACKEND          NEW  PORT          WHY
		              B:8080  yes  VETHB  ready
		request       to B:8080, past the bridge into port "VETHB"
		answer        from B:8080 becomes one from 10.96.0.10:80 at "VETHB"

		The packet gets to B:8080.
	END
}
