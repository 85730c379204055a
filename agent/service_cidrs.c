// SPDX-License-Identifier: GPL-2.0-or-later
/* A list of ranges, each with the name of its object. There are few. */
#include "service_cidrs.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/maps/prefix.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "log.h"

/* Removes the ranges of the set that has begun, or those from before it; of one object, or name NULL: all. */
static void drop(struct nb_service_cidrs *cidrs, bool is_new, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < cidrs->all.n; i++) {
		struct nb_service_cidr *cidr = &cidrs->all.items[i];

		if (cidr->is_new == is_new && (!name || !strcmp(cidr->name, name)))
			free(cidr->name);
		else
			cidrs->all.items[n++] = *cidr;
	}
	cidrs->all.n = n;
}

static void changed(struct nb_service_cidrs *cidrs)
{
	if (cidrs->in_set)
		return;
	cidrs->changes++;
	cidrs->changed(cidrs->arg);
}

static void add(struct nb_service_cidrs *cidrs, const char *name, const char *text)
{
	struct nb_service_cidr cidr = { .is_new = cidrs->in_set };
	struct nb_addr addr;
	unsigned int len;

	if (!nb_cidr_parse(text, &addr, &len)) {
		nb_log_warning("Left out", NB_TEXT("what", "a range of a ServiceCIDR that is none"),
			       NB_TEXT("name", name), NB_TEXT("range", text));
		return;
	}
	cidr.range = nb_prefix_make(&addr, len);
	/* Without memory a range is missing: what is sent to its free addresses passes. */
	if (nb_strdup(name, &cidr.name, NULL))
		return;
	if (nb_vec_push(&cidrs->all, cidr, NULL))
		free(cidr.name);
}

static const char *name_of(const struct nb_json *object)
{
	const struct nb_json meta = nb_json_get(object, "metadata"), name = nb_json_get(&meta, "name");
	const char *text = "";

	return nb_json_string(&name, &text, NULL) ? "" : text;
}

static void on_begin(void *arg)
{
	((struct nb_service_cidrs *)arg)->in_set = true;
}

static void on_put(const struct nb_json *object, void *arg)
{
	struct nb_service_cidrs *cidrs = arg;
	const struct nb_json spec = nb_json_get(object, "spec"), list = nb_json_get(&spec, "cidrs");
	const char *name = name_of(object);

	drop(cidrs, cidrs->in_set, name);
	if (nb_json_is_array(&list, NULL))
		return;
	for (struct nb_json at = nb_json_first(&list); at.node; at = nb_json_next(&at)) {
		const char *text = "";

		if (!nb_json_string(&at, &text, NULL))
			add(cidrs, name, text);
	}
	changed(cidrs);
}

static void on_remove(const struct nb_json *object, void *arg)
{
	struct nb_service_cidrs *cidrs = arg;

	drop(cidrs, cidrs->in_set, name_of(object));
	changed(cidrs);
}

static void on_end(void *arg)
{
	struct nb_service_cidrs *cidrs = arg;

	drop(cidrs, false, NULL);
	for (size_t i = 0; i < cidrs->all.n; i++)
		cidrs->all.items[i].is_new = false;
	cidrs->in_set = false;
	changed(cidrs);
}

static void on_abort(void *arg)
{
	struct nb_service_cidrs *cidrs = arg;

	drop(cidrs, true, NULL);
	cidrs->in_set = false;
}

static void on_bad(const char *namespace, const char *name, const char *why, void *arg)
{
	(void)namespace;
	(void)name;
	(void)why;
	(void)arg;
}

void nb_service_cidrs_absent(void *arg)
{
	struct nb_service_cidrs *cidrs = arg;

	if (!cidrs->changes)
		changed(cidrs);
}

const struct nb_watch_owner nb_service_cidrs_owner = {
	on_begin, on_end, on_abort, on_put, on_remove, on_bad,
};

void nb_service_cidrs_free(struct nb_service_cidrs *cidrs)
{
	drop(cidrs, false, NULL);
	drop(cidrs, true, NULL);
	nb_vec_free(&cidrs->all);
}

size_t nb_service_cidrs_list(const struct nb_service_cidrs *cidrs,
			     struct nb_prefix ranges[NB_MAX_SERVICE_CIDRS])
{
	size_t n = 0;

	for (size_t i = 0; i < cidrs->all.n && n < NB_MAX_SERVICE_CIDRS; i++)
		if (!cidrs->all.items[i].is_new)
			ranges[n++] = cidrs->all.items[i].range;
	return n;
}
