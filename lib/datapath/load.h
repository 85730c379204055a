/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_LOAD_H
#define NATBRIDGE_LIB_DATAPATH_LOAD_H

/* From the eBPF objects inside this library to programs and maps in the kernel, which pins.h pins. */

#include <linux/types.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "pin_path.h"

/* Sizes of the maps, fixed when they are loaded. 0: the default. */
struct nb_limits {
	__u32 connections; /* NB_CONNECTIONS_MIN..MAX; in mode assist, direct connections that it remembers */
	__u32 frontends;   /* frontends and addresses of backends together */
	__u32 backends;
};

struct nb_datapath_config {
	const struct nb_pin_root *root;
	const char *network; /* checked by the caller (CNI name pattern) */
	enum nb_mode mode;   /* not NB_MODE_OFF */
	struct nb_limits limits;
};

enum { NB_BUILD_LEN = 17 }; /* 16 hex digits and a NUL */

/* Objects have the numbers of their modes; that of the watch comes after them. */
enum { NB_OBJECT_WATCH = NB_MODES };

/* The build of an object in this natbridge: a hash of it, by which two builds are told apart. */
void nb_object_build(unsigned int object, char build[NB_BUILD_LEN]);

/* 0: the sizes are in range; else NB_ERR_CONFIG. */
int nb_limits_check(const struct nb_limits *limits, struct nb_error *err);

/*
 * Loads the programs of config->mode and the maps that *dp lacks; maps that *dp has are shared. On success
 * *dp has all of the mode; on failure it may have a part.
 */
int nb_datapath_load(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

/* Programs that are at the ports of a network during a handover: at ingress, at egress. */
struct nb_handover_progs {
	int from_pod, to_pod;
};

#define NB_HANDOVER_PROGS_INIT                                                                               \
	{                                                                                                    \
		-1, -1                                                                                       \
	}

void nb_handover_progs_close(struct nb_handover_progs *progs); /* for nb_cleanup() */

/*
 * Loads them on the maps of *dp, which has mode ebpf, and the maps of NB_IN_HANDOVER that *dp lacks.
 * -EOPNOTSUPP: the kernel refuses them.
 */
int nb_handover_load(const char *network, struct nb_datapath *dp, struct nb_handover_progs *progs,
		     struct nb_error *err);

/*
 * Attaches the program that notices qdiscs of dp's ports, which are in the caller's network namespace.
 * Returns the descriptor of its link, which exists as long as the descriptor or a pin; -1: the kernel refuses
 * it.
 */
int nb_datapath_watch(const struct nb_datapath *dp);

#endif
