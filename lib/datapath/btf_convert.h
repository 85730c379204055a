/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_BTF_CONVERT_H
#define NATBRIDGE_LIB_DATAPATH_BTF_CONVERT_H

/*
 * Values of one map layout made into those of another. What a value consists of is read from the BTF that the
 * kernel keeps of each map, so that this natbridge need not know the other's layout: a field goes to the one
 * of the same name, a new one is zero, one that is gone is left out.
 */

#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/types.h>

#include "lib/util/error.h"

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

#endif
