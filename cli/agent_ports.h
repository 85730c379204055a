/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_AGENT_PORTS_H
#define NATBRIDGE_CLI_AGENT_PORTS_H

/* Where natbridge-agent answers HTTP on this node. */

#include <sys/types.h>

#include "lib/net/listeners.h"
#include "lib/util/error.h"

enum { NB_AGENT_ANSWER_MS = 2000 /* for which it is waited */ };

/*
 * Lists the ports at which the agent listens, whatever its configuration says, with addresses that a process
 * of this node can connect to. pid: its process; -1: one of another pid namespace, of which the default ports
 * are listed that somebody listens at; 0: there is none. The caller frees *listeners (zeroed). Errors: those
 * of nb_listeners_read().
 */
int nb_agent_ports(pid_t pid, struct nb_listeners *listeners, struct nb_error *err);

#endif
