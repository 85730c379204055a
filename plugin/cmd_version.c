// SPDX-License-Identifier: GPL-2.0-or-later
/* VERSION: prints the supported versions of the specification. */
#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cmd.h"
#include "cni_version.h"
#include "report.h"

int nb_cni_version(struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = cJSON_CreateObject();
	struct cJSON *versions;

	if (!json || !cJSON_AddStringToObject(json, "cniVersion", NB_CNI_NEWEST))
		return nb_fail_nomem(err);
	versions = cJSON_AddArrayToObject(json, "supportedVersions");
	if (!versions)
		return nb_fail_nomem(err);
	for (size_t i = 0; NB_CNI_VERSIONS[i]; i++)
		if (!cJSON_AddItemToArray(versions, cJSON_CreateString(NB_CNI_VERSIONS[i])))
			return nb_fail_nomem(err);
	return nb_report_result(json, err);
}
