/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_MIGRATE_H
#define NATBRIDGE_LIB_DATAPATH_MIGRATE_H

/*
 * From the maps of another map layout, older or newer, to maps of this one, field by field: btf_convert.h
 * says how, the rows of lib/maps/layout.h which maps. The other layout's programs run meanwhile, and go on
 * until upgrade.h has replaced them at every port.
 */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "load.h"

/*
 * Loads the modes that the network has pins of in dir, which have that layout, and the mode of *config, and
 * fills their maps with what the old ones hold. The maps have the old ones' sizes. Pins nothing; sets
 * NB_SETTINGS_BEHIND. Connections follow by handover.h. If something cannot be converted, *err names map and
 * field, and the old pins are as they were. Needs the lock.
 */
int nb_migrate(const struct nb_datapath_config *config, unsigned int layout, const char *dir,
	       struct nb_datapath *dp, struct nb_error *err);

/*
 * Brings client affinities of *from that are newer than those of *to. What cannot be converted is left out: a
 * client's next connection may get another backend.
 */
void nb_migrate_affinities(const struct nb_datapath *from, const struct nb_datapath *to);

#endif
