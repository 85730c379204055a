/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_PRIVILEGE_H
#define NATBRIDGE_PLUGIN_PRIVILEGE_H

/* The capabilities that the plugin needs, asked before anything is changed. */

#include "lib/util/error.h"

/*
 * NB_ERR_PRIVILEGE, with the name of the missing one, unless the process has the capabilities
 * to change links (CAP_NET_ADMIN) and to enter namespaces (CAP_SYS_ADMIN). An ADD without them
 * then leaves nothing behind.
 */
int nb_privilege_check(struct nb_error *err);

#endif
