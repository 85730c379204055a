/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_PINS_H
#define NATBRIDGE_LIB_DATAPATH_PINS_H

/*
 * One directory of pins, <root>/<network>/v<map layout>/: a file for each map and program, and for each mode
 * a symbolic link <mode>_build. The link leads nowhere: its text is the build of the pinned programs
 * (nb_object_build()). All functions but nb_pins_open() and nb_pins_other_layout() need the lock.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "load.h"
#include "pin_path.h"

#define NB_PINS_UNFINISHED "unfinished" /* the directory of pins that are not a datapath yet */

/* Opens all that is pinned in dp->dir; what is not stays -1. */
int nb_pins_open(struct nb_datapath *dp, struct nb_error *err);

/* Pins all of *dp at once as dp->dir, which must not exist. */
int nb_pins_create(const struct nb_datapath *dp, const struct nb_datapath_config *config,
		   struct nb_error *err);

/* Pins in dp->dir what *dp has and *old lacks, programs last. */
int nb_pins_add(const struct nb_datapath *old, const struct nb_datapath *dp, struct nb_error *err);

/* Pins a program of *dp in place of the one that is pinned. */
int nb_pins_replace(const struct nb_datapath *dp, enum nb_prog prog, struct nb_error *err);

/* Removes the pin of a map and closes its descriptor in *dp; there is none: 0. */
int nb_pins_remove_map(struct nb_datapath *dp, enum nb_map map, struct nb_error *err);

/* Pins dp->watch_fd in place of the link that is pinned, if there is one, and notes its build. */
int nb_pins_watch(const struct nb_datapath *dp, struct nb_error *err);

/* Whether the pinned programs of an object (load.h) are of this natbridge's build, and the note of that. */
bool nb_pins_are_ours(const struct nb_datapath *dp, unsigned int object);
int nb_pins_note_build(const struct nb_datapath *dp, unsigned int object, struct nb_error *err);

/* Removes a directory of pins; it does not exist: 0. */
int nb_pins_remove(const char *dir, struct nb_error *err);

/* The newest map layout that the network has pins of, other than this program's, and their directory; *layout
 * 0: there is none. */
int nb_pins_other_layout(const struct nb_pin_root *root, const char *network, unsigned int *layout,
			 char dir[NB_PIN_PATH_MAX], struct nb_error *err);

#endif
