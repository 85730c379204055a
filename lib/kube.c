// SPDX-License-Identifier: GPL-2.0-or-later
/* Kubernetes objects by kind into a collection, one by one, in lists or as text. */
#include <natbridge/cleanup.h>
#include <natbridge/yaml.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json_items.h"
#include "kube_object.h"

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
	free(*kube);
	*kube = NULL;
}

static int add_service(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		       struct nb_error *err)
{
	struct nb_kube_service service = { 0 };
	bool skip = true;
	int rc = nb_kube_read_service(object, meta, &kube->note, &service, &skip, err);

	if (!rc && !skip)
		rc = nb_vec_push(&kube->services, service, err);
	if (rc || skip)
		nb_vec_free(&service.ports);
	return rc;
}

static int add_slice(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		     struct nb_error *err)
{
	struct nb_kube_slice slice = { 0 };
	bool skip = true;
	int rc = nb_kube_read_slice(object, meta, &slice, &skip, err);

	if (!rc && !skip)
		rc = nb_vec_push(&kube->slices, slice, err);
	if (rc || skip)
		free_slice(&slice);
	return rc;
}

struct kind {
	const char *name, *version;
	/* An object. NULL: a list. */
	int (*add)(struct nb_kube *kube, const struct nb_json *object, const struct nb_kube_meta *meta,
		   struct nb_error *err);
	bool long_names;
	const char *item; /* kind of a list's items that do not name theirs, as the API server sends them */
};

static const struct kind kinds[] = {
	{ "Service", "v1", add_service, false, NULL },
	{ "EndpointSlice", "discovery.k8s.io/v1", add_slice, true, NULL },
	{ "List", "v1", NULL, false, NULL },
	{ "ServiceList", "v1", NULL, false, "Service" },
	{ "EndpointSliceList", "discovery.k8s.io/v1", NULL, false, "EndpointSlice" },
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	return NULL;
}

/* Of another kind than those above: named as far as it has a name. */
static int refuse_kind(const struct nb_json *object, const struct nb_json *at, const char *kind,
		       struct nb_error *err)
{
	const struct nb_json metadata = nb_json_get(object, "metadata");
	const struct nb_json namespace_at = nb_json_get(&metadata, "namespace");
	const struct nb_json name_at = nb_json_get(&metadata, "name");
	const char *namespace_ = "default", *name = "";

	if (nb_json_string(&namespace_at, &namespace_, err) || nb_json_string(&name_at, &name, err))
		return -EINVAL;
	return nb_json_fail(at, NB_ERR_CONFIG, err,
			    "%.100s %.63s/%.253s: only Service and EndpointSlice objects are read", kind,
			    namespace_, name);
}

static int read_kind(const struct nb_json *object, const char *otherwise, const struct kind **kind,
		     struct nb_error *err)
{
	const struct nb_json kind_at = nb_json_get(object, "kind");
	const struct nb_json version_at = nb_json_get(object, "apiVersion");
	const char *name = otherwise, *version = NULL;
	const struct kind *found;
	int rc = nb_json_is_object(object, err);

	if (!rc)
		rc = nb_json_string(&kind_at, &name, err);
	if (!rc)
		rc = nb_json_string(&version_at, &version, err);
	if (!rc && (!name || (!version && !otherwise)))
		rc = nb_json_fail(object, NB_ERR_CONFIG, err, "\"%s\" is missing: not a Kubernetes object",
				  name ? "apiVersion" : "kind");
	if (rc)
		return rc;
	found = find_kind(name);
	if (!found)
		return refuse_kind(object, &kind_at, name, err);
	if (version && strcmp(version, found->version))
		return nb_json_fail(&version_at, NB_ERR_CONFIG, err, "\"%.100s\" is not the version %s of %s",
				    version, found->version, found->name);
	*kind = found;
	return 0;
}

/* Lists in lists end with the depth of the document. */
static int add_object(struct nb_kube *kube, const struct nb_json *object, const char *kind_otherwise,
		      struct nb_error *err)
{
	const struct nb_json self = nb_json_root(object->node), items = nb_json_get(object, "items");
	struct nb_kube_meta meta = { 0 };
	const struct kind *kind = NULL;
	struct nb_json at;
	int rc = read_kind(object, kind_otherwise, &kind, err);

	if (rc || !kind)
		return rc;
	if (kind->add) {
		rc = nb_kube_read_meta(object, kind->long_names, &meta, err);
		if (rc)
			return rc;
		/* From here on the object's name stands before the path, which begins with the object. */
		meta.metadata.up = &self;
		rc = kind->add(kube, &self, &meta, err);
		if (rc)
			nb_wrap(err, "%s %s", kind->name, meta.full);
		return rc;
	}
	rc = nb_json_is_array(&items, err);
	if (!rc && !items.node)
		rc = nb_json_fail(object, NB_ERR_CONFIG, err, "\"items\" is missing");
	for (at = nb_json_first(&items); !rc && at.node; at = nb_json_next(&at))
		rc = add_object(kube, &at, kind->item, err);
	return rc;
}

int nb_kube_add(struct nb_kube *kube, const struct nb_json *object, struct nb_error *err)
{
	return add_object(kube, object, NULL, err);
}

static int add_json(struct nb_kube *kube, const char *text, size_t len, struct nb_error *err)
{
	struct nb_json_items items nb_cleanup(nb_json_items_close) = { 0 };
	const struct kind *kind = NULL;
	struct nb_json root, list, at;
	int rc = nb_json_items_open(text, len, "items", &text_limits, &items, err);

	if (rc)
		return rc;
	root = nb_json_root(items.frame);
	list = nb_json_get(&root, "items");
	/* A list is empty here: its items follow. */
	rc = read_kind(&root, NULL, &kind, err);
	if (!rc)
		rc = nb_kube_add(kube, &root, err);
	if (rc || !kind || kind->add)
		return rc;
	rc = nb_json_items_next(&items, &list, &at, err);
	while (!rc && at.node) {
		rc = add_object(kube, &at, kind->item, err);
		if (!rc)
			rc = nb_json_items_next(&items, &list, &at, err);
	}
	return rc;
}

static int add_yaml(struct nb_kube *kube, const char *text, size_t len, struct nb_error *err)
{
	struct cJSON *documents nb_cleanup(nb_json_free) = NULL;
	int rc = nb_yaml_parse(text, len, &text_limits, &documents, err);
	struct nb_json root, at;

	if (rc)
		return rc;
	root = nb_json_root(documents);
	at = nb_json_first(&root);
	if (!at.node)
		return nb_fail(err, NB_ERR_DECODE, 0, "there is no Kubernetes object in it");
	for (; at.node && !rc; at = nb_json_next(&at))
		rc = nb_kube_add(kube, &at, err);
	return rc;
}

int nb_kube_parse(const char *text, size_t len, const struct nb_kube_note *note, struct nb_services *services,
		  struct nb_error *err)
{
	struct nb_kube *kube nb_cleanup(nb_kube_free) = nb_kube_new(note, err);
	size_t blanks = 0;
	int rc;

	if (!kube)
		return -ENOMEM;
	while (blanks < len && text[blanks] && strchr(" \t\r\n", text[blanks]))
		blanks++;
	rc = blanks < len && text[blanks] == '{' ? add_json(kube, text, len, err)
						 : add_yaml(kube, text, len, err);
	return rc ? rc : nb_kube_services(kube, services, err);
}
