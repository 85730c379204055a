#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl monitor: what is dropped, by whom and why; filters, forms, limits; nothing is left behind.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipspoofchk = true'
	pods_up n net a b
	serve b tcp 8080
	services_apply n "$(service default/web 10.96.0.10,fd00:96::10 TCP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")"
	service default/none 10.96.0.11,fd00:96::11 TCP:80:8080,UDP:53:53 "" | ctl n service apply --keep -f -
}

teardown_file() {
	suite_end pods_down n net a b
}

teardown() {
	strictly nobody_listens
}

# Ends those that are left; then the maps must be empty.
nobody_listens() {
	local pid
	for pid in "$NBT_DIR"/*.pid; do
		[ ! -f "$pid" ] || end "$(basename "$pid" .pid)"
	done
	[ -z "$(listeners)" ]
}

# begin NAME COMMAND-LINE...: natbridgectl on node $ON (n) in the background, until "end NAME"; returns when it listens. What it says
# is in $NBT_DIR/NAME.
begin() {
	rm -f "$NBT_DIR/$1" "$NBT_DIR/$1.notes" # of another one
	ctl "${ON:-n}" "${@:2}" >"$NBT_DIR/$1" 2>"$NBT_DIR/$1.notes" 3>&- &
	echo $! >"$NBT_DIR/$1.pid"
	disown
	wait_for 10 grep -q listening "$NBT_DIR/$1.notes" || fail "$(<"$NBT_DIR/$1.notes")"
}

# The process itself, below those that start it.
process() {
	local pid=$1 child
	while child=$(pgrep -P "$pid"); do
		pid=$child
	done
	echo "$pid"
}

# end NAME [SIGNAL]
end() {
	local pid
	pid=$(<"$NBT_DIR/$1.pid")
	kill "${2:--TERM}" "$(process "$pid")" 2>/dev/null || true
	wait_for 10 gone "$pid"
	rm "$NBT_DIR/$1.pid"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# The ring buffers in the network's map.
listeners() {
	node_exec n bpftool -j map dump pinned "$NBT_DIR/node-n/bpf/natbridge/net/v10/listeners" |
		jq -r '.[] | select(any(.value[]; . != "0x00")) | .key[0]'
}

# events N: waits until there are so many.
events() {
	wait_for 10 has_events "$1" || fail "$(<"$NBT_DIR/events")"
}

has_events() {
	[ "$(wc -l <"$NBT_DIR/events")" -ge "$1" ]
}

refused() {
	ask a -t 500 tcp "$1" 80 || true
}

@test "A packet to a Service without a backend: time, network, port, reason and both ends, of both families" {
	begin events monitor
	refused 10.96.0.11
	refused fd00:96::11
	events 2
	[[ $(sed -n 1p "$NBT_DIR/events") =~ ^[0-9:]{8}\.[0-9]{6}\ net\ $(pod_veth n a)\ drop_no_backend\ tcp\ $(pod_ip a 4):[0-9]+\ \>\ 10.96.0.11:80\ len\ 74$ ]] ||
		fail "$(<"$NBT_DIR/events")"
	[[ $(sed -n 2p "$NBT_DIR/events") =~ \ tcp\ \[$(pod_ip a 6)\]:[0-9]+\ \>\ \[fd00:96::11\]:80\ len\ 94$ ]] || fail "$(<"$NBT_DIR/events")"
}

@test "JSON: an object a line, with the packet's head; a packet that was not read has its addresses, too" {
	begin events -o json monitor
	refused 10.96.0.11
	ip -n "$(ns a)" address add 10.9.9.9/32 dev lo
	ns_exec a ping -c 1 -W 1 -I 10.9.9.9 10.96.0.10 || true
	ip -n "$(ns a)" address del 10.9.9.9/32 dev lo
	events 2
	[ "$(jq -c '[.event, .network, .device, .reason, .protocol, .dst, .dport, .length, (.head | length)]' "$NBT_DIR/events" | head -n 1)" = \
		"[\"drop\",\"net\",\"$(pod_veth n a)\",\"drop_no_backend\",\"tcp\",\"10.96.0.11\",80,74,148]" ]
	jq -se 'any(.[]; .reason == "drop_spoofed" and .src == "10.9.9.9" and .dst == "10.96.0.10" and .protonum == 1)' "$NBT_DIR/events"
	[ "$(jq -s '.[0].time | . > (now - 60) and . < (now + 60)' "$NBT_DIR/events")" = true ]
}

@test "Filters: reason, protocol, source, destination, port and pod" {
	local options
	for options in "--reason drop_no_backend" "-p udp" "--src $(pod_ip a 4)" "--dst 10.96.0.11" "--port 53" "--pod $(pod_ip a 4)" "--pod $(pod_veth n a)"; do
		# shellcheck disable=SC2086 # several words
		begin events monitor --count 1 $options
		ask a -t 300 udp 10.96.0.11 53 || true
		events 1
		end events
	done
	for options in "--reason drop_spoofed" "-p sctp" "--src $(pod_ip b 4)" "--dst 10.96.0.10" "--port 54" "--pod $(pod_veth n b)"; do
		# shellcheck disable=SC2086 # several words
		begin none monitor $options
		begin events monitor --count 1
		ask a -t 300 udp 10.96.0.11 53 || true
		events 1
		end none
		[ ! -s "$NBT_DIR/none" ] || fail "$options: $(<"$NBT_DIR/none")"
	done
}

@test "--pcap: a file that tcpdump reads, with the reason as a comment; an existing file is left alone" {
	local file=$NBT_DIR/packets.pcapng
	begin events monitor --pcap "$file"
	refused 10.96.0.11
	refused fd00:96::11
	events 2
	end events
	run -0 tcpdump -nr "$file"
	[[ $output == *"$(pod_ip a 4)."*" > 10.96.0.11.80: Flags [S]"* && $output == *" > fd00:96::11.80: Flags [S]"* ]] || fail "$output"
	[ "$(grep -ac 'natbridge: drop_no_backend, network net' "$file")" -ge 1 ]
	run --separate-stderr -1 ctl n monitor --pcap "$file"
	[[ $stderr == *"cannot make \"$file\": File exists"* ]] || fail "$stderr"
}

@test "--rate: what is too much is counted, and all of it is accounted for" {
	local before after
	before=$(ctl n -o json conntrack stats | jq '.[0].drop_no_backend + .[0].unheard')
	begin events -o json monitor --rate 5 --reason drop_no_backend
	ns_exec a python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(200):
    try:
        s.sendto(b"x", ("10.96.0.11", 53))
    except OSError:
        pass'
	after=$(ctl n -o json conntrack stats | jq '.[0].drop_no_backend + .[0].unheard')
	wait_for 10 accounted $((after - before))
}

accounted() {
	[ "$(jq -s 'map(if .event == "drop" then 1 else .n end) | add' "$NBT_DIR/events")" = "$1" ] &&
		[ "$(jq -s 'map(select(.event == "leftOut")) | length' "$NBT_DIR/events")" -ge 1 ]
}

@test "One that is killed leaves a ring buffer, which the next one takes out; a fifth one is refused" {
	local i
	begin events monitor
	end events -KILL
	[ "$(listeners | wc -l)" = 1 ]
	for i in 1 2 3 4; do
		begin "events$i" monitor
	done
	[ "$(listeners | wc -l)" = 4 ]
	run --separate-stderr -1 ctl n monitor
	[ "$stderr" = 'natbridgectl: network "net": 4 processes listen to it already: Device or resource busy' ] || fail "$stderr"
	refused 10.96.0.11
	for i in 1 2 3 4; do
		wait_for 10 test -s "$NBT_DIR/events$i"
	done
}

@test "A network that comes later is listened to; without one, and with a name that no network has" {
	node_create m
	ON=m begin events monitor
	grep -q "listening to 0 networks" "$NBT_DIR/events.notes"
	network_write m net
	pods_up m net c
	service default/none 10.96.0.11 TCP:80:8080 "" | ctl m service apply --network net -f -
	wait_for 10 heard_of c
	end events
	pods_down m net c
	run -3 ctl n --network other monitor
}

heard_of() {
	ask "$1" -t 200 tcp 10.96.0.11 80 || true
	[ -s "$NBT_DIR/events" ]
}
