#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# C12: after a reboot bpffs is empty and all links are gone, while the files of IPAM and of the runtime are as they were, or torn.

load lib

VIP4=10.96.0.10 VIP6=fd00:96::10

# The backend is pod d: host-local goes on where it stopped, so that the address of the fourth pod is known beforehand.
setup() {
	suite_begin
	node_create n
	WITH=".plugins[0] |= (.ipMasq = true | .ipMasqBackend = \"nftables\" | .macspoofchk = true | .serviceProxy = {
		mode: \"ebpf\", services: [{name: \"default/web\", vip: \"$VIP4\", port: 80, protocol: \"TCP\", backends: [\"10.244.0.5:8080\"]},
			{name: \"default/web\", vip: \"$VIP6\", port: 80, protocol: \"TCP\", backends: [\"[fd00:10:244::5]:8080\"]}]})"
	network_write n net "$WITH"
	IPAM=$NBT_DIR/node-n/ipam/net
	pods_up n net a b
}

teardown() {
	suite_end ns_exec n nft flush ruleset
}

# The node and its pods start anew; what is on disk stays.
reboot() {
	bpf_note n
	ns_delete a
	ns_delete b
	ns_delete n
	bpffs_destroy n
	mount -t bpf bpf "$NBT_DIR/node-n/bpf"
	ns_create n
	ns_no_dad n
}

leases() {
	find "$IPAM" -type f ! -name lock ! -name 'last_reserved_ip.*' -printf '%f\n' | sort
}

# Pods c and d are made, all works between them, and CHECK agrees.
all_is_rebuilt() {
	local pod
	run -0 plugin_call n STATUS c "$(plugin_config n net)"
	pods_up n net c d
	[ "$(pod_ip d 4) $(pod_ip d 6)" = "10.244.0.5 fd00:10:244::5" ] || fail "d has $(pod_ip d 4) and $(pod_ip d 6)"
	serve d tcp 8080
	run -0 ask c tcp $VIP4 80
	assert_answer d "$(pod_ip c 4)"
	run -0 ask c tcp $VIP6 80
	assert_answer d "$(pod_ip c 6)"
	for pod in c d; do
		run -0 pod_check n $pod
	done
	[ "$(ns_exec n sysctl -n net.ipv4.ip_forward)" = 1 ]
	[ "$(ns_exec n nft list ruleset | grep -c 'masquerade comment')" = 4 ]
	[ "$(node_endpoints n)" = 4 ]
}

# The runtime's call for a container of before, whose namespace is no more; its cache is cnitool's here.
forget() {
	rm -f "$NBT_DIR"/node-n/cni/results/net-"$(container_id "$1")"-*
	run -0 plugin_call n DEL "$1" "$(plugin_config n net)" CNI_NETNS="$2"
}

@test "the next ADD rebuilds all, and DEL frees the leases of old pods" {
	reboot
	all_is_rebuilt
	[ "$(leases | wc -l)" = 8 ]
	forget a ""
	forget b "$(ns_path b)"
	[ "$(leases | wc -l)" = 4 ]
	pods_down n net c d
}

@test "DEL of old pods before any ADD: nothing of the network is there, and the leases go" {
	reboot
	forget a ""
	forget b "$(ns_path b)"
	forget b ""
	[ "$(leases)" = "" ]
	[ "$(ip -n "$(ns n)" -j link show | jq length)" = 1 ]
	all_is_rebuilt
	pods_down n net c d
}

@test "GC by the runtime's cache frees the leases of old pods, before an ADD and after one" {
	reboot
	run -0 plugin_call n GC a "$(plugin_config n net '."cni.dev/valid-attachments" = []')"
	[ "$(leases | wc -l)" = 4 ]
	run -0 node_exec n "$TEST_BIN_DIR/cnitool" gc net "$(ns_path a)"
	[ "$(leases)" = "" ]
	[ -z "$(find "$NBT_DIR/node-n/cni" -type f)" ]
	all_is_rebuilt
	pods_down n net c d
}

@test "a container that comes again under its old id gets its address anew" {
	reboot
	pods_up n net a b
	run -0 pod_check n a
	[ "$(leases | wc -l)" = 4 ]
	pods_down n net a b
}

@test "a config that has another mode and backend after the reboot" {
	local mode pod
	for mode in assist off; do
		network_write n net "$WITH | .plugins[0].serviceProxy = {mode: \"$mode\"} | .plugins[0].ipMasqBackend = \"iptables\""
		reboot
		pods_up n net c d
		serve d tcp 8080
		run -0 ask c tcp "$(pod_ip d 4)" 8080
		for pod in c d; do
			run -0 pod_check n $pod
		done
		forget a ""
		forget b "$(ns_path b)"
		[ "$(leases | wc -l)" = 4 ]
		pods_down n net c d
		[ "$(leases)" = "" ]
		pods_up n net a b
	done
	pods_down n net a b
}

# torn FILE HOW: as a file may be that was not written back to the disk.
torn() {
	case $2 in
	empty) : >"$1" ;;
	half) head -c $(($(wc -c <"$1") / 2)) "$1" >"$1.half" && mv "$1.half" "$1" ;;
	zeros) head -c 64 /dev/zero >"$1" ;;
	garbage) printf '\377\376{"\n\n' >"$1" ;;
	gone) rm "$1" ;;
	esac
}

# A torn lease names no container, so that host-local keeps the address: it is for the operator. All else goes.
@test "torn files of IPAM" {
	local how
	for how in empty half zeros garbage gone; do
		reboot
		torn "$IPAM/10.244.0.2" $how
		torn "$IPAM/last_reserved_ip.0" $how
		torn "$IPAM/lock" $how
		pods_up n net c d
		serve d tcp 8080
		run -0 ask c tcp "$(pod_ip d 4)" 8080
		run -0 pod_check n c
		forget a ""
		forget b "$(ns_path b)"
		pods_down n net c d
		[ "$(leases)" = "$([ $how = gone ] || echo 10.244.0.2)" ] || fail "$how: left: $(leases)"
		rm -f "$IPAM"/* "$NBT_DIR"/node-n/cni/results/*
		ns_exec n nft flush ruleset
		pods_up n net a b
	done
	pods_down n net a b
}
