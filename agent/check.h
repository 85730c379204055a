/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_CHECK_H
#define NATBRIDGE_AGENT_CHECK_H

/* natbridge-agent --check: whether the agent could run here. */

#include "lib/util/error.h"

struct nb_agent_config;
struct nb_api;
struct nb_loop;

/*
 * Prints a line for each thing that the agent needs, "ok" or "FAILED" and why: kernel and rights for each
 * network, and each resource of the API. Writes nothing. An error: something failed, or could not be checked.
 */
int nb_agent_check(struct nb_loop *loop, struct nb_api *api, const struct nb_agent_config *config,
		   struct nb_error *err);

#endif
