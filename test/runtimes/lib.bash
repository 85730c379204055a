# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests with real runtimes share, on top of the scenarios' lib.bash: node n is not only a network namespace but has
# processes and mounts of its own as well, so that a daemon in it finds its default paths and leaves the machine's alone. A file:
#
#	load lib
#	setup_file() { runtime_needs containerd ctr || return 0; runtime_begin; ...; runtime_before; }
#	teardown_file() { runtime_end; }
#	container_exec() { ... }  # NAME COMMAND...: in that container, by the runtime
#	runtime_objects() { ... } # what the runtime says that it has, a count a line

NBT_RUNTIMES=${BASH_SOURCE[0]%/*}
# shellcheck source=test/netns/lib.bash
. "$NBT_RUNTIMES/../netns/lib.bash"
# shellcheck source=test/runtimes/inside.bash
. "$NBT_RUNTIMES/inside.bash"
# shellcheck source=test/runtimes/image.bash
. "$NBT_RUNTIMES/image.bash"

export VIP4=10.96.0.10 VIP6=fd00:96::10

# ---- suites ----------------------------------------------------------------------------------------------------------------

# bats 1.8 cannot skip in setup_file, so each test does.
setup() {
	[ -z "${NBT_SKIP:-}" ] || skip "$NBT_SKIP"
}

# runtime_needs PROGRAM...: whether this machine can run them; else all tests of the file are skipped, with the reason.
runtime_needs() {
	local program reason
	mkdir -p "$NBT_DIR"
	for program in "$@" runc busybox; do
		[ -n "$(PATH=$PATH:$TEST_BIN_DIR command -v "$program")" ] || runtime_skip "$program is missing; run: sudo make deps" || return
	done
	! ldd "$(command -v busybox)" >/dev/null 2>&1 || runtime_skip "busybox is not static; run: sudo make deps" || return
	reason=$(inside_possible 2>&1) || runtime_skip "no node with mounts of its own: ${reason##*$'\n'}" || return
	reason=$(runc_possible 2>&1) || runtime_skip "runc runs nothing here: ${reason##*$'\n'}"
}

runtime_skip() {
	export NBT_SKIP=$1
	rm -rf "$NBT_DIR"
	return 1
}

# After runtime_needs: node n with a network "pods" that all runtimes understand.
runtime_begin() {
	suite_begin
	machine_paths >"$NBT_DIR/paths-before"
	node_create n
	network_write n pods '.cniVersion = "1.0.0" | .plugins[0].ipMasq = true
		| .plugins += [{type: "portmap", capabilities: {portMappings: true}}]'
	inside_begin
}

# All that teardown_file does.
runtime_end() {
	suite_end runtime_down
}

runtime_down() {
	inside_end
	machine_paths | diff "$NBT_DIR/paths-before" -
}

# What of the machine's own the runtimes would touch if they were not told better.
machine_paths() {
	ls -d /etc/cni/net.d/* /opt/cni/* /etc/containerd /var/lib/{containerd,containers} /run/{containerd,containers,libpod,runc} 2>/dev/null || true
	sysctl -e net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.bridge 2>/dev/null || true
}

# ---- checks ----------------------------------------------------------------------------------------------------------------

container_serves() {
	container_exec "$1" timeout 10 wget -q -O - http://127.0.0.1:8080/cgi-bin/who >/dev/null 2>&1
}

# container_ip NAME 4|6: its address, as it sees it itself.
container_ip() {
	container_exec "$1" ip "-$2" -o address show dev eth0 scope global | sed -n 's,.* inet6\{0\,1\} \([^/ ]*\)/.*,\1,p'
}

# Containers a and b hang on one bridge, each on a port of natbridge's.
assert_on_natbridge() {
	local ports
	ports=$(ip -n "$NBT-n" -j link show master cni0 | jq -r '.[].ifname')
	[ "$(wc -w <<<"$ports")" = 2 ] || fail "ports of the bridge: $ports"
	[ "$(ctl n endpoint list | grep -c ' attached$')" = 4 ] || fail "$(ctl n endpoint list)"
}

# Service "web" leads to container b.
service_begin() {
	services_apply n "$(service default/web "$VIP4,$VIP6" TCP:80:8080 "$(container_ip b 4),$(container_ip b 6)")"
}

# assert_service 4|6: container a reaches the Service, whose backend sees a's own address. timeout, since wget -T crashes
# in Debian's static busybox.
assert_service() {
	local vip=$VIP4
	[ "$1" = 4 ] || vip="[$VIP6]"
	run -0 container_exec a timeout 20 wget -q -O - "http://$vip/cgi-bin/who"
	assert_answer web "$(container_ip a "$1")"
}

# ---- what is left ----------------------------------------------------------------------------------------------------------

# What the node holds, a count a line: of natbridge, of the node itself, and of the runtime. As with the reference plugin the
# bridge stays. So do the pins of the network, whose names have no digits; a pod's would have.
runtime_state() {
	node_state n
	echo "links $(ip -n "$NBT-n" -j link show | jq '[.[] | select(.ifname != "cni0")] | length')"
	echo "pins $(find "$NBT_DIR/node-n/bpf/natbridge" -type f 2>/dev/null | grep -cv '/natbridge/pods/v[0-9]*/[a-z_]*$' || true)"
	inside_state
	runtime_objects
}

runtime_before() {
	runtime_state >"$NBT_DIR/runtime-before"
}

# All is as it was at runtime_before; processes need a moment to end.
assert_nothing_left() {
	wait_for 30 runtime_as_before || {
		diff "$NBT_DIR/runtime-before" "$NBT_DIR/runtime-after" || true
		fail "the runtime or natbridge left something (see above)"
	}
}

runtime_as_before() {
	runtime_state >"$NBT_DIR/runtime-after"
	cmp -s "$NBT_DIR/runtime-before" "$NBT_DIR/runtime-after"
}
