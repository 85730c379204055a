/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_BTF_CONVERT_H
#define NATBRIDGE_LIB_DATAPATH_BTF_CONVERT_H

/*
 * Converts values of one map layout to another. What a value consists of comes from the BTF that the kernel
 * keeps of each map, so that this natbridge need not know the other's layout: a field goes to the field of
 * the same name; new fields are zero; fields that no longer exist are left out.
 */

#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/types.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

/* Equal lengths: bytes to copy; else a number of another width. to_len 0: dropped, and must be zero. */
struct nb_btf_conversion_step {
	__u32 from, to; /* offsets, in bytes */
	__u32 from_len, to_len;
};

/* How the bytes of one type become those of another. Zeroed is empty. */
struct nb_btf_conversion {
	NB_VEC(struct nb_btf_conversion_step) steps;
};

/* Fails if a field has another kind now, or is a number in network byte order with another width. */
int nb_btf_conversion_make(struct nb_btf_conversion *plan, const struct btf *from, __u32 from_type,
			   const struct btf *to, __u32 to_type, struct nb_error *err);
void nb_btf_conversion_free(struct nb_btf_conversion *plan); /* for nb_cleanup() */

/* *to is zero before. False: a number does not fit into its new width, or a dropped part is not zero. */
bool nb_btf_conversion_run(const struct nb_btf_conversion *plan, const void *from, void *to);

/* A map's properties and types. Zeroed is empty. */
struct nb_map_types {
	struct bpf_map_info info;
	struct btf *btf;
};

int nb_map_types_read(struct nb_map_types *types, int map_fd, struct nb_error *err);
void nb_map_types_free(struct nb_map_types *types); /* for nb_cleanup() */

#endif
