// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "json.h"
#include "validate.h"

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

/* The document with nothing in the array. */
static int read_frame(const char *text, size_t len, const struct nb_json_member *array, struct cJSON **frame,
		      struct nb_error *err)
{
	size_t head = array->begin - text, tail = text + len - array->end;
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
	at = mempcpy(at, array->end, tail);
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

int nb_json_items_open(const char *text, size_t len, size_t *at, const char *key,
		       const struct nb_json_limits *limits, struct nb_json_items *items, struct nb_error *err)
{
	struct nb_json_member array = { .key = key };
	const char *begin = text + *at;
	int rc = nb_json_scan_value(text, len, at, limits, &array, err);

	if (rc)
		return rc;
	len = text + *at - begin;
	*items = (struct nb_json_items){ .end = begin + len };
	if (!array.begin || *array.begin != '[')
		return nb_json_parse(begin, len, limits, &items->frame, err);
	rc = read_frame(begin, len, &array, &items->frame, err);
	if (!rc)
		items->at = skip_blanks(array.begin + 1);
	return rc;
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
	items->more = *items->at == ',';
	if (items->more)
		items->at = skip_blanks(items->at + 1);
	return nb_json_refuse_duplicates(item, err);
}

void nb_json_items_close(struct nb_json_items *items)
{
	nb_json_free(&items->frame);
	nb_json_free(&items->item);
}
