// SPDX-License-Identifier: GPL-2.0-or-later
/* A Service of Kubernetes (API core/v1, ServiceSpec). */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "kube_object.h"

enum { AFFINITY_DEFAULT = 10800, AFFINITY_MAX = 86400 };

static int read_port(const struct nb_json *at, const struct nb_kube_meta *meta,
		     const struct nb_kube_note *note, struct nb_kube_service *service, struct nb_error *err)
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
		nb_kube_tell(note, "Service %s: port %u is SCTP, which is not translated", meta->full, value);
		return 0;
	}
	port.port = htons(value);
	return nb_vec_push(&service->ports, port, err);
}

static int read_ports(const struct nb_json *spec, const struct nb_kube_meta *meta,
		      const struct nb_kube_note *note, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json ports = nb_json_get(spec, "ports");
	struct nb_json at;
	int rc = nb_json_is_array(&ports, err);

	for (at = nb_json_first(&ports); at.node && !rc; at = nb_json_next(&at))
		rc = read_port(&at, meta, note, service, err);
	return rc;
}

static int add_vip(const struct nb_json *at, struct nb_kube_service *service, struct nb_error *err)
{
	struct nb_addr vip;
	const char *text = "";
	int rc = nb_json_string(at, &text, err);

	if (rc || !*text || !strcmp(text, "None"))
		return rc;
	if (!nb_addr_parse(text, &vip) || !nb_addr_is_routable(&vip))
		return nb_json_fail(at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not an address that a Service can have", text);
	if (service->n_vips == NB_KUBE_VIPS ||
	    (service->n_vips && nb_addr_family(&service->vips[0]) == nb_addr_family(&vip)))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.100s\" is a second address of its family",
				    text);
	service->vips[service->n_vips++] = vip;
	return 0;
}

/* None: headless, or not allocated yet. */
static int read_vips(const struct nb_json *spec, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json list = nb_json_get(spec, "clusterIPs"), one = nb_json_get(spec, "clusterIP");
	struct nb_json at;
	int rc = nb_json_is_array(&list, err);

	for (at = nb_json_first(&list); at.node && !rc; at = nb_json_next(&at))
		rc = add_vip(&at, service, err);
	return !rc && !list.node ? add_vip(&one, service, err) : rc;
}

static int read_affinity(const struct nb_json *spec, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(spec, "sessionAffinity");
	const struct nb_json config = nb_json_get(spec, "sessionAffinityConfig");
	const struct nb_json client = nb_json_get(&config, "clientIP");
	const struct nb_json timeout = nb_json_get(&client, "timeoutSeconds");
	unsigned int seconds = AFFINITY_DEFAULT;
	const char *affinity = "None";
	int rc = nb_json_string(&at, &affinity, err);

	if (!rc && strcmp(affinity, "None") && strcmp(affinity, "ClientIP"))
		rc = nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not None or ClientIP", affinity);
	if (!rc)
		rc = nb_json_uint(&timeout, 1, AFFINITY_MAX, &seconds, err);
	if (rc || strcmp(affinity, "ClientIP"))
		return rc;
	service->affinity = seconds;
	return 0;
}

static int read_policy(const struct nb_json *spec, const struct nb_kube_meta *meta,
		       const struct nb_kube_note *note, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(spec, "internalTrafficPolicy");
	const char *policy = "Cluster";
	int rc = nb_json_string(&at, &policy, err);

	if (!rc && !strcmp(policy, "Local"))
		nb_kube_tell(note, "Service %s: internalTrafficPolicy Local is not followed yet", meta->full);
	return rc;
}

int nb_kube_read_service(const struct nb_json *object, const struct nb_kube_meta *meta,
			 const struct nb_kube_note *note, struct nb_kube_service *service, bool *skip,
			 struct nb_error *err)
{
	const struct nb_json spec = nb_json_get(object, "spec"), type_at = nb_json_get(&spec, "type");
	const char *type = "ClusterIP";
	bool foreign = false;
	int rc = nb_json_is_object(&spec, err);

	if (!rc && !spec.node)
		rc = nb_json_fail(object, NB_ERR_CONFIG, err, "\"spec\" is missing");
	if (!rc)
		rc = nb_kube_is_foreign(meta, &foreign, err);
	if (!rc)
		rc = nb_json_string(&type_at, &type, err);
	if (!rc)
		rc = read_vips(&spec, service, err);
	if (rc)
		return rc;
	*skip = foreign || !strcmp(type, "ExternalName") || !service->n_vips;
	if (*skip)
		return 0;
	snprintf(service->name, sizeof(service->name), "%.127s", meta->full);
	rc = read_ports(&spec, meta, note, service, err);
	if (!rc)
		rc = read_affinity(&spec, service, err);
	return rc ? rc : read_policy(&spec, meta, note, err);
}
