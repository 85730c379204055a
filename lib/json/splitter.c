// SPDX-License-Identifier: GPL-2.0-or-later
/* Splits JSON in chunks by the depth of its brackets. */
#include "splitter.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util/error.h"

/* A buffer that grew larger than this for one piece is not kept for the next. */
enum { FIRST_CAPACITY = 4096, KEPT_CAPACITY = 1 << 20 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_cut(const struct nb_json_collected *part)
{
	return part->size > part->len;
}

static int grow(struct nb_json_collected *part, size_t least, size_t limit, struct nb_error *err)
{
	size_t capacity = part->capacity ? part->capacity : FIRST_CAPACITY;
	char *text;

	while (capacity < least)
		capacity *= 2;
	if (capacity > limit)
		capacity = limit;
	text = realloc(part->text, capacity);
	if (!text)
		return nb_fail_nomem(err);
	part->text = text;
	part->capacity = capacity;
	return 0;
}

/* Appends bytes. Of a part that exceeds the limit, only the head stays. */
static int append(struct nb_json_collected *part, const char *bytes, size_t n, size_t limit,
		  struct nb_error *err)
{
	size_t kept = n;
	int rc;

	if (is_cut(part)) {
		kept = 0;
	} else if (n > limit - part->len) {
		kept = part->len < NB_JSON_HEAD ? NB_JSON_HEAD - part->len : 0;
		part->len = part->len < NB_JSON_HEAD ? part->len : NB_JSON_HEAD;
	}
	rc = part->len + kept > part->capacity ? grow(part, part->len + kept, limit, err) : 0;
	if (rc)
		return rc;
	if (kept)
		memcpy(part->text + part->len, bytes, kept);
	part->len += kept;
	part->size += n;
	return 0;
}

static void clear(struct nb_json_collected *part)
{
	if (part->capacity > KEPT_CAPACITY) {
		free(part->text);
		*part = (struct nb_json_collected){ 0 };
	}
	part->len = 0;
	part->size = 0;
}

static int put(struct nb_json_splitter *s, const char *bytes, size_t n, struct nb_error *err)
{
	int rc;

	if (s->state == NB_SPLIT_PIECE)
		return append(&s->piece, bytes, n, s->limit, err);
	rc = append(&s->frame, bytes, n, s->limit, err);
	if (!rc && is_cut(&s->frame))
		return nb_fail(err, NB_ERR_DECODE, 0, "more than %zu bytes besides \"%s\"", s->limit, s->key);
	return rc;
}

/* Hands out the piece without the blanks behind it. */
static int deliver(struct nb_json_splitter *s)
{
	struct nb_json_piece piece = {
		.text = s->piece.text ? s->piece.text : "",
		.len = s->piece.len,
		.size = s->piece.size,
	};
	int rc;

	while (piece.len == piece.size && piece.len && is_blank(piece.text[piece.len - 1]))
		piece.size = --piece.len;
	s->n++;
	rc = s->fn(&piece, s->arg);
	clear(&s->piece);
	s->depth = 0;
	s->in_string = false;
	return rc;
}

/* Whether the bracket that comes next in the frame opens the wanted array. */
static bool is_wanted(const struct nb_json_splitter *s)
{
	const size_t len = s->name_end - s->name_at;

	return s->frame_depth == 1 && s->after_colon && len == strlen(s->key) &&
	       memcmp(s->frame.text + s->name_at, s->key, len) == 0;
}

/* A byte of the frame outside of strings. */
static int take_frame(struct nb_json_splitter *s, char c, struct nb_error *err)
{
	int rc = put(s, &c, 1, err);

	if (rc)
		return rc;
	if (c == '"') {
		s->in_string = true;
		s->name_at = s->frame.len;
		s->after_colon = false;
	} else if (c == '[' && is_wanted(s)) {
		s->state = NB_SPLIT_PIECE;
		s->n = 0;
	} else if (c == '{' || c == '[') {
		s->frame_depth++;
	} else if (c == '}' || c == ']') {
		s->frame_depth--;
	}
	if (!is_blank(c) && c != '"')
		s->after_colon = c == ':';
	if (!s->frame_depth)
		s->state = NB_SPLIT_END;
	return 0;
}

/* A byte of an element, outside of strings; its array is closed by a bracket at depth 0. */
static int take_element(struct nb_json_splitter *s, char c, struct nb_error *err)
{
	int rc = 0;

	if (!s->depth && (c == ',' || c == ']')) {
		if (c == ',' || s->piece.size || s->n)
			rc = deliver(s);
		if (rc || c == ',')
			return rc;
		s->state = NB_SPLIT_FRAME;
		return put(s, "]", 1, err);
	}
	if (!s->piece.size && is_blank(c))
		return 0;
	if (c == '{' || c == '[')
		s->depth++;
	else if ((c == '}' || c == ']') && s->depth)
		s->depth--;
	s->in_string = c == '"';
	return put(s, &c, 1, err);
}

/* A byte of a sequence, outside of strings. */
static int take_value(struct nb_json_splitter *s, char c, struct nb_error *err)
{
	bool whole = c == '\n' && !s->depth;
	int rc;

	if (s->state == NB_SPLIT_BETWEEN && is_blank(c))
		return 0;
	s->state = NB_SPLIT_PIECE;
	if (c == '{' || c == '[')
		s->depth++;
	else if ((c == '}' || c == ']') && s->depth)
		whole = !--s->depth;
	s->in_string = c == '"';
	rc = put(s, &c, 1, err);
	if (rc || !whole)
		return rc;
	s->state = NB_SPLIT_BETWEEN;
	return deliver(s);
}

static int take_in_string(struct nb_json_splitter *s, char c, struct nb_error *err)
{
	int rc = put(s, &c, 1, err);

	if (rc)
		return rc;
	if (!s->key && c == '\n') { /* not JSON: a quote is missing or too much */
		s->escaped = false;
		s->state = NB_SPLIT_BETWEEN;
		return deliver(s);
	}
	if (s->escaped) {
		s->escaped = false;
	} else if (c == '\\') {
		s->escaped = true;
	} else if (c == '"') {
		s->in_string = false;
		if (s->state == NB_SPLIT_FRAME)
			s->name_end = s->frame.len - 1;
	}
	return 0;
}

static int take(struct nb_json_splitter *s, char c, struct nb_error *err)
{
	if (s->in_string)
		return take_in_string(s, c, err);
	if (!s->key)
		return take_value(s, c, err);
	if (s->state == NB_SPLIT_PIECE)
		return take_element(s, c, err);
	if (s->state == NB_SPLIT_FRAME)
		return take_frame(s, c, err);
	if (is_blank(c))
		return 0;
	if (s->state == NB_SPLIT_END)
		return nb_fail(err, NB_ERR_DECODE, 0, "unexpected text after the JSON value");
	if (c != '{')
		return nb_fail(err, NB_ERR_DECODE, 0, "not a JSON object");
	s->state = NB_SPLIT_FRAME;
	return take_frame(s, c, err);
}

/*
 * How many bytes from *at on leave the cursor inside of the piece's brackets. This is the loop that
 * most bytes go through.
 */
static size_t run_inside(struct nb_json_splitter *s, const char *at, const char *end)
{
	const char *start = at;
	bool in_string = s->in_string, escaped = s->escaped;
	size_t depth = s->depth;

	if (s->state != NB_SPLIT_PIECE || !depth)
		return 0;
	for (; at < end; at++) {
		if (in_string && *at == '\n' && !s->key)
			break;
		if (escaped)
			escaped = false;
		else if (in_string && *at == '\\')
			escaped = true;
		else if (*at == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (*at == '{' || *at == '[')
			depth++;
		else if ((*at == '}' || *at == ']') && depth == 1)
			break;
		else if (*at == '}' || *at == ']')
			depth--;
	}
	s->in_string = in_string;
	s->escaped = escaped;
	s->depth = depth;
	return at - start;
}

int nb_json_splitter_feed(struct nb_json_splitter *s, const char *chunk, size_t len, struct nb_error *err)
{
	const char *at = chunk, *end = chunk + len;

	while (at < end) {
		size_t n = run_inside(s, at, end);
		int rc = n ? put(s, at, n, err) : take(s, *at++, err);

		if (rc)
			return rc;
		at += n;
	}
	return 0;
}

int nb_json_splitter_end(const struct nb_json_splitter *s, struct nb_error *err)
{
	if (s->state == (s->key ? NB_SPLIT_END : NB_SPLIT_BETWEEN))
		return 0;
	return nb_fail(err, NB_ERR_DECODE, 0, "ends in the middle of a JSON value");
}

void nb_json_splitter_free(struct nb_json_splitter *s)
{
	free(s->piece.text);
	free(s->frame.text);
	s->piece = s->frame = (struct nb_json_collected){ 0 };
}
