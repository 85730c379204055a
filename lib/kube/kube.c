// SPDX-License-Identifier: GPL-2.0-or-later
/* Kubernetes objects by kind into a collection, one by one, in lists or as text. */
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

#include "object.h"

static const struct nb_json_limits text_limits = { .depth = 64, .values = 64 << 20 };

struct nb_kube *nb_kube_new(const struct nb_kube_note *note, struct nb_error *err)
{
	struct nb_kube *kube = calloc(1, sizeof(*kube));

	if (!kube)
		nb_fail_nomem(err);
	else if (note)
		kube->note = *note;
	return kube;
}

static void free_slice(struct nb_kube_slice *slice)
{
	free(slice->name);
	nb_vec_free(&slice->ports);
	nb_vec_free(&slice->endpoints);
}

void nb_kube_free(struct nb_kube **kube)
{
	if (!*kube)
		return;
	for (size_t i = 0; i < (*kube)->services.n; i++)
		nb_vec_free(&(*kube)->services.items[i].ports);
	for (size_t i = 0; i < (*kube)->slices.n; i++)
		free_slice(&(*kube)->slices.items[i]);
	nb_vec_free(&(*kube)->services);
	nb_vec_free(&(*kube)->slices);
	nb_vec_free(&(*kube)->incomplete);
	free(*kube);
	*kube = NULL;
}

/* Whether an object that could not be read is left out; if not, the error stands. */
static bool is_left_out(struct nb_kube *kube, const char *kind, const struct nb_kube_meta *meta,
			const char *service, struct nb_error *err)
{
	nb_wrap(err, "%s %s", kind, meta->full);
	return nb_kube_leave_out(kube, NB_KUBE_LEFT_OUT, service, err);
}

/* All that are there are kept, with those left alone or left out: each may be there only once. */
static int add_service(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		       struct nb_error *err)
{
	struct nb_kube_service service = { 0 };
	int rc;

	snprintf(service.name, sizeof(service.name), "%.127s", meta->full);
	rc = nb_kube_read_service(object, meta, kube, &service, err);
	if (rc && is_left_out(kube, "Service", meta, service.name, err)) {
		service.n_vips = 0;
		rc = 0;
	}
	if (!rc)
		rc = nb_vec_push(&kube->services, service, err);
	if (rc)
		nb_vec_free(&service.ports);
	return rc;
}

static int add_slice(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		     struct nb_error *err)
{
	struct nb_kube_slice slice = { .name = strdup(meta->full) };
	int rc = slice.name ? 0 : nb_fail_nomem(err);

	if (!rc)
		rc = nb_kube_read_slice(object, meta, kube, &slice, err);
	/* Endpoints are read last, so there are none. */
	if (rc && is_left_out(kube, "EndpointSlice", meta, slice.service, err))
		rc = 0;
	if (!rc)
		rc = nb_vec_push(&kube->slices, slice, err);
	if (rc)
		free_slice(&slice);
	return rc;
}

struct kind {
	const char *name, *group, *version;
	/* An object. NULL: a list. */
	int (*add)(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		   struct nb_error *err);
	bool long_names;
	const char *item; /* kind of a list's items that do not name theirs, as the API server sends them */
};

enum { KIND_SERVICE, KIND_SLICE, KIND_LIST, KIND_SERVICES, KIND_SLICES, KINDS };

static const struct kind kinds[KINDS] = {
	[KIND_SERVICE] = { "Service", "", "v1", add_service, false, NULL },
	[KIND_SLICE] = { "EndpointSlice", "discovery.k8s.io", "v1", add_slice, true, NULL },
	[KIND_LIST] = { "List", "", "v1", NULL, false, NULL },
	[KIND_SERVICES] = { "ServiceList", "", "v1", NULL, false, "Service" },
	[KIND_SLICES] = { "EndpointSliceList", "discovery.k8s.io", "v1", NULL, false, "EndpointSlice" },
};

static unsigned int kind_bit(const struct kind *kind)
{
	return 1U << (kind - kinds);
}

/* What the API server answers where it does not give the objects: never to be passed over. */
static const char *const answers[] = { "Status", "Table", "PartialObjectMetadata",
				       "PartialObjectMetadataList" };

static bool is_answer(const char *name)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (!strcmp(answers[i], name))
			return true;
	return false;
}

static int refuse_answer(const struct nb_json *object, const char *kind, struct nb_error *err)
{
	const struct nb_json message_at = nb_json_get(object, "message");
	const char *message = "";

	nb_json_string(&message_at, &message, NULL);
	return nb_fail(err, NB_ERR_UNSUPPORTED, 0,
		       "%s%s%.300s: this is an answer of the API server without the objects", kind,
		       *message ? ": " : "", message);
}

/* A kind of that name and group; the group of an object that does not name its version is the list's. */
static const struct kind *find_kind(const char *name, const char *version)
{
	const char *slash = version ? strchr(version, '/') : NULL;
	const size_t group_len = slash ? slash - version : 0;

	for (size_t i = 0; i < KINDS; i++) {
		const char *group = kinds[i].group;

		if (!strcmp(kinds[i].name, name) &&
		    (!version || (strlen(group) == group_len && !strncmp(group, version, group_len))))
			return &kinds[i];
	}
	return NULL;
}

static void pass_over(struct nb_kube *kube, const char *name, const char *version)
{
	kube->other_kinds++;
	kube->has_endpoints |= !strcmp(name, "Endpoints") && version && !strcmp(version, "v1");
}

/*
 * *kind is NULL for an object of another kind, which is counted. What is no object, and another version of a
 * kind that is read, make the whole input useless: no error here is of NB_ERR_CONFIG.
 */
static int read_kind(struct nb_kube *kube, const struct nb_json *object, const char *otherwise,
		     const struct kind **kind, struct nb_error *err)
{
	const struct nb_json kind_at = nb_json_get(object, "kind");
	const struct nb_json version_at = nb_json_get(object, "apiVersion");
	const char *name = otherwise, *version = NULL, *slash;
	const struct kind *found;
	int rc = nb_json_is_object(object, err);

	if (!rc)
		rc = nb_kube_string(&kind_at, &name, err);
	if (!rc)
		rc = nb_kube_string(&version_at, &version, err);
	if (!rc && (!name || (!version && !otherwise)))
		rc = nb_json_fail(object, NB_ERR_CONFIG, err, "\"%s\" is missing: not a Kubernetes object",
				  name ? "apiVersion" : "kind");
	if (rc && err)
		err->code = NB_ERR_DECODE;
	if (rc)
		return rc;
	*kind = NULL;
	if (is_answer(name))
		return refuse_answer(object, name, err);
	found = find_kind(name, version);
	if (!found) {
		pass_over(kube, name, version);
		return 0;
	}
	slash = version ? strchr(version, '/') : NULL;
	if (version && strcmp(slash ? slash + 1 : version, found->version))
		return nb_json_fail(&version_at, NB_ERR_UNSUPPORTED, err,
				    "\"%.100s\" is not a version of %s that is read; %s%s%s is", version,
				    found->name, found->group, *found->group ? "/" : "", found->version);
	kube->seen |= kind_bit(found);
	*kind = found;
	return 0;
}

static int add_one(struct nb_kube *kube, const struct kind *kind, const struct nb_json *object,
		   struct nb_error *err)
{
	const struct nb_json self = nb_json_root(object->node);
	struct nb_kube_meta meta = { 0 };
	int rc = nb_kube_read_meta(object, kind->long_names, &meta, err);

	if (rc)
		return rc;
	/* From here on the object's name stands before the path, which begins with the object. */
	meta.metadata.up = &self;
	return kind->add(kube, &self, &meta, err);
}

/* Notes whether more pieces of a list are to come. */
static int begin_list(struct nb_kube *kube, const struct kind *kind, const struct nb_json *list,
		      struct nb_error *err)
{
	const struct nb_json metadata = nb_json_get(list, "metadata");
	const struct nb_json at = nb_json_get(&metadata, "continue");
	const char *more = NULL;
	int rc = nb_kube_string(&at, &more, err);

	kube->unfinished &= ~kind_bit(kind);
	if (more)
		kube->unfinished |= kind_bit(kind);
	return rc;
}

static int add_item(struct nb_kube *kube, const struct nb_json *item, const struct kind *list,
		    bool one_of_many, struct nb_error *err);

/* "items": null is an empty list. */
static int add_items(struct nb_kube *kube, const struct kind *kind, const struct nb_json *list,
		     struct nb_error *err)
{
	const struct nb_json items = nb_json_get(list, "items");
	const bool many = cJSON_GetArraySize(items.node) > 1;
	struct nb_json at;
	int rc = nb_json_is_array(&items, err);

	if (!rc && !cJSON_HasObjectItem(list->node, "items"))
		rc = nb_json_fail(list, NB_ERR_CONFIG, err, "\"items\" is missing");
	for (at = nb_json_first(&items); !rc && at.node; at = nb_json_next(&at))
		rc = add_item(kube, &at, kind, many, err);
	return rc;
}

/* Lists in lists end with the depth of the document. */
static int add_object(struct nb_kube *kube, const struct nb_json *object, const char *kind_otherwise,
		      struct nb_error *err)
{
	const struct kind *kind = NULL;
	int rc = read_kind(kube, object, kind_otherwise, &kind, err);

	if (rc || !kind)
		return rc;
	if (kind->add)
		return add_one(kube, kind, object, err);
	rc = begin_list(kube, kind, object, err);
	return rc ? rc : add_items(kube, kind, object, err);
}

static int add_item(struct nb_kube *kube, const struct nb_json *item, const struct kind *list,
		    bool one_of_many, struct nb_error *err)
{
	const bool outer = kube->lenient;
	int rc;

	kube->lenient |= one_of_many;
	rc = add_object(kube, item, list->item, err);
	if (rc && nb_kube_leave_out(kube, NB_KUBE_LEFT_OUT, "", err))
		rc = 0;
	kube->lenient = outer;
	return rc;
}

/* A document of JSON at or behind text[*at]; a list's items are read one by one. */
static int add_json(struct nb_kube *kube, const char *text, size_t len, size_t *at, struct nb_error *err)
{
	struct nb_json_items items nb_cleanup(nb_json_items_close) = { 0 };
	const struct kind *kind = NULL;
	struct nb_json root, list, item;
	int rc = nb_json_items_open(text, len, at, "items", &text_limits, &items, err);

	if (rc)
		return rc;
	root = nb_json_root(items.frame);
	list = nb_json_get(&root, "items");
	if (!items.at)
		return add_object(kube, &root, NULL, err);
	rc = read_kind(kube, &root, NULL, &kind, err);
	if (rc || !kind)
		return rc;
	if (kind->add)
		return add_one(kube, kind, &root, err);
	rc = begin_list(kube, kind, &root, err);
	if (!rc)
		rc = nb_json_items_next(&items, &list, &item, err);
	while (!rc && item.node) {
		rc = add_item(kube, &item, kind, items.more || item.index, err);
		if (!rc)
			rc = nb_json_items_next(&items, &list, &item, err);
	}
	return rc;
}

/* Documents from text[at] on. */
static int add_yaml(struct nb_kube *kube, const char *text, size_t len, size_t from, struct nb_error *err)
{
	struct cJSON *documents nb_cleanup(nb_json_free) = NULL;
	int rc = nb_yaml_parse_from(text, len, from, &text_limits, &documents, err);
	struct nb_json root, at;

	if (rc)
		return rc;
	root = nb_json_root(documents);
	at = nb_json_first(&root);
	if (!at.node && !from)
		return nb_fail(err, NB_ERR_DECODE, 0, "there is no Kubernetes object in it");
	for (; at.node && !rc; at = nb_json_next(&at))
		rc = add_object(kube, &at, NULL, err);
	return rc;
}

/* Behind blanks and byte order marks from text[at] on, and behind one "---" if *line is not NULL and there is
 * one. */
static size_t skip_between(const char *text, size_t len, size_t at, bool *line)
{
	for (;;) {
		size_t behind = nb_json_skip_blanks(text, len, at);

		behind += nb_bom_length(text + behind, len - behind);
		if (behind != at) {
			at = behind;
			continue;
		}
		if (!line || *line || len - at < 3 || memcmp(text + at, "---", 3) ||
		    (len - at > 3 && !strchr(" \t\r\n", text[at + 3])))
			return at;
		at += 3;
		*line = true;
	}
}

/* Documents of JSON; behind "---" YAML may follow, as kubectl has it. */
static int add_stream(struct nb_kube *kube, const char *text, size_t len, size_t at, struct nb_error *err)
{
	while (at < len) {
		bool line = false;
		int rc;

		if (text[at] != '{')
			return nb_json_fail_at(text, len, at, "there is more after the JSON value", err);
		rc = add_json(kube, text, len, &at, err);
		if (rc)
			return rc;
		at = skip_between(text, len, at, &line);
		if (line && at < len && text[at] != '{')
			return add_yaml(kube, text, len, at, err);
	}
	return 0;
}

/* Whether JSON begins at text[at]. Behind "---" it can also be YAML with a "{". */
static bool begins_with_json(const char *text, size_t len, size_t at, bool line)
{
	if (at == len || text[at] != '{')
		return false;
	return !line || !nb_json_scan_value(text, len, &at, &text_limits, NULL, NULL);
}

int nb_kube_read(struct nb_kube *kube, const char *text, size_t len, struct nb_error *err)
{
	char *utf8 nb_autofree = NULL;
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

static int check_complete(const struct nb_kube *kube, struct nb_error *err)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kube->unfinished & 1U << i)
			return nb_fail(err, NB_ERR_CONFIG, 0,
				       "%s: \"metadata.continue\" says that more pieces of the list follow; "
				       "give all of them",
				       kinds[i].name);
	if (!(kube->seen & ~(1U << KIND_LIST)) && (kube->other_kinds || !kube->seen))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "there is no Service and no EndpointSlice, but %zu object%s of other kinds",
			       kube->other_kinds, kube->other_kinds == 1 ? "" : "s");
	return 0;
}

int nb_kube_finish(struct nb_kube *kube, struct nb_kube_input *input, struct nb_error *err)
{
	struct nb_kube_input made nb_cleanup(nb_kube_input_free) = { 0 };
	int rc = check_complete(kube, err);

	if (!rc)
		rc = nb_kube_join(kube, &made.services, err);
	for (size_t i = 0; i < kube->incomplete.n && !rc; i++)
		rc = nb_service_names_add(&made.incomplete, kube->incomplete.items[i].text, err);
	if (rc)
		return rc;
	nb_kube_tell_rest(kube);
	made.says_nothing = kube->seen == 1U << KIND_SLICES;
	*input = made;
	made = (struct nb_kube_input){ 0 };
	return 0;
}

void nb_kube_input_free(struct nb_kube_input *input)
{
	nb_services_free(&input->services);
	nb_service_names_free(&input->incomplete);
}
