# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Rules as kube-proxy writes them, in the shape of its two modes: chains for Services and endpoints, marks for masquerading, a
# pod that reaches itself masqueraded, and INVALID dropped on the way through the node.
#
# Input of kube_iptables and kube_nftables: a line for each frontend, NAME PROTOCOL VIP PORT BACKEND..., where BACKEND is ADDRESS,PORT.

# kube_iptables NODE <LINES: iptables mode, both families.
kube_iptables() {
	local lines family restore
	lines=$(cat)
	for family in 4 6; do
		restore=iptables-restore
		[ $family = 4 ] || restore=ip6tables-restore
		kube_of_family $family <<<"$lines" | kube_iptables_rules | ns_exec "$1" $restore
	done
}

# kube_nftables NODE <LINES: nftables mode, both families.
kube_nftables() {
	local lines family
	lines=$(cat)
	for family in 4 6; do
		kube_of_family $family <<<"$lines" | kube_nftables_rules $family | ns_exec "$1" nft -f -
	done
}

# kube_gone NODE: takes all of it away again, and what tests added to the same tables; the tables of others stay.
kube_gone() {
	local command table
	for command in iptables ip6tables; do
		for table in nat filter; do
			ns_exec "$1" "$command" -t $table -F
			ns_exec "$1" "$command" -t $table -X
		done
	done
	for table in ip ip6; do
		ns_exec "$1" nft delete table $table kube-proxy 2>/dev/null || true
	done
}

kube_of_family() {
	awk -v six="$([ "$1" = 4 ] || echo 1)" '(index($3, ":") > 0) == (six == 1)'
}

kube_iptables_rules() {
	local name proto vip port backends backend endpoint chains="" rules="" i
	while read -r name proto vip port backends; do
		chains+=":KUBE-SVC-$name-$proto - [0:0]"$'\n'
		rules+="-A KUBE-SERVICES -d $vip -p $proto -m $proto --dport $port -j KUBE-SVC-$name-$proto"$'\n'
		# shellcheck disable=SC2086 # several words
		set -- $backends
		i=$#
		for backend in $backends; do
			kube_endpoint "$backend"
			chains+=":KUBE-SEP-$name-$proto-$i - [0:0]"$'\n'
			rules+="-A KUBE-SVC-$name-$proto"
			[ "$i" = 1 ] || rules+=" -m statistic --mode random --probability $(awk "BEGIN { printf \"%.9f\", 1 / $i }")"
			rules+=" -j KUBE-SEP-$name-$proto-$i"$'\n'
			rules+="-A KUBE-SEP-$name-$proto-$i -s ${backend%,*} -j KUBE-MARK-MASQ"$'\n'
			rules+="-A KUBE-SEP-$name-$proto-$i -p $proto -m $proto -j DNAT --to-destination $endpoint"$'\n'
			i=$((i - 1))
		done
	done
	cat <<-END
		*nat
		:KUBE-SERVICES - [0:0]
		:KUBE-POSTROUTING - [0:0]
		:KUBE-MARK-MASQ - [0:0]
		$chains-A PREROUTING -j KUBE-SERVICES
		-A OUTPUT -j KUBE-SERVICES
		-A POSTROUTING -j KUBE-POSTROUTING
		-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
		-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
		-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
		-A KUBE-POSTROUTING -j MASQUERADE --random-fully
		${rules}COMMIT
		*filter
		:KUBE-FORWARD - [0:0]
		-A FORWARD -j KUBE-FORWARD
		-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
		-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
		-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		COMMIT
	END
}

# Sets endpoint to ADDRESS:PORT of ADDRESS,PORT. No process is made for it, since there may be ten thousand.
kube_endpoint() {
	endpoint=${1/,/:}
	[[ $1 != *:* ]] || endpoint="[${1%,*}]:${1#*,}"
}

# As kube-proxy 1.34 writes them, but for the names of chains. KUBE_OUTSIDE=1: the frontends are external addresses.
kube_nftables_rules() {
	local ip=ip name proto vip port backends backend endpoint chains="" elements="" i choices kind=service addr=ipv4_addr
	[ "$1" = 4 ] || ip=ip6 addr=ipv6_addr
	[ -z "${KUBE_OUTSIDE:-}" ] || kind=external
	while read -r name proto vip port backends; do
		i=0 choices=""
		for backend in $backends; do
			chains+="chain endpoint-$name-$proto-$i { $ip saddr ${backend%,*} jump mark-for-masquerade;"
			kube_endpoint "$backend"
			chains+=" meta l4proto $proto dnat to $endpoint; }"$'\n'
			choices+="$i : goto endpoint-$name-$proto-$i, "
			i=$((i + 1))
		done
		chains+="chain service-$name-$proto { numgen random mod $i vmap { $choices}; }"$'\n'
		[ $kind = service ] || chains+="chain external-$name-$proto { jump mark-for-masquerade; goto service-$name-$proto; }"$'\n'
		elements+="$vip . $proto . $port : goto $kind-$name-$proto, "
	done
	cat <<-END
		table $ip kube-proxy {
			chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
			$chains
			set cluster-ips { type $addr; }
			set nodeport-ips { type $addr; }
			map no-endpoint-services { type $addr . inet_proto . inet_service : verdict; }
			map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
			map firewall-ips { type $addr . inet_proto . inet_service : verdict; }
			map service-ips {
				type $addr . inet_proto . inet_service : verdict
				elements = { $elements }
			}
			map service-nodeports { type inet_proto . inet_service : verdict; }
			chain nodeport-endpoints-check { $ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }
			chain service-endpoints-check { $ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
			chain firewall-check { $ip daddr . meta l4proto . th dport vmap @firewall-ips; }
			chain cluster-ips-check { $ip daddr @cluster-ips reject; }
			chain services {
				$ip daddr . meta l4proto . th dport vmap @service-ips
				$ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
			}
			chain filter-prerouting-pre-dnat { type filter hook prerouting priority dstnat - 10; ct state new jump firewall-check; }
			chain filter-output-pre-dnat { type filter hook output priority -110; ct state new jump firewall-check; }
			chain filter-input { type filter hook input priority filter;
				ct state new jump nodeport-endpoints-check
				ct state new jump service-endpoints-check
			}
			chain filter-forward { type filter hook forward priority filter;
				ct state new jump service-endpoints-check
				ct state new jump cluster-ips-check
			}
			chain filter-output { type filter hook output priority filter;
				ct state new jump service-endpoints-check
				ct state new jump cluster-ips-check
			}
			chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
			chain nat-output { type nat hook output priority -100; jump services; }
			chain nat-postrouting { type nat hook postrouting priority srcnat;
				meta mark & 0x4000 == 0 return
				meta mark set meta mark ^ 0x4000
				masquerade fully-random
			}
		}
	END
}
