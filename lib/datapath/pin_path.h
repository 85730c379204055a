/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_PIN_PATH_H
#define NATBRIDGE_LIB_DATAPATH_PIN_PATH_H

/* Where pins are: <bpffs>/natbridge/<network>/v<map layout>/<map or program>. */

#include <stddef.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* The directory of all networks' pins, resolved once: by main() or with the config. */
struct nb_pin_root {
	char bpffs[NB_PIN_PATH_MAX]; /* where a bpffs is, or is to be mounted */
	char path[NB_PIN_PATH_MAX];  /* <bpffs>/natbridge */
};

/* bpffs NULL: $NATBRIDGE_BPFFS if set and not empty, else /sys/fs/bpf. -ENAMETOOLONG: too long a path. */
int nb_pin_root_resolve(const char *bpffs, struct nb_pin_root *root, struct nb_error *err);

/*
 * Writes <root>/<network>[/<last>] to path; last may be NULL. A dot in the network's name becomes "%2e", as
 * no name of a network contains "%", and bpffs takes no dots.
 */
int nb_pin_path(const struct nb_pin_root *root, const char *network, const char *last,
		char path[NB_PIN_PATH_MAX], struct nb_error *err);

/* The network's name from that of its directory. */
void nb_pin_name_decode(const char *dir_name, char *network, size_t size);

#endif
