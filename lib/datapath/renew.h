/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_RENEW_H
#define NATBRIDGE_LIB_DATAPATH_RENEW_H

/*
 * Another natbridge, newer or older, on a node whose pods run. In: the pins that there are. Out: programs of
 * this natbridge on the maps that the old ones had, or on maps of this layout that hold the same. Ports
 * follow by nb_ports_attach(). All with the lock.
 */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "load.h"

/* Programs of another build, as *dp has them pinned, are replaced in the pins and in *dp. */
int nb_renew_programs(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

/*
 * Loads the modes that a network has pins of in dir, by another map layout, and that of *config, and fills
 * their maps with what the others hold. The sizes are those of the others.
 */
int nb_migrate(const struct nb_datapath_config *config, unsigned int layout, const char *dir,
	       struct nb_datapath *dp, struct nb_error *err);

#endif
