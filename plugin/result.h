/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_RESULT_H
#define NATBRIDGE_PLUGIN_RESULT_H

/* The CNI result as plain data, read from JSON of any supported spec version (0.1.0 to 1.1.0). */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "dns.h"

struct cJSON;

struct nb_result_if {
	char name[IFNAMSIZ];
	unsigned char mac[6];
	bool has_mac;
	unsigned int mtu; /* 0: left out */
	char *sandbox;    /* NULL: on the host */
};

struct nb_result_ip {
	struct nb_addr addr;
	unsigned int prefix_len;
	bool has_gateway;
	struct nb_addr gateway;
	int interface; /* index in interfaces, -1: none */
};

/* Members behind a has_ flag, and gw, are not given if it is false. */
struct nb_result_route {
	struct nb_addr dst;
	unsigned int prefix_len;
	bool has_gw;
	struct nb_addr gw;
	unsigned int mtu, advmss; /* 0: not given */
	bool has_priority, has_table, has_scope;
	unsigned int priority, table, scope;
};

/* Index of the pod's interface in the interfaces of a result that natbridge makes. */
enum { NB_RESULT_CONTAINER = 2 };

/* Zeroed: empty. Owns its arrays and their strings. */
struct nb_result {
	size_t n_interfaces, n_ips, n_routes;
	struct nb_result_if *interfaces;
	struct nb_result_ip *ips;
	struct nb_result_route *routes;
	struct nb_dns dns;
};

void nb_result_free(struct nb_result *result); /* for nb_cleanup() */

/*
 * Reads the IPAM plugin's answer or prevResult, and checks every field: NB_ERR_CONFIG with the path
 * of the wrong one. *result is freed and replaced; untouched on failure.
 */
int nb_result_from_json(const struct cJSON *json, struct nb_result *result, struct nb_error *err);

#endif
