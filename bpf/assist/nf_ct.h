/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_NF_CT_H
#define NATBRIDGE_BPF_ASSIST_NF_CT_H

/*
 * The kernel's own conntrack, asked for TCP and UDP by functions that it has since Linux 5.18
 * (net/netfilter/nf_conntrack_bpf.c). They are found by name in the kernel's BTF when the program is loaded.
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
	struct nf_conntrack_tuple_hash tuplehash[2]; /* as the client sends, as the other side answers */
	union nf_conntrack_proto proto;
} __attribute__((preserve_access_index));

/* The first 12 bytes, which every version takes. */
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

enum nb_nf_ct { NB_NF_CT_NO, NB_NF_CT_NAT, NB_NF_CT_NAT_CLOSED };

/* Notes where the client of a translated connection sends to. */
static __always_inline void nb_vip_cache_note_conn(const struct nf_conn *conn, bool is_v4, __u8 proto)
{
	struct nb_frontend_key key = { .port = conn->tuplehash[0].tuple.dst.u.all, .proto = proto };
	const union nf_inet_addr *addr = &conn->tuplehash[0].tuple.dst.u3;

	if (is_v4) {
		key.addr.w[2] = bpf_htonl(0xffff);
		key.addr.w[3] = addr->all[0];
	} else {
		for (int i = 0; i < 4; i++)
			key.addr.w[i] = addr->all[i];
	}
	nb_vip_cache_note(&key);
}

/* Whether the kernel has a connection that a packet with this tuple belongs to, in either direction, and
 * translates it. */
static __always_inline enum nb_nf_ct nb_nf_ct(struct __sk_buff *skb, bool is_v4, const struct nb_tuple *tuple)
{
	struct nb_ct_opts opts = { .netns_id = -1, .l4proto = tuple->proto };
	struct bpf_sock_tuple key = {};
	struct nf_conn *conn;
	enum nb_nf_ct found = NB_NF_CT_NO;

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
