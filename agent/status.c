// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads a Status of Kubernetes. */
#include "status.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/util/cleanup.h"

static const struct nb_json_limits LIMITS = { .depth = 32, .values = 2000 };

/* A member's text or number; the default, if it has another type. */
static const char *text_of(const struct nb_json *object, const char *key)
{
	struct nb_json at = nb_json_get(object, key);
	const char *text = "";

	nb_json_string(&at, &text, NULL);
	return text;
}

static unsigned int number_of(const struct nb_json *object, const char *key, unsigned int number)
{
	struct nb_json at = nb_json_get(object, key);

	nb_json_uint(&at, 0, USHRT_MAX, &number, NULL);
	return number;
}

/* Servers before the cause had a name say it in the message only. */
static bool is_too_new(const struct nb_json *object, const struct nb_json *details)
{
	struct nb_json causes = nb_json_get(details, "causes");
	struct nb_json cause = nb_json_first(&causes);

	for (; cause.node; cause = nb_json_next(&cause))
		if (!strcmp(text_of(&cause, "reason"), "ResourceVersionTooLarge"))
			return true;
	return strcasestr(text_of(object, "message"), "too large resource version");
}

static enum nb_verdict judge(int code, const char *reason)
{
	static const struct {
		const char *reason;
		int code;
		enum nb_verdict verdict;
	} rows[] = {
		{ "Expired", 410, NB_VERDICT_EXPIRED },        { "Gone", 410, NB_VERDICT_EXPIRED },
		{ "BadRequest", 400, NB_VERDICT_BAD_REQUEST }, { "Invalid", 422, NB_VERDICT_BAD_REQUEST },
		{ "Unauthorized", 401, NB_VERDICT_LOGIN },     { "TooManyRequests", 429, NB_VERDICT_BUSY },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (code == rows[i].code || (!code && !strcmp(reason, rows[i].reason)))
			return rows[i].verdict;
	return NB_VERDICT_FAILED;
}

struct nb_status nb_status_read(const struct nb_json *object, int code)
{
	struct nb_json details = nb_json_get(object, "details");
	struct nb_status status = {
		.code = (int)number_of(object, "code", code),
		.retry_after_s = number_of(&details, "retryAfterSeconds", 0),
	};

	snprintf(status.message, sizeof(status.message), "%s", text_of(object, "message"));
	status.verdict = judge(status.code, text_of(object, "reason"));
	if (status.verdict == NB_VERDICT_FAILED && is_too_new(object, &details))
		status.verdict = NB_VERDICT_TOO_NEW;
	return status;
}

struct nb_status nb_status_parse(const char *text, size_t len, int code)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	struct nb_json root;

	nb_json_parse(text, len, &LIMITS, &json, NULL);
	root = nb_json_root(json);
	return nb_status_read(&root, code);
}
