/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_DNS_H
#define NATBRIDGE_PLUGIN_DNS_H

/* "dns" of a configuration or a result. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/json/json.h"
#include "lib/util/error.h"

struct nb_dns {
	char *domain;
	char **nameservers, **search, **options;
	size_t n_nameservers, n_search, n_options;
};

/* *given: whether any of it is there. */
int nb_dns_parse(const struct nb_json *object, struct nb_dns *dns, bool *given, struct nb_error *err);
int nb_dns_copy(const struct nb_dns *from, struct nb_dns *to, struct nb_error *err);
void nb_dns_free(struct nb_dns *dns);
struct cJSON *nb_dns_to_json(const struct nb_dns *dns); /* NULL: out of memory */
bool nb_dns_empty(const struct nb_dns *dns);

#endif
