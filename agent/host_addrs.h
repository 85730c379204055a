/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_HOST_ADDRS_H
#define NATBRIDGE_AGENT_HOST_ADDRS_H

/*
 * The addresses of this node's links as they come and go. One that a Service has as well changes who gets the
 * packets: a DNS cache of the node takes the ClusterIP of DNS while it runs, for instance.
 */

#include <natbridge/abi.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "loop.h"

struct nb_host_addrs {
	void (*changed)(const struct nb_addr *addr, void *arg); /* it came or went */
	void *arg;

	struct nb_loop *loop;
	struct nb_loop_fd events; /* rtnetlink */
	struct nb_timer look;
	NB_VEC(struct nb_addr) all; /* sorted; without those that no Service can have */
};

/*
 * Reads the addresses and follows them. The caller sets changed and arg before, zeroes the rest, and frees
 * *addrs, also on failure.
 */
int nb_host_addrs_start(struct nb_host_addrs *addrs, struct nb_loop *loop, struct nb_error *err);
void nb_host_addrs_free(struct nb_host_addrs *addrs); /* for nb_cleanup() */

#endif
