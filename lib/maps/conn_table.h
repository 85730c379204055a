/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_CONN_TABLE_H
#define NATBRIDGE_LIB_MAPS_CONN_TABLE_H

/*
 * The table of connections, mapped into this process's memory. Programs use it at the same time,
 * and without a lock: see natbridge/conn_pair.h for who owns a pair. A pair has a number, its
 * pair_id; each of its two entries has one, too: entry_id, see natbridge/conn_index.h.
 */

#include <stdbool.h>

#include <natbridge/abi.h>
#include <natbridge/conn_life.h>

#include "lib/util/error.h"

#include "layout.h"

struct nb_conn_table {
	struct nb_pair *pairs; /* NULL: not open */
	struct nb_conn_set *sets;
	__u32 n_pairs, n_sets;
	__u64 seed[NB_TUPLE_WORDS]; /* a copy of nb_settings.index_seed */
	__u32 cursor;               /* where nb_conn_table_add() begins to look for a free pair */
};

/* Maps the table. The datapath may be closed afterwards. */
int nb_conn_table_open(const struct nb_datapath *dp, struct nb_conn_table *table, struct nb_error *err);

/* For nb_cleanup(). A table that is not open is no error. */
void nb_conn_table_close(struct nb_conn_table *table);

/* The number of connections, expired ones included. */
int nb_conn_table_count(const struct nb_datapath *dp, __u32 *count, struct nb_error *err);

/* A connection as it was at one moment. */
struct nb_conn_copy {
	__u32 pair_id;
	struct nb_pair pair;           /* its life is that of the client's entry */
	struct nb_account accounts[2]; /* of both entries; all zero: the datapath does not count */
};

/*
 * Calls fn with a copy of each connection, expired ones included, until fn returns not 0, and returns that.
 * Maps the table piece by piece: a large one would count as this process's memory.
 */
int nb_conn_table_walk(const struct nb_datapath *dp, int (*fn)(const struct nb_conn_copy *copy, void *arg),
		       void *arg, struct nb_error *err);

/*
 * The same, with connections that have ended and whose place no other has taken yet: nb_life_use() of their
 * life is NB_USE_FREE. Only those for which wanted() says so, by that life.
 */
int nb_conn_table_walk_all(const struct nb_datapath *dp, bool (*wanted)(__u32 pair_id, __u64 life, void *arg),
			   int (*fn)(const struct nb_conn_copy *copy, void *arg), void *arg,
			   struct nb_error *err);

/*
 * Copies the connection of a pair; pair_id is below n_pairs. False: the pair is free, or was ended
 * while it was copied. In the copy, words that are not known are 0 (natbridge/conn_life.h).
 */
bool nb_conn_table_get(const struct nb_conn_table *table, __u32 pair_id, struct nb_pair *pair);

/* Makes words of a copied entry 0 that are not of the generation of its pair's life: not known. */
void nb_conn_drop_unknown(struct nb_conn *conn, __u64 life);

/*
 * The entry with this key, in the table itself: programs change it meanwhile. NULL: no entry has
 * the key. *entry_id (may be NULL) is its number.
 */
struct nb_entry *nb_conn_table_find(const struct nb_conn_table *table, const struct nb_tuple *key,
				    __u32 *entry_id);

/*
 * Adds a connection under its two keys, with the state, flags and lifetime of its client's entry.
 * The caller holds the lock of <bpffs>/natbridge. -EEXIST: one of the keys is taken, or a program
 * enters it at the same time. -ENOSPC: the table is full. If the process is killed meanwhile,
 * nb_conn_table_end() clears the pair.
 */
int nb_conn_table_add(struct nb_conn_table *table, const struct nb_pair *pair);

/*
 * Ends the connection of a pair. The caller holds the lock of <bpffs>/natbridge. False: the pair is
 * free, or a program owns it. What a killed process was about to add or to end is ended, too.
 */
bool nb_conn_table_end(const struct nb_conn_table *table, __u32 pair_id);

/*
 * Gives the index a random seed, so that nobody can send many tuples that hash to one set. Only for
 * a table without connections. -EIO: the kernel gave no random bytes.
 */
int nb_conn_table_seed(struct nb_settings *settings);

#endif
