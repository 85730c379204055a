// SPDX-License-Identifier: GPL-2.0-or-later
/* From the choice of endpoints to JSON. */
#include "explain.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "lib/json/json.h"
#include "lib/kube/table.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "cluster.h"
#include "observe.h"
#include "web.h"

enum { LISTED = 500 /* endpoints of a set */ };

static const char *const choices[NB_KUBE_CHOICES] = {
	[NB_KUBE_READY] = "ready",
	[NB_KUBE_LAST_RESORT] = "lastResort",
	[NB_KUBE_NOT_READY] = "notReady",
	[NB_KUBE_TERMINATING] = "terminating",
	[NB_KUBE_ELSEWHERE] = "elsewhere",
	[NB_KUBE_FOR_OTHER_NODES] = "forOtherNodes",
	[NB_KUBE_FOR_OTHER_ZONES] = "forOtherZones",
};

static const char *const clients[NB_KUBE_CLIENTS] = {
	[NB_KUBE_TO_CLUSTER_IP] = "clusterIP",
	[NB_KUBE_TO_EXTERNAL] = "external",
	[NB_KUBE_FROM_OUTSIDE] = "outside",
};

static bool add_endpoint(cJSON *endpoints, const struct nb_kube_candidate *candidate)
{
	cJSON *item = cJSON_CreateObject();
	char addr[NB_ADDR_STRLEN];

	if (!item || !cJSON_AddItemToArray(endpoints, item)) {
		cJSON_Delete(item);
		return false;
	}
	return cJSON_AddStringToObject(item, "address", nb_addr_format(&candidate->endpoint->addr, addr)) &&
	       cJSON_AddNumberToObject(item, "port", ntohs(candidate->port)) &&
	       cJSON_AddBoolToObject(item, "here", candidate->endpoint->local) &&
	       cJSON_AddStringToObject(item, "choice", choices[candidate->choice]);
}

static bool add_members(cJSON *set, const struct nb_kube_explained *explained)
{
	const size_t n = explained->set->all.n, listed = n < LISTED ? n : LISTED;
	cJSON *endpoints = NULL;
	bool ok = cJSON_AddStringToObject(set, "port", explained->port->name) &&
		  cJSON_AddStringToObject(set, "protocol", nb_proto_name(explained->port->proto)) &&
		  cJSON_AddStringToObject(set, "family", explained->family == AF_INET ? "IPv4" : "IPv6") &&
		  cJSON_AddStringToObject(set, "clients", clients[explained->clients]) &&
		  cJSON_AddStringToObject(set, "policy",
					  explained->policy == NB_KUBE_POLICY_LOCAL ? "Local" : "Cluster") &&
		  cJSON_AddNumberToObject(set, "more", (double)(n - listed));

	if (ok)
		endpoints = cJSON_AddArrayToObject(set, "endpoints");
	ok = endpoints;
	for (size_t i = 0; i < listed && ok; i++)
		ok = add_endpoint(endpoints, &explained->set->all.items[i]);
	return ok;
}

/* For nb_kube_table_explain(). */
static int add_set(const struct nb_kube_explained *explained, void *arg)
{
	cJSON *set = cJSON_CreateObject();

	if (!set || !cJSON_AddItemToArray(arg, set)) {
		cJSON_Delete(set);
		return -ENOMEM;
	}
	return add_members(set, explained) ? 0 : -ENOMEM;
}

static int explain(const struct nb_observer *observer, const char *name, cJSON *object)
{
	cJSON *sets = NULL;

	if (object && cJSON_AddStringToObject(object, "service", name))
		sets = cJSON_AddArrayToObject(object, "sets");
	if (!sets)
		return -ENOMEM;
	return observer->cluster ? nb_kube_table_explain(observer->cluster->table, name, add_set, sets, NULL)
				 : -ENOENT;
}

void nb_explain_answer(struct nb_web_answer *answer, void *arg)
{
	nb_cleanup(nb_json_free) cJSON *object = cJSON_CreateObject();
	const int rc = explain(arg, answer->rest, object);
	char *text;

	if (rc == -ENOENT) {
		answer->code = 404;
		nb_strbuf_put(&answer->body, "no such Service\n");
		return;
	}
	text = rc ? NULL : cJSON_PrintUnformatted(object);
	answer->type = "application/json";
	answer->code = text ? 200 : 500;
	nb_strbuf_put(&answer->body, text ? text : "{}");
	cJSON_free(text);
}
