// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The programs at the ports of a network in mode ebpf while it changes over to another map layout
 * (lib/datapath/handover.h). Each hands the packet as it is to the program of the old layout or to
 * that of the new one. The rule is natbridge/handover.h's: so the table that has a connection always
 * gets its packets, at every port, and no connection begins in both.
 *
 * They bear the names of the programs in whose place they are, by which they are found at a port.
 */
#include "bpf/ebpf/conn_table.h"
#include "bpf/ebpf/fast_parse.h"
#include "bpf/ebpf/slow_parse.h"
#include "bpf/ebpf/tcp_state.h"
#include "bpf/lib/icmp_parse.h"

#include <natbridge/handover.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Filled by userspace before a program here is at any port. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, NB_HANDOVER_PROGS);
	__type(key, __u32);
	__type(value, __u32);
} handover_progs SEC(".maps");

/*
 * Client -> the round in which it was noted last. Allocated at load, and with LRU, so that a note never
 * fails: if a handover was killed, there may be more clients than elements before it goes on.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_HANDOVER_CLIENTS);
	__type(key, struct nb_handover_client);
	__type(value, __u32);
} handover_clients SEC(".maps");

/* Written by userspace. */
volatile struct nb_handover nb_handover SEC(".data.handover");

/* ---- clients ---- */

static __always_inline bool nb_client_is_noted(const struct nb_handover_client *client, __u32 round)
{
	__u32 *noted = bpf_map_lookup_elem(&handover_clients, client);

	return noted && READ_ONCE(*noted) + 1 >= round;
}

static __always_inline void nb_client_note(const struct nb_handover_client *client, __u32 round)
{
	__u32 *noted = bpf_map_lookup_elem(&handover_clients, client);

	if (noted)
		WRITE_ONCE(*noted, round);
	else
		bpf_map_update_elem(&handover_clients, client, &round, BPF_ANY);
}

/* A packet in the middle of a connection, which the old table may have though it is closed. */
static __always_inline bool nb_is_in_middle(const struct nb_pkt *pkt)
{
	return pkt->tuple.proto != IPPROTO_UDP && nb_tcp_kind(pkt->tcp_flags) != NB_KIND_SYN;
}

/*
 * Whether the old program gets a packet that no connection of the new table has. round: read once for
 * the packet.
 */
static __always_inline bool nb_old_begins(const struct nb_pkt *pkt, const struct nb_frontend *frontend,
					  __u32 round)
{
	struct nb_handover_client client = {
		.addr = pkt->tuple.src,
		.port = pkt->tuple.sport,
		.proto = pkt->tuple.proto,
	};
	struct nb_handover_client any = { .addr = pkt->tuple.src };

	if (round == NB_ROUND_OLD)
		return true;
	if (round >= NB_ROUND_NEW && !nb_is_in_middle(pkt) && !nb_client_is_noted(&client, round) &&
	    !(round == NB_ROUND_NEW && frontend->affinity && nb_client_is_noted(&any, round)))
		return false;
	nb_client_note(&client, round);
	if (frontend->affinity)
		nb_client_note(&any, round);
	return true;
}

/* ---- packets ---- */

/*
 * Whether the new table has the live connection of a packet. One that userspace is just adding is
 * still the old table's; and where one has expired, the old table may have the next one already.
 */
static __always_inline bool nb_new_has(const struct nb_pkt *pkt)
{
	__s64 entry_id = nb_entry_find(&pkt->tuple);
	struct nb_entry *entry = entry_id < 0 ? NULL : nb_entry_at(NULL, entry_id);
	struct nb_entry *client = entry_id < 0 ? NULL : nb_entry_at(NULL, entry_id & ~1U);
	__u32 use;

	if (!entry || !client)
		return false;
	use = nb_life_use(nb_load(&client->conn.life));
	return (use == NB_USE_TAKEN || use == NB_USE_NEW) &&
	       (__s32)(nb_life_expires(nb_load(&entry->conn.life)) - pkt->now) > 0;
}

/* What is not tracked, or cannot be read. An ICMP error goes where its connection is. */
static __always_inline bool nb_other_is_for_old(struct __sk_buff *skb, struct nb_pkt *pkt, int rc,
						__u32 round)
{
	struct nb_icmp_outer outer;

	if (rc == NB_CONTINUE && !pkt->fragment && nb_icmp_parse_quoted(skb, pkt, &outer))
		return !nb_new_has(pkt);
	return round < NB_ROUND_NEW;
}

static __always_inline bool nb_is_for_old(struct __sk_buff *skb, bool to_pod)
{
	__u32 round = READ_ONCE(nb_handover.round);
	struct nb_frontend *frontend;
	struct nb_pkt pkt = {};
	int rc;

	if (round >= NB_ROUND_DONE)
		return false;
	rc = nb_fast_parse(skb, &pkt, NB_REQUESTS_ANSWERS);
	if (rc == NB_SLOW_PARSE)
		rc = nb_slow_parse(skb, &pkt, to_pod);
	if (rc != NB_CONTINUE || !nb_is_tracked_proto(pkt.tuple.proto))
		return nb_other_is_for_old(skb, &pkt, rc, round);
	if (nb_new_has(&pkt))
		return false;
	frontend = to_pod ? NULL : nb_frontend_find(&pkt.tuple);
	return !frontend || nb_old_begins(&pkt, frontend, round);
}

SEC("tc")
int nb_from_pod(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &handover_progs,
		      nb_is_for_old(skb, false) ? NB_HANDOVER_OLD_FROM_POD : NB_HANDOVER_NEW_FROM_POD);
	return NB_PASS;
}

SEC("tc")
int nb_to_pod(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &handover_progs,
		      nb_is_for_old(skb, true) ? NB_HANDOVER_OLD_TO_POD : NB_HANDOVER_NEW_TO_POD);
	return NB_PASS;
}
