// SPDX-License-Identifier: GPL-2.0-or-later
/* "dns" from JSON, to JSON, and copies of it. */
#include "dns.h"

#include <stdlib.h>

#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

static void free_strings(char **strings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(strings[i]);
	free(strings);
}

void nb_dns_free(struct nb_dns *dns)
{
	free(dns->domain);
	free_strings(dns->nameservers, dns->n_nameservers);
	free_strings(dns->search, dns->n_search);
	free_strings(dns->options, dns->n_options);
	*dns = (struct nb_dns){ 0 };
}

bool nb_dns_empty(const struct nb_dns *dns)
{
	return !dns->domain && !dns->n_nameservers && !dns->n_search && !dns->n_options;
}

static int parse_strings(const struct nb_json *array, char ***strings, size_t *n, struct nb_error *err)
{
	int rc = nb_json_is_array(array, err);

	if (rc || !array->node)
		return rc;
	*strings = calloc((size_t)cJSON_GetArraySize(array->node) + 1, sizeof(**strings));
	if (!*strings)
		return nb_fail_nomem(err);
	for (struct nb_json item = nb_json_first(array); item.node; item = nb_json_next(&item)) {
		const char *text = "";

		rc = nb_json_string(&item, &text, err);
		if (rc)
			return rc;
		rc = nb_strdup(text, &(*strings)[*n], err);
		if (rc)
			return rc;
		++*n;
	}
	return 0;
}

int nb_dns_parse(const struct nb_json *object, struct nb_dns *dns, bool *given, struct nb_error *err)
{
	static const char *const KEYS[] = { "nameservers", "domain", "search", "options", NULL };
	const struct nb_json servers = nb_json_get(object, "nameservers");
	const struct nb_json search = nb_json_get(object, "search");
	const struct nb_json options = nb_json_get(object, "options");
	const struct nb_json domain = nb_json_get(object, "domain");
	nb_cleanup(nb_dns_free) struct nb_dns read = { 0 };
	const char *domain_text = "";
	int rc = nb_json_is_object(object, err);

	if (rc)
		return rc;
	rc = nb_json_check_case(object, KEYS, err);
	if (rc)
		return rc;
	rc = parse_strings(&servers, &read.nameservers, &read.n_nameservers, err);
	if (rc)
		return rc;
	rc = parse_strings(&search, &read.search, &read.n_search, err);
	if (rc)
		return rc;
	rc = parse_strings(&options, &read.options, &read.n_options, err);
	if (rc)
		return rc;
	rc = nb_json_string(&domain, &domain_text, err);
	if (rc)
		return rc;
	if (*domain_text) {
		rc = nb_strdup(domain_text, &read.domain, err);
		if (rc)
			return rc;
	}
	*given = servers.node || search.node || options.node || *domain_text;
	*dns = read;
	read = (struct nb_dns){ 0 };
	return 0;
}

static int copy_strings(char **from, size_t n_from, char ***to, size_t *n_to, struct nb_error *err)
{
	if (!n_from)
		return 0;
	*to = calloc(n_from, sizeof(**to));
	if (!*to)
		return nb_fail_nomem(err);
	for (; *n_to < n_from; ++*n_to) {
		int rc = nb_strdup(from[*n_to], &(*to)[*n_to], err);

		if (rc)
			return rc;
	}
	return 0;
}

int nb_dns_copy(const struct nb_dns *from, struct nb_dns *to, struct nb_error *err)
{
	nb_cleanup(nb_dns_free) struct nb_dns copy = { 0 };
	int rc = copy_strings(from->nameservers, from->n_nameservers, &copy.nameservers, &copy.n_nameservers,
			      err);

	if (rc)
		return rc;
	rc = copy_strings(from->search, from->n_search, &copy.search, &copy.n_search, err);
	if (rc)
		return rc;
	rc = copy_strings(from->options, from->n_options, &copy.options, &copy.n_options, err);
	if (rc)
		return rc;
	if (from->domain) {
		rc = nb_strdup(from->domain, &copy.domain, err);
		if (rc)
			return rc;
	}
	nb_dns_free(to);
	*to = copy;
	copy = (struct nb_dns){ 0 };
	return 0;
}

static bool add_strings(struct cJSON *object, const char *key, char **strings, size_t n)
{
	struct cJSON *array = n ? cJSON_AddArrayToObject(object, key) : NULL;

	for (size_t i = 0; array && i < n; i++)
		if (!cJSON_AddItemToArray(array, cJSON_CreateString(strings[i])))
			return false;
	return !n || array;
}

struct cJSON *nb_dns_to_json(const struct nb_dns *dns)
{
	nb_cleanup(nb_json_free) struct cJSON *object = cJSON_CreateObject();

	if (!object || !add_strings(object, "nameservers", dns->nameservers, dns->n_nameservers) ||
	    (dns->domain && !cJSON_AddStringToObject(object, "domain", dns->domain)) ||
	    !add_strings(object, "search", dns->search, dns->n_search) ||
	    !add_strings(object, "options", dns->options, dns->n_options))
		return NULL;
	return NB_TAKE_PTR(object);
}
