/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_CNI_ID_H
#define NATBRIDGE_LIB_UTIL_CNI_ID_H

#include <stdbool.h>

/*
 * The three names that identify an attachment (CNI's SPEC.md). DEL, CHECK and GC find by them what
 * an ADD made.
 */
struct nb_cni_id {
	const char *network;
	const char *container_id;
	const char *ifname; /* inside the pod */
};

/*
 * The specification's pattern of container ids and network names:
 * [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 200 bytes.
 */
bool nb_cni_name_valid(const char *name);

#endif
