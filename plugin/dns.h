/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_DNS_H
#define NATBRIDGE_PLUGIN_DNS_H

/* "dns" of a configuration or a result. natbridge passes it on and does not act on it. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/json/json.h"
#include "lib/util/error.h"

/* Zeroed: empty. Owns all its strings. */
struct nb_dns {
	char *domain;
	char **nameservers, **search, **options;
	size_t n_nameservers, n_search, n_options;
};

/* *given: whether any of the known keys is there. */
int nb_dns_parse(const struct nb_json *object, struct nb_dns *dns, bool *given, struct nb_error *err);

/* *to is freed and becomes a copy of *from. */
int nb_dns_copy(const struct nb_dns *from, struct nb_dns *to, struct nb_error *err);

void nb_dns_free(struct nb_dns *dns); /* for nb_cleanup() */

/* The caller frees with cJSON_Delete(). NULL: out of memory. */
struct cJSON *nb_dns_to_json(const struct nb_dns *dns);

bool nb_dns_empty(const struct nb_dns *dns);

#endif
