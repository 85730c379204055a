// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the file, and says what it is not. */
#include "document.h"

#include <string.h>

#include "lib/json/json.h"
#include "lib/json/yaml.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "file.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static const struct nb_json_limits limits = { .depth = 16, .values = 4096 };

static int check_kind(const struct cJSON *json, const char *version, const char *kind, struct nb_error *err)
{
	const char *its_version = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "apiVersion"));
	const char *its_kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "kind"));

	if (!cJSON_IsObject(json))
		return nb_fail(err, NB_ERR_CONFIG, 0, "is not an object");
	if (its_version && !strcmp(its_version, version) && its_kind && !strcmp(its_kind, kind))
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0,
		       "apiVersion and kind: \"%.100s\" and \"%.100s\" are not %s and %s",
		       its_version ? its_version : "", its_kind ? its_kind : "", version, kind);
}

static int parse(const char *text, size_t len, struct cJSON **document, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *all = NULL;
	int rc = nb_yaml_parse(text, len, &limits, &all, err);

	if (rc)
		return rc;
	if (cJSON_GetArraySize(all) != 1)
		return nb_fail(err, NB_ERR_CONFIG, 0, "holds %d documents, not one", cJSON_GetArraySize(all));
	*document = cJSON_DetachItemFromArray(all, 0);
	return 0;
}

int nb_document_read(const char *path, const char *version, const char *kind, struct cJSON **document,
		     struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *found = NULL;
	nb_autofree char *text = NULL;
	size_t len = 0;
	int rc = nb_file_read(path, FILE_BYTES_MAX, &text, &len, err);

	if (rc)
		return rc;
	rc = parse(text, len, &found, err);
	rc = rc ? rc : check_kind(found, version, kind, err);
	if (rc)
		return nb_wrap(err, "%s", path);
	*document = NB_TAKE_PTR(found);
	return 0;
}
