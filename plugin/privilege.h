/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_PRIVILEGE_H
#define NATBRIDGE_PLUGIN_PRIVILEGE_H

#include "lib/util/error.h"

/*
 * 0 if the capabilities are there that change links and enter namespaces (CAP_NET_ADMIN, CAP_SYS_ADMIN); else
 * NB_ERR_PRIVILEGE. Asked first, so that an ADD without them leaves nothing behind.
 */
int nb_privilege_check(struct nb_error *err);

#endif
