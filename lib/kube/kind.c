// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of kinds, and the kind of an object. */
#include "kind.h"

#include <stdbool.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/util/error.h"

#include "object.h"

const struct nb_kube_kind_row nb_kube_kinds[NB_KUBE_KINDS] = {
	[NB_KUBE_SERVICE] = { "Service", "", "v1", NULL },
	[NB_KUBE_SLICE] = { "EndpointSlice", "discovery.k8s.io", "v1", NULL },
	[NB_KUBE_NODE] = { "Node", "", "v1", NULL },
	[NB_KUBE_LIST] = { "List", "", "v1", NULL },
	[NB_KUBE_SERVICE_LIST] = { "ServiceList", "", "v1", "Service" },
	[NB_KUBE_SLICE_LIST] = { "EndpointSliceList", "discovery.k8s.io", "v1", "EndpointSlice" },
	[NB_KUBE_NODE_LIST] = { "NodeList", "", "v1", "Node" },
};

/* Kinds that the API server sends in place of the objects. They must not count as other kinds. */
static const char *const answers[] = { "Status", "Table", "PartialObjectMetadata",
				       "PartialObjectMetadataList" };

static bool is_answer(const char *name)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (!strcmp(answers[i], name))
			return true;
	return false;
}

static int refuse_answer(const struct nb_json *object, const char *kind, struct nb_error *err)
{
	const struct nb_json message_at = nb_json_get(object, "message");
	const char *message = "";

	nb_json_string(&message_at, &message, NULL);
	return nb_fail(err, NB_ERR_UNSUPPORTED, 0, "the API server sent a %s instead of objects%s%.300s",
		       kind, *message ? ": " : "", message);
}

/* The kind of that name and group. version NULL: an item of a list, which has the list's group. */
static enum nb_kube_kind find_kind(const char *name, const char *version)
{
	const char *slash = version ? strchr(version, '/') : NULL;
	const size_t group_len = slash ? slash - version : 0;

	for (unsigned int i = 0; i < NB_KUBE_KINDS; i++) {
		const char *group = nb_kube_kinds[i].group;

		if (!strcmp(nb_kube_kinds[i].name, name) &&
		    (!version || (strlen(group) == group_len && !strncmp(group, version, group_len))))
			return i;
	}
	if (!strcmp(name, "Endpoints") && version && !strcmp(version, "v1"))
		return NB_KUBE_ENDPOINTS;
	return NB_KUBE_OTHER_KIND;
}

/*
 * Reads "kind", which is otherwise if it is absent, and "apiVersion". otherwise: see
 * nb_kube_kind_read().
 */
static int read_type(const struct nb_json *object, const char *otherwise, const char **name,
		     const char **version, struct nb_error *err)
{
	const struct nb_json kind_at = nb_json_get(object, "kind");
	const struct nb_json version_at = nb_json_get(object, "apiVersion");
	int rc = nb_json_is_object(object, err);

	if (rc)
		return rc;
	*name = otherwise;
	rc = nb_kube_string(&kind_at, name, err);
	if (rc)
		return rc;
	*version = NULL;
	rc = nb_kube_string(&version_at, version, err);
	if (rc)
		return rc;
	if (!*name || (!*version && !otherwise))
		return nb_json_fail(object, NB_ERR_CONFIG, err, "\"%s\" is missing: not a Kubernetes object",
				    *name ? "apiVersion" : "kind");
	return 0;
}

static int check_version(const struct nb_json *object, const struct nb_kube_kind_row *kind,
			 const char *version, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(object, "apiVersion");
	const char *slash = version ? strchr(version, '/') : NULL;

	if (!version || !strcmp(slash ? slash + 1 : version, kind->version))
		return 0;
	return nb_json_fail(&at, NB_ERR_UNSUPPORTED, err,
			    "\"%.100s\" is not a supported version of %s; use %s%s%s", version, kind->name,
			    kind->group, *kind->group ? "/" : "", kind->version);
}

int nb_kube_kind_read(const struct nb_json *object, const char *otherwise, enum nb_kube_kind *kind,
		      struct nb_error *err)
{
	const char *name, *version;
	enum nb_kube_kind found;
	int rc = read_type(object, otherwise, &name, &version, err);

	if (rc) {
		if (err)
			err->code = NB_ERR_DECODE;
		return rc;
	}
	if (is_answer(name))
		return refuse_answer(object, name, err);
	found = find_kind(name, version);
	if (found < NB_KUBE_KINDS) {
		rc = check_version(object, &nb_kube_kinds[found], version, err);
		if (rc)
			return rc;
	}
	*kind = found;
	return 0;
}
