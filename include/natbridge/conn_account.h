/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_CONN_ACCOUNT_H
#define NATBRIDGE_CONN_ACCOUNT_H

/* Where accounts[] has what an entry of connections[] has carried (struct nb_account). */

#include <natbridge/abi.h>

enum { NB_ACCOUNT_STEP = 512 };

/* Half the elements of accounts[], for a table of n_pairs connections: each half of the table begins a page.
 */
static inline __u32 nb_account_half(__u32 n_pairs)
{
	return (n_pairs + NB_ACCOUNT_STEP - 1) / NB_ACCOUNT_STEP * NB_ACCOUNT_STEP;
}

/*
 * The element of an entry. half: of nb_account_half(). Two elements are in one cache line, which two CPUs
 * should not write at the same time. So these are not the two directions of a connection, nor those of two
 * that began one after the other, but of two that are half a table apart.
 */
static inline __attribute__((always_inline)) __u32 nb_account_id(__u32 entry_id, __u32 half)
{
	return entry_id < half ? 2 * entry_id : 2 * (entry_id - half) + 1;
}

#endif
