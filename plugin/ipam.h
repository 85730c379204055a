/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_IPAM_H
#define NATBRIDGE_PLUGIN_IPAM_H

/*
 * The IPAM plugin, run as a delegate (SPEC.md, "Plugin Delegation"). It is found on CNI_PATH and
 * gets our environment, our configuration as we read it (GC: nb_conf_text_for_gc()) and our
 * stderr. Its errors keep their code and message; output that is no answer becomes NB_ERR_IPAM.
 * It is killed after 60 s.
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
 * Starts the plugin's ADD and does not wait. conf and args must live until nb_ipam_free().
 * The attachment must have no interface yet: nb_ipam_finish_add() may release addresses that
 * the plugin holds for it.
 */
int nb_ipam_start_add(struct nb_ipam *ipam, const struct nb_conf *conf, const struct nb_args *args,
		      struct nb_error *err);

/*
 * Waits for the answer; *result has at least one address. On failure of the plugin, or an answer
 * that cannot be used, it has called the plugin's DEL.
 */
int nb_ipam_finish_add(struct nb_ipam *ipam, struct nb_result *result, struct nb_error *err);

/* Waits for an ADD that is under way, and releases its addresses by the plugin's DEL. */
int nb_ipam_undo_add(struct nb_ipam *ipam, struct nb_error *err);

/* Waits likewise, and releases nothing. A plugin that is killed while it works may leave half a lease. */
void nb_ipam_leave_add(struct nb_ipam *ipam);

void nb_ipam_free(struct nb_ipam *ipam); /* for nb_cleanup() */

/* Runs a command without answer: DEL, CHECK, GC or STATUS. */
int nb_ipam_run(const struct nb_conf *conf, const struct nb_args *args, enum nb_cni_command command,
		struct nb_error *err);

#endif
