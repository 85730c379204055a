// SPDX-License-Identifier: GPL-2.0-or-later
/* A Service of Kubernetes (API core/v1, ServiceSpec). */
#include <netinet/in.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "object.h"

enum { AFFINITY_DEFAULT = 10800, AFFINITY_MAX = 86400 };

static int read_port(const struct nb_json *at, struct nb_kube *kube, struct nb_kube_service *service,
		     struct nb_error *err)
{
	const struct nb_json number = nb_json_get(at, "port");
	struct nb_kube_port port = { 0 };
	unsigned int value = 0;
	int rc = nb_json_is_object(at, err);

	if (!rc)
		rc = nb_kube_port_name(at, port.name, err);
	if (!rc)
		rc = nb_kube_protocol(at, &port.proto, err);
	if (!rc)
		rc = nb_json_uint(&number, 1, 65535, &value, err);
	if (rc)
		return rc;
	if (!value)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"port\" is missing");
	if (!port.proto) {
		nb_kube_tell(kube, NB_KUBE_SCTP_PORT, "Service %s: port %u is SCTP, which is not translated",
			     service->name, value);
		return 0;
	}
	port.port = htons(value);
	return nb_vec_push(&service->ports, port, err);
}

static int read_ports(const struct nb_json *spec, struct nb_kube *kube, struct nb_kube_service *service,
		      struct nb_error *err)
{
	const struct nb_json ports = nb_json_get(spec, "ports");
	struct nb_json at = nb_json_first(&ports);
	int rc = nb_json_is_array(&ports, err);

	if (!rc && !at.node)
		return nb_json_fail(spec, NB_ERR_CONFIG, err, "\"ports\" is missing or empty");
	for (; at.node && !rc; at = nb_json_next(&at))
		rc = read_port(&at, kube, service, err);
	return rc;
}

static int read_vip(const struct nb_json *at, const char *text, struct nb_addr *vip, struct nb_error *err)
{
	if (nb_addr_parse_kubernetes(text, vip) && nb_addr_is_routable(vip))
		return 0;
	return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.100s\" is not an address that a Service can have",
			    text);
}

static int add_vip(const struct nb_json *at, const char *text, struct nb_kube_service *service,
		   struct nb_error *err)
{
	struct nb_addr vip;
	int rc = read_vip(at, text, &vip, err);

	if (rc)
		return rc;
	if (service->n_vips == NB_KUBE_VIPS ||
	    (service->n_vips && nb_addr_family(&service->vips[0]) == nb_addr_family(&vip)))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.100s\" is a second address of its family",
				    text);
	service->vips[service->n_vips++] = vip;
	return 0;
}

/* The API server lets no two differ; somebody who has changed one of them alone must hear of the other. */
static int check_first(const struct nb_json *one, const char *text, const struct nb_kube_service *service,
		       struct nb_error *err)
{
	struct nb_addr vip;
	int rc = read_vip(one, text, &vip, err);

	if (rc || nb_addr_equal(&vip, &service->vips[0]))
		return rc;
	return nb_json_fail(one, NB_ERR_CONFIG, err, "\"%.100s\" is not the first of spec.clusterIPs", text);
}

/* None: headless, or not allocated yet. */
static int read_vips(const struct nb_json *spec, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json list = nb_json_get(spec, "clusterIPs"), one = nb_json_get(spec, "clusterIP");
	const char *text = "";
	struct nb_json at;
	int rc = nb_json_is_array(&list, err);

	if (!rc)
		rc = nb_json_string(&one, &text, err);
	if (rc || !strcmp(text, "None"))
		return rc;
	for (at = nb_json_first(&list); at.node && !rc; at = nb_json_next(&at)) {
		const char *item = "";

		rc = cJSON_IsNull(at.node) ? 0 : nb_json_string(&at, &item, err);
		if (!rc && !strcmp(item, "None") && !service->n_vips && !*text)
			return 0;
		if (!rc && *item)
			rc = add_vip(&at, item, service, err);
	}
	if (rc || !*text)
		return rc;
	return service->n_vips ? check_first(&one, text, service, err) : add_vip(&one, text, service, err);
}

static int read_affinity(const struct nb_json *spec, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(spec, "sessionAffinity");
	const struct nb_json config = nb_json_get(spec, "sessionAffinityConfig");
	const struct nb_json client = nb_json_get(&config, "clientIP");
	const struct nb_json timeout = nb_json_get(&client, "timeoutSeconds");
	unsigned int seconds = AFFINITY_DEFAULT;
	const char *affinity = "None";
	int rc = nb_kube_string(&at, &affinity, err);

	if (!rc && strcmp(affinity, "None") && strcmp(affinity, "ClientIP"))
		rc = nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not None or ClientIP", affinity);
	if (!rc)
		rc = nb_json_is_object(&config, err);
	if (!rc)
		rc = nb_json_is_object(&client, err);
	if (!rc)
		rc = nb_json_uint(&timeout, 1, AFFINITY_MAX, &seconds, err);
	if (rc || strcmp(affinity, "ClientIP"))
		return rc;
	service->affinity = seconds;
	return 0;
}

static int read_policy(const struct nb_json *spec, struct nb_kube *kube,
		       const struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(spec, "internalTrafficPolicy");
	const char *policy = "Cluster";
	int rc = nb_kube_string(&at, &policy, err);

	if (rc || !strcmp(policy, "Cluster"))
		return rc;
	if (strcmp(policy, "Local"))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not Cluster or Local", policy);
	nb_kube_tell(kube, NB_KUBE_LOCAL_POLICY,
		     "Service %s: internalTrafficPolicy Local is not followed yet", service->name);
	return 0;
}

static int read_type(const struct nb_json *spec, bool *external, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(spec, "type");
	const char *type = "ClusterIP";
	int rc = nb_kube_string(&at, &type, err);

	if (rc)
		return rc;
	*external = !strcmp(type, "ExternalName");
	if (!*external && strcmp(type, "ClusterIP") && strcmp(type, "NodePort") &&
	    strcmp(type, "LoadBalancer"))
		return nb_json_fail(&at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not ClusterIP, NodePort, LoadBalancer or ExternalName",
				    type);
	return 0;
}

int nb_kube_read_service(const struct nb_json *object, const struct nb_kube_meta *meta, struct nb_kube *kube,
			 struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json spec = nb_json_get(object, "spec"), selector = nb_json_get(&spec, "selector");
	bool foreign = false, external = false;
	int rc = nb_kube_is_foreign(meta, &foreign, err);

	if (rc || foreign)
		return rc;
	if (!spec.node)
		return nb_json_fail(object, NB_ERR_CONFIG, err, "\"spec\" is missing");
	rc = nb_json_is_object(&spec, err);
	if (!rc)
		rc = nb_json_is_object(&selector, err);
	if (!rc)
		rc = read_type(&spec, &external, err);
	if (rc || external)
		return rc;
	service->selects = nb_json_first(&selector).node;
	rc = read_vips(&spec, service, err);
	if (rc || !service->n_vips)
		return rc;
	rc = read_ports(&spec, kube, service, err);
	if (!rc)
		rc = read_affinity(&spec, service, err);
	return rc ? rc : read_policy(&spec, kube, service, err);
}
