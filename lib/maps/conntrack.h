/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_CONNTRACK_H
#define NATBRIDGE_LIB_MAPS_CONNTRACK_H

/* Connections as an operator sees them. */

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "conn_table.h"
#include "layout.h"

struct nb_conn_info {
	struct nb_tuple orig;  /* as the client sends */
	struct nb_tuple reply; /* as the backend answers */
	struct nb_conn conn;   /* the client's entry; conn_life.h reads its life */
	/* What each direction has carried: nb_account_packets(). All zero: not counted. */
	struct nb_account accounts[2];
	unsigned int remaining; /* seconds until it expires, unless another packet comes */
};

/*
 * Calls fn for each live connection, in no order, until fn returns not 0, and returns that. Expired
 * connections and those of removed pods are not live. Connections that begin or end meanwhile may be seen or
 * not.
 */
int nb_conntrack_each(const struct nb_datapath *dp, int (*fn)(const struct nb_conn_info *info, void *arg),
		      void *arg, struct nb_error *err);

/* How nb_conntrack_walk() goes through the table. */
struct nb_conntrack_walk {
	/* Called for each connection; info: NULL if it is not live, or has ended. Not 0 ends the walk. */
	int (*fn)(const struct nb_conn_copy *copy, const struct nb_conn_info *info, void *arg);
	/* Whether a connection that has ended is wanted: see nb_conn_table_walk_all(). */
	bool (*wanted)(__u32 pair_id, __u64 life, void *arg);
	void *arg;
};

/* As nb_conntrack_each(), but for connections that are live or not. */
int nb_conntrack_walk(const struct nb_datapath *dp, const struct nb_conntrack_walk *how,
		      struct nb_error *err);
/* Whether both pods of a connection still exist. generations: from nb_endpoint_generations(). */
bool nb_conn_has_both_ends(const struct nb_pair *pair, const __u32 *generations);

/* How many connections are live. */
int nb_conntrack_count(const struct nb_datapath *dp, __u32 *count, struct nb_error *err);

/* Ends all connections, live or not. *removed (may be NULL): how many. Needs the lock of the datapath. */
int nb_conntrack_flush(const struct nb_datapath *dp, unsigned int *removed, struct nb_error *err);

/*
 * Name of a state (enum nb_tcp_state, enum nb_sctp_state) as conntrack -L prints it ("SYN_SENT"). NULL:
 * the protocol has no states.
 */
const char *nb_conn_state_name(unsigned int proto, unsigned int state);

#endif
