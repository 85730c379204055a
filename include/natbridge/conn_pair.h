/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_CONN_PAIR_H
#define NATBRIDGE_CONN_PAIR_H

/*
 * What happens to a pair of connections[], for programs and userspace alike: an owner takes it,
 * fills it, enters it into the index, makes it a connection; and the other way round. A pair has an
 * owner while it is NB_USE_BUSY (a program's) or NB_USE_ENDING (userspace's): the owner alone
 * writes its keys and what is fixed of a connection, and inserts and removes its entries.
 *
 *   nb_pair_take    FREE -> BUSY              nb_pair_claim     TAKEN -> BUSY
 *   nb_pair_fill    BUSY -> NEW               nb_index_remove   both entries leave the index
 *   nb_index_insert both entries enter it     nb_pair_free      BUSY -> FREE
 *   nb_pair_begin   NEW -> TAKEN              nb_pair_enter     TAKEN -> NEW: an entry was lost
 *   nb_pair_empty   NEW, LOST -> BUSY: entries that have left the index again
 */

#include <natbridge/conn_index.h>

/* FREE -> use: NB_USE_BUSY or NB_USE_ENDING. */
static __always_inline int nb_pair_take(struct nb_pair *pair, enum nb_use use)
{
	__u64 life = nb_load(&pair->dir[0].conn.life);

	return nb_life_use(life) == NB_USE_FREE &&
	       nb_change(&pair->dir[0].conn.life, life, nb_life_with_use(life, use));
}

/* The backend's entry serves no packet any more, and no late copy of the record reaches it. */
static __always_inline void nb_pair_void(struct nb_pair *pair, __u64 life)
{
	__sync_lock_test_and_set(&pair->dir[1].conn.life, nb_life_with_use(life, NB_USE_FREE));
}

/*
 * TAKEN -> use: NB_USE_BUSY or NB_USE_ENDING. life: that of the client's entry, on which the
 * decision was based. False: it has changed.
 */
static __always_inline int nb_pair_claim(struct nb_pair *pair, __u64 life, enum nb_use use)
{
	if (nb_life_use(life) != NB_USE_TAKEN ||
	    !nb_change(&pair->dir[0].conn.life, life, nb_life_with_use(life, use)))
		return 0;
	nb_pair_void(pair, life);
	return 1;
}

/* Writes an entry but for its life. life: what that will be. */
static __always_inline void nb_entry_fill(struct nb_entry *entry, const struct nb_tuple *key,
					  const struct nb_conn *conn, __u64 life)
{
	entry->key = *key;
	__builtin_memcpy(&entry->conn, conn, offsetof(struct nb_conn, life));
	nb_store_word(&entry->conn.seq, nb_tag(life, nb_tagged_more(conn->seq), conn->seq));
	nb_store_word(&entry->conn.acked, nb_tag(life, 0, conn->acked));
	nb_store_word(&entry->conn.checked, nb_tag(life, nb_tagged_more(conn->checked), conn->checked));
}

/*
 * BUSY -> NEW, ENDING -> ADDING: writes a connection into a pair whose entries are in no index.
 * State, flags and lifetime are those of the client's life; the pair's next generation takes the
 * place of all generations in *client and *backend.
 */
static __always_inline void nb_pair_fill(struct nb_pair *pair, const struct nb_entry *client,
					 const struct nb_entry *backend, enum nb_use use)
{
	__u64 old = nb_load(&pair->dir[0].conn.life), life = client->conn.life;

	life = nb_life_with(nb_life_with_use(nb_life_next(old), use), nb_life_state(life),
			    nb_life_flags(life), nb_life_expires(life));
	nb_entry_fill(&pair->dir[0], &client->key, &client->conn, life);
	nb_entry_fill(&pair->dir[1], &backend->key, &backend->conn, life);
	nb_write_barrier();
	nb_store_word(&pair->dir[1].conn.life, nb_life_with_use(life, NB_USE_TAKEN));
	nb_store_word(&pair->dir[0].conn.life, life);
}

/*
 * NEW -> TAKEN, or ADDING -> TAKEN: both tuples are in the index, and no other entry has them.
 * False: another CPU was to go on with one of them.
 */
static __always_inline int nb_pair_begin(struct nb_pair *pair)
{
	__u64 life = nb_load(&pair->dir[0].conn.life);

	return nb_use_is_undecided(nb_life_use(life)) &&
	       nb_change(&pair->dir[0].conn.life, life, nb_life_with_use(life, NB_USE_TAKEN));
}

/*
 * Back to use, NB_USE_BUSY or NB_USE_ENDING, of a pair that was filled and whose entries are in no
 * index. False: it was lost.
 */
static __always_inline int nb_pair_empty(struct nb_pair *pair, enum nb_use use)
{
	__u64 life = nb_load(&pair->dir[0].conn.life);
	__u32 was =
		nb_life_use(__sync_lock_test_and_set(&pair->dir[0].conn.life, nb_life_with_use(life, use)));

	nb_pair_void(pair, life);
	return nb_use_is_undecided(was);
}

/* TAKEN -> NEW, to enter an entry again that the index has lost. False: the life has changed. */
static __always_inline int nb_pair_enter(struct nb_pair *pair, __u64 life)
{
	return nb_life_use(life) == NB_USE_TAKEN &&
	       nb_change(&pair->dir[0].conn.life, life, nb_life_with_use(life, NB_USE_NEW));
}

/* BUSY or ENDING -> FREE. The entries are in no index, and the backend's is void. */
static __always_inline void nb_pair_free(struct nb_pair *pair)
{
	__u64 life = nb_load(&pair->dir[0].conn.life);

	__sync_lock_test_and_set(&pair->dir[0].conn.life, nb_life_with_use(life, NB_USE_FREE));
}

#endif
