#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# CoreDNS through its Service, from a pod on each node.

load ../scenario

setup_file() {
	scenario_begin 300
	app_create web 1
	for n in $(nodes); do
		client_create "client-$n" "$n"
	done
}

teardown_file() {
	scenario_end
}

# lookups CLIENT SERVER COUNT OPTION...: each from a socket of its own and with one try; prints how many were answered.
lookups() {
	# shellcheck disable=SC2016 # for the shell in the pod
	client_exec "$1" bash -c 'yes "@$1 web.dns.svc.cluster.local A +noall +answer +tries=1 +timeout=5 ${*:3}" | head -n "$2" >/tmp/names
		dig -f /tmp/names | grep -c "^web\.dns\.svc.*IN.A.*10\.96\."' dig "${@:2}"
}

# assert_lookups SERVER COUNT [OPTION...]: from all nodes at once.
assert_lookups() {
	local n pids=()
	for n in $(nodes); do
		lookups "client-$n" "$@" >"$BATS_TEST_TMPDIR/answers-$n" &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	for n in $(nodes); do
		[ "$(<"$BATS_TEST_TMPDIR/answers-$n")" = "$2" ] || fail "node$n: $(<"$BATS_TEST_TMPDIR/answers-$n") of $2 lookups answered"
	done
}

@test "10,000 lookups by UDP, IPv4: none is lost" {
	assert_lookups "$DNS_IP" 10000
}

@test "10,000 lookups by UDP, IPv6: none is lost" {
	assert_lookups "$DNS_IP6" 10000
}

@test "1,000 lookups by TCP: none is lost" {
	assert_lookups "$DNS_IP" 1000 +tcp
}

# The resolver asks for A and AAAA from one socket at a time, and asks again after five seconds.
@test "500 lookups by the C library: none waits for a second try" {
	for n in $(nodes); do
		# shellcheck disable=SC2016 # for the shell in the pod
		run -0 client_exec "client-$n" bash -c 'for _ in {1..500}; do
			start=${EPOCHREALTIME/./}
			getent ahosts web.dns.svc.cluster.local >/dev/null || exit
			took=$(((${EPOCHREALTIME/./} - start) / 1000))
			[ $took -lt 4000 ] || { echo "took $took ms"; exit 1; }
		done'
	done
}

@test "a name that is not there is answered so" {
	run client_exec client-1 dig "@$DNS_IP" nobody.dns.svc.cluster.local +tries=1 +timeout=5
	[[ $output = *NXDOMAIN* ]] || fail "$output"
}
