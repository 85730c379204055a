/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_SEAL_H
#define NATBRIDGE_LIB_MAPS_SEAL_H

/* Seals by map (natbridge/seal.h). */

#include "layout.h"

/* Seals a value of a map, whose key is given, if the map's values have seals. Call it before each write. */
void nb_seal(enum nb_map map, const void *key, void *value);

#endif
