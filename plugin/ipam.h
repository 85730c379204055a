/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_IPAM_H
#define NATBRIDGE_PLUGIN_IPAM_H

/*
 * The IPAM plugin, run as a delegate (SPEC.md, "Plugin Delegation"): found on CNI_PATH, with our environment
 * and our configuration as we read it (GC: nb_conf_text_for_gc()), its stderr ours. Its errors keep their
 * code and message; what is no answer at all is NB_ERR_IPAM. It is killed after 60 s.
 */

#include <stdbool.h>

#include "lib/util/error.h"
#include "lib/util/process.h"

#include "args.h"
#include "conf.h"
#include "result.h"

/* An ADD of the plugin. Zero-initialised: none. */
struct nb_ipam {
	const struct nb_conf *conf; /* not owned, nor is args */
	const struct nb_args *args;
	char *path; /* owned */
	struct nb_process_child child;
	bool to_undo; /* the plugin may hold addresses for it */
};

/*
 * Starts it, and does not wait: conf and args must be there until nb_ipam_free(). The attachment must not be
 * there: what addresses the plugin still has for it are released if need be.
 */
int nb_ipam_start_add(struct nb_ipam *ipam, const struct nb_conf *conf, const struct nb_args *args,
		      struct nb_error *err);

/*
 * Waits for the addresses; at least one is in *result. If the plugin fails, or its answer is no use, its DEL
 * has been called.
 */
int nb_ipam_finish_add(struct nb_ipam *ipam, struct nb_result *result, struct nb_error *err);

/* Waits for one that is under way, and gives the addresses back, if there can be any. */
int nb_ipam_undo_add(struct nb_ipam *ipam, struct nb_error *err);

/* Waits likewise, and gives nothing back: a plugin that is killed at work may leave half a lease. */
void nb_ipam_leave_add(struct nb_ipam *ipam);

void nb_ipam_free(struct nb_ipam *ipam); /* for nb_cleanup() */

/* Runs a command without answer: DEL, CHECK, GC or STATUS. */
int nb_ipam_run(const struct nb_conf *conf, const struct nb_args *args, enum nb_command command,
		struct nb_error *err);

#endif
