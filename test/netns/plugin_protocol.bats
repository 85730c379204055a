#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What a runtime sees of the plugin: verbs, versions, results, errors, and input that is none.

load lib

setup_file() {
	suite_begin
	node_create n
	network_write n net
	pod_create a
}

teardown_file() {
	suite_end ns_delete a
}

# call COMMAND JQ-FILTER [NAME=VALUE...]: the plugin on pod a; stdout in $output, stderr in $stderr.
call() {
	local command=$1 config
	config=$(plugin_config n net "$2")
	shift 2
	run --separate-stderr plugin_call n "$command" a "$config" "$@"
}

# raw COMMAND FILE: the plugin with that file as stdin and no more than 64 MB of address space; takes under a second, in one of
# three tries, since the machine may have much else to do.
raw() {
	local start took
	for _ in 1 2 3; do
		start=${EPOCHREALTIME/./}
		# shellcheck disable=SC2016 # expanded by the inner shell
		run --separate-stderr node_exec n env CNI_COMMAND="$1" CNI_CONTAINERID=x CNI_NETNS="$(ns_path a)" CNI_IFNAME=eth0 \
			sh -c 'ulimit -v 65536; exec "$1" <"$2"' sh "$NBT_BUILD/natbridge" "$2"
		took=$((${EPOCHREALTIME/./} - start))
		[ $took -ge 1500000 ] || return 0
	done
	fail "took $took us"
}

# refused CODE TEXT: the last call failed with that code and words that contain TEXT, as JSON on stdout.
refused() {
	# shellcheck disable=SC2154 # set by run
	[ "$status" -ne 0 ] || fail "succeeded: $output"
	jq -e --argjson code "$1" --arg text "$2" \
		'(.cniVersion | type == "string") and .code == $code and (.msg | contains($text))' <<<"$output" >/dev/null ||
		fail "expected code $1 and '$2', got: $output"
	[[ $stderr == natbridge:* ]] || fail "nothing on stderr"
}

# ---- C1 --------------------------------------------------------------------------------------------------------------------

@test "C1: VERSION needs nothing and reads nothing" {
	mkfifo "$NBT_DIR/never"
	run -0 --separate-stderr env -i CNI_COMMAND=VERSION "$NBT_BUILD/natbridge" 0<>"$NBT_DIR/never"
	jq -e '.cniVersion == "1.1.0" and
		.supportedVersions == ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]' <<<"$output"
}

@test "C1: without CNI_COMMAND the plugin says what it is" {
	run -0 --separate-stderr env -i "$NBT_BUILD/natbridge" </dev/null
	[ -z "$output" ]
	[[ $stderr == *"CNI plugin"*"1.1.0"* ]]
}

@test "C1: every version: ADD, CHECK where there is one, DEL, in the shape of the version" {
	local version result
	for version in 0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0; do
		call ADD ".cniVersion = \"$version\""
		[ "$status" -eq 0 ] || fail "$version: $output"
		result=$output
		jq -e --arg version $version '.cniVersion == $version and
			if $version < "0.3" then
				(has("ips") or has("interfaces") | not) and (.ip4.ip | startswith("10.244.0.")) and
				.ip4.gateway == "10.244.0.1" and .ip4.routes == [{dst: "0.0.0.0/0", gw: "10.244.0.1"}] and
				(.ip6.ip | startswith("fd00:10:244::"))
			else
				(.interfaces | map(.name)) == ["cni0", (.interfaces[1].name), "eth0"] and
				(.interfaces | map(has("sandbox"))) == [false, false, true] and
				(.interfaces | all(.mac | test("^([0-9a-f]{2}:){5}[0-9a-f]{2}$"))) and
				(.ips | map(.interface)) == [2, 2] and
				(.ips | map(.version)) == (if $version < "1" then ["4", "6"] else [null, null] end) and
				(.routes | map(.dst)) == ["0.0.0.0/0", "::/0"]
			end' <<<"$result" >/dev/null || fail "$version: $result"
		# shellcheck disable=SC2072 # by the order of the characters, which is that of these versions
		if [[ ! $version < 0.4 ]]; then
			call CHECK ".cniVersion = \"$version\" | .prevResult = $result"
			[ "$status" -eq 0 ] || fail "CHECK $version: $output"
		fi
		call DEL ".cniVersion = \"$version\""
		[ "$status" -eq 0 ] || fail "DEL $version: $output"
		[ -z "$output" ]
	done
}

@test "C1: a missing cniVersion means 0.1.0" {
	call ADD 'del(.cniVersion)'
	[ "$status" -eq 0 ]
	jq -e '.cniVersion == "0.1.0" and has("ip4")' <<<"$output"
	call DEL 'del(.cniVersion)'
	[ "$status" -eq 0 ]
}

@test "C1: versions that are too old for a verb, or unknown" {
	call CHECK '.cniVersion = "0.3.1"'
	refused 1 'has no CHECK'
	jq -e '.cniVersion == "0.3.1"' <<<"$output"
	call GC '.cniVersion = "1.0.0"'
	refused 1 'has no GC'
	call STATUS '.cniVersion = "1.0.0"'
	refused 1 'has no STATUS'
	call ADD '.cniVersion = "1.2.0"'
	refused 1 '"1.2.0"'
}

@test "C1: CHECK without prevResult is refused" {
	call CHECK .
	refused 7 prevResult
}

# ---- C14 -------------------------------------------------------------------------------------------------------------------

@test "C14: stdin that is no configuration" {
	local file=$NBT_DIR/input text row
	local rows=(
		'6||empty'
		'6|{|not JSON'
		'6|[]|not a JSON object'
		'6|{"name":"net","name":"net"}|"name": duplicate key'
		'6|{"name":"net","ipam":{"type":"a","type":"b"}}|"ipam.type": duplicate key'
		'6|{"name":"net\u0000x"}|\u0000'
		'6|{"name":"net"} {}|unexpected text after the JSON value'
		'6|{"name":"net"}]|unexpected text after the JSON value'
		'6|{"name":"net","mtu":01}|line 1, column'
		'7|{"name":"net","Bridge":"x"}|"Bridge": unknown key; did you mean "bridge"?'
		'7|{"name":"net","ipam":{"TYPE":"x"}}|"ipam.TYPE"'
		'7|{"name":"net","mtu":1e999}|"mtu"'
		'7|{"name":"net","mtu":99999999999999999999999}|"mtu"'
		'7|{"name":"net","mtu":-1}|"mtu": -1'
		'7|{"name":"net","mtu":1500.5}|"mtu": 1500.5'
		'7|{"name":"net","isGateway":"true"}|"isGateway": "true" is a string'
		'7|{"cniVersion":"1.0.0"}|network name is missing'
	)
	for row in "${rows[@]}"; do
		text=${row#*|}
		printf %s "${text%|*}" >"$file"
		raw ADD "$file"
		refused "${row%%|*}" "${text##*|}"
	done
	printf '{"name":"net","bridge":"\xff"}' >"$file"
	raw ADD "$file"
	refused 6 UTF-8
}

@test "C14: a million levels, 100 MB, a million values" {
	local file=$NBT_DIR/input
	head -c 1000000 /dev/zero | tr '\0' '[' >"$file"
	raw ADD "$file"
	refused 6 'nested too deeply'
	head -c 1000000 /dev/zero | sed 's/\x00/{"a":/g' >"$file"
	raw ADD "$file"
	refused 6 ''
	{
		printf '{"name":"net","x":"'
		head -c 100000000 /dev/zero | tr '\0' x
		printf '"}'
	} >"$file"
	raw ADD "$file"
	refused 6 'larger than'
	{
		printf '{"name":"net","x":[0'
		head -c 1000000 /dev/zero | sed 's/\x00/,0/g'
		printf ']}'
	} >"$file"
	raw ADD "$file"
	refused 6 'too many values'
	rm "$file"
}

@test "C14: stdin that never ends, with and without a configuration in it" {
	local fifo=$NBT_DIR/fifo fd
	mkfifo "$fifo"
	exec {fd}<>"$fifo"
	raw ADD "$fifo"
	refused 6 'the configuration did not end'
	plugin_config n net >&$fd
	raw ADD "$fifo"
	refused 6 'the configuration did not end'
	exec {fd}>&-
	rm "$fifo"
}

# The natbridge in the node, which is $pid, sleeps until it has input.
reader_waits() {
	for pid in $(ip netns pids "$(ns n)"); do
		[ "$(readlink "/proc/$pid/exe")" != "$NBT_BUILD/natbridge" ] || break
	done
	grep -q "^Name:.natbridge" "/proc/$pid/status" && grep -q "^State:.S" "/proc/$pid/status"
}

# has_read BYTES: that it has read as much since the last time, which $count is of. All of its input has to come within 0.9 s, so
# this starts no program.
has_read() {
	local key value
	while read -r key value; do
		[ "$key" != rchar: ] || break
	done <"/proc/$pid/io"
	[ "$value" -ge $((count + $1)) ] && count=$value
}

# Each piece is written once natbridge has read the one before, and the input ends once it has read all.
@test "C14: a slow writer is waited for" {
	local config fifo=$NBT_DIR/slow fd pid job count piece
	config=$(plugin_config n net | jq -c .)
	mkfifo "$fifo"
	node_exec n env CNI_COMMAND=STATUS "$NBT_BUILD/natbridge" <"$fifo" 3>&- &
	job=$!
	exec {fd}>"$fifo"
	wait_for 20 reader_waits
	count=$(awk '$1 == "rchar:" { print $2 }' "/proc/$pid/io")
	for piece in "${config:0:1}" "${config:1:${#config}-2}" "${config: -1}"; do
		printf %s "$piece" >&$fd
		wait_for 20 has_read ${#piece}
	done
	exec {fd}>&-
	wait $job
	rm "$fifo"
}

# ---- C15 -------------------------------------------------------------------------------------------------------------------

@test "C15: missing variables are all named" {
	run --separate-stderr env -i CNI_COMMAND=ADD "$NBT_BUILD/natbridge" <<<"$(plugin_config n net)"
	refused 4 'CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH'
	run --separate-stderr env -i CNI_COMMAND=DEL "$NBT_BUILD/natbridge" <<<"$(plugin_config n net)"
	refused 4 'CNI_CONTAINERID, CNI_IFNAME, CNI_PATH'
	run --separate-stderr env -i CNI_COMMAND=DESTROY "$NBT_BUILD/natbridge" <<<"$(plugin_config n net)"
	refused 4 '"DESTROY"'
}

@test "C15: names that could lead elsewhere" {
	local value
	for value in ../x a/b . .. -a 'a b' $'a\nb' $'\xff' ''; do
		call ADD . CNI_CONTAINERID="$value"
		refused 4 CNI_CONTAINERID
	done
	for value in ../x a/b . .. 'a b' a:b a%d $'a\nb' sixteen-bytes-xx all; do
		call ADD . CNI_IFNAME="$value"
		refused 4 CNI_IFNAME
		run --separate-stderr plugin_call n ADD a "$(plugin_config n net . | jq --arg v "$value" '.bridge = $v')"
		refused 7 '"bridge"'
	done
	for value in ../x a/b .. /bin/sh 'a b' $'a\tb'; do
		run --separate-stderr plugin_call n ADD a "$(plugin_config n net . | jq --arg v "$value" '.ipam.type = $v')"
		refused 7 '"ipam.type"'
		run --separate-stderr plugin_call n ADD a "$(plugin_config n net . | jq --arg v "$value" '.name = $v')"
		refused 7 '"name"'
	done
}

@test "C15: CNI_NETNS must be a network namespace, and not the own one" {
	local path
	for path in /etc/passwd /nonexistent /proc/self/ns/mnt /dev/null /; do
		call ADD . CNI_NETNS="$path"
		refused 8 CNI_NETNS
	done
	call ADD . CNI_NETNS="$(ns_path n)"
	refused 8 'that the plugin runs in'
	call DEL . CNI_NETNS="$(ns_path n)"
	refused 8 'that the plugin runs in'
}

@test "C15: CNI_NETNS_OVERRIDE allows the own namespace" {
	local plain='.isGateway = false | .isDefaultGateway = false'
	call ADD "$plain" CNI_NETNS="$(ns_path n)" CNI_NETNS_OVERRIDE=1
	[ "$status" -eq 0 ] || fail "$output"
	ip -n "$NBT-n" link show eth0 >/dev/null
	call CHECK "$plain | .prevResult = $output" CNI_NETNS="$(ns_path n)" CNI_NETNS_OVERRIDE=1
	[ "$status" -eq 0 ] || fail "$output"
	call DEL "$plain" CNI_NETNS="$(ns_path n)" CNI_NETNS_OVERRIDE=true
	[ "$status" -eq 0 ] || fail "$output"
}

@test "C15: CNI_ARGS" {
	call ADD . CNI_ARGS='K8S_POD_NAME=web'
	refused 4 K8S_POD_NAME
	call ADD . CNI_ARGS='MAC=nonsense'
	refused 4 MAC=nonsense
	call ADD . CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAME=web;MAC=02:11:22:33:44:55'
	[ "$status" -eq 0 ] || fail "$output"
	jq -e '.interfaces[2].mac == "02:11:22:33:44:55"' <<<"$output"
	[ "$(pod_mac a)" = 02:11:22:33:44:55 ]
	call DEL .
	[ "$status" -eq 0 ]
}

# ---- C17 -------------------------------------------------------------------------------------------------------------------

# unprivileged COMMAND SETPRIV-OPTION...: the plugin with less than it needs.
unprivileged() {
	local command=$1
	shift
	run --separate-stderr node_exec n env CNI_COMMAND="$command" CNI_CONTAINERID=x CNI_NETNS="$(ns_path a)" CNI_IFNAME=eth0 \
		setpriv "$@" "$NBT_BUILD/natbridge" <<<"$(plugin_config n net .)"
}

@test "C17: without privileges a clear error and nothing left, and VERSION works" {
	local nobody=(--reuid 65534 --regid 65534 --clear-groups) verb missing
	chmod 755 "$NBT_DIR" "$NBT_DIR/node-n" "$NBT_DIR/node-n/net.d"
	node_state n >"$NBT_DIR/before"
	for verb in ADD DEL GC; do
		unprivileged $verb "${nobody[@]}"
		refused 101 'root is needed: CAP_NET_ADMIN is missing'
	done
	unprivileged STATUS "${nobody[@]}"
	refused 50 'root is needed'
	unprivileged VERSION "${nobody[@]}"
	[ "$status" -eq 0 ]
	for missing in net_admin sys_admin; do
		unprivileged ADD --bounding-set "-$missing" --inh-caps "-$missing"
		refused 101 "CAP_${missing^^} is missing"
	done
	node_state n | diff "$NBT_DIR/before" -
}
