/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_CONN_ACCOUNT_H
#define NATBRIDGE_LIB_MAPS_CONN_ACCOUNT_H

/* What connections have carried (natbridge/conn_account.h), in this process's memory. */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

/* What pairs in a row have carried, mapped to be read. */
struct nb_conn_accounts {
	const struct nb_account *at; /* NULL: not open, or the datapath does not count */
	size_t len;                  /* bytes */
	__u32 first_id, half;        /* of nb_account_id() */
};

/*
 * How many pairs make half a table, as accounts[] is laid out; a multiple of a page's pairs. 0: the datapath,
 * of an older natbridge, does not count.
 */
int nb_conn_accounts_half(const struct nb_datapath *dp, __u32 *pairs, struct nb_error *err);

/*
 * Maps what n pairs from first on have carried, in one half of the table: the kernel fills mapped memory at
 * once, and it counts as this process's. first: a multiple of a page's pairs, from the beginning of its half
 * on. A datapath that does not count is no error.
 */
int nb_conn_accounts_open(const struct nb_datapath *dp, __u32 first, __u32 n,
			  struct nb_conn_accounts *accounts, struct nb_error *err);

/* For nb_cleanup(). */
void nb_conn_accounts_close(struct nb_conn_accounts *accounts);

/*
 * Copies what both entries of a mapped pair have carried, the client's first. All zero if it is not counted.
 * Each word is that of one moment, which programs may add to between two of them.
 */
void nb_conn_accounts_get(const struct nb_conn_accounts *accounts, __u32 pair_id, struct nb_account copy[2]);

/* What the present connection of an entry has carried. */
__u64 nb_account_packets(const struct nb_account *account);
__u64 nb_account_bytes(const struct nb_account *account);

#endif
