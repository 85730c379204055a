/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_CONF_NETWORK_FILES_H
#define NATBRIDGE_LIB_CONF_NETWORK_FILES_H

/* The networks of this node, by the files of its CNI config directory. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "proxy.h"

/* A network of which natbridge is a plugin and whose pods have addresses. */
struct nb_network_file {
	char *path; /* owned; of the file that names it first */
	char *name; /* owned */
	struct nb_proxy_conf proxy;
	char *bridge;          /* owned; "cni0" by default */
	bool is_gateway;       /* the bridge has the pods' gateway */
	char *ipam, *data_dir; /* owned: ipam.type; ipam.dataDir, NULL: not given */
	NB_VEC(char *) types;  /* owned: of all plugins of the chain */
};

struct nb_network_files {
	NB_VEC(struct nb_network_file) all; /* sorted by name */
};

/*
 * Reads the *.conflist, *.conf and *.json files of a directory, in the order of their names, as a runtime
 * does. Each network counts once. A directory that does not exist is empty. A file that cannot be used is
 * left out, and tell, unless it is NULL, is called with why. The caller frees *files (zeroed).
 */
int nb_network_files_read(const char *dir, void (*tell)(const char *why, void *arg), void *arg,
			  struct nb_network_files *files, struct nb_error *err);

void nb_network_files_free(struct nb_network_files *files); /* for nb_cleanup(); leaves it empty */

#endif
