/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_RENEW_H
#define NATBRIDGE_LIB_DATAPATH_RENEW_H

/*
 * Programs of another build, newer or older, replaced by this natbridge's on the same maps. migrate.h does it
 * for another map layout; upgrade.h attaches the new programs to the ports.
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "load.h"

/* Whether some pinned programs are of another build than this natbridge's. */
bool nb_renew_is_due(const struct nb_datapath *dp);

/*
 * Loads this natbridge's programs for each mode whose pinned ones are of another build, and replaces those in
 * the pins and in *dp. Sets NB_SETTINGS_BEHIND first. Needs the lock.
 */
int nb_renew_programs(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

#endif
