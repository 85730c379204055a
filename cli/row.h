/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_ROW_H
#define NATBRIDGE_CLI_ROW_H

/* Members of a row, for those who print it. */

#include <cjson/cJSON.h>
#include <stdbool.h>

/* "" if it is not there. */
static inline const char *row_text(const struct cJSON *row, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, key));

	return text ? text : "";
}

static inline unsigned int row_number(const struct cJSON *row, const char *key)
{
	const struct cJSON *value = cJSON_GetObjectItemCaseSensitive(row, key);

	return cJSON_IsNumber(value) ? (unsigned int)value->valuedouble : 0;
}

static inline bool row_bool(const struct cJSON *row, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, key));
}

#endif
