// SPDX-License-Identifier: GPL-2.0-or-later
/* Collects the Kubernetes objects of texts: by kind, one by one or in lists. */
#include "kube.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/json/stream.h"
#include "lib/json/unicode.h"
#include "lib/json/validate.h"
#include "lib/json/yaml.h"
#include "lib/service/service.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "join.h"
#include "kind.h"
#include "node.h"
#include "notes.h"
#include "object.h"
#include "service.h"
#include "slice.h"

static const struct nb_json_limits text_limits = { .depth = 64, .values = 64 << 20 };

struct nb_kube {
	struct nb_kube_notes notes;
	struct nb_kube_objects objects;
	struct nb_kube_node node; /* objects.view points into it */
	bool has_node;
	unsigned int seen;       /* kinds, a bit each */
	unsigned int unfinished; /* kinds of lists whose last piece is missing, a bit each */
};

struct nb_kube *nb_kube_new(const struct nb_kube_note *note, const char *node, struct nb_error *err)
{
	struct nb_kube *kube = calloc(1, sizeof(*kube));

	if (!kube) {
		nb_fail_nomem(err);
		return NULL;
	}
	if (note)
		kube->notes.note = *note;
	kube->notes.node = node;
	kube->objects.view.has_node = node;
	return kube;
}

void nb_kube_free(struct nb_kube **kube)
{
	struct nb_kube_objects *objects;

	if (!*kube)
		return;
	objects = &(*kube)->objects;
	for (size_t i = 0; i < objects->services.n; i++)
		nb_kube_service_free(&objects->services.items[i]);
	for (size_t i = 0; i < objects->slices.n; i++)
		nb_kube_slice_free(&objects->slices.items[i]);
	nb_vec_free(&objects->services);
	nb_vec_free(&objects->slices);
	nb_kube_node_free(&(*kube)->node);
	nb_service_names_free(&(*kube)->notes.incomplete);
	free(*kube);
	*kube = NULL;
}

/* ---- objects ---- */

/* Whether an invalid object is skipped; if not, the error stands. */
static bool skip(struct nb_kube *kube, const char *kind, const struct nb_kube_meta *meta, const char *service,
		 struct nb_error *err)
{
	nb_wrap(err, "%s %s", kind, meta->full);
	return nb_kube_skip(&kube->notes, NB_KUBE_SKIPPED_OBJECT, service, err);
}

/* Keeps also an ignored or skipped Service: its name must not appear a second time. */
static int add_service(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		       struct nb_error *err)
{
	nb_cleanup(nb_kube_service_free) struct nb_kube_service service = { 0 };
	int rc;

	snprintf(service.name, sizeof(service.name), "%.127s", meta->full);
	rc = nb_kube_service_read(object, meta, &kube->notes, &service, err);
	if (rc) {
		if (!skip(kube, "Service", meta, service.name, err))
			return rc;
		service.n_vips = 0;
	}
	rc = nb_vec_push(&kube->objects.services, service, err);
	if (rc)
		return rc;
	service = (struct nb_kube_service){ 0 };
	return 0;
}

/* Keeps also an ignored or skipped slice, for the same reason. */
static int add_slice(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		     struct nb_error *err)
{
	nb_cleanup(nb_kube_slice_free) struct nb_kube_slice slice = { .name = strdup(meta->full) };
	int rc;

	if (!slice.name)
		return nb_fail_nomem(err);
	rc = nb_kube_slice_read(object, meta, &kube->notes, &slice, err);
	/* A skipped slice has no endpoints, which are read last, and so adds no backends. */
	if (rc && !skip(kube, "EndpointSlice", meta, slice.service, err))
		return rc;
	rc = nb_vec_push(&kube->objects.slices, slice, err);
	if (rc)
		return rc;
	slice = (struct nb_kube_slice){ 0 };
	return 0;
}

/* Reads this node; any other Node is an object of another kind. */
static int add_node(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		    struct nb_error *err)
{
	struct nb_kube_view *view = &kube->objects.view;
	int rc;

	if (!kube->notes.node || strcmp(kube->notes.node, meta->name)) {
		kube->notes.other_kinds++;
		return 0;
	}
	if (kube->has_node)
		return nb_fail(err, NB_ERR_CONFIG, 0, "Node %s appears twice in the input", meta->name);
	kube->has_node = true;
	rc = nb_kube_node_read(object, meta, &kube->node, err);
	if (rc)
		return nb_wrap(err, "Node %s", meta->name);
	view->zone = kube->node.zone;
	view->node_addrs = kube->node.addrs;
	view->n_node_addrs = kube->node.n_addrs;
	return 0;
}

/* nb_kube_kind_read(), and notes what the input holds. */
static int read_kind(struct nb_kube *kube, const struct nb_json *object, const char *otherwise,
		     enum nb_kube_kind *kind, struct nb_error *err)
{
	int rc = nb_kube_kind_read(object, otherwise, kind, err);

	if (rc)
		return rc;
	if (*kind < NB_KUBE_KINDS) {
		kube->seen |= 1U << *kind;
	} else {
		kube->notes.other_kinds++;
		kube->objects.has_endpoints |= *kind == NB_KUBE_ENDPOINTS;
	}
	return 0;
}

static bool is_list(enum nb_kube_kind kind)
{
	return kind >= NB_KUBE_LIST;
}

/* Adds an object that is not a list. */
static int add_one(struct nb_kube *kube, enum nb_kube_kind kind, const struct nb_json *object,
		   struct nb_error *err)
{
	const struct nb_json self = nb_json_root(object->node);
	struct nb_kube_meta meta = { 0 };
	int rc = nb_kube_read_meta(object, kind != NB_KUBE_SERVICE, &meta, err);

	if (rc)
		return rc;
	/* From here on, errors name the object and then the path inside of it. */
	meta.metadata.up = &self;
	switch (kind) {
	case NB_KUBE_NODE:
		return add_node(kube, &self, &meta, err);
	case NB_KUBE_SLICE:
		return add_slice(kube, &self, &meta, err);
	default:
		return add_service(kube, &self, &meta, err);
	}
}

/* Notes whether more pieces of a list follow. */
static int begin_list(struct nb_kube *kube, enum nb_kube_kind kind, const struct nb_json *list,
		      struct nb_error *err)
{
	const struct nb_json metadata = nb_json_get(list, "metadata");
	const struct nb_json at = nb_json_get(&metadata, "continue");
	const char *more = NULL;
	int rc = nb_kube_string(&at, &more, err);

	if (rc)
		return rc;
	kube->unfinished &= ~(1U << kind);
	if (more)
		kube->unfinished |= 1U << kind;
	return 0;
}

static int add_item(struct nb_kube *kube, const struct nb_json *item, enum nb_kube_kind list,
		    bool one_of_many, struct nb_error *err);

/* Adds the objects in "items"; null is an empty list. */
static int add_items(struct nb_kube *kube, enum nb_kube_kind kind, const struct nb_json *list,
		     struct nb_error *err)
{
	const struct nb_json items = nb_json_get(list, "items");
	const bool many = cJSON_GetArraySize(items.node) > 1;
	int rc = nb_json_is_array(&items, err);

	if (rc)
		return rc;
	if (!cJSON_HasObjectItem(list->node, "items"))
		return nb_json_fail(list, NB_ERR_CONFIG, err, "\"items\" is missing");
	for (struct nb_json at = nb_json_first(&items); at.node; at = nb_json_next(&at)) {
		rc = add_item(kube, &at, kind, many, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Adds an object or a list. Lists in lists recurse at most to the document's depth. */
static int add_object(struct nb_kube *kube, const struct nb_json *object, const char *kind_otherwise,
		      struct nb_error *err)
{
	enum nb_kube_kind kind = NB_KUBE_OTHER_KIND;
	int rc = read_kind(kube, object, kind_otherwise, &kind, err);

	if (rc || kind >= NB_KUBE_KINDS)
		return rc;
	if (!is_list(kind))
		return add_one(kube, kind, object, err);
	rc = begin_list(kube, kind, object, err);
	if (rc)
		return rc;
	return add_items(kube, kind, object, err);
}

static int add_item(struct nb_kube *kube, const struct nb_json *item, enum nb_kube_kind list,
		    bool one_of_many, struct nb_error *err)
{
	const bool outer = kube->notes.lenient;
	int rc;

	kube->notes.lenient |= one_of_many;
	rc = add_object(kube, item, nb_kube_kinds[list].item, err);
	if (rc && nb_kube_skip(&kube->notes, NB_KUBE_SKIPPED_OBJECT, "", err))
		rc = 0;
	kube->notes.lenient = outer;
	return rc;
}

/* ---- texts ---- */

/* Adds the JSON document at or after text[*at], the items of a list one by one. */
static int add_json(struct nb_kube *kube, const char *text, size_t len, size_t *at, struct nb_error *err)
{
	nb_cleanup(nb_json_stream_close) struct nb_json_stream items = { .key = "items",
									 .limits = &text_limits };
	enum nb_kube_kind kind = NB_KUBE_OTHER_KIND;
	struct nb_json root, list, item;
	int rc = nb_json_stream_open(&items, text, len, at, err);

	if (rc)
		return rc;
	root = nb_json_root(items.frame);
	list = nb_json_get(&root, "items");
	if (!items.at)
		return add_object(kube, &root, NULL, err);
	rc = read_kind(kube, &root, NULL, &kind, err);
	if (rc || kind >= NB_KUBE_KINDS)
		return rc;
	if (!is_list(kind))
		return add_one(kube, kind, &root, err);
	rc = begin_list(kube, kind, &root, err);
	if (rc)
		return rc;
	for (;;) {
		rc = nb_json_stream_next(&items, &list, &item, err);
		if (rc || !item.node)
			return rc;
		rc = add_item(kube, &item, kind, items.more || item.index, err);
		if (rc)
			return rc;
	}
}

/* Adds the YAML documents from text[from] on. */
static int add_yaml(struct nb_kube *kube, const char *text, size_t len, size_t from, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *documents = NULL;
	int rc = nb_yaml_parse_from(text, len, from, &text_limits, &documents, err);
	struct nb_json root, at;

	if (rc)
		return rc;
	root = nb_json_root(documents);
	at = nb_json_first(&root);
	if (!at.node && !from)
		return nb_fail(err, NB_ERR_DECODE, 0, "no Kubernetes object found");
	for (; at.node; at = nb_json_next(&at)) {
		rc = add_object(kube, &at, NULL, err);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * Skips blanks, byte order marks and, if line is not NULL and *line is false, one line "---": then
 * *line becomes true. Returns the new position.
 */
static size_t skip_between(const char *text, size_t len, size_t at, bool *line)
{
	for (;;) {
		size_t after = nb_json_skip_blanks(text, len, at);

		after += nb_bom_length(text + after, len - after);
		if (after != at) {
			at = after;
			continue;
		}
		if (!line || *line || len - at < 3 || memcmp(text + at, "---", 3) ||
		    (len - at > 3 && !strchr(" \t\r\n", text[at + 3])))
			return at;
		at += 3;
		*line = true;
	}
}

/* Adds JSON documents. YAML may follow after "---", as kubectl allows it. */
static int add_stream(struct nb_kube *kube, const char *text, size_t len, size_t at, struct nb_error *err)
{
	while (at < len) {
		bool line = false;
		int rc;

		if (text[at] != '{')
			return nb_json_fail_at(text, len, at, "unexpected text after the JSON value", err);
		rc = add_json(kube, text, len, &at, err);
		if (rc)
			return rc;
		at = skip_between(text, len, at, &line);
		if (line && at < len && text[at] != '{')
			return add_yaml(kube, text, len, at, err);
	}
	return 0;
}

/* Whether JSON starts at text[at]. After "---" (line), "{" may also start YAML. */
static bool begins_with_json(const char *text, size_t len, size_t at, bool line)
{
	if (at == len || text[at] != '{')
		return false;
	return !line || !nb_json_validate_value(text, len, &at, &text_limits, NULL, NULL);
}

int nb_kube_read(struct nb_kube *kube, const char *text, size_t len, struct nb_error *err)
{
	nb_autofree char *utf8 = NULL;
	size_t utf8_len, at;
	bool line = false;
	int rc = nb_utf16_decode(text, len, &utf8, &utf8_len, err);

	if (rc)
		return rc;
	if (utf8) {
		text = utf8;
		len = utf8_len;
	}
	at = nb_bom_length(text, len);
	text += at;
	len -= at;
	at = skip_between(text, len, 0, &line);
	return begins_with_json(text, len, at, line) ? add_stream(kube, text, len, at, err)
						     : add_yaml(kube, text, len, 0, err);
}

static const unsigned int node_kinds = 1U << NB_KUBE_NODE | 1U << NB_KUBE_NODE_LIST;

/* What the input has of Services and slices, alone or in lists of them; a bit for each kind. */
static unsigned int kinds_of_services(const struct nb_kube *kube)
{
	return kube->seen & ~node_kinds & ~(1U << NB_KUBE_LIST);
}

static int check_complete(const struct nb_kube *kube, struct nb_error *err)
{
	const size_t others = kube->notes.other_kinds;

	for (size_t i = 0; i < NB_KUBE_KINDS; i++)
		if (kube->unfinished & 1U << i)
			return nb_fail(err, NB_ERR_CONFIG, 0,
				       "%s: \"metadata.continue\" says that more pieces of the list follow; "
				       "give all of them",
				       nb_kube_kinds[i].name);
	if (!kinds_of_services(kube) && (others || !(kube->seen & 1U << NB_KUBE_LIST)))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "no Service and no EndpointSlice found, only %zu object%s of other kinds",
			       others, others == 1 ? "" : "s");
	return 0;
}

int nb_kube_finish(struct nb_kube *kube, struct nb_kube_input *input, struct nb_error *err)
{
	struct nb_services services = { 0 };
	int rc = check_complete(kube, err);

	if (rc)
		return rc;
	rc = nb_kube_join(&kube->objects, &kube->notes, &services, err);
	if (rc)
		return rc;
	nb_kube_notes_finish(&kube->notes);
	*input = (struct nb_kube_input){
		.services = services,
		.incomplete = kube->notes.incomplete,
		.says_nothing = (kube->seen & ~node_kinds) == 1U << NB_KUBE_SLICE_LIST,
	};
	kube->notes.incomplete = (struct nb_service_names){ 0 };
	return 0;
}

void nb_kube_input_free(struct nb_kube_input *input)
{
	nb_services_free(&input->services);
	nb_service_names_free(&input->incomplete);
}
