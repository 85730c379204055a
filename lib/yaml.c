// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/cleanup.h>
#include <natbridge/yaml.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { DEPTH_MAX = 512 };

/* A parse under way: where the next value goes. */
struct reader {
	const struct nb_json_limits *limits;
	struct cJSON
		*open[DEPTH_MAX + 1]; /* [0] is the list of documents, the last one takes the next value */
	size_t depth;
	size_t values;
	char *key; /* read already, its value comes next */
	struct nb_error *err;
};

static int refuse(const struct reader *reader, const yaml_mark_t *mark, const char *what)
{
	return nb_fail(reader->err, NB_ERR_DECODE, 0, "not valid YAML: line %zu, column %zu: %s",
		       mark->line + 1, mark->column + 1, what);
}

/* One of three spellings: "true", "True", "TRUE". */
static bool is_word(const char *text, const char *word)
{
	if (strcasecmp(text, word))
		return false;
	return !strcmp(text + 1, word + 1) || !text[strspn(text, "AEFLNRSTU")];
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, of which whole numbers are a part. */
static bool is_decimal(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	size_t before = strspn(p, "0123456789"), behind = 0;

	p += before;
	if (*p == '.') {
		behind = strspn(++p, "0123456789");
		p += behind;
	}
	if (!before && !behind)
		return false;
	if (*p == 'e' || *p == 'E') {
		p += p[1] == '-' || p[1] == '+' ? 2 : 1;
		if (!strspn(p, "0123456789"))
			return false;
		p += strspn(p, "0123456789");
	}
	return !*p;
}

/* 0o17 and 0xff. */
static bool based_number(const char *text, double *number)
{
	int base = !strncmp(text, "0o", 2) ? 8 : !strncmp(text, "0x", 2) ? 16 : 0;

	if (!base || !text[2] ||
	    text[2 + strspn(text + 2, base == 8 ? "01234567" : "0123456789abcdefABCDEF")])
		return false;
	*number = strtoull(text + 2, NULL, base);
	return true;
}

/* .inf and .nan, which JSON cannot say. */
static bool is_no_number(const char *text)
{
	const char *word = text + (*text == '-' || *text == '+');

	return !strcasecmp(word, ".inf") || !strcasecmp(text, ".nan");
}

/* A plain scalar by the core schema, or NULL: it is a string. */
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

/* Puts the value where it belongs, or frees it. */
static int attach(struct reader *reader, struct cJSON *value, const yaml_mark_t *mark)
{
	struct cJSON *parent = reader->open[reader->depth];
	char *key nb_autofree = NB_TAKE_PTR(reader->key);

	if (value && ++reader->values > reader->limits->values) {
		cJSON_Delete(value);
		return refuse(reader, mark, "too many values");
	}
	if (value && (key ? cJSON_AddItemToObject(parent, key, value) : cJSON_AddItemToArray(parent, value)))
		return 0;
	cJSON_Delete(value);
	return nb_fail_nomem(reader->err);
}

static int read_key(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	reader->key = strdup(text);
	return reader->key ? 0 : nb_fail_nomem(reader->err);
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

	if (strlen(text) != event->data.scalar.length)
		return refuse(reader, &event->start_mark, "a NUL character in a string");
	if (tag && !is_str_tag(tag))
		return refuse(reader, &event->start_mark, "tags other than !!str are not supported");
	if (cJSON_IsObject(reader->open[reader->depth]) && !reader->key)
		return read_key(reader, event);
	if (plain && is_no_number(text))
		return refuse(reader, &event->start_mark, "a number that JSON does not have");
	if (plain)
		value = make_plain(text);
	if (value && cJSON_IsNumber(value) && !isfinite(value->valuedouble)) {
		cJSON_Delete(value);
		return refuse(reader, &event->start_mark, "a number out of range");
	}
	return attach(reader, value ? value : cJSON_CreateString(text), &event->start_mark);
}

static int open_container(struct reader *reader, const yaml_event_t *event, struct cJSON *value,
			  const yaml_char_t *tag)
{
	int rc = 0;

	if (cJSON_IsObject(reader->open[reader->depth]) && !reader->key)
		rc = refuse(reader, &event->start_mark, "a key that is a mapping or a sequence");
	else if (tag)
		rc = refuse(reader, &event->start_mark, "tags other than !!str are not supported");
	else if (reader->depth >= reader->limits->depth || reader->depth >= DEPTH_MAX)
		rc = refuse(reader, &event->start_mark, "nested too deep");
	if (rc) {
		cJSON_Delete(value);
		return rc;
	}
	rc = attach(reader, value, &event->start_mark);
	if (!rc)
		reader->open[++reader->depth] = value;
	return rc;
}

/* A document of null alone ("---" twice) says nothing. */
static void drop_empty_document(struct reader *reader)
{
	struct cJSON *last = reader->open[0]->child ? reader->open[0]->child->prev : NULL;

	if (cJSON_IsNull(last))
		cJSON_Delete(cJSON_DetachItemViaPointer(reader->open[0], last));
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return event->data.alias.anchor;
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static int read_event(struct reader *reader, const yaml_event_t *event)
{
	if (anchor_of(event))
		return refuse(reader, &event->start_mark, "anchors and aliases are not supported");
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(reader, event);
	case YAML_SEQUENCE_START_EVENT:
		return open_container(reader, event, cJSON_CreateArray(), event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return open_container(reader, event, cJSON_CreateObject(), event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		reader->depth--;
		return 0;
	case YAML_DOCUMENT_END_EVENT:
		drop_empty_document(reader);
		return 0;
	default:
		return 0;
	}
}

static int read_stream(struct reader *reader, yaml_parser_t *parser)
{
	bool end = false;
	int rc = 0;

	while (!end && !rc) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event)) {
			if (parser->error == YAML_MEMORY_ERROR)
				return nb_fail_nomem(reader->err);
			if (parser->error == YAML_READER_ERROR)
				return nb_fail(reader->err, NB_ERR_DECODE, 0, "not valid YAML: byte %zu: %s",
					       parser->problem_offset + 1, parser->problem);
			return refuse(reader, &parser->problem_mark,
				      parser->problem ? parser->problem : "syntax error");
		}
		end = event.type == YAML_STREAM_END_EVENT;
		rc = read_event(reader, &event);
		yaml_event_delete(&event);
	}
	return rc;
}

int nb_yaml_parse(const char *text, size_t len, const struct nb_json_limits *limits, struct cJSON **json,
		  struct nb_error *err)
{
	struct cJSON *documents nb_cleanup(nb_json_free) = cJSON_CreateArray();
	struct reader reader = { .limits = limits, .open = { documents }, .err = err };
	struct nb_json root = nb_json_root(documents);
	yaml_parser_t parser;
	int rc;

	if (!documents || !yaml_parser_initialize(&parser))
		return nb_fail_nomem(err);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	rc = read_stream(&reader, &parser);
	yaml_parser_delete(&parser);
	free(reader.key);
	if (!rc)
		rc = nb_json_refuse_duplicates(&root, err);
	if (rc)
		return rc;
	*json = NB_TAKE_PTR(documents);
	return 0;
}
