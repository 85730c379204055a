#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: 5,000 Services come and go.
# They are made at the rate that the API server takes, and then each of them is reached from each node.

load ../scenario

COUNT=5000

setup_file() {
	scenario_begin 900
	app_create web 2
	for n in $(nodes); do
		client_create "client-$n" "$n"
	done
}

teardown_file() {
	scenario_end 900
}

# The addresses are known beforehand: 10.96.128.0 and on.
bulk_address() {
	echo "10.96.$((128 + $1 / 250)).$((1 + $1 % 250))"
}

# All Services lead to the app's pods. A request each, over a few connections.
bulk_create() {
	local i
	for ((i = 0; i < COUNT; i++)); do
		printf 'next\nurl = "https://%s:6443/api/v1/namespaces/bulk/services"\ncacert = "%s"\nheader = "Authorization: Bearer admin-token"\n' \
			"$(node_ip 1)" "$CLUSTER_DIR/control/ca.crt"
		printf 'header = "Content-Type: application/json"\nfail\nsilent\nshow-error\noutput = "/dev/null"\n'
		printf 'data = "{\\"metadata\\": {\\"name\\": \\"s%d\\"}, \\"spec\\": {\\"clusterIP\\": \\"%s\\", ' "$i" "$(bulk_address "$i")"
		printf '\\"selector\\": {\\"app\\": \\"web\\"}, \\"ports\\": [{\\"port\\": 80, \\"targetPort\\": 8080}]}}"\n'
	done | tail -n +2 >"$BATS_TEST_TMPDIR/requests"
	netns 1 curl --parallel --parallel-max 16 --config "$BATS_TEST_TMPDIR/requests"
}

slices_there() {
	[ "$(kn get endpointslices --no-headers -o name | wc -l)" -ge "$COUNT" ]
}

# The client's list of those that it has not reached.
bulk_wanted() {
	local i
	for ((i = 0; i < COUNT; i++)); do
		echo "url = \"http://$(bulk_address $i)/hostname\""
	done | kn exec -i "$1" -- tee /tmp/wanted >/dev/null
}

# bulk_missed CLIENT: one request to each that is wanted; prints how many were not reached, which are those wanted from now on.
bulk_missed() {
	# shellcheck disable=SC2016 # for the shell in the pod
	client_exec "$1" bash -c '
		sed "s,\$,\nout-null," /tmp/wanted | sed "s,^out-null,output = \"/dev/null\"," >/tmp/config
		curl -s --parallel --parallel-max 16 --max-time 5 -w "%{http_code} %{url}\n" -K /tmp/config |
			awk "\$1 != 200 { print \"url = \\\"\" \$2 \"\\\"\" }" >/tmp/missed
		mv /tmp/missed /tmp/wanted
		wc -l </tmp/wanted'
}

bulk_reached() {
	[ "$(bulk_missed "$1")" = 0 ]
}

@test "5,000 Services are made, each with its EndpointSlice" {
	start=$SECONDS
	run -0 bulk_create
	note "$COUNT Services made in $((SECONDS - start)) s"
	wait_for 600 slices_there
	note "$COUNT EndpointSlices there after $((SECONDS - start)) s"
}

@test "all of them are reached from each node" {
	start=$SECONDS
	for n in $(nodes); do
		bulk_wanted "client-$n"
		wait_for 300 bulk_reached "client-$n"
		note "node$n reached all of them $((SECONDS - start)) s later"
	done
}

@test "once more: not one request fails" {
	for n in $(nodes); do
		bulk_wanted "client-$n"
		run -0 --separate-stderr bulk_missed "client-$n" # curl shows its progress, however silent it is told to be
		[ "$output" = 0 ] || fail "node$n: $output of $COUNT Services not reached"
	done
}
