/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_INTERLEAVE_USER_H
#define NATBRIDGE_TEST_INTERLEAVE_USER_H

/*
 * Userspace as an actor: the code of lib/maps/conn_table.c. It has functions of the same names as
 * the eBPF programs, so it is a compilation unit of its own.
 */

#include <stdbool.h>

#include <natbridge/abi.h>

/* The table, in memory that the scenario has registered as shared. */
struct user_table {
	struct nb_pair *pairs;
	struct nb_conn_set *sets;
	__u32 n_pairs, n_sets;
	__u64 seed[NB_TUPLE_WORDS];
};

/* Registers what userspace remembers as private memory of an actor. For il_scenario.memory. */
void user_memory(unsigned int actor);

/* For il_scenario.setup. */
void user_setup(const struct user_table *table);

/* These are the functions of lib/maps/conn_table.h of the same names. */
bool user_get(__u32 pair_id, struct nb_pair *pair);
bool user_end(__u32 pair_id);
int user_add(const struct nb_pair *pair);

#endif
