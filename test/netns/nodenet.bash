# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Scenarios of lib/node: each test has a node n of its own, which forwards and filters reverse paths strictly. To be loaded after
# lib, in which nodes are more.

setup_file() {
	suite_begin
}

teardown_file() {
	suite_leave
}

setup() {
	ns_create n
	ns_exec n sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=1 \
		net.ipv4.conf.default.rp_filter=1
}

teardown() {
	ns_delete n
}

nodenet() {
	ns_exec n "$NBT_BUILD/test/netns/nodenet" "$@"
}

# A device up0 with two addresses of each family.
uplink() {
	ip -n "$(ns n)" link add up0 type veth peer name up0-peer
	ip -n "$(ns n)" link set up0 addrgenmode none
	ip -n "$(ns n)" link set up0-peer addrgenmode none
	ip -n "$(ns n)" link set up0-peer up
	ip -n "$(ns n)" link set up0 up
	ip -n "$(ns n)" address add 192.0.2.1/24 dev up0
	ip -n "$(ns n)" address add 192.0.2.9/24 dev up0
	ip -n "$(ns n)" address add fd00:c0::1/64 dev up0 nodad
	ip -n "$(ns n)" address add fd00:c0::9/64 dev up0 nodad
}

# writes COMMAND...: what nodenet sends or opens to change something, a line each.
writes() {
	ns_exec n strace -o "$NBT_DIR/trace" -e trace=sendto,openat "$NBT_BUILD/test/netns/nodenet" "$@" >/dev/null || return
	awk '
		/^openat.*(O_WRONLY|O_RDWR|O_CREAT)/ { print }
		/^sendto/ {
			# In a namespace strace may have numbers only: requests that ask are every fourth (linux/rtnetlink.h).
			match($0, /nlmsg_type=[A-Z0-9a-z_]+/)
			type = substr($0, RSTART + 11, RLENGTH - 11)
			if (type !~ /GET|^0x[0-9a-f]*[26ae]$/)
				print
		}' "$NBT_DIR/trace"
}
