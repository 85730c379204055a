/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_CONN_FILTER_H
#define NATBRIDGE_CLI_CONN_FILTER_H

/*
 * Which connections conntrack list shows: --src, --dst, --service, --state and -p. What monitor has of these
 * as well is in event_filter.h.
 */

#include <stdbool.h>

#include "lib/maps/conntrack.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "cli.h"

/* A prefix of one family: ::/0 has no IPv4 address. */
struct nb_cidr {
	struct nb_addr network;
	unsigned int len; /* 0 .. 32 or 0 .. 128 */
};

struct nb_conn_filter {
	const struct nb_cli *cli;
	struct nb_cidr src, dst;                  /* valid if the option is given */
	NB_VEC(struct nb_frontend_key) frontends; /* of the Service, in the network at hand */
	bool has_service;                         /* a network had it */
};

/* The caller frees it with nb_conn_filter_free(). *cli must outlive it. */
void nb_conn_filter_init(struct nb_conn_filter *filter, const struct nb_cli *cli);
void nb_conn_filter_free(struct nb_conn_filter *filter); /* for nb_cleanup() */

/* Reads what the filter needs of a network, before its connections are looked at. */
int nb_conn_filter_enter(struct nb_conn_filter *filter, const struct nb_datapath *dp, struct nb_error *err);

/* Whether an address is in the prefix. */
bool nb_cidr_has(const struct nb_cidr *cidr, const struct nb_addr *addr);

/* Whether the Service has this address and port, in network byte order, in the network at hand. */
bool nb_conn_filter_has_frontend(const struct nb_conn_filter *filter, const struct nb_addr *addr, __be16 port,
				 __u8 proto);

bool nb_conn_filter_matches(const struct nb_conn_filter *filter, const struct nb_conn_info *info);

/* Behind the last network: an error if --service names a Service that none of them has. */
int nb_conn_filter_end(const struct nb_conn_filter *filter, struct nb_error *err);

/* ---- what the options take ---- */

/* Parses "ADDRESS" or "ADDRESS/LENGTH". False: *cidr is untouched. */
bool nb_cidr_text(const char *text, struct nb_cidr *cidr);

/* The i-th name that --state knows, NULL behind the last one: states of TCP and SCTP, UNREPLIED, ASSURED. */
const char *nb_conn_state_word(size_t i);

/* The i-th protocol whose connections are tracked, as conntrack -L names it; NULL behind the last one. */
const char *nb_conn_proto_word(size_t i);

/* The name of a protocol; "?": it is not tracked. */
const char *nb_conn_proto_name(unsigned int proto);

#endif
