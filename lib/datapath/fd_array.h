/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_FD_ARRAY_H
#define NATBRIDGE_LIB_DATAPATH_FD_ARRAY_H

/*
 * Arrays of programs or of maps: an element is written as a descriptor and read as an id
 * (kernel/bpf/arraymap.c, bpf_fd_array_map_update_elem() and bpf_fd_array_map_lookup_elem()).
 */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* The id of a program or a map; 0: it cannot be told. */
__u32 nb_fd_id(int fd);

/* The id of an element; 0: it is empty. */
__u32 nb_fd_array_get(const struct nb_datapath *dp, enum nb_map map, __u32 index);

/* fd: -1 empties the element. Writes nothing if the element is so already. */
int nb_fd_array_set(const struct nb_datapath *dp, enum nb_map map, __u32 index, int fd, struct nb_error *err);

#endif
