/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_ENSURE_H
#define NATBRIDGE_LIB_DATAPATH_ENSURE_H

/* A datapath that is there afterwards: opened, completed, renewed, migrated or made, as needed. */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "load.h"

/*
 * Opens the datapath of config->network with what config->mode needs, loading and pinning first what is not
 * there; bpffs is mounted at its root if it is not. Takes the lock of the bpffs root and keeps it until
 * nb_datapath_close(): whoever holds it may change services, ports and endpoints. Settings of a new datapath
 * are the defaults.
 */
int nb_datapath_ensure(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

#endif
