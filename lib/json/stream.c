// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads a long JSON array item by item; see stream.h. */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "json.h"
#include "validate.h"

/* In valid JSON an item, a comma or a bracket stops the loop. */
static const char *skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
		at++;
	return at;
}

/* Parses the document with its array emptied. */
static int read_frame(const char *text, size_t len, const struct nb_json_member *array, struct cJSON **frame,
		      struct nb_error *err)
{
	size_t head = array->begin - text, tail = text + len - array->end;
	nb_autofree char *frame_text = malloc(head + 2 + tail + 1);
	nb_cleanup(nb_json_free) struct cJSON *read = NULL;
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
	if (rc)
		return rc;
	*frame = NB_TAKE_PTR(read);
	return 0;
}

int nb_json_stream_open(struct nb_json_stream *stream, const char *text, size_t len, size_t *at,
			struct nb_error *err)
{
	struct nb_json_member array = { .key = stream->key };
	const char *begin = text + *at;
	int rc = nb_json_validate_value(text, len, at, stream->limits, &array, err);

	if (rc)
		return rc;
	stream->end = text + *at;
	len = stream->end - begin;
	if (!array.begin || *array.begin != '[')
		return nb_json_parse(begin, len, stream->limits, &stream->frame, err);
	rc = read_frame(begin, len, &array, &stream->frame, err);
	if (rc)
		return rc;
	stream->at = skip_blanks(array.begin + 1);
	return 0;
}

int nb_json_stream_next(struct nb_json_stream *stream, const struct nb_json *up, struct nb_json *item,
			struct nb_error *err)
{
	const char *after;

	nb_json_free(&stream->item);
	*item = (struct nb_json){ .up = up, .index = stream->index };
	if (!stream->at || *stream->at == ']')
		return 0;
	stream->item = cJSON_ParseWithLengthOpts(stream->at, stream->end - stream->at, &after, false);
	if (!stream->item)
		return nb_fail_nomem(err);
	item->node = stream->item;
	stream->index++;
	stream->at = skip_blanks(after);
	stream->more = *stream->at == ',';
	if (stream->more)
		stream->at = skip_blanks(stream->at + 1);
	return nb_json_refuse_duplicates(item, err);
}

void nb_json_stream_close(struct nb_json_stream *stream)
{
	nb_json_free(&stream->frame);
	nb_json_free(&stream->item);
}
