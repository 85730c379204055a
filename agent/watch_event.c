// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads events and items into objects with a name. */
#include "watch_event.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/json/splitter.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

/* A slice of 1000 endpoints has some 30,000 values. */
static const struct nb_json_limits LIMITS = { .depth = 64, .values = 200000 };

enum { NEXT_PAGE_MAX = 8192 };

void nb_event_free(struct nb_event *event)
{
	cJSON_Delete(event->json);
	event->json = NULL;
}

/* Copies a string of an object; absent: *buf untouched. Too long: NB_ERR_CONFIG. */
static int copy_text(const struct nb_json *object, const char *key, char *buf, size_t size,
		     struct nb_error *err)
{
	struct nb_json at = nb_json_get(object, key);
	const char *text = NULL;

	int rc = nb_json_string(&at, &text, err);
	if (rc || !text)
		return rc;
	if (strlen(text) >= size)
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "longer than %zu bytes", size - 1);
	snprintf(buf, size, "%s", text);
	return 0;
}

static int check_kind(const struct nb_json *object, const char *kind, struct nb_error *err)
{
	struct nb_json at = nb_json_get(object, "kind");
	const char *is = kind;

	int rc = nb_json_string(&at, &is, err);
	if (rc)
		return rc;
	return strcmp(is, kind) ? nb_json_fail(&at, NB_ERR_CONFIG, err, "not a %s", kind) : 0;
}

static int read_object(struct nb_event *event, const char *kind, struct nb_error *err)
{
	struct nb_json metadata;

	int rc = nb_json_is_object(&event->object, err);
	if (!rc && !event->object.node)
		rc = nb_fail(err, NB_ERR_CONFIG, 0, "there is no object");
	if (rc)
		return rc;
	metadata = nb_json_get(&event->object, "metadata");
	rc = nb_json_is_object(&metadata, err);
	if (!rc)
		rc = copy_text(&metadata, "namespace", event->namespace, sizeof(event->namespace), err);
	if (!rc)
		rc = copy_text(&metadata, "name", event->name, sizeof(event->name), err);
	if (!rc)
		rc = copy_text(&metadata, "resourceVersion", event->resource_version,
			       sizeof(event->resource_version), err);
	if (!rc)
		rc = check_kind(&event->object, kind, err);
	if (!rc && event->type != NB_EVENT_BOOKMARK && !*event->name)
		rc = nb_json_fail(&metadata, NB_ERR_CONFIG, err, "has no name");
	return rc;
}

/* Whether a bookmark has the annotation that says that the list is complete. */
static bool ends_list(const struct nb_json *object)
{
	struct nb_json metadata = nb_json_get(object, "metadata");
	struct nb_json annotations = nb_json_get(&metadata, "annotations");
	struct nb_json at = nb_json_get(&annotations, "k8s.io/initial-events-end");

	return cJSON_IsString(at.node) && !strcmp(at.node->valuestring, "true");
}

static enum nb_event_type type_of(const char *name)
{
	static const struct {
		const char *name;
		enum nb_event_type type;
	} rows[] = {
		{ "ADDED", NB_EVENT_PUT },      { "MODIFIED", NB_EVENT_PUT },
		{ "DELETED", NB_EVENT_DELETE }, { "BOOKMARK", NB_EVENT_BOOKMARK },
		{ "ERROR", NB_EVENT_ERROR },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(name, rows[i].name))
			return rows[i].type;
	return NB_EVENT_UNKNOWN;
}

static int read_event(struct nb_event *event, const char *kind, struct nb_error *err)
{
	struct nb_json at = nb_json_get(&event->root, "type");
	const char *type = NULL;

	int rc = nb_json_is_object(&event->root, err);
	if (!rc)
		rc = nb_json_string(&at, &type, err);
	if (!rc && !type)
		rc = nb_fail(err, NB_ERR_CONFIG, 0, "an event without a type");
	if (rc)
		return rc;
	event->type = type_of(type);
	event->object = nb_json_get(&event->root, "object");
	if (event->type == NB_EVENT_UNKNOWN)
		return 0;
	if (event->type == NB_EVENT_ERROR) {
		event->status = nb_status_read(&event->object, 0);
		return 0;
	}
	event->ends_list = event->type == NB_EVENT_BOOKMARK && ends_list(&event->object);
	return read_object(event, kind, err);
}

/* Copies the first value of "KEY": "VALUE" in text that need not be JSON, if it can be a name. */
static void find_name(const char *text, size_t len, const char *key, char *buf, size_t size)
{
	const char *at = memmem(text, len, key, strlen(key)), *end = text + len;
	size_t n = 0;

	if (!at)
		return;
	for (at += strlen(key); at < end && (*at == ' ' || *at == ':'); at++)
		;
	if (at == end || *at++ != '"')
		return;
	while (at + n < end && (isalnum((unsigned char)at[n]) || at[n] == '-' || at[n] == '.'))
		n++;
	if (n < size && at + n < end && at[n] == '"')
		snprintf(buf, size, "%.*s", (int)n, at);
}

static int read_piece(const struct nb_json_piece *piece, const char *kind, bool item, struct nb_event *event,
		      struct nb_error *err)
{
	int rc;

	if (piece->size > piece->len)
		return nb_fail(err, NB_ERR_CONFIG, 0, "an object of %zu bytes is too large", piece->size);
	rc = nb_json_parse(piece->text, piece->len, &LIMITS, &event->json, err);
	if (rc)
		return rc;
	event->root = nb_json_root(event->json);
	if (!item)
		return read_event(event, kind, err);
	event->object = event->root;
	event->type = NB_EVENT_PUT;
	return read_object(event, kind, err);
}

int nb_event_read(const struct nb_json_piece *piece, const char *kind, bool item, struct nb_event *event,
		  struct nb_error *err)
{
	int rc;

	*event = (struct nb_event){ .type = NB_EVENT_BAD };
	rc = read_piece(piece, kind, item, event, &event->error);
	if (!rc)
		return 0;
	if (rc == -ENOMEM) {
		*err = event->error;
		return rc;
	}
	event->type = NB_EVENT_BAD;
	if (!*event->name) {
		find_name(piece->text, piece->len, "\"namespace\"", event->namespace,
			  sizeof(event->namespace));
		find_name(piece->text, piece->len, "\"name\"", event->name, sizeof(event->name));
	}
	return 0;
}

int nb_list_frame_read(const char *text, size_t len, const char *kind, struct nb_list_frame *frame,
		       struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	struct nb_list_frame is = { 0 };
	char list_kind[64], next_page[NEXT_PAGE_MAX] = "";
	struct nb_json root, items, metadata;

	int rc = nb_json_parse(text, len, &LIMITS, &json, err);
	if (rc)
		return rc;
	root = nb_json_root(json);
	items = nb_json_get(&root, "items");
	metadata = nb_json_get(&root, "metadata");
	snprintf(list_kind, sizeof(list_kind), "%sList", kind);
	rc = check_kind(&root, list_kind, err);
	if (!rc)
		rc = nb_json_is_array(&items, err);
	if (!rc)
		rc = nb_json_is_object(&metadata, err);
	if (!rc)
		rc = copy_text(&metadata, "resourceVersion", is.resource_version, sizeof(is.resource_version),
			       err);
	if (!rc)
		rc = copy_text(&metadata, "continue", next_page, sizeof(next_page), err);
	if (!rc && !*is.resource_version)
		rc = nb_json_fail(&metadata, NB_ERR_CONFIG, err, "a list without a resourceVersion");
	if (!rc && *next_page)
		rc = nb_strdup(next_page, &is.next_page, err);
	if (!rc)
		*frame = is;
	return rc;
}
