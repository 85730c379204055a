/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_MIGRATE_H
#define NATBRIDGE_LIB_DATAPATH_MIGRATE_H

/*
 * From the maps of one layout to those of another. What a value consists of is read from the BTF that the
 * kernel keeps of each map, so that this natbridge need not know the other's layout: a field is carried to
 * the one of the same name, one that is new is zero, one that is gone is left out.
 */

#include <bpf/btf.h>

#include <linux/bpf.h>

#include "datapath.h"

/* How the bytes of one type become those of another. Zeroed is empty. */
struct nb_btf_conversion {
	struct nb_btf_conversion_step {
		__u32 from, to; /* offsets */
		__u32 from_len,
			to_len; /* alike: bytes; else numbers; to_len 0: what is left out, and must be zero */
	} * items;
	size_t n, room;
};

/* Fails if a field has become something else: another kind, or a number of another width in network order. */
int nb_btf_conversion_make(struct nb_btf_conversion *plan, const struct btf *from, __u32 from_type,
			   const struct btf *to, __u32 to_type, struct nb_error *err);
void nb_btf_conversion_free(struct nb_btf_conversion *plan); /* for nb_cleanup() */

/* to is zero before. False: a number is too large for its new width, or something is left out. */
bool nb_btf_conversion_run(const struct nb_btf_conversion *plan, const void *from, void *to);

/* One side of a map, with its types. Zeroed is empty. */
struct nb_map_types {
	struct bpf_map_info info;
	struct btf *btf;
};

int nb_map_types_read(struct nb_map_types *side, int map_fd, struct nb_error *err);
void nb_map_types_free(struct nb_map_types *side); /* for nb_cleanup() */

/*
 * Fills the maps of *to, which are empty, with what those of *from hold, whose programs may run meanwhile.
 * Left out are the counters, and what is only known for seconds.
 */
int nb_migrate_maps(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err);

/* The connections alone, as far as both sides have any, after the settings, which get a seed if they have
 * none: up to layout 5 they were two elements each of a hash map. */
int nb_migrate_conns(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err);

/* How many a table of either kind was made for; without one *connections stays. */
int nb_migrate_capacity(const struct nb_datapath *from, __u32 *connections, struct nb_error *err);

#endif
