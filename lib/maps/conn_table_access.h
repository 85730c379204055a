/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_CONN_TABLE_ACCESS_H
#define NATBRIDGE_LIB_MAPS_CONN_TABLE_ACCESS_H

/*
 * What natbridge/conn_index.h needs, for a table in this process's memory. bpf/ebpf/conn_table.h
 * has the same for programs.
 */

#include <natbridge/abi.h>
#include <natbridge/conn_index.h>

#include "conn_table.h"

static inline struct nb_conn_set *nb_set_at(const struct nb_conn_table *table, __u32 set)
{
	return set < table->n_sets ? &table->sets[set] : NULL;
}

/* Checked, since the number comes from memory that programs write. */
static inline struct nb_entry *nb_entry_at(const struct nb_conn_table *table, __u32 entry_id)
{
	return entry_id / 2 < table->n_pairs ? &table->pairs[entry_id / 2].dir[entry_id % 2] : NULL;
}

static inline __u32 nb_set_count(const struct nb_conn_table *table)
{
	return table->n_sets;
}

static inline __u64 nb_set_seed(const struct nb_conn_table *table, int word)
{
	return table->seed[word];
}

static inline void nb_read_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void nb_write_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline __s64 nb_index_find_far(const struct nb_conn_table *table, const struct nb_tuple *key,
				      __u64 hash, __u64 except)
{
	return nb_index_find_all(table, key, hash, except);
}

static inline int nb_index_swap_far(const struct nb_conn_table *table, __u64 hash, __u64 from, __u64 to)
{
	return nb_index_swap_all(table, hash, from, to);
}

static inline int nb_way_leads_far(const struct nb_conn_table *table, __u64 word, const struct nb_tuple *key)
{
	return nb_way_leads(table, word, key);
}

#endif
