// SPDX-License-Identifier: GPL-2.0-or-later
/* Builds cJSON trees from the events of libyaml's parser. */
#include "lib/json/yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "json.h"
#include "yaml_anchors.h"

enum { DEPTH_MAX = 512 };

/* An open mapping or sequence. */
struct level {
	struct cJSON *container;
	const struct cJSON *merge; /* the value of its "<<", merged when the mapping ends */
	yaml_mark_t merge_mark;
};

/* The text to parse, and where it starts in its file: line and column, from 0 on. */
struct source {
	const char *text;
	size_t len;
	size_t line, column;
};

/* The state of a parse. */
struct reader {
	const struct source *source;
	const struct nb_json_limits *limits;
	struct level open[DEPTH_MAX + 1]; /* [0] is the list of documents, [depth] takes the next value */
	size_t depth;
	size_t values;
	char *key;    /* owned: the key of the next value */
	bool merging; /* that key is "<<" */
	struct nb_yaml_anchors anchors;
	struct cJSON *aside; /* holds the nodes of anchors and merge keys that are not in the tree */
	bool bad_escape;     /* libyaml failed at an escape, which may be valid in JSON */
	struct nb_error *err;
};

static int refuse(const struct reader *reader, const yaml_mark_t *mark, const char *what)
{
	return nb_fail(reader->err, NB_ERR_DECODE, 0, "not valid YAML: line %zu, column %zu: %s",
		       reader->source->line + mark->line + 1,
		       (mark->line ? 0 : reader->source->column) + mark->column + 1, what);
}

static struct level *innermost(struct reader *reader)
{
	return &reader->open[reader->depth];
}

static bool expects_key(struct reader *reader)
{
	return cJSON_IsObject(innermost(reader)->container) && !reader->key && !reader->merging;
}

/* Whether text is word in one of its three spellings: "true", "True", "TRUE". */
static bool is_word(const char *text, const char *word)
{
	if (strcasecmp(text, word))
		return false;
	return !strcmp(text + 1, word + 1) || !text[strspn(text, "AEFLNRSTU")];
}

/* A float or an integer: [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_decimal(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	size_t before = strspn(p, "0123456789"), after = 0;

	p += before;
	if (*p == '.') {
		after = strspn(++p, "0123456789");
		p += after;
	}
	if (!before && !after)
		return false;
	if (*p == 'e' || *p == 'E') {
		p += p[1] == '-' || p[1] == '+' ? 2 : 1;
		if (!strspn(p, "0123456789"))
			return false;
		p += strspn(p, "0123456789");
	}
	return !*p;
}

/* An octal or hexadecimal integer: 0o17, 0xff. */
static bool based_number(const char *text, double *number)
{
	int base = !strncmp(text, "0o", 2) ? 8 : !strncmp(text, "0x", 2) ? 16 : 0;

	if (!base || !text[2] ||
	    text[2 + strspn(text + 2, base == 8 ? "01234567" : "0123456789abcdefABCDEF")])
		return false;
	*number = strtoull(text + 2, NULL, base);
	return true;
}

/* .inf and .nan, which JSON does not have. */
static bool is_inf_or_nan(const char *text)
{
	const char *word = text + (*text == '-' || *text == '+');

	return !strcasecmp(word, ".inf") || !strcasecmp(text, ".nan");
}

/* The value of a plain scalar by the core schema; NULL: it is a string. */
static struct cJSON *make_plain(const char *text)
{
	double number;

	if (!*text || !strcmp(text, "~") || is_word(text, "null"))
		return cJSON_CreateNull();
	if (is_word(text, "true") || is_word(text, "false"))
		return cJSON_CreateBool(*text == 't' || *text == 'T');
	if (based_number(text, &number))
		return cJSON_CreateNumber(number);
	return is_decimal(text) ? cJSON_CreateNumber(strtod(text, NULL)) : NULL;
}

/* Adds the value to the innermost container, or on failure frees it. NULL: out of memory. */
static int attach(struct reader *reader, struct cJSON *value, const yaml_mark_t *mark)
{
	struct cJSON *parent = innermost(reader)->container;
	nb_autofree char *key = NB_TAKE_PTR(reader->key);

	if (value && ++reader->values > reader->limits->values) {
		cJSON_Delete(value);
		return refuse(reader, mark, "too many values");
	}
	if (reader->merging)
		parent = reader->aside;
	if (value &&
	    (key ? cJSON_AddItemToObject(parent, key, value) : cJSON_AddItemToArray(parent, value))) {
		if (reader->merging)
			innermost(reader)->merge = value;
		reader->merging = false;
		return 0;
	}
	cJSON_Delete(value);
	return nb_fail_nomem(reader->err);
}

static int set_anchor(struct reader *reader, const yaml_char_t *name, struct cJSON *node)
{
	if (!name || !nb_yaml_anchors_set(&reader->anchors, (const char *)name, node))
		return 0;
	return nb_fail_nomem(reader->err);
}

/* A key has no node in the tree, so its anchor gets one aside. */
static int set_key_anchor(struct reader *reader, const yaml_char_t *name, const char *key)
{
	struct cJSON *node = name ? cJSON_CreateString(key) : NULL;

	if (!name)
		return 0;
	if (!node || !cJSON_AddItemToArray(reader->aside, node)) {
		cJSON_Delete(node);
		return nb_fail_nomem(reader->err);
	}
	return set_anchor(reader, name, node);
}

static int take_key(struct reader *reader, const char *text)
{
	reader->key = strdup(text);
	return reader->key ? 0 : nb_fail_nomem(reader->err);
}

static int read_key(struct reader *reader, const yaml_event_t *event, bool plain)
{
	const char *text = (const char *)event->data.scalar.value;
	struct level *level = innermost(reader);
	int rc;

	if (plain && !strcmp(text, "<<")) {
		if (level->merge)
			return refuse(reader, &event->start_mark, "second << in a mapping");
		level->merge_mark = event->start_mark;
		reader->merging = true;
		return 0;
	}
	rc = take_key(reader, text);
	if (rc)
		return rc;
	return set_key_anchor(reader, event->data.scalar.anchor, text);
}

static bool is_open(const struct reader *reader, const struct cJSON *node)
{
	for (size_t i = 1; i <= reader->depth; i++)
		if (reader->open[i].container == node)
			return true;
	return false;
}

/*
 * Adds a copy of the node that the anchor names. A merge key needs no copy: its mapping copies the
 * members.
 */
static int read_alias(struct reader *reader, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor, *wrong = NULL;
	struct cJSON *node = nb_yaml_anchors_get(&reader->anchors, name), *copy;

	if (!node)
		return refuse(reader, &event->start_mark, "alias without an anchor");
	if (is_open(reader, node))
		return refuse(reader, &event->start_mark, "alias inside of its own anchor");
	if (expects_key(reader) && !cJSON_IsString(node))
		return refuse(reader, &event->start_mark, "key is not a string");
	if (expects_key(reader))
		return take_key(reader, node->valuestring);
	if (reader->merging) {
		reader->merging = false;
		innermost(reader)->merge = node;
		return 0;
	}
	copy = nb_yaml_copy(&reader->anchors, node, reader->limits->depth - reader->depth, &wrong);
	if (wrong)
		return refuse(reader, &event->start_mark, wrong);
	/* nb_yaml_copy() has counted the copy's values; attach() counts its root once more. */
	reader->values -= copy != NULL;
	return attach(reader, copy, &event->start_mark);
}

static bool is_str_tag(const yaml_char_t *tag)
{
	return !strcmp((const char *)tag, YAML_STR_TAG) || !strcmp((const char *)tag, "!");
}

static int read_scalar(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	const yaml_char_t *tag = event->data.scalar.tag;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tag;
	struct cJSON *value = NULL;
	int rc;

	if (strlen(text) != event->data.scalar.length)
		return refuse(reader, &event->start_mark, "NUL character in a string");
	if (tag && !is_str_tag(tag))
		return refuse(reader, &event->start_mark, "tags other than !!str are not supported");
	if (expects_key(reader))
		return read_key(reader, event, plain);
	if (plain && is_inf_or_nan(text))
		return refuse(reader, &event->start_mark, "JSON has no infinity and no NaN");
	if (plain)
		value = make_plain(text);
	if (value && cJSON_IsNumber(value) && !isfinite(value->valuedouble)) {
		cJSON_Delete(value);
		return refuse(reader, &event->start_mark, "number out of range");
	}
	if (!value)
		value = cJSON_CreateString(text);
	rc = attach(reader, value, &event->start_mark);
	if (rc)
		return rc;
	return set_anchor(reader, event->data.scalar.anchor, value);
}

/* A mapping or sequence starts. */
static int open_container(struct reader *reader, const yaml_event_t *event, bool mapping)
{
	const yaml_char_t *tag = mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
	const yaml_char_t *anchor =
		mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
	struct cJSON *value;
	int rc;

	if (expects_key(reader))
		return refuse(reader, &event->start_mark, "key is a mapping or a sequence");
	if (tag)
		return refuse(reader, &event->start_mark, "tags other than !!str are not supported");
	if (reader->depth >= reader->limits->depth || reader->depth >= DEPTH_MAX)
		return refuse(reader, &event->start_mark, "nested too deeply");
	value = mapping ? cJSON_CreateObject() : cJSON_CreateArray();
	rc = attach(reader, value, &event->start_mark);
	if (rc)
		return rc;
	rc = set_anchor(reader, anchor, value);
	if (rc)
		return rc;
	reader->open[++reader->depth] = (struct level){ .container = value };
	return 0;
}

static int close_container(struct reader *reader)
{
	const struct level *level = innermost(reader);
	const char *wrong = NULL;

	if (level->merge && nb_yaml_merge(&reader->anchors, level->container, level->merge,
					  reader->limits->depth - reader->depth, &wrong))
		return wrong ? refuse(reader, &level->merge_mark, wrong) : nb_fail_nomem(reader->err);
	reader->depth--;
	return 0;
}

/* Forgets the document's anchors. A document that is null ("---" twice) is empty and is removed. */
static void end_document(struct reader *reader)
{
	struct cJSON *documents = reader->open[0].container;
	struct cJSON *last = documents->child ? documents->child->prev : NULL;

	nb_yaml_anchors_clear(&reader->anchors);
	while (reader->aside->child)
		cJSON_Delete(cJSON_DetachItemViaPointer(reader->aside, reader->aside->child));
	if (cJSON_IsNull(last))
		cJSON_Delete(cJSON_DetachItemViaPointer(documents, last));
}

static int read_event(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(reader, event);
	case YAML_ALIAS_EVENT:
		return read_alias(reader, event);
	case YAML_SEQUENCE_START_EVENT:
		return open_container(reader, event, false);
	case YAML_MAPPING_START_EVENT:
		return open_container(reader, event, true);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_container(reader);
	case YAML_DOCUMENT_END_EVENT:
		end_document(reader);
		return 0;
	default:
		return 0;
	}
}

/* What stopped libyaml. */
static int parser_failed(struct reader *reader, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return nb_fail_nomem(reader->err);
	if (parser->error == YAML_READER_ERROR)
		return nb_fail(reader->err, NB_ERR_DECODE, 0, "not valid YAML: byte %zu: %s",
			       parser->problem_offset + 1, parser->problem);
	reader->bad_escape = parser->problem && strstr(parser->problem, "escape code");
	return refuse(reader, &parser->problem_mark, parser->problem ? parser->problem : "syntax error");
}

static int read_stream(struct reader *reader, yaml_parser_t *parser)
{
	bool end = false;

	while (!end) {
		yaml_event_t event;
		int rc;

		if (!yaml_parser_parse(parser, &event))
			return parser_failed(reader, parser);
		end = event.type == YAML_STREAM_END_EVENT;
		rc = read_event(reader, &event);
		yaml_event_delete(&event);
		if (rc)
			return rc;
	}
	return 0;
}

/* The value of an escape "\uXXXX" at text, which ends before end; -1: there is none. */
static int escaped_unit(const char *text, const char *end)
{
	int unit = 0;

	if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return -1;
		unit = unit * 16 + (isdigit((unsigned char)text[i]) ? text[i] - '0' : (text[i] & 0xf) + 9);
	}
	return unit;
}

/*
 * Copies text[len] to joined and writes each surrogate pair "\ud83d\ude00", which JSON has and YAML
 * has not, as "\U0001f600". Returns the new length, at most len.
 */
static size_t join_escapes(const char *text, size_t len, char *joined)
{
	const char *end = text + len;
	size_t used = 0;

	while (text < end) {
		int high = escaped_unit(text, end), low = high < 0 ? -1 : escaped_unit(text + 6, end);
		size_t taken = *text == '\\' && end - text > 1 ? 2 : 1;

		if (high >> 10 == 0xd800 >> 10 && low >> 10 == 0xdc00 >> 10) {
			used += sprintf(joined + used, "\\U%08x",
					0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff));
			text += 12;
			continue;
		}
		memcpy(joined + used, text, taken);
		used += taken;
		text += taken;
	}
	return used;
}

/* *bad_escape: whether it failed at an escape that libyaml does not know. */
static int parse(const struct source *source, const struct nb_json_limits *limits, struct cJSON **json,
		 bool *bad_escape, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *documents = cJSON_CreateArray();
	nb_cleanup(nb_json_free) struct cJSON *aside = cJSON_CreateArray();
	struct reader reader = {
		.source = source,
		.limits = limits,
		.open = { { .container = documents } },
		.aside = aside,
		.err = err,
	};
	struct nb_json root = nb_json_root(documents);
	yaml_parser_t parser;
	int rc;

	reader.anchors.values = &reader.values;
	reader.anchors.values_max = limits->values;
	if (!documents || !aside || !yaml_parser_initialize(&parser))
		return nb_fail_nomem(err);
	yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, source->len);
	rc = read_stream(&reader, &parser);
	yaml_parser_delete(&parser);
	nb_yaml_anchors_clear(&reader.anchors);
	free(reader.key);
	*bad_escape = reader.bad_escape;
	if (rc)
		return rc;
	rc = nb_json_refuse_duplicates(&root, err);
	if (rc)
		return rc;
	*json = NB_TAKE_PTR(documents);
	return 0;
}

int nb_yaml_parse_from(const char *text, size_t len, size_t from, const struct nb_json_limits *limits,
		       struct cJSON **json, struct nb_error *err)
{
	struct source source = { .text = text + from, .len = len - from };
	nb_autofree char *joined = NULL;
	size_t joined_len;
	bool bad_escape = false;
	int rc;

	for (size_t i = 0; i < from; i++) {
		source.column = text[i] == '\n' ? 0 : source.column + 1;
		source.line += text[i] == '\n';
	}
	rc = parse(&source, limits, json, &bad_escape, err);
	if (!rc || !bad_escape)
		return rc;
	joined = malloc(source.len);
	if (!joined)
		return nb_fail_nomem(err);
	joined_len = join_escapes(source.text, source.len, joined);
	if (joined_len == source.len)
		return rc;
	source.text = joined;
	source.len = joined_len;
	return parse(&source, limits, json, &bad_escape, err);
}

int nb_yaml_parse(const char *text, size_t len, const struct nb_json_limits *limits, struct cJSON **json,
		  struct nb_error *err)
{
	return nb_yaml_parse_from(text, len, 0, limits, json, err);
}
