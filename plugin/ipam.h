/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_IPAM_H
#define NATBRIDGE_PLUGIN_IPAM_H

/*
 * The IPAM plugin, run as a delegate (SPEC.md, "Plugin Delegation"): found on CNI_PATH, with our environment
 * and our configuration as we read it, its stderr ours. Its errors keep their code and message; what is no
 * answer at all is NB_ERR_IPAM. It is killed after 60 s.
 */

#include <natbridge/error.h>

#include "args.h"
#include "conf.h"
#include "result.h"

/*
 * Has the plugin allocate addresses; at least one is in *result. If it fails, or its answer is no use, its
 * DEL has been called.
 */
int nb_ipam_add(const struct nb_conf *conf, const struct nb_args *args, struct nb_result *result,
		struct nb_error *err);

/* Runs a command without answer: DEL, CHECK, GC or STATUS. */
int nb_ipam_run(const struct nb_conf *conf, const struct nb_args *args, enum nb_command command,
		struct nb_error *err);

#endif
