/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_ACCOUNT_H
#define NATBRIDGE_BPF_EBPF_CONN_ACCOUNT_H

/*
 * What connections carry. A packet counts once, where it is sent on: by the entry of its direction, as the
 * kernel counts it (nf_ct_acct_add() in net/netfilter/nf_conntrack_core.c): one packet for each that the
 * stack handles, however many segments an offload makes of it, and its bytes from the IP header on.
 *
 * Packets of one direction may be on several CPUs, hence the atomic additions. A packet that was delayed may
 * count when its entry serves another connection already. Then that one has a packet too many.
 */

#include <natbridge/conn_account.h>

#include "bpf/lib/pkt.h"

#include "conn_table.h"

static __always_inline struct nb_account *nb_account_at(__u32 entry_id)
{
	__u32 id = nb_account_id(entry_id, nb_constants.account_half);

	return bpf_map_lookup_elem(&accounts, &id);
}

/* Counts a packet that was read, for its entry. */
static __always_inline void nb_account_add(const struct nb_pkt *pkt, __u32 entry_id)
{
	struct nb_account *account = nb_account_at(entry_id);

	if (!account)
		return;
	__sync_fetch_and_add(&account->packets, 1);
	__sync_fetch_and_add(&account->bytes, pkt->end - NB_L3_OFF);
}

/*
 * A connection is about to begin in a pair: what its entries have carried so far was others'. Stored before
 * the life that says so, so that who finds the connection finds its beginning, too.
 */
__noinline int nb_account_begin(__u32 pair_id)
{
	for (int dir = 0; dir < 2; dir++) {
		struct nb_account *account = nb_account_at(2 * pair_id + dir);

		if (!account)
			continue;
		WRITE_ONCE(account->packets_before, READ_ONCE(account->packets));
		WRITE_ONCE(account->bytes_before, READ_ONCE(account->bytes));
	}
	return 0;
}

/* Counts the packet with which the connection of a pair has begun. */
__noinline int nb_account_first(const struct nb_pkt *pkt, __u32 pair_id)
{
	if (pkt)
		nb_account_add(pkt, 2 * pair_id);
	return 0;
}

#endif
