/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_OLD_CONN_H
#define NATBRIDGE_LIB_DATAPATH_OLD_CONN_H

/*
 * Connections of map layouts up to 8, in which each number that packets change had a field of struct nb_conn,
 * and checksums had 32 bits. Since then several numbers share a word (natbridge/conn_life.h), and programs
 * take checksums to be folded.
 */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "btf_convert.h"

/* Those fields, under the names that they had. */
struct nb_old_conn {
	__u32 flags; /* with those that are part of the life now */
	__u32 expires;
	__u32 created;
	__u32 use;
	__u32 epoch;
	__u32 state;
	__u32 retrans;
	__u32 seq_end;
	__u32 ack;
};

struct nb_old_pair {
	struct {
		struct nb_old_conn conn;
	} dir[2];
};

/*
 * A conversion of a map's values to struct nb_old_conn, or with "pair" to struct nb_old_pair. From a newer
 * layout, all is 0 but the flags.
 */
int nb_old_conversion_make(struct nb_btf_conversion *plan, const struct nb_map_types *from, bool pair,
			   struct nb_error *err);

/* Puts the fields into the words of *conn, and folds its checksums. */
void nb_old_conn_take(const struct nb_old_conn *old, struct nb_conn *conn);

#endif
