/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_CONN_ACCOUNT_H
#define NATBRIDGE_CONN_ACCOUNT_H

/* Where accounts[] has what an entry of connections[] has carried (struct nb_account). */

#include <natbridge/abi.h>

/*
 * The element of an entry, in a table of n_pairs connections. Two elements are in one cache line, which two
 * CPUs should not write at the same time. So these are not the two directions of a connection, nor those of
 * two that began one after the other, but of two that are half a table apart.
 */
static inline __attribute__((always_inline)) __u32 nb_account_id(__u32 entry_id, __u32 n_pairs)
{
	return entry_id < n_pairs ? 2 * entry_id : 2 * (entry_id - n_pairs) + 1;
}

#endif
