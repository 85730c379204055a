/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_NF_CT_H
#define NATBRIDGE_BPF_ASSIST_NF_CT_H

/*
 * Mode assist: whether the kernel's conntrack translates a connection of TCP or UDP. Looked up by
 * kfuncs of Linux 5.18 (net/netfilter/nf_conntrack_bpf.c), which libbpf finds by name in the
 * kernel's BTF at load.
 */

#include "vip_cache.h"

enum { NB_IPS_NAT = 0x30 }; /* IPS_SRC_NAT | IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h */

struct ip_ct_tcp {
	__u8 state;
} __attribute__((preserve_access_index));

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
} __attribute__((preserve_access_index));

union nf_inet_addr {
	__u32 all[4];
} __attribute__((preserve_access_index));

struct nf_conntrack_tuple {
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
		} u;
	} dst;
} __attribute__((preserve_access_index));

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
} __attribute__((preserve_access_index));

struct nf_conn {
	unsigned long status;
	struct nf_conntrack_tuple_hash tuplehash[2]; /* of what the client sends, of the answers */
	union nf_conntrack_proto proto;
} __attribute__((preserve_access_index));

/* struct bpf_ct_opts: its first 12 bytes, which every version accepts. */
struct nb_ct_opts {
	__s32 netns_id; /* -1: that of the packet's device */
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					 __u32 tuple_size, struct nb_ct_opts *opts, __u32 opts_size) __ksym;
extern void bpf_ct_release(struct nf_conn *conn) __ksym;

enum nb_nf_ct {
	NB_NF_CT_NO, /* no connection, or not translated */
	NB_NF_CT_NAT,
	NB_NF_CT_NAT_CLOSED, /* TIME_WAIT or later */
};

/* Puts the frontend to which the client of a translated connection sends into the cache. */
static __always_inline void nb_vip_cache_note_conn(const struct nf_conn *conn, bool is_v4, __u8 proto)
{
	struct nb_frontend_key key = { .port = conn->tuplehash[0].tuple.dst.u.all, .proto = proto };
	const union nf_inet_addr *addr = &conn->tuplehash[0].tuple.dst.u3;

	if (is_v4) {
		nb_addr_set_v4(&key.addr, addr->all[0]);
	} else {
		for (int i = 0; i < 4; i++)
			key.addr.w[i] = addr->all[i];
	}
	nb_vip_cache_note(&key);
}

/*
 * Whether a packet with this tuple belongs, in either direction, to a connection that is translated.
 * The kernel looks up TCP and UDP alone.
 */
static __always_inline enum nb_nf_ct nb_nf_ct(struct __sk_buff *skb, bool is_v4, const struct nb_tuple *tuple)
{
	struct nb_ct_opts opts = { .netns_id = -1, .l4proto = tuple->proto };
	struct bpf_sock_tuple key = {};
	struct nf_conn *conn;
	enum nb_nf_ct found = NB_NF_CT_NO;

	if (!nb_is_tcp_or_udp(tuple->proto))
		return NB_NF_CT_NO;
	if (is_v4) {
		key.ipv4.saddr = tuple->src.w[3];
		key.ipv4.daddr = tuple->dst.w[3];
		key.ipv4.sport = tuple->sport;
		key.ipv4.dport = tuple->dport;
		conn = bpf_skb_ct_lookup(skb, &key, sizeof(key.ipv4), &opts, sizeof(opts));
	} else {
		__builtin_memcpy(key.ipv6.saddr, &tuple->src, sizeof(tuple->src));
		__builtin_memcpy(key.ipv6.daddr, &tuple->dst, sizeof(tuple->dst));
		key.ipv6.sport = tuple->sport;
		key.ipv6.dport = tuple->dport;
		conn = bpf_skb_ct_lookup(skb, &key, sizeof(key.ipv6), &opts, sizeof(opts));
	}
	if (!conn)
		return NB_NF_CT_NO;
	if (conn->status & NB_IPS_NAT) {
		nb_vip_cache_note_conn(conn, is_v4, tuple->proto);
		found = tuple->proto == IPPROTO_TCP && conn->proto.tcp.state >= NB_TCP_TIME_WAIT
				? NB_NF_CT_NAT_CLOSED
				: NB_NF_CT_NAT;
	}
	bpf_ct_release(conn);
	return found;
}

#endif
