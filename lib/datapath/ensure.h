/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_ENSURE_H
#define NATBRIDGE_LIB_DATAPATH_ENSURE_H

/* The datapath that an ADD needs: created, completed, renewed or migrated if need be, then opened. */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "load.h"

/*
 * Opens the datapath of config->network with the programs of config->mode, and loads and pins what is
 * missing. Mounts a bpffs if there is none. Takes the lock of the pin root and keeps it until
 * nb_datapath_close(): whoever has it may change services, ports and endpoints. A new datapath has the
 * default settings.
 */
int nb_datapath_ensure(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

#endif
