// SPDX-License-Identifier: GPL-2.0-or-later
/* A recursive descent over the grammar of JSON (RFC 8259) that allocates nothing. */
#include "validate.h"

#include <errno.h>
#include <string.h>

#include "lib/util/error.h"

#include "json.h"
#include "unicode.h"

/* The cursor. Each step returns NULL and moves it on, or returns what is wrong at the cursor. */
struct scan {
	const unsigned char *at, *end;
	size_t depth, values;
	const struct nb_json_limits *limits;
	struct nb_json_member *member; /* to find, or NULL */
};

static int peek(const struct scan *s)
{
	return s->at < s->end ? *s->at : -1;
}

static bool take(struct scan *s, int c)
{
	if (peek(s) != c)
		return false;
	s->at++;
	return true;
}

/* Most of an indented document is blanks: a cursor in a register makes this loop fast. */
static void skip_blanks(struct scan *s)
{
	const unsigned char *at = s->at;

	while (at < s->end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	s->at = at;
}

size_t nb_json_skip_blanks(const char *text, size_t len, size_t at)
{
	struct scan s = { .at = (const unsigned char *)text + at, .end = (const unsigned char *)text + len };

	skip_blanks(&s);
	return s.at - (const unsigned char *)text;
}

/* The value of four hexadecimal digits, or -1. */
static int take_hex4(struct scan *s)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		int c = peek(s);

		if (c >= '0' && c <= '9')
			value = value * 16 + c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + (c | 0x20) - 'a' + 10;
		else
			return -1;
		s->at++;
	}
	return value;
}

static const char *scan_unicode_escape(struct scan *s)
{
	int unit = take_hex4(s), low;

	if (unit < 0)
		return "\\u without four hexadecimal digits";
	if (unit == 0)
		return "\\u0000 in a string";
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return "unpaired surrogate";
	if (unit < 0xd800 || unit > 0xdfff)
		return NULL;
	if (!take(s, '\\') || !take(s, 'u'))
		return "unpaired surrogate";
	low = take_hex4(s);
	return low >= 0xdc00 && low <= 0xdfff ? NULL : "unpaired surrogate";
}

static const char *scan_escape(struct scan *s)
{
	int c = peek(s);

	if (c < 0)
		return "unterminated string";
	s->at++;
	if (c == 'u')
		return scan_unicode_escape(s);
	return c && strchr("\"\\/bfnrt", c) ? NULL : "unknown escape in a string";
}

/* Skips characters that need no check: ASCII but quote, backslash and control characters. */
static void skip_plain(struct scan *s)
{
	const unsigned char *at = s->at;

	while (at < s->end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
		at++;
	s->at = at;
}

static const char *scan_string(struct scan *s)
{
	if (!take(s, '"'))
		return "expected a string";
	for (skip_plain(s); !take(s, '"'); skip_plain(s)) {
		const char *wrong = NULL;
		size_t n;

		if (peek(s) < 0)
			return "unterminated string";
		if (peek(s) < 0x20)
			return "control character in a string";
		if (take(s, '\\')) {
			wrong = scan_escape(s);
			if (wrong)
				return wrong;
			continue;
		}
		n = nb_utf8_sequence(s->at, s->end);
		if (!n)
			return "not valid UTF-8";
		s->at += n;
	}
	return NULL;
}

static bool take_digits(struct scan *s)
{
	const unsigned char *start = s->at;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at > start;
}

static const char *scan_number(struct scan *s)
{
	const unsigned char *start = s->at;

	take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return "expected a value";
	if (take(s, '.') && !take_digits(s))
		return "expected digits";
	if (peek(s) == 'e' || peek(s) == 'E') {
		s->at++;
		if (!take(s, '+'))
			take(s, '-');
		if (!take_digits(s))
			return "expected digits";
	}
	/* cJSON copies a number into 64 bytes before it converts it. */
	return s->at - start < 64 ? NULL : "number too long";
}

static const char *scan_word(struct scan *s, const char *word)
{
	for (; *word; word++)
		if (!take(s, *word))
			return "expected a value";
	return NULL;
}

static const char *scan_value(struct scan *s);

/*
 * Notes the value of the wanted member. key points to the opening quote; the value starts at begin
 * and ends at the cursor.
 */
static void look_at_member(const struct scan *s, const unsigned char *key, const unsigned char *begin)
{
	size_t len;

	if (!s->member || s->member->begin || s->depth != 1)
		return;
	len = strlen(s->member->key);
	if ((size_t)(begin - key) < len + 2 || memcmp(key + 1, s->member->key, len) != 0 ||
	    key[len + 1] != '"')
		return;
	s->member->begin = (const char *)begin;
	s->member->end = (const char *)s->at;
}

/* The rest of an object or array after its opening bracket. */
static const char *scan_members(struct scan *s, bool object)
{
	const char close = object ? '}' : ']';
	const unsigned char *key, *begin;
	const char *wrong;

	if (++s->depth > s->limits->depth)
		return "nested too deeply";
	skip_blanks(s);
	if (take(s, close)) {
		s->depth--;
		return NULL;
	}
	do {
		skip_blanks(s);
		key = s->at;
		wrong = object ? scan_string(s) : NULL;
		if (wrong)
			return wrong;
		skip_blanks(s);
		if (object && !take(s, ':'))
			return "expected ':'";
		skip_blanks(s);
		begin = s->at;
		wrong = scan_value(s);
		if (wrong)
			return wrong;
		if (object)
			look_at_member(s, key, begin);
		skip_blanks(s);
	} while (take(s, ','));
	s->depth--;
	if (take(s, close))
		return NULL;
	return object ? "expected ',' or '}'" : "expected ',' or ']'";
}

/* limits->depth bounds the recursion. */
static const char *scan_value(struct scan *s)
{
	skip_blanks(s);
	if (++s->values > s->limits->values)
		return "too many values";
	switch (peek(s)) {
	case '{':
		s->at++;
		return scan_members(s, true);
	case '[':
		s->at++;
		return scan_members(s, false);
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

int nb_json_fail_at(const char *text, size_t len, size_t at, const char *wrong, struct nb_error *err)
{
	size_t line = 1, column = 1;

	for (const char *c = text; c < text + at; c++) {
		column = *c == '\n' ? 1 : column + 1;
		line += *c == '\n';
	}
	return nb_fail(err, NB_ERR_DECODE, 0, "not JSON: line %zu, column %zu: %s%s", line, column, wrong,
		       at == len ? " (end of input)" : "");
}

int nb_json_validate_value(const char *text, size_t len, size_t *at, const struct nb_json_limits *limits,
			   struct nb_json_member *member, struct nb_error *err)
{
	struct scan s = {
		.at = (const unsigned char *)text + *at,
		.end = (const unsigned char *)text + len,
		.limits = limits,
		.member = member,
	};
	const char *wrong = scan_value(&s);
	size_t reached = s.at - (const unsigned char *)text;

	if (wrong)
		return nb_json_fail_at(text, len, reached, wrong, err);
	*at = reached;
	return 0;
}

int nb_json_validate(const char *text, size_t len, const struct nb_json_limits *limits, struct nb_error *err)
{
	size_t at = nb_json_skip_blanks(text, len, 0);
	int rc;

	if (at == len)
		return nb_fail(err, NB_ERR_DECODE, 0, "not JSON: the input is empty");
	rc = nb_json_validate_value(text, len, &at, limits, NULL, err);
	if (rc)
		return rc;
	at = nb_json_skip_blanks(text, len, at);
	if (at < len)
		return nb_json_fail_at(text, len, at, "unexpected text after the JSON value", err);
	return 0;
}
