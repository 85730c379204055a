/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_WAY_H
#define NATBRIDGE_TEST_BPF_WAY_H

/* The index of connections, for tests that damage it. */

#include "lib/maps/conn_table.h"

#include <stddef.h>

/* The way of the index that leads to an entry; NULL: none does. For tests that lose it. */
static inline __u64 *way_of(const struct nb_conn_table *table, __u32 entry_id)
{
	for (__u32 i = 0; i < table->n_sets * NB_CONN_WAYS; i++) {
		__u64 *way = &table->sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS];

		if ((*way & ((1U << NB_ENTRY_ID_BITS) - 1)) == entry_id + 1)
			return way;
	}
	return NULL;
}

#endif
