/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CMD_COMMON_H
#define NATBRIDGE_PLUGIN_CMD_COMMON_H

/* What several commands need and what is neither netdevs nor datapath. */

#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "conf.h"

/* The attachment that the command is about. Its strings belong to args and conf. */
struct nb_cni_id nb_cni_attachment(const struct nb_args *args, const struct nb_conf *conf);

/*
 * Opens CNI_NETNS. -ENOENT: it is gone. NB_ERR_NETNS: it is no network namespace, or the one that
 * the plugin runs in and CNI_NETNS_OVERRIDE is not set. The caller closes *fd.
 */
int nb_cni_open_netns(const struct nb_args *args, int *fd, struct nb_error *err);

/* Keeps the first of several errors: *first becomes *err if it holds none yet, else *err is logged. */
void nb_cni_keep_first(struct nb_error *first, const struct nb_error *err);

#endif
