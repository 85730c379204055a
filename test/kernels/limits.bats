#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The bandwidth plugin behind natbridge on this kernel: natbridge notices its qdiscs, which CHECK looks for. Before tcx (Linux
# 6.6) natbridge's clsact has the place of the plugin's ingress qdisc, so that it can limit what a pod gets but not what it
# sends, and says so at ADD.

load ../netns/lib

INGRESS='ingressRate: 8000000, ingressBurst: 400000'
EGRESS='egressRate: 8000000, egressBurst: 400000'

setup_file() {
	suite_begin
	node_create n
	pod_create a
}

teardown_file() {
	suite_end
}

# limit MODE LIMITS: a network whose bandwidth plugin alone has them.
limit() {
	network_write n net ".plugins[0].serviceProxy.mode = \"$1\" | .plugins += [{type: \"bandwidth\", $2}]"
}

@test "a limit of what a pod gets is noticed" {
	local mode
	for mode in ebpf assist; do
		limit "$mode" "$INGRESS"
		run -0 --separate-stderr pod_add n a
		[[ $stderr != *"does not report new qdiscs"* ]] || fail "$stderr"
		tc -n "$(ns n)" qdisc show dev "$(pod_veth n a)" root | grep -q tbf
		run -0 pod_check n a
		pod_del n a
	done
}

@test "a limit of what a pod sends: with tcx noticed as well, without refused at ADD" {
	local mode
	for mode in ebpf assist; do
		limit "$mode" "$EGRESS"
		if printf '6.6\n%s\n' "$(uname -r)" | sort -VC; then
			run -0 pod_add n a
			run -0 pod_check n a
		else
			run ! pod_add n a
			[[ $output = *'"bandwidth" failed (add): create ingress qdisc: file exists'* ]] || fail "$output"
		fi
		pod_del n a
	done
}
