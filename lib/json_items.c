// SPDX-License-Identifier: GPL-2.0-or-later
#include "json_items.h"

#include <natbridge/cleanup.h>

#include <stdlib.h>
#include <string.h>

#include "json_scan.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_blanks(const char *at)
{
	while (is_blank(*at))
		at++;
	return at;
}

/* Behind a string that begins at its quote. The text was checked: it ends. */
static const char *skip_string(const char *at)
{
	for (at++; *at != '"'; at++)
		at += *at == '\\';
	return at + 1;
}

/* Behind a value, whose text was checked. */
static const char *skip_value(const char *at)
{
	size_t depth = 0;

	do {
		if (*at == '"') {
			at = skip_string(at);
			continue;
		}
		if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
			depth--;
		else if (!depth)
			return at + strcspn(at, ",]} \t\r\n");
		at++;
	} while (depth);
	return at;
}

/* Where the first array under that key of the outermost object begins; NULL: there is none. */
static const char *find_array(const char *text, const char *key)
{
	const char *at = skip_blanks(text), *name;
	size_t len = strlen(key);

	if (*at != '{')
		return NULL;
	at = skip_blanks(at + 1);
	while (*at == '"') {
		name = at + 1;
		at = skip_blanks(skip_string(at));
		at = skip_blanks(at + 1);
		if (*at == '[' && !strncmp(name, key, len) && name[len] == '"')
			return at;
		at = skip_blanks(skip_value(at));
		if (*at == ',')
			at = skip_blanks(at + 1);
	}
	return NULL;
}

/* The document with nothing in the array that begins at array and ends before behind. */
static int read_frame(const char *text, size_t len, const char *array, const char *behind,
		      struct cJSON **frame, struct nb_error *err)
{
	size_t head = array - text, tail = text + len - behind;
	char *frame_text nb_autofree = malloc(head + 2 + tail + 1);
	struct cJSON *read nb_cleanup(nb_json_free) = NULL;
	struct nb_json root;
	char *at;
	int rc;

	if (!frame_text)
		return nb_fail_nomem(err);
	at = mempcpy(frame_text, text, head);
	*at++ = '[';
	*at++ = ']';
	at = mempcpy(at, behind, tail);
	*at = '\0';
	read = cJSON_ParseWithLength(frame_text, head + 2 + tail);
	if (!read)
		return nb_fail_nomem(err);
	root = nb_json_root(read);
	rc = nb_json_refuse_duplicates(&root, err);
	if (!rc)
		*frame = NB_TAKE_PTR(read);
	return rc;
}

int nb_json_items_open(const char *text, size_t len, const char *key, const struct nb_json_limits *limits,
		       struct nb_json_items *items, struct nb_error *err)
{
	int rc = nb_json_scan(text, len, limits, err);
	const char *array, *behind;

	if (rc)
		return rc;
	*items = (struct nb_json_items){ .end = text + len };
	array = find_array(text, key);
	behind = array ? skip_value(array) : text + len;
	if (!array)
		return nb_json_parse(text, len, limits, &items->frame, err);
	rc = read_frame(text, len, array, behind, &items->frame, err);
	if (rc)
		return rc;
	items->at = skip_blanks(array + 1);
	return 0;
}

int nb_json_items_next(struct nb_json_items *items, const struct nb_json *up, struct nb_json *item,
		       struct nb_error *err)
{
	const char *behind;

	nb_json_free(&items->item);
	*item = (struct nb_json){ .up = up, .index = items->index };
	if (!items->at || *items->at == ']')
		return 0;
	items->item = cJSON_ParseWithLengthOpts(items->at, items->end - items->at, &behind, false);
	if (!items->item)
		return nb_fail_nomem(err);
	item->node = items->item;
	items->index++;
	items->at = skip_blanks(behind);
	if (*items->at == ',')
		items->at = skip_blanks(items->at + 1);
	return nb_json_refuse_duplicates(item, err);
}

void nb_json_items_close(struct nb_json_items *items)
{
	nb_json_free(&items->frame);
	nb_json_free(&items->item);
}
