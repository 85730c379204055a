// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads a Node (API core/v1). */
#include "node.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "object.h"

/* The cluster autoscaler sets it on a node that it is about to delete (KEP-3836). */
static const char going_taint[] = "ToBeDeletedByClusterAutoscaler";

static bool has_family(const struct nb_kube_node *node, int family)
{
	for (unsigned int i = 0; i < node->n_addrs; i++)
		if (nb_addr_family(&node->addrs[i]) == family)
			return true;
	return false;
}

/* Adds the first usable address of each family that is of that type, if the family has none yet. */
static int read_addresses(const struct nb_json *list, const char *type, struct nb_kube_node *node,
			  struct nb_error *err)
{
	for (struct nb_json at = nb_json_first(list); at.node; at = nb_json_next(&at)) {
		const struct nb_json type_at = nb_json_get(&at, "type"),
				     addr_at = nb_json_get(&at, "address");
		const char *found = "", *text = "";
		struct nb_addr addr;
		int rc = nb_json_is_object(&at, err);

		if (rc)
			return rc;
		rc = nb_json_string(&type_at, &found, err);
		if (rc)
			return rc;
		rc = nb_json_string(&addr_at, &text, err);
		if (rc)
			return rc;
		if (strcmp(found, type) || !nb_addr_parse_kubernetes(text, &addr) ||
		    !nb_addr_is_routable(&addr) || has_family(node, nb_addr_family(&addr)))
			continue;
		node->addrs[node->n_addrs++] = addr;
	}
	return 0;
}

static int read_taints(const struct nb_json *spec, struct nb_kube_node *node, struct nb_error *err)
{
	const struct nb_json taints = nb_json_get(spec, "taints");
	int rc = nb_json_is_array(&taints, err);

	for (struct nb_json at = nb_json_first(&taints); !rc && at.node; at = nb_json_next(&at)) {
		const struct nb_json key_at = nb_json_get(&at, "key");
		const char *key = "";

		rc = nb_json_is_object(&at, err);
		if (!rc)
			rc = nb_json_string(&key_at, &key, err);
		if (!rc && !strcmp(key, going_taint))
			node->eligible = false;
	}
	return rc;
}

static int read_status(const struct nb_json *object, struct nb_kube_node *node, struct nb_error *err)
{
	const struct nb_json status = nb_json_get(object, "status"), list = nb_json_get(&status, "addresses");
	int rc = nb_json_is_object(&status, err);

	if (rc)
		return rc;
	rc = nb_json_is_array(&list, err);
	if (rc)
		return rc;
	rc = read_addresses(&list, "InternalIP", node, err);
	return rc ? rc : read_addresses(&list, "ExternalIP", node, err);
}

int nb_kube_node_read(const struct nb_json *object, const struct nb_kube_meta *meta,
		      struct nb_kube_node *node, struct nb_error *err)
{
	const struct nb_json spec = nb_json_get(object, "spec");
	const struct nb_json deleted = nb_json_get(&meta->metadata, "deletionTimestamp");
	const char *zone = "";
	int rc = nb_json_is_object(&meta->labels, err);

	if (rc)
		return rc;
	rc = nb_kube_label(meta, "topology.kubernetes.io/zone", &zone, err);
	if (rc)
		return rc;
	rc = nb_json_is_object(&spec, err);
	if (rc)
		return rc;
	node->eligible = !deleted.node;
	rc = read_taints(&spec, node, err);
	if (rc)
		return rc;
	rc = read_status(object, node, err);
	return rc || !*zone ? rc : nb_strdup(zone, &node->zone, err);
}

void nb_kube_node_free(struct nb_kube_node *node)
{
	free(node->zone);
	*node = (struct nb_kube_node){ 0 };
}
