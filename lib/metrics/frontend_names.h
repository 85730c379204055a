/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_METRICS_FRONTEND_NAMES_H
#define NATBRIDGE_LIB_METRICS_FRONTEND_NAMES_H

/* Which Service a frontend belongs to. */

#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

struct nb_named_frontend {
	struct nb_frontend_key key;
	__u32 name; /* index in names */
};

struct nb_frontend_names {
	NB_VEC(char *) names;                       /* "namespace/name", sorted */
	NB_VEC(struct nb_named_frontend) frontends; /* sorted by the bytes of their keys */
};

enum { NB_FRONTEND_NAME_NONE = -1 };

/* Reads the Services of a network. The caller frees *names, which is empty after an error. */
int nb_frontend_names_read(const struct nb_datapath *dp, struct nb_frontend_names *names,
			   struct nb_error *err);
void nb_frontend_names_free(struct nb_frontend_names *names); /* for nb_cleanup() */

/* Adds a name and sorts; a frontend of it: nb_frontend_names_own(), then nb_frontend_names_sort(). For tests.
 */
int nb_frontend_names_add(struct nb_frontend_names *names, const char *name, struct nb_error *err);
int nb_frontend_names_own(struct nb_frontend_names *names, const char *name,
			  const struct nb_frontend_key *key, struct nb_error *err);
void nb_frontend_names_sort(struct nb_frontend_names *names);

/*
 * The index of the name that has a frontend; without port and protocol, one that has its address.
 * NB_FRONTEND_NAME_NONE: no Service has it.
 */
int nb_frontend_names_find(const struct nb_frontend_names *names, const struct nb_frontend_key *key);

/* The index of a name, or NB_FRONTEND_NAME_NONE. */
int nb_frontend_names_index(const struct nb_frontend_names *names, const char *name);

#endif
