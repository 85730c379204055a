/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_LOAD_H
#define NATBRIDGE_LIB_DATAPATH_LOAD_H

/* From the eBPF objects inside this library to loaded programs and maps; lib/datapath/datapath.c pins them.
 */

#include <linux/types.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* Sizes of the maps, fixed when a datapath is loaded. */
struct nb_limits {
	__u32 connections; /* 1024 .. 2^23; in mode assist the direct ones that are remembered */
	__u32 frontends;   /* frontends and backends' own addresses together */
	__u32 backends;
};

struct nb_datapath_config {
	const char *bpffs;       /* NULL: NATBRIDGE_BPFFS, or /sys/fs/bpf */
	const char *network;     /* checked by the caller (CNI name pattern) */
	enum nb_mode mode;       /* not NB_MODE_OFF */
	struct nb_limits limits; /* 0: the default */
};

enum { NB_BUILD_LEN = 17 }; /* 16 digits of a hash, and the end */

/* The objects are numbered as the modes whose programs they hold, and then comes that of the watch. */
enum { NB_OBJECT_WATCH = NB_MODES };

/* By what build this natbridge has an object. */
void nb_object_build(unsigned int object, char build[NB_BUILD_LEN]);

/* Whether sizes are in range. */
int nb_limits_check(const struct nb_limits *limits, struct nb_error *err);

/*
 * Loads what config->mode needs and *dp does not hold; the maps that it holds are shared. On success *dp
 * holds all of the mode; on failure it may hold a part.
 */
int nb_datapath_load(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

/*
 * Attaches the program that notices qdiscs of the ports in dp, in the caller's network namespace, and returns
 * the link, which lives as long as its descriptor and its pin; -1 if the kernel does not take it.
 */
int nb_datapath_watch(const struct nb_datapath *dp);

#endif
