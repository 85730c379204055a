# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash

# silence POD: its stack answers nothing but ARP and neighbour solicitations, and sends nothing of its own accord.
silence() {
	ns_exec "$1" sysctl -qw net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0
	ns_exec "$1" nft -f - <<-'END'
		table inet silence {
			chain input { type filter hook input priority -300; policy drop;
				icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }
			chain output { type filter hook output priority -300; policy drop;
				icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }
		}
	END
}
