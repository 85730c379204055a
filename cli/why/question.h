/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_WHY_QUESTION_H
#define NATBRIDGE_CLI_WHY_QUESTION_H

/* What natbridgectl why is asked: from whom, and to where. */

#include <net/if.h>
#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

struct nb_question {
	/* From: "node", a link, or an address. */
	bool is_node;
	char link[IFNAMSIZ]; /* "": not given */
	bool has_src;
	struct nb_addr src;
	__be16 sport; /* 0: that of a new connection */
	/* To: an address, or a Service. */
	char service[NB_NAME_MAX];        /* "namespace/name"; "": dst is given */
	char port_name[NB_PORT_NAME_MAX]; /* of the Service; "": dport is given */
	struct nb_addr dst;
	__be16 dport; /* 0 of a ping */
	__u8 proto;   /* IPPROTO_TCP, UDP, SCTP; IPPROTO_ICMP stands for both families */
};

/*
 * Reads SRC: "node", "ADDRESS", "ADDRESS:PORT", "[ADDRESS]:PORT" or a link's name; and DST:
 * "ADDRESS:PORT[/PROTOCOL]", "ADDRESS/icmp" or "NAMESPACE/NAME:PORT[/PROTOCOL]", where PORT of a Service may
 * be its name. Without a protocol it is TCP. NB_ERR_CONFIG: it is none of these.
 */
int nb_question_read(const char *src, const char *dst, struct nb_question *question, struct nb_error *err);

#endif
