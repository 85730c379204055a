// SPDX-License-Identifier: GPL-2.0-or-later
/* Parses JSON, and reads typed values from the tree with errors that name their path. */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "validate.h"

enum { PATH_MAX_SHOWN = 256, SMALL_OBJECT = 16 };

void nb_json_free(struct cJSON **json)
{
	cJSON_Delete(*json);
	*json = NULL;
}

struct nb_json nb_json_root(const struct cJSON *json)
{
	return (struct nb_json){ .node = json };
}

static const struct cJSON *not_null(const struct cJSON *node)
{
	return cJSON_IsNull(node) ? NULL : node;
}

struct nb_json nb_json_get(const struct nb_json *object, const char *key)
{
	const struct cJSON *node = cJSON_GetObjectItemCaseSensitive(object->node, key);

	return (struct nb_json){ .node = not_null(node), .up = object };
}

struct nb_json nb_json_first(const struct nb_json *container)
{
	return (struct nb_json){ .node = container->node ? container->node->child : NULL, .up = container };
}

struct nb_json nb_json_next(const struct nb_json *item)
{
	return (struct nb_json){ .node = item->node->next, .up = item->up, .index = item->index + 1 };
}

/* Writes the path of *at, outermost key first, and returns its length. Truncates it at size. */
static size_t format_path(const struct nb_json *at, char *buf, size_t size)
{
	size_t used = at->up ? format_path(at->up, buf, size) : 0;
	int n = 0;

	if (at->node && at->node->string)
		n = snprintf(buf + used, size - used, "%s%s", used ? "." : "", at->node->string);
	else if (at->up)
		n = snprintf(buf + used, size - used, "[%zu]", at->index);
	if (n < 0)
		return used;
	return used + (size_t)n < size ? used + (size_t)n : size - 1;
}

int nb_json_fail(const struct nb_json *at, enum nb_code code, struct nb_error *err, const char *fmt, ...)
{
	char path[PATH_MAX_SHOWN] = "";
	char text[NB_ERROR_MSG_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!format_path(at, path, sizeof(path)))
		return nb_fail(err, code, 0, "%s", text);
	return nb_fail(err, code, 0, "\"%s\": %s", path, text);
}

static int compare_names(const void *a, const void *b)
{
	const struct cJSON *const *x = a;
	const struct cJSON *const *y = b;

	return strcmp((*x)->string, (*y)->string);
}

/*
 * Sets *twin to a member whose key an earlier member of the object has, else to NULL. Sorts the
 * keys of a large object: hostile input must not cost quadratic time.
 */
static int find_duplicate(const struct cJSON *object, const struct cJSON **twin, struct nb_error *err)
{
	nb_autofree const struct cJSON **sorted = NULL;
	const struct cJSON *item, *other;
	size_t n = 0;

	*twin = NULL;
	cJSON_ArrayForEach(item, object) {
		if (++n > SMALL_OBJECT)
			continue;
		for (other = object->child; other != item; other = other->next)
			if (strcmp(other->string, item->string) == 0) {
				*twin = item;
				return 0;
			}
	}
	if (n <= SMALL_OBJECT)
		return 0;
	sorted = calloc(n, sizeof(*sorted));
	if (!sorted)
		return nb_fail_nomem(err);
	n = 0;
	cJSON_ArrayForEach(item, object) {
		sorted[n++] = item;
	}
	qsort(sorted, n, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < n; i++)
		if (strcmp(sorted[i - 1]->string, sorted[i]->string) == 0)
			*twin = sorted[i];
	return 0;
}

/* nb_json_validate() has bounded the depth of the recursion. */
int nb_json_refuse_duplicates(const struct nb_json *at, struct nb_error *err)
{
	struct nb_json item;

	if (cJSON_IsObject(at->node)) {
		struct nb_json twin = { .up = at };

		if (find_duplicate(at->node, &twin.node, err))
			return -ENOMEM;
		if (twin.node)
			return nb_json_fail(&twin, NB_ERR_DECODE, err, "duplicate key");
	}
	for (item = nb_json_first(at); item.node; item = nb_json_next(&item)) {
		int rc;

		if (!item.node->child)
			continue;
		rc = nb_json_refuse_duplicates(&item, err);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_json_parse(const char *text, size_t len, const struct nb_json_limits *limits, struct cJSON **json,
		  struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *doc = NULL;
	struct nb_json root;
	int rc;

	rc = nb_json_validate(text, len, limits, err);
	if (rc)
		return rc;
	doc = cJSON_ParseWithLength(text, len);
	/* nb_json_validate() passes nothing that cJSON refuses, so only memory can be missing. */
	if (!doc)
		return nb_fail_nomem(err);
	root = nb_json_root(doc);
	rc = nb_json_refuse_duplicates(&root, err);
	if (rc)
		return rc;
	*json = NB_TAKE_PTR(doc);
	return 0;
}

static const char *type_name(const struct cJSON *node)
{
	if (cJSON_IsObject(node))
		return "an object";
	if (cJSON_IsArray(node))
		return "an array";
	if (cJSON_IsString(node))
		return "a string";
	if (cJSON_IsNumber(node))
		return "a number";
	return cJSON_IsBool(node) ? "a boolean" : "null";
}

static int wrong_type(const struct nb_json *at, const char *wanted, struct nb_error *err)
{
	if (cJSON_IsString(at->node))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.100s\" is a string, not %s",
				    at->node->valuestring, wanted);
	return nb_json_fail(at, NB_ERR_CONFIG, err, "is %s, not %s", type_name(at->node), wanted);
}

int nb_json_bool(const struct nb_json *at, bool *value, struct nb_error *err)
{
	if (!at->node)
		return 0;
	if (!cJSON_IsBool(at->node))
		return wrong_type(at, "true or false", err);
	*value = cJSON_IsTrue(at->node);
	return 0;
}

int nb_json_uint(const struct nb_json *at, unsigned int min, unsigned int max, unsigned int *value,
		 struct nb_error *err)
{
	double number;

	if (!at->node)
		return 0;
	if (!cJSON_IsNumber(at->node))
		return wrong_type(at, "a number", err);
	number = at->node->valuedouble;
	if (!isfinite(number) || number < min || number > max || number != floor(number))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "%.17g is not a whole number from %u to %u",
				    number, min, max);
	*value = (unsigned int)number;
	return 0;
}

int nb_json_string(const struct nb_json *at, const char **value, struct nb_error *err)
{
	if (!at->node)
		return 0;
	if (!cJSON_IsString(at->node))
		return wrong_type(at, "a string", err);
	*value = at->node->valuestring;
	return 0;
}

int nb_json_is_object(const struct nb_json *at, struct nb_error *err)
{
	return !at->node || cJSON_IsObject(at->node) ? 0 : wrong_type(at, "an object", err);
}

int nb_json_is_array(const struct nb_json *at, struct nb_error *err)
{
	return !at->node || cJSON_IsArray(at->node) ? 0 : wrong_type(at, "an array", err);
}

static bool is_listed(const char *key, const char *const keys[])
{
	for (; *keys; keys++)
		if (strcmp(key, *keys) == 0)
			return true;
	return false;
}

/* The one of keys[] from which key differs only by case; NULL: there is none. */
static const char *meant_key(const char *key, const char *const keys[])
{
	if (is_listed(key, keys))
		return NULL;
	for (; *keys; keys++)
		if (strcasecmp(key, *keys) == 0)
			return *keys;
	return NULL;
}

int nb_json_check_case(const struct nb_json *object, const char *const keys[], struct nb_error *err)
{
	struct nb_json item;

	for (item = nb_json_first(object); item.node; item = nb_json_next(&item)) {
		const char *key = meant_key(item.node->string, keys);

		if (key)
			return nb_json_fail(&item, NB_ERR_CONFIG, err, "unknown key; did you mean \"%s\"?",
					    key);
	}
	return 0;
}

void nb_json_correct_case(struct cJSON *object, const char *const keys[])
{
	struct cJSON *item, *next;

	for (item = cJSON_IsObject(object) ? object->child : NULL; item; item = next) {
		const char *key = meant_key(item->string, keys);

		next = item->next;
		if (!key)
			continue;
		/* Both keys have the same length. */
		if (cJSON_GetObjectItemCaseSensitive(object, key))
			cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
		else
			memcpy(item->string, key, strlen(key));
	}
}

int nb_json_check_known(const struct nb_json *object, const char *const keys[], struct nb_error *err)
{
	struct nb_json item;
	int rc = nb_json_check_case(object, keys, err);

	if (rc)
		return rc;
	for (item = nb_json_first(object); item.node; item = nb_json_next(&item))
		if (!is_listed(item.node->string, keys))
			return nb_json_fail(&item, NB_ERR_CONFIG, err, "unknown key");
	return 0;
}
