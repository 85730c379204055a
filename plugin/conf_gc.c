// SPDX-License-Identifier: GPL-2.0-or-later
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
	const char *container_id = "", *name = "";
	int ret = nb_json_is_object(at, err);

	if (!ret)
		ret = nb_json_check_case(at, KEYS, err);
	if (!ret)
		ret = nb_json_string(&id, &container_id, err);
	if (!ret)
		ret = nb_json_string(&ifname, &name, err);
	if (!ret && (!*container_id || !*name))
		ret = nb_json_fail(at, NB_ERR_CONFIG, err, "containerID or ifname is missing");
	attachment->container_id = container_id;
	attachment->ifname = name;
	return ret;
}

struct list {
	struct nb_cni_id *items; /* their names are inside the document */
	size_t n;
};

static void list_free(struct list *list)
{
	free(list->items);
}

static int parse_list(const struct nb_json *array, const char *network, struct list *list,
		      struct nb_error *err)
{
	struct nb_json item;
	int ret = nb_json_is_array(array, err);

	if (ret || !array->node)
		return ret;
	list->items = calloc((size_t)cJSON_GetArraySize(array->node) + 1, sizeof(*list->items));
	if (!list->items)
		return nb_fail_nomem(err);
	for (item = nb_json_first(array); item.node && !ret; item = nb_json_next(&item)) {
		struct nb_cni_id *attachment = &list->items[list->n++];

		attachment->network = network;
		ret = parse_attachment(&item, attachment, err);
	}
	return ret;
}

static bool are_equal(const struct list *a, const struct list *b)
{
	bool equal = a->n == b->n;

	for (size_t i = 0; i < a->n && equal; i++)
		equal = !strcmp(a->items[i].container_id, b->items[i].container_id) &&
			!strcmp(a->items[i].ifname, b->items[i].ifname);
	return equal;
}

/* The older key is read even where it does not count: what is no list is refused. */
int nb_conf_parse_attachments(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(list_free) struct list old = { 0 }, new = { 0 };
	const struct nb_json at_old = nb_json_get(root, NB_CONF_VALID_OLD);
	const struct nb_json at_new = nb_json_get(root, NB_CONF_VALID);
	struct list *counts = at_new.node ? &new : &old;
	int ret = parse_list(&at_old, conf->name, &old, err);

	if (!ret)
		ret = parse_list(&at_new, conf->name, &new, err);
	if (ret)
		return ret;
	if (old.items && new.items && !are_equal(&old, &new))
		nb_log("\"" NB_CONF_VALID_OLD "\" differs from \"" NB_CONF_VALID "\", which counts");
	conf->valid = at_new.node ? at_new.node : at_old.node;
	conf->n_attachments = counts->n;
	conf->attachments = NB_TAKE_PTR(counts->items);
	return 0;
}

/* Of references, which take no memory to speak of. */
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
