// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the attachments that GC keeps, and writes them for a delegate's GC. */
#include "conf_gc.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "conf.h"
#include "report.h"

static int parse_attachment(const struct nb_json *at, struct nb_cni_id *attachment, struct nb_error *err)
{
	static const char *const KEYS[] = { "containerID", "ifname", NULL };
	const struct nb_json id = nb_json_get(at, "containerID"), ifname = nb_json_get(at, "ifname");
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = nb_json_check_case(at, KEYS, err);
	if (rc)
		return rc;
	rc = nb_json_string(&id, &attachment->container_id, err);
	if (rc)
		return rc;
	rc = nb_json_string(&ifname, &attachment->ifname, err);
	if (rc)
		return rc;
	if (!*attachment->container_id || !*attachment->ifname)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "containerID or ifname is missing");
	return 0;
}

struct list {
	struct nb_cni_id *items; /* owned; their names are inside the document */
	size_t n;
};

static void list_free(struct list *list)
{
	free(list->items);
}

static int parse_list(const struct nb_json *array, const char *network, struct list *list,
		      struct nb_error *err)
{
	int rc = nb_json_is_array(array, err);

	if (rc || !array->node)
		return rc;
	list->items = calloc((size_t)cJSON_GetArraySize(array->node) + 1, sizeof(*list->items));
	if (!list->items)
		return nb_fail_nomem(err);
	for (struct nb_json item = nb_json_first(array); item.node; item = nb_json_next(&item)) {
		struct nb_cni_id *attachment = &list->items[list->n++];

		*attachment = (struct nb_cni_id){ .network = network, .container_id = "", .ifname = "" };
		rc = parse_attachment(&item, attachment, err);
		if (rc)
			return rc;
	}
	return 0;
}

static bool holds_same(const struct nb_conf *conf, const struct list *list)
{
	if (conf->n_attachments != list->n)
		return false;
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(conf->attachments[i].container_id, list->items[i].container_id) != 0 ||
		    strcmp(conf->attachments[i].ifname, list->items[i].ifname) != 0)
			return false;
	return true;
}

int nb_conf_parse_attachments(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(list_free) struct list list = { 0 };
	int rc = parse_list(at, conf->name, &list, err);

	if (rc || !at->node)
		return rc;
	if (conf->valid && !holds_same(conf, &list))
		nb_log("\"" NB_CONF_VALID_OLD "\" and \"" NB_CONF_VALID "\" differ: the second counts");
	free(conf->attachments);
	conf->attachments = NB_TAKE_PTR(list.items);
	conf->n_attachments = list.n;
	conf->valid = at->node;
	return 0;
}

/* A reference does not copy the value, of which there can be megabytes. */
static bool add_reference(struct cJSON *object, const char *key, const struct cJSON *value)
{
	return cJSON_AddItemReferenceToObject(object, key, (struct cJSON *)value);
}

int nb_conf_text_for_gc(const struct nb_conf *conf, char **text, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *copy = cJSON_CreateObject();
	bool complete = copy && add_reference(copy, NB_CONF_VALID, conf->valid) &&
			add_reference(copy, NB_CONF_VALID_OLD, conf->valid);
	char *printed = NULL;
	const struct cJSON *item;

	cJSON_ArrayForEach(item, conf->json) {
		if (strcmp(item->string, NB_CONF_VALID) != 0 && strcmp(item->string, NB_CONF_VALID_OLD) != 0)
			complete = complete && add_reference(copy, item->string, item);
	}
	if (complete)
		printed = cJSON_PrintUnformatted(copy);
	if (!printed)
		return nb_fail_nomem(err);
	*text = printed;
	return 0;
}
