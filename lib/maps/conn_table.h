/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_CONN_TABLE_H
#define NATBRIDGE_LIB_MAPS_CONN_TABLE_H

/* The table of connections in this process's memory, shared with the programs that use it at the same time.
 */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

struct nb_conn_table {
	struct nb_pair *pairs; /* NULL: not open */
	struct nb_conn_set *sets;
	__u32 n_pairs, n_sets;
	__u64 seed[NB_TUPLE_WORDS];
	__u32 cursor; /* where nb_conn_table_add() looks next */
};

/* Maps it. The datapath may be closed afterwards. */
int nb_conn_table_open(const struct nb_datapath *dp, struct nb_conn_table *table, struct nb_error *err);
void nb_conn_table_close(struct nb_conn_table *table); /* for nb_cleanup() */

/* How many connections there are, expired ones included. */
int nb_conn_table_count(const struct nb_datapath *dp, __u32 *count, struct nb_error *err);

/* A copy of the connection in a place below n_pairs. False: there is none. */
bool nb_conn_table_get(const struct nb_conn_table *table, __u32 place, struct nb_pair *pair);

/* The entry with this key, NULL: there is none. *slot (may be NULL): its number. What others do to it is
 * seen. */
struct nb_entry *nb_conn_table_find(const struct nb_conn_table *table, const struct nb_tuple *key,
				    __u32 *slot);

/* Enters a connection under its two keys. -EEXIST: one of them is taken; -ENOSPC: the table is full. */
int nb_conn_table_add(struct nb_conn_table *table, const struct nb_pair *pair);

/* Ends the connection in a place, under the lock of <bpffs>/natbridge. False: there is none, or a program is
 * about to end it. One that a process was ending when it was killed is ended. */
bool nb_conn_table_end(const struct nb_conn_table *table, __u32 place);

/* Has the datapath find connections by a hash that nobody can foresee. Only before there are any. */
int nb_conn_table_seed(struct nb_settings *settings);

#endif
