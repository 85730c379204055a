// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The datapath of one network: the programs on the host-side veth of every pod, and the order of the stages.
 *
 *   parse -> fragment -> related ICMP -> conntrack -> (service -> new connection) -> NAT -> forward
 *
 * nb_from_pod sees what a pod sends, before the bridge does: it translates what goes to a frontend, and what
 * a backend answers. nb_to_pod sees what a pod is sent through the bridge: it translates the answers that
 * come by the host's IP stack. What is neither is passed on untouched.
 */
#include "bpf/ebpf/conn_check.h"
#include "bpf/ebpf/conn_create.h"
#include "bpf/ebpf/fast_parse.h"
#include "bpf/ebpf/host_lost.h"
#include "bpf/ebpf/icmp_echo.h"
#include "bpf/ebpf/icmp_nat.h"
#include "bpf/ebpf/reject.h"
#include "bpf/ebpf/tuple.h"
#include "bpf/lib/mac_learn.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline int nb_send(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
				   struct nb_port *out)
{
	int rc;

	if (!(conn->flags & NB_CONN_NAT))
		return NB_PASS;
	if (nb_conn_finished_by_host(conn))
		return nb_to_host(skb);
	rc = nb_translate(skb, pkt, conn, nb_deliver_to(conn, out));
	return rc == NB_CONTINUE ? nb_deliver(skb, conn, out) : rc;
}

/* A packet that its entry does not serve. */
static __always_inline int nb_not_served(struct __sk_buff *skb, struct nb_pkt *pkt, __u32 slot, int rc)
{
	if (rc == NB_UP)
		return nb_to_host(skb);
	if (rc == nb_drop(NB_DROP_BACKEND_GONE))
		nb_pair_end(slot, &pkt->tuple);
	return rc;
}

static __always_inline int nb_forward(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
				      __u32 slot)
{
	struct nb_port *out = NULL;
	int rc = nb_conn_check(skb, pkt, conn, &out);

	if (rc != NB_CONTINUE)
		return nb_not_served(skb, pkt, slot, rc);
	rc = nb_conn_track(pkt, conn, slot);
	return rc == NB_CONTINUE && out ? nb_send(skb, pkt, conn, out) : rc;
}

/* The first packet of a connection goes by the entry that nb_conn_create() has just put together. */
static __always_inline int nb_send_first(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	__u32 zero = 0;
	struct nb_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct nb_port *out = s ? nb_port_of_slot(s->fwd.out_slot) : NULL;

	return out ? nb_send(skb, pkt, &s->fwd, out) : nb_drop(NB_DROP_GONE);
}

/* Of a connection that another CPU has made meanwhile; it may have taken it back. */
static __always_inline struct nb_entry *nb_entry_of_other(const struct nb_pkt *pkt, __s64 *slot)
{
	__u32 zero = 0;
	struct nb_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct nb_entry *entry;

	if (!s)
		return NULL;
	*slot = s->slot;
	entry = nb_entry_at(NULL, *slot);
	return entry && nb_key_same(&entry->key, &pkt->tuple) ? entry : NULL;
}

/* A packet of TCP or UDP, by the entry of its connection or by a new one. */
static __always_inline int nb_connection(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	__s64 slot, old = NB_OLD_NONE;
	struct nb_entry *entry;
	int rc;

	pkt->hash = nb_conn_hash(NULL, &pkt->tuple);
	entry = nb_index_entry(NULL, &pkt->tuple, pkt->hash, 0, &slot);
	for (int i = 0; i < 3; i++) {
		if (entry) {
			rc = nb_forward(skb, pkt, &entry->conn, slot);
			if (rc != NB_NEW)
				return rc;
			old = slot;
		}
		rc = nb_conn_create(skb, pkt, old);
		if (rc == NB_CONTINUE)
			rc = nb_send_first(skb, pkt);
		if (rc != NB_EXISTS)
			return rc;
		if (old >= 0)
			old = NB_OLD_GONE;
		entry = nb_entry_of_other(pkt, &slot);
	}
	return nb_drop(NB_COUNT_INSERT_FAILED);
}

/* What is neither TCP nor UDP, or cannot be read (then rc says so). */
static __always_inline int nb_other_proto(struct __sk_buff *skb, struct nb_pkt *pkt, int rc)
{
	int vip;

	nb_mac_learn(skb);
	if (rc > NB_CONTINUE && rc != NB_PASS)
		return rc;
	if (pkt->end && nb_may_be_vip(&pkt->tuple.dst)) {
		vip = nb_beside_vip(skb, pkt);
		if (vip != NB_CONTINUE)
			return vip;
	}
	return rc == NB_CONTINUE ? nb_icmp_nat_from_pod(skb, pkt) : rc;
}

/* Whether a packet is dropped since its destination is an address of a Service or of a service range. */
static __always_inline bool nb_is_vip_drop(int rc)
{
	return rc == nb_drop(NB_DROP_NO_VIP) || rc == nb_drop(NB_DROP_NO_SERVICE) ||
	       rc == nb_drop(NB_DROP_FRAGMENT) || rc == nb_drop(NB_DROP_UNPARSED);
}

SEC("tc")
int nb_from_pod(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	int verdict, rc;

	if (nb_settings.flags & (NB_SETTINGS_SPOOFCHK | NB_SETTINGS_CUT)) {
		rc = nb_sender_check(skb);
		if (rc != NB_CONTINUE)
			return nb_verdict(rc);
	}
	rc = nb_fast_parse(skb, &pkt);
	if (rc == NB_PASS)
		return NB_PASS;
	if (rc == NB_SLOW_PARSE)
		rc = nb_parse(skb, &pkt, false);
	if (rc == NB_CONTINUE && nb_is_tracked_proto(pkt.tuple.proto))
		rc = nb_connection(skb, &pkt);
	else
		rc = nb_other_proto(skb, &pkt, rc);
	if (nb_is_vip_drop(rc) && nb_may_be_of_host(&pkt.tuple.dst) && nb_stays_here(skb, &pkt))
		rc = NB_PASS;
	verdict = nb_verdict(rc);
	return nb_is_reject(rc) ? nb_reject(skb, &pkt) : verdict;
}

/* Whether a frame was switched here from a pod of this network: nb_from_pod has seen to it there. */
static __always_inline bool nb_from_own_port(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ingress_ifindex, place = ifindex % NB_OWN_PORTS, *own;

	if (!ifindex)
		return false;
	own = bpf_map_lookup_elem(&own_ports, &place);
	return (own && *own == ifindex) || bpf_map_lookup_elem(&links, &ifindex);
}

/*
 * Whether an answer that went through the host's stack may enter this pod. The client may have gone; then the
 * address has another owner by now. An address that no ADD gave may have moved to this port.
 */
static __always_inline int nb_answer_check(struct nb_pkt *pkt, struct nb_conn *conn)
{
	struct nb_port *client = nb_port_of_slot(conn->out_slot);
	bool gone;

	if (!client)
		return NB_PASS;
	/* An answer of a pod was tracked at that pod's port, and may have been the connection's last packet.
	 */
	gone = (client->gen & ~NB_GEN_CUT) != conn->out_gen;
	if (nb_conn_expired(conn, pkt->now) && (!conn->in_ifindex || gone))
		return NB_PASS;
	if (gone)
		return nb_receiver_gone(pkt, conn);
	if (client->ifindex != pkt->ifindex && nb_is_of_other(&pkt->tuple.dst, pkt->ifindex))
		return NB_PASS; /* a frame that was flooded */
	return NB_CONTINUE;
}

/* A packet of TCP or UDP that comes by the host. An answer of a connection of this pod's is translated. */
static __always_inline int nb_answer(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_entry *entry;
	struct nb_conn *conn;
	__s64 slot;
	int rc;

	entry = nb_index_entry(NULL, &pkt->tuple, nb_conn_hash(NULL, &pkt->tuple), 0, &slot);
	if (!entry)
		return NB_PASS;
	conn = &entry->conn;
	if (!nb_conn_via_host_reply(conn))
		return NB_PASS;
	rc = nb_answer_check(pkt, conn);
	if (rc != NB_CONTINUE)
		return rc;
	if (!conn->in_ifindex)
		rc = nb_conn_track(pkt, conn, slot);
	if (rc == NB_NEW)
		nb_pair_end(slot, &pkt->tuple);
	return rc == NB_CONTINUE && conn->flags & NB_CONN_NAT ? nb_translate(skb, pkt, conn, NULL) : rc;
}

SEC("tc")
int nb_to_pod(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	int rc;

	if (nb_from_own_port(skb))
		return NB_PASS;
	rc = nb_fast_parse(skb, &pkt);
	if (rc == NB_PASS)
		return NB_PASS;
	if (rc == NB_SLOW_PARSE)
		rc = nb_parse(skb, &pkt, true);
	if (rc == NB_CONTINUE && nb_is_tracked_proto(pkt.tuple.proto))
		rc = nb_answer(skb, &pkt);
	else if (rc == NB_CONTINUE)
		rc = nb_icmp_nat_to_pod(skb, &pkt);
	if (rc == NB_PASS && pkt.quote)
		rc = nb_host_lost(skb, &pkt);
	return nb_verdict(rc == NB_CONTINUE ? NB_PASS : rc);
}

/* The clock that expiry is told by, for userspace: run by BPF_PROG_TEST_RUN, attached nowhere. */
SEC("tc")
int nb_clock(struct __sk_buff *skb __attribute__((unused)))
{
	return bpf_jiffies64() >> nb_constants.tick_shift;
}
