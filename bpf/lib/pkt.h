/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_PKT_H
#define NATBRIDGE_BPF_LIB_PKT_H

/*
 * The description of a packet that all stages share, and access to its bytes. The description
 * carries offsets, not pointers: nb_bytes() may move the packet's data.
 */

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include "tuple.h"
#include "verdict.h"

enum {
	NB_L3_OFF = ETH_HLEN,

	/*
	 * The highest offset of a header that is read: that of a TCP header which an ICMP error
	 * quotes, behind two IP headers with all options.
	 */
	NB_OFF_MAX = 0xff - 20,

	NB_IP_MF = 0x2000, /* more fragments (RFC 791) */
	NB_IP_OFFSET = 0x1fff,

	NB_TCP_FLAGS_OFF = 13, /* in the TCP header (RFC 9293, 3.1) */
	NB_FIN = 0x01,
	NB_SYN = 0x02,
	NB_RST = 0x04,
	NB_ACK = 0x10,
	NB_URG = 0x20,
};

struct nb_pkt {
	struct nb_tuple tuple; /* as in the headers; icmp_parse.h puts another one here */
	__u64 hash;            /* of tuple, once its connection was looked up */
	__u64 life;            /* of the entry that was found, before its key was compared */
	__u32 l4_off;
	__u32 end;           /* offset of the IP packet's end, 0: not read. Padding may follow */
	__u32 frag_id;       /* as on the wire */
	__u32 quoted_off;    /* of an ICMP error: offset of the quoted IP header, else 0 */
	__u32 quoted_l4_off; /* and of the header behind it */
	__u32 now;           /* tick */
	__u32 ifindex;       /* of the pod's port */
	__u32 seq;           /* TCP: of the first byte, host byte order as the next two. SCTP: sctp_parse.h */
	__u32 seq_end;       /* TCP: after the last byte, SYN and FIN counted */
	__u32 ack;           /* TCP */
	__u8 tcp_flags;
	bool is_v4;
	bool fragment;
	bool later_fragment; /* not the first one: holds no ports */
	bool has_waited;     /* for another CPU that enters its connection: conn_forward.h */
};

static __always_inline bool nb_is_icmp(const struct nb_pkt *pkt)
{
	return pkt->tuple.proto == (pkt->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* pkt: all zero before. */
static __always_inline void nb_pkt_begin(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	pkt->ifindex = skb->ifindex;
	pkt->now = bpf_jiffies64() >> nb_constants.tick_shift;
}

/*
 * Sets where the IP packet ends. len: what its header says, 0 if that is too much for the field
 * (GSO). False: the frame is shorter.
 */
static __always_inline bool nb_pkt_set_end(struct __sk_buff *skb, struct nb_pkt *pkt, __u32 len)
{
	if (!len && !skb->gso_size)
		return false;
	pkt->end = len ? NB_L3_OFF + len : skb->len;
	return pkt->end <= skb->len;
}

/*
 * A pointer into the packet, not checked yet. The verifier knows a packet pointer by its identity,
 * and the context by an offset of 0: the compiler must not compute the same packet pointer twice,
 * nor keep the address of a field of the context.
 */
static __always_inline void *nb_pkt_at(struct __sk_buff *skb, __u32 off)
{
	void *at;

	barrier_var(skb);
	barrier_var(off);
	at = (void *)(long)skb->data + (off & 0xff);
	barrier_var(at);
	return at;
}

/*
 * len bytes at off, to read; NULL if the packet is shorter. Makes earlier pointers into the packet
 * invalid.
 */
static __always_inline void *nb_bytes(struct __sk_buff *skb, __u32 off, __u32 len)
{
	void *at;

	if (off > NB_OFF_MAX)
		return NULL;
	at = nb_pkt_at(skb, off);
	if (at + len <= (void *)(long)skb->data_end)
		return at;
	if (bpf_skb_pull_data(skb, off + len))
		return NULL;
	at = nb_pkt_at(skb, off);
	return at + len <= (void *)(long)skb->data_end ? at : NULL;
}

/* Writes len bytes at off. Makes earlier pointers into the packet invalid. */
static __always_inline bool nb_store(struct __sk_buff *skb, __u32 off, const void *from, __u32 len)
{
	return !bpf_skb_store_bytes(skb, off, from, len, 0);
}

#endif
