#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# natbridgectl monitor: what is dropped, by whom and why; which connections begin and end; filters, forms, limits; nothing is left
# behind.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net '.plugins[0].ipspoofchk = true'
	pods_up n net a b
	serve b tcp 8080
	serve b udp 8080
	services_apply n "$(service default/web 10.96.0.10,fd00:96::10 TCP:80:8080,UDP:80:8080,SCTP:80:8080 "$(pod_ip b 4),$(pod_ip b 6)")"
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

# ---- connections -----------------------------------------------------------------------------------------------------------

# shown PATTERN: the lines that match, without their time; at least one. The port of the client is PORT in them.
shown() {
	sed -E "s/^[0-9:.]+ //; s/:[34569][0-9]{4}\b/:PORT/g" "$NBT_DIR/events" | grep -E "$1"
}

# expect LINE...: waits until that is what is shown, in this order, and nothing else.
expect() {
	printf '%s\n' "$@" >"$NBT_DIR/expected"
	wait_for 15 is_expected || fail "$(diff "$NBT_DIR/expected" <(shown .))"
}

is_expected() {
	diff -q "$NBT_DIR/expected" <(shown .) >/dev/null
}

@test "--kind begin,end: a connection of TCP, when it begins and when both sides have closed it, of both families" {
	local a4 a6 b4 b6 port
	a4=$(pod_ip a 4) a6=$(pod_ip a 6) b4=$(pod_ip b 4) b6=$(pod_ip b 6) port="net $(pod_veth n a)"
	begin events monitor --kind begin,end
	ask a tcp 10.96.0.10 80
	expect "$port begin tcp $a4:PORT > 10.96.0.10:80 as $a4:PORT > $b4:8080 state SYN_SENT" \
		"$port end_closed tcp $a4:PORT > 10.96.0.10:80 as $a4:PORT > $b4:8080 state TIME_WAIT"
	end events
	begin events monitor --kind end,begin
	ask a tcp fd00:96::10 80
	expect "$port begin tcp [$a6]:PORT > [fd00:96::10]:80 as [$a6]:PORT > [$b6]:8080 state SYN_SENT" \
		"$port end_closed tcp [$a6]:PORT > [fd00:96::10]:80 as [$a6]:PORT > [$b6]:8080 state TIME_WAIT"
}

@test "A direct connection to a backend is not translated; without --kind no connection is shown" {
	local a4 b4 port
	a4=$(pod_ip a 4) b4=$(pod_ip b 4) port="net $(pod_veth n a)"
	begin drops monitor
	begin events monitor --kind begin
	ask a tcp "$b4" 8080
	refused 10.96.0.11
	expect "$port begin tcp $a4:PORT > $b4:8080 state SYN_SENT"
	wait_for 5 test -s "$NBT_DIR/drops"
	[ "$(grep -vc drop_no_backend "$NBT_DIR/drops")" = 0 ] || fail "$(<"$NBT_DIR/drops")"
}

@test "UDP and SCTP: their time is over; a connection that began before is shown as well" {
	local a4 a6 b4 b6 port
	a4=$(pod_ip a 4) a6=$(pod_ip a 6) b4=$(pod_ip b 4) b6=$(pod_ip b 6) port="net $(pod_veth n a)"
	ctl n conntrack set udp=3
	ask a udp 10.96.0.10 80
	begin events monitor --kind begin,end -p udp
	ask a udp fd00:96::10 80
	expect "$port begin udp [$a6]:PORT > [fd00:96::10]:80 as [$a6]:PORT > [$b6]:8080" \
		"$port end_expired udp $a4:PORT > 10.96.0.10:80 as $a4:PORT > $b4:8080" \
		"$port end_expired udp [$a6]:PORT > [fd00:96::10]:80 as [$a6]:PORT > [$b6]:8080"
	ctl n conntrack set udp=30
	end events
	begin events monitor --kind begin,end -p sctp
	# Nobody answers.
	ns_exec a /usr/bin/python3 "$NBT_ROOT/test/netns/sctp.py" ask 10.96.0.10 80 40000 || true
	expect "$port begin sctp $a4:PORT > 10.96.0.10:80 as $a4:PORT > $b4:8080 state CLOSED" \
		"$port end_expired sctp $a4:PORT > 10.96.0.10:80 as $a4:PORT > $b4:8080 state CLOSED"
}

@test "conntrack flush ends what it removes, and a pod's end those of the pod; a drop shows where its connection went" {
	local a4 b4 c4 port
	pods_up n net c
	serve c tcp 8081
	a4=$(pod_ip a 4) b4=$(pod_ip b 4) c4=$(pod_ip c 4) port="net $(pod_veth n a)"
	service default/c 10.96.0.12 TCP:80:8081 "$c4" | ctl n service apply --keep -f -
	begin events monitor --kind drop,begin,end
	talk_open web a tcp 10.96.0.10 80
	talk_say web hello
	ctl n conntrack flush
	expect "$port begin tcp $a4:PORT > 10.96.0.10:80 as $a4:PORT > $b4:8080 state SYN_SENT" \
		"$port end_flushed tcp $a4:PORT > 10.96.0.10:80 as $a4:PORT > $b4:8080 state ESTABLISHED"
	talk_close web
	end events
	begin events monitor --kind drop,end
	begin drops monitor
	talk_open c a tcp 10.96.0.12 80
	talk_say c hello
	pods_down n net c
	wait_for 10 shown " end_gone"
	talk_say c more || true
	wait_for 10 shown drop_backend_gone
	wait_for 10 test -s "$NBT_DIR/drops"
	talk_close c
	[ "$(shown " end_gone")" = "$port end_gone tcp $a4:PORT > 10.96.0.12:80 as $a4:PORT > $c4:8081 state ESTABLISHED" ] || fail "$(<"$NBT_DIR/events")"
	# Whether others listen to ends or not.
	for file in events drops; do
		[[ $(grep -m 1 drop_backend_gone "$NBT_DIR/$file") =~ \ tcp\ $a4:[0-9]+\ \>\ 10.96.0.12:80\ as\ $a4:[0-9]+\ \>\ $c4:8081\ len ]] || fail "$(<"$NBT_DIR/$file")"
	done
	ctl n service delete default/c
}

@test "Filters of connections: by either tuple, by Service, also one that comes later; by reason" {
	local options a4 b4
	a4=$(pod_ip a 4) b4=$(pod_ip b 4)
	for options in "--src $a4" "--dst 10.96.0.10" "--dst $b4" "--dst $b4/30" "--port 80" "--port 8080" "--pod $b4" "--pod $(pod_veth n a)" "--service default/web"; do
		# shellcheck disable=SC2086 # several words
		begin events monitor --kind begin --count 1 $options
		ask a tcp 10.96.0.10 80
		events 1
		end events
	done
	for options in "--src $b4" "--dst $a4" "--dst ::/0" "--port 81" "--service default/none" "-p udp"; do
		# shellcheck disable=SC2086 # several words
		begin none monitor --kind begin $options
		begin events monitor --kind begin --count 1
		ask a tcp 10.96.0.10 80
		events 1
		end none
		[ ! -s "$NBT_DIR/none" ] || fail "$options: $(<"$NBT_DIR/none")"
	done
	begin events monitor --reason end_closed --count 1
	ask a tcp 10.96.0.10 80
	events 1
	[[ $(<"$NBT_DIR/events") = *" end_closed "* ]]
	begin events monitor --kind drop,begin --service default/later
	grep -q 'no Service "default/later" here yet' "$NBT_DIR/events.notes"
	service default/later 10.96.0.13 TCP:80:8080 "$b4" | ctl n service apply --keep -f -
	wait_for 10 heard_at 10.96.0.13
	ctl n service delete default/later
	[ "$(grep -vc "10.96.0.13:80" "$NBT_DIR/events")" = 0 ] || fail "$(<"$NBT_DIR/events")"
}

heard_at() {
	ask a tcp "$1" 80
	ask a tcp 10.96.0.10 80
	[ -s "$NBT_DIR/events" ]
}

@test "Of many connections each begins once and ends once, in JSON" {
	local a4
	a4=$(pod_ip a 4)
	begin events -o json monitor --kind begin,end --rate 100000
	ns_exec a python3 -c '
import socket
for i in range(300):
    s = socket.create_connection(("10.96.0.10", 80))
    s.sendall(b"x\n")
    s.recv(100)
    s.close()'
	wait_for 20 has_events 600 || fail "$(wc -l <"$NBT_DIR/events") events"
	sleep 2.5 # two turns, in which none may be shown again
	[ "$(jq -s 'map(select(.event == "begin") | .sport) | length, (unique | length)' -c "$NBT_DIR/events" | xargs)" = "300 300" ]
	[ "$(jq -s 'map(select(.event == "end") | .sport) | length, (unique | length)' -c "$NBT_DIR/events" | xargs)" = "300 300" ]
	[ "$(jq -sc 'map(select(.event == "end")) | .[0] | [.network, .device, .reason, .protocol, .protonum, .src, .dst, .dport, .state, .translated.src, .translated.dst, .translated.dport, has("length")]' "$NBT_DIR/events")" = \
		"[\"net\",\"$(pod_veth n a)\",\"end_closed\",\"tcp\",6,\"$a4\",\"10.96.0.10\",80,\"TIME_WAIT\",\"$a4\",\"$(pod_ip b 4)\",8080,false]" ]
	jq -se 'all(.[]; .sport == .translated.sport)' "$NBT_DIR/events"
}

@test "A network that comes later, with its connections; what contradicts itself is refused" {
	local words message
	node_create k
	ON=k begin events monitor --kind begin,end
	network_write k net
	pods_up k net c d
	serve d tcp 8080
	service default/web 10.96.0.10 TCP:80:8080 "$(pod_ip d 4)" | ctl k service apply --network net -f -
	wait_for 10 connected c
	wait_for 10 shown end_closed
	end events
	pods_down k net c d
	while IFS='|' read -r words message; do
		# shellcheck disable=SC2086 # several words
		run --separate-stderr ctl n monitor $words
		[[ $status != 0 && $stderr == *"$message"* ]] || fail "$words: $status $stderr"
	done <<-END
		--kind begin,ends|"begin,ends" is not a list of drop, begin and end, with commas
		--kind ,|"," is not a list
		--kind begin --reason end_closed|--kind begin has no event with --reason end_closed
		--kind begin --pcap $NBT_DIR/none.pcapng|--kind begin has no packets for --pcap
	END
	[ ! -e "$NBT_DIR/none.pcapng" ]
}

connected() {
	ask "$1" -t 200 tcp 10.96.0.10 80 || true
	[ -s "$NBT_DIR/events" ]
}
