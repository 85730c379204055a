/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_CONN_ACCOUNT_H
#define NATBRIDGE_LIB_MAPS_CONN_ACCOUNT_H

/* What connections have carried (natbridge/conn_account.h), in this process's memory. */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

/* accounts[], mapped to be read. */
struct nb_conn_accounts {
	const struct nb_account *at; /* NULL: not open, or the datapath does not count */
	size_t len;                  /* bytes */
	__u32 n_pairs;
};

/* Maps them. A datapath without accounts[], of an older natbridge, is no error: nothing is counted there. */
int nb_conn_accounts_open(const struct nb_datapath *dp, struct nb_conn_accounts *accounts,
			  struct nb_error *err);

/* For nb_cleanup(). */
void nb_conn_accounts_close(struct nb_conn_accounts *accounts);

/*
 * Copies what both entries of a pair have carried, the client's first. All zero if it is not counted. Each
 * word is that of one moment, which programs may add to between two of them.
 */
void nb_conn_accounts_get(const struct nb_conn_accounts *accounts, __u32 pair_id, struct nb_account copy[2]);

/* Gives back the memory that reading has filled; it can be read again. */
void nb_conn_accounts_forget(const struct nb_conn_accounts *accounts);

/* What the present connection of an entry has carried. */
__u64 nb_account_packets(const struct nb_account *account);
__u64 nb_account_bytes(const struct nb_account *account);

#endif
