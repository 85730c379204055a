/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_PINS_H
#define NATBRIDGE_LIB_DATAPATH_PINS_H

/*
 * The directory of a network's pins, <bpffs>/natbridge/<network>/v<map layout>/: one file for each map and
 * program, and for each mode a symbolic link <mode>_build, which leads nowhere: its text says by what build
 * of the object the programs came. All but the open functions want the lock.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "load.h"

#define NB_PINS_UNFINISHED "unfinished" /* the directory of pins that do not make a datapath yet */

/* Opens all that is pinned in dp->dir; what is not there stays -1. */
int nb_pins_open(struct nb_datapath *dp, struct nb_error *err);

/* Pins all of *dp at once as dp->dir, which must not exist. */
int nb_pins_create(const struct nb_datapath *dp, const struct nb_datapath_config *config,
		   struct nb_error *err);

/* Pins in dp->dir what *old lacks of *dp, programs last. */
int nb_pins_add(const struct nb_datapath *old, const struct nb_datapath *dp, struct nb_error *err);

/* A program of *dp takes the place of the one that is pinned. */
int nb_pins_replace(const struct nb_datapath *dp, enum nb_prog prog, struct nb_error *err);

/* dp->watch_fd takes the place of the link that is pinned, if one is. */
int nb_pins_watch(const struct nb_datapath *dp, struct nb_error *err);

/* Whether the programs of an object that are pinned came by this natbridge's build of it. */
bool nb_pins_are_ours(const struct nb_datapath *dp, unsigned int object);
int nb_pins_note_build(const struct nb_datapath *dp, unsigned int object, struct nb_error *err);

/* Removes a directory of pins; none: 0. */
int nb_pins_remove(const char *dir, struct nb_error *err);

/*
 * The newest map layout, other than this program's, that the network has pins of; 0: none. dir: of these
 * pins, in size bytes.
 */
int nb_pins_other_layout(const char *bpffs, const char *network, unsigned int *layout, char *dir, size_t size,
			 struct nb_error *err);

#endif
