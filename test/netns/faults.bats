#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Plugin calls that are killed, or whose system calls fail, one at a time: nothing may be left. FAULTS=all in the environment
# walks every call; by default those are left out that find the node as one before them of the same kind did (see chosen() in
# faults.bash).

load lib
load faults

setup_file() {
	command -v strace >/dev/null || fail "strace is missing; run: sudo make deps"
	suite_begin
	node_create n
	network_write n net
	pod_create p
}

teardown_file() {
	suite_end take_down
}

take_down() {
	ns_delete p
	node_forget
}

setup() {
	NFTABLES=$(plugin_config n net '.ipMasq = true | .ipMasqBackend = "nftables"')
	IPTABLES=$(plugin_config n net '.ipMasq = true | .ipMasqBackend = "iptables" | .macspoofchk = true | .serviceProxy.mode = "assist"')
}

# walks CONFIG < TABLE: a row is VERB first|later FAULT HOW [KINDS], as walk() has them.
walks() {
	local verb state fault how kinds
	note_usual "$1"
	while read -r verb state fault how kinds <&4; do
		walk "$verb" "$state" "$1" "$fault" "$how" "${kinds:-.}"
	done 4<&0
}

@test "C9, C10: ebpf, nftables" {
	walks "$NFTABLES" <<-'END'
		ADD later kill changing
		ADD later EIO each
		DEL later kill changing
		DEL later EIO some
	END
}

@test "C9, C10: the first ADD of a node: what only this one does" {
	walks "$NFTABLES" <<-'END'
		ADD first kill changing mkdir|rename|bpf:OBJ_PIN|sendto:RTM_NEWLINK
		ADD first EIO some mkdir|rename|openat|statfs|flock|sendto:RTM_NEWLINK|bpf:(.*_LOAD|.*MAP|OBJ_PIN|MAP_.*)
		ADD first ENOSPC some mkdir|openat.!|bpf:OBJ_PIN
		ADD first ENOMEM some bpf:(.*_LOAD|MAP_CREATE|OBJ_PIN)
	END
}

@test "C9, C10: assist, iptables, macspoofchk: programs at the bridge, children" {
	walks "$IPTABLES" <<-'END'
		ADD later kill changing clone|poll|wait4|bpf:PROG_ATTACH
		ADD later EIO some clone|pipe2|memfd_create|pidfd_open|poll|read|wait4|bpf:PROG
		ADD later EAGAIN some clone|pipe2|memfd_create
		DEL later kill some clone|poll|wait4|bpf:PROG_DETACH
		DEL later EIO some clone|pipe2|memfd_create|pidfd_open|poll|read|wait4|bpf:PROG
		ADD first kill some bpf:PROG_ATTACH|rename
	END
}

@test "C10: other errors" {
	walks "$NFTABLES" <<-'END'
		ADD later ENOSPC some write|bpf:MAP_UPDATE
		ADD later ENOMEM some bpf|sendto|clone|memfd_create|pipe2
		ADD later EINTR some poll|wait4|read|write|recvmsg|sendto|flock
		DEL later EINTR some poll|wait4|read|write|recvmsg|sendto|flock
	END
}

@test "C10: CHECK, STATUS and GC: success or one error; the first two change nothing, the next GC does what was left" {
	local config kinds
	while read -r config kinds <&4; do
		note_usual "${!config}"
		plugin ADD "${!config}" >"$NBT_DIR/result"
		walk_asking CHECK "$(jq --slurpfile prev "$NBT_DIR/result" '.prevResult = $prev[0]' <<<"${!config}")"
		walk_asking STATUS "${!config}"
		plugin DEL "${!config}"
		walk_gc "$(jq '."cni.dev/valid-attachments" = []' <<<"${!config}")" "$kinds"
	done 4<<-END
		NFTABLES .
		IPTABLES clone|pipe2|wait4|bpf:PROG_DETACH|sendto
	END
}

# A kind of call that always fails takes some steps with it; what those left is the one pattern, what the others did not the rest.
@test "C6: GC goes on after each step that fails" {
	local config name error left gone pattern
	config=$(jq '."cni.dev/valid-attachments" = []' <<<"$NFTABLES")
	note_usual "$NFTABLES"
	while read -r name error left gone <&4; do
		begin GC later "$config"
		status=0
		traced GC "$config" -e "inject=$name:error=$error" || status=$?
		[ "$status" -ne 0 ]
		answered_well "$name" "$status"
		everything >"$NBT_DIR/now"
		grep -q "$left" "$NBT_DIR/now" || fail "$name: no $left" "$(<"$NBT_DIR/now")"
		for pattern in $gone; do
			! grep "$pattern" "$NBT_DIR/now" || fail "$name: $pattern is left"
		done
		plugin GC "$config"
		plugin DEL "$config"
		nothing_left "by the second GC"
	done 4<<-'END'
		sendto EIO    link.veth       entries.of.links.1 entries.of.ports.1
		bpf    EIO    entries.of.links.1 link.veth masquerade.comment.*id:
		clone  EAGAIN masquerade.comment.*id: link.veth entries.of.links.1
	END
}

@test "C9: killed while IPAM is at work, which then gives no address after the DEL" {
	local config
	mkdir "$NBT_DIR/plugins"
	cat >"$NBT_DIR/plugins/slow" <<-END
		#!/bin/sh
		if [ \$CNI_COMMAND = ADD ]; then
			echo \$\$ >$NBT_DIR/asked
			until [ -e $NBT_DIR/deleted ]; do sleep 0.05; done
		fi
		exec "$TEST_BIN_DIR/host-local"
	END
	chmod 755 "$NBT_DIR/plugins/slow"
	config=$(jq '.ipam.type = "slow"' <<<"$NFTABLES")
	note_usual "$NFTABLES"
	# shellcheck disable=SC2016 # for the shell that natbridge takes the place of
	TEST_BIN_DIR=$NBT_DIR/plugins plugin ADD "$config" sh -c 'echo $$ >"$0" && exec "$@"' "$NBT_DIR/pid" >/dev/null 2>&1 3>&- &
	wait_for 30 test -s "$NBT_DIR/asked"
	kill -KILL "$(<"$NBT_DIR/pid")"
	TEST_BIN_DIR=$NBT_DIR/plugins plugin DEL "$config"
	touch "$NBT_DIR/deleted"
	wait_for 30 ended "$(<"$NBT_DIR/asked")"
	nothing_left "after DEL"
}

# A process whose parent has not asked for it yet has no program either.
ended() {
	! readlink "/proc/$1/exe" >/dev/null
}

@test "a runtime that ignores SIGCHLD, which its children inherit" {
	note_usual "$NFTABLES"
	run -0 node_exec n env --ignore-signal=CHLD CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_NETNS="$(ns_path p)" CNI_IFNAME=eth0 \
		"$NBT_BUILD/natbridge" <<<"$NFTABLES"
	run ! node_exec n env --ignore-signal=CHLD CNI_COMMAND=ADD CNI_CONTAINERID=d CNI_NETNS="$(ns_path p)" CNI_IFNAME=eth1 \
		"$NBT_BUILD/natbridge" <<<"$(jq '.ipam.ranges = [[{subnet: "10.0.0.0/33"}]]' <<<"$NFTABLES")"
	[[ $output = *"IPAM plugin \"host-local\": ADD: "* ]] || fail "$output"
	run -0 node_exec n env --ignore-signal=CHLD CNI_COMMAND=DEL CNI_CONTAINERID=c CNI_NETNS="$(ns_path p)" CNI_IFNAME=eth0 \
		"$NBT_BUILD/natbridge" <<<"$NFTABLES"
	everything | sort | diff "$NBT_DIR/usual" -
}
