/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_AGAIN_H
#define NATBRIDGE_BPF_EBPF_CONN_AGAIN_H

/*
 * Looks the connection of a packet up once more (NB_AGAIN): another CPU has made or ended it since
 * the last look, or is at it.
 */

#include "bpf/lib/pkt.h"

#include "conn_table.h"

enum {
	/* Times that a packet looks for its connection. */
	NB_CONN_TRIES = 5,

	/* Reads of a life until it is decided: some ten microseconds. */
	NB_WAIT_TURNS = 4096,
};

struct nb_wait {
	__u32 pair_id;
};

static long nb_wait_turn(__u64 i __attribute__((unused)), const struct nb_wait *wait)
{
	struct nb_pair *pair = nb_pair_at(wait->pair_id);

	return !pair || !nb_use_is_undecided(nb_life_use(nb_load(&pair->dir[0].conn.life)));
}

/*
 * Waits until it is decided whether a pair becomes a connection. False: it is not after a while. A
 * hypervisor may have stopped the CPU that enters it, or the process that does has no CPU now.
 */
static __always_inline bool nb_pair_wait(__u32 pair_id)
{
	struct nb_wait wait = { .pair_id = pair_id };

	if (nb_wait_turn(0, &wait))
		return true;
	bpf_loop(NB_WAIT_TURNS, nb_wait_turn, &wait, 0);
	return nb_wait_turn(0, &wait);
}

/* The connection of the other CPU is not new: then the index may have lost the packet's tuple. */
static __always_inline void nb_rival_repair(__u32 entry_id)
{
	struct nb_pair *pair = nb_pair_at(entry_id / 2);

	if (pair && nb_pair_repair(pair, entry_id, nb_load(&pair->dir[0].conn.life)))
		nb_count(NB_COUNT_REPAIRED);
}

/*
 * The entry that another CPU has made for the tuple of a packet: its entry_id, or NB_INDEX_NONE. If
 * that CPU is still at it after a while, the entry is used as it is.
 */
__noinline __s64 nb_conn_wait(const struct nb_pkt *pkt)
{
	struct nb_scratch *s = nb_scratch();
	__s64 entry_id;
	__u32 rival;

	if (!pkt || !s)
		return NB_INDEX_NONE;
	/* The client's tuple may not be in the index yet. */
	rival = s->rival;
	s->rival = 0;
	if (rival && !nb_pair_wait((rival - 1) / 2))
		return rival - 1;
	if (rival)
		nb_rival_repair(rival - 1);
	entry_id = nb_index_find(NULL, &pkt->tuple, pkt->hash, 0);
	if (entry_id < 0 || !nb_pair_wait(entry_id / 2))
		return entry_id;
	return nb_index_find(NULL, &pkt->tuple, pkt->hash, 0);
}

/* Looks the packet's connection up once more. */
static __always_inline struct nb_entry *nb_conn_again(struct nb_pkt *pkt, __s64 *entry_id)
{
	struct nb_entry *entry;

	*entry_id = nb_conn_wait(pkt);
	pkt->has_waited = true;
	entry = *entry_id < 0 ? NULL : nb_entry_at(NULL, *entry_id);
	if (!entry)
		return NULL;
	pkt->life = nb_load(&entry->conn.life);
	nb_read_barrier();
	return nb_key_same(&entry->key, &pkt->tuple) ? entry : NULL;
}

#endif
