// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads a Service (API core/v1, ServiceSpec). */
#include "service.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "notes.h"
#include "object.h"

/* Seconds; the API's default and maximum of timeoutSeconds. */
enum { AFFINITY_DEFAULT = 10800, AFFINITY_MAX = 86400 };

static int read_port(const struct nb_json *at, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json node_port_at = nb_json_get(at, "nodePort");
	struct nb_kube_port port = { 0 };
	unsigned int number = 0, node_port = 0;
	int rc = nb_kube_read_port(at, &port, &number, err);

	if (rc)
		return rc;
	if (!number)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"port\" is missing");
	rc = nb_json_uint(&node_port_at, 0, 65535, &node_port, err);
	if (rc)
		return rc;
	port.node_port = htons(node_port);
	return nb_vec_push(&service->ports, port, err);
}

static int read_ports(const struct nb_json *spec, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json ports = nb_json_get(spec, "ports");
	struct nb_json at = nb_json_first(&ports);
	int rc = nb_json_is_array(&ports, err);

	if (rc)
		return rc;
	if (!at.node)
		return nb_json_fail(spec, NB_ERR_CONFIG, err, "\"ports\" is missing or empty");
	for (; at.node; at = nb_json_next(&at)) {
		rc = read_port(&at, service, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_vip(const struct nb_json *at, const char *text, struct nb_addr *vip, struct nb_error *err)
{
	if (nb_addr_parse_kubernetes(text, vip) && nb_addr_is_routable(vip))
		return 0;
	return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.100s\" is not an address that a Service can have",
			    text);
}

/* Adds a VIP. A Service has at most one of each family. */
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

/*
 * The API server keeps clusterIP and clusterIPs[0] equal. A user who has edited only one needs an
 * error.
 */
static int check_first(const struct nb_json *one, const char *text, const struct nb_kube_service *service,
		       struct nb_error *err)
{
	struct nb_addr vip;
	int rc = read_vip(one, text, &vip, err);

	if (rc || nb_addr_equal(&vip, &service->vips[0]))
		return rc;
	return nb_json_fail(one, NB_ERR_CONFIG, err, "\"%.100s\" is not the first of spec.clusterIPs", text);
}

/* Reads the VIPs. A Service without any is headless, or its VIP is not allocated yet. */
static int read_vips(const struct nb_json *spec, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json list = nb_json_get(spec, "clusterIPs"), one = nb_json_get(spec, "clusterIP");
	const char *text = "";
	int rc = nb_json_is_array(&list, err);

	if (rc)
		return rc;
	rc = nb_json_string(&one, &text, err);
	if (rc || !strcmp(text, "None"))
		return rc;
	for (struct nb_json at = nb_json_first(&list); at.node; at = nb_json_next(&at)) {
		const char *item = "";

		if (cJSON_IsNull(at.node))
			continue;
		rc = nb_json_string(&at, &item, err);
		if (rc)
			return rc;
		if (!strcmp(item, "None") && !service->n_vips && !*text)
			return 0;
		if (!*item)
			continue;
		rc = add_vip(&at, item, service, err);
		if (rc)
			return rc;
	}
	if (!*text)
		return 0;
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

	if (rc)
		return rc;
	if (strcmp(affinity, "None") && strcmp(affinity, "ClientIP"))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not None or ClientIP", affinity);
	rc = nb_json_is_object(&config, err);
	if (rc)
		return rc;
	rc = nb_json_is_object(&client, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&timeout, 1, AFFINITY_MAX, &seconds, err);
	if (rc || strcmp(affinity, "ClientIP"))
		return rc;
	service->affinity = seconds;
	return 0;
}

static int read_policy(const struct nb_json *spec, const char *key, bool *local, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(spec, key);
	const char *policy = "Cluster";
	int rc = nb_kube_string(&at, &policy, err);

	if (rc)
		return rc;
	if (strcmp(policy, "Cluster") && strcmp(policy, "Local"))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not Cluster or Local", policy);
	*local = !strcmp(policy, "Local");
	return 0;
}

static int read_policies(const struct nb_json *spec, struct nb_kube_notes *notes,
			 struct nb_kube_service *service, struct nb_error *err)
{
	int rc = read_policy(spec, "internalTrafficPolicy", &service->local_inside, err);

	if (rc)
		return rc;
	if (service->local_inside && !notes->node)
		nb_kube_notes_add(
			notes, NB_KUBE_LOCAL_POLICY,
			"Service %s: internalTrafficPolicy Local counts as Cluster, since no node is "
			"named",
			service->name);
	return read_policy(spec, "externalTrafficPolicy", &service->local_outside, err);
}

/* ---- addresses beside the ClusterIPs ---- */

/* Notes an address that no Service can have; others push it. */
static bool is_usable(const char *what, const char *text, struct nb_kube_notes *notes,
		      const struct nb_kube_service *service, struct nb_addr *addr)
{
	if (nb_addr_parse_kubernetes(text, addr) && nb_addr_is_routable(addr))
		return true;
	nb_kube_notes_add(
		notes, NB_KUBE_SKIPPED_ADDRESS,
		"Service %s: left out %s \"%.100s\", which is not an address that a Service can have",
		service->name, what, text);
	return false;
}

static int read_external_ips(const struct nb_json *spec, struct nb_kube_notes *notes,
			     struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json list = nb_json_get(spec, "externalIPs");
	int rc = nb_json_is_array(&list, err);

	if (rc)
		return rc;
	for (struct nb_json at = nb_json_first(&list); at.node; at = nb_json_next(&at)) {
		const char *text = "";
		struct nb_addr addr;

		if (cJSON_IsNull(at.node))
			continue;
		rc = nb_json_string(&at, &text, err);
		if (rc)
			return rc;
		if (*text && is_usable("externalIP", text, notes, service, &addr) &&
		    nb_vec_push(&service->external_ips, addr, err))
			return -ENOMEM;
	}
	return 0;
}

/*
 * An entry with "ipMode": "Proxy", or with a hostname alone, is no address that the node translates
 * (KEP-1860).
 */
static int read_ingress(const struct nb_json *at, struct nb_kube_notes *notes,
			struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json ip_at = nb_json_get(at, "ip"), mode_at = nb_json_get(at, "ipMode");
	const char *ip = "", *mode = "VIP";
	struct nb_addr addr;
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = nb_json_string(&ip_at, &ip, err);
	if (rc)
		return rc;
	rc = nb_kube_string(&mode_at, &mode, err);
	if (rc || !*ip || strcmp(mode, "VIP") || !is_usable("load balancer", ip, notes, service, &addr))
		return rc;
	return nb_vec_push(&service->balancers, addr, err);
}

static int read_balancers(const struct nb_json *object, struct nb_kube_notes *notes,
			  struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json status = nb_json_get(object, "status");
	const struct nb_json balancer = nb_json_get(&status, "loadBalancer");
	const struct nb_json list = nb_json_get(&balancer, "ingress");
	int rc = nb_json_is_object(&status, err);

	if (rc)
		return rc;
	rc = nb_json_is_object(&balancer, err);
	if (rc)
		return rc;
	rc = nb_json_is_array(&list, err);
	for (struct nb_json at = nb_json_first(&list); !rc && at.node; at = nb_json_next(&at))
		rc = read_ingress(&at, notes, service, err);
	return rc;
}

/* kube-proxy ignores blanks around a range. */
static bool parse_range(const char *text, struct nb_kube_range *range)
{
	char trimmed[NB_ADDR_STRLEN + 8];
	size_t len;

	text += strspn(text, " \t\r\n");
	len = strcspn(text, " \t\r\n");
	if (text[len + strspn(text + len, " \t\r\n")] || len >= sizeof(trimmed))
		return false;
	memcpy(trimmed, text, len);
	trimmed[len] = '\0';
	return nb_cidr_parse(trimmed, &range->addr, &range->prefix_len);
}

static int read_ranges(const struct nb_json *spec, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json list = nb_json_get(spec, "loadBalancerSourceRanges");
	int rc = nb_json_is_array(&list, err);

	if (rc)
		return rc;
	for (struct nb_json at = nb_json_first(&list); at.node; at = nb_json_next(&at)) {
		struct nb_kube_range range;
		const char *text = "";

		if (cJSON_IsNull(at.node))
			continue;
		rc = nb_json_string(&at, &text, err);
		if (rc)
			return rc;
		if (!parse_range(text, &range))
			return nb_json_fail(&at, NB_ERR_CONFIG, err,
					    "\"%.100s\" is not an address range such as 10.0.0.0/8", text);
		if (nb_vec_push(&service->ranges, range, err))
			return -ENOMEM;
	}
	return 0;
}

static int read_externals(const struct nb_json *object, const struct nb_json *spec,
			  struct nb_kube_notes *notes, struct nb_kube_service *service, struct nb_error *err)
{
	int rc = read_external_ips(spec, notes, service, err);

	if (rc)
		return rc;
	rc = read_balancers(object, notes, service, err);
	if (rc)
		return rc;
	return read_ranges(spec, service, err);
}

enum type { CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME, TYPES };

static int read_type(const struct nb_json *spec, enum type *type, struct nb_error *err)
{
	static const char *const names[TYPES] = { "ClusterIP", "NodePort", "LoadBalancer", "ExternalName" };
	const struct nb_json at = nb_json_get(spec, "type");
	const char *text = names[CLUSTER_IP];
	int rc = nb_kube_string(&at, &text, err);

	if (rc)
		return rc;
	*type = CLUSTER_IP;
	while (*type < TYPES && strcmp(text, names[*type]))
		(*type)++;
	if (*type < TYPES)
		return 0;
	return nb_json_fail(&at, NB_ERR_CONFIG, err,
			    "\"%.100s\" is not ClusterIP, NodePort, LoadBalancer or ExternalName", text);
}

/* Load balancers ask at that port which nodes have endpoints, where the nodes differ in that. */
static int read_health_port(const struct nb_json *spec, enum type type, struct nb_kube_service *service,
			    struct nb_error *err)
{
	const struct nb_json at = nb_json_get(spec, "healthCheckNodePort");
	unsigned int port = 0;
	int rc = nb_json_uint(&at, 0, 65535, &port, err);

	if (!rc && type == LOAD_BALANCER && service->local_outside)
		service->health_port = port;
	return rc;
}

int nb_kube_service_read(const struct nb_json *object, const struct nb_kube_meta *meta,
			 struct nb_kube_notes *notes, struct nb_kube_service *service, struct nb_error *err)
{
	const struct nb_json spec = nb_json_get(object, "spec"), selector = nb_json_get(&spec, "selector");
	enum type type = CLUSTER_IP;
	bool foreign = false;
	int rc = nb_kube_is_foreign(meta, &foreign, err);

	if (rc || foreign)
		return rc;
	if (!spec.node)
		return nb_json_fail(object, NB_ERR_CONFIG, err, "\"spec\" is missing");
	rc = nb_json_is_object(&spec, err);
	if (rc)
		return rc;
	rc = nb_json_is_object(&selector, err);
	if (rc)
		return rc;
	rc = read_type(&spec, &type, err);
	if (rc || type == EXTERNAL_NAME)
		return rc;
	service->selects = nb_json_first(&selector).node;
	rc = read_vips(&spec, service, err);
	if (rc || !service->n_vips)
		return rc;
	rc = read_ports(&spec, service, err);
	if (rc)
		return rc;
	rc = read_affinity(&spec, service, err);
	if (rc)
		return rc;
	rc = read_policies(&spec, notes, service, err);
	if (rc)
		return rc;
	rc = read_health_port(&spec, type, service, err);
	if (rc)
		return rc;
	rc = read_externals(object, &spec, notes, service, err);
	if (rc)
		return rc;
	nb_vec_trim(&service->ports);
	return 0;
}

#define SAME_ITEMS(a, b, vec)                                                                                \
	((a)->vec.n == (b)->vec.n &&                                                                         \
	 (!(a)->vec.n || !memcmp((a)->vec.items, (b)->vec.items, (a)->vec.n * sizeof(*(a)->vec.items))))

bool nb_kube_service_equal(const struct nb_kube_service *a, const struct nb_kube_service *b)
{
	return !strcmp(a->name, b->name) && a->selects == b->selects && a->local_inside == b->local_inside &&
	       a->local_outside == b->local_outside && a->health_port == b->health_port &&
	       a->n_vips == b->n_vips && !memcmp(a->vips, b->vips, a->n_vips * sizeof(*a->vips)) &&
	       a->affinity == b->affinity && SAME_ITEMS(a, b, ports) && SAME_ITEMS(a, b, external_ips) &&
	       SAME_ITEMS(a, b, balancers) && SAME_ITEMS(a, b, ranges);
}
#undef SAME_ITEMS

void nb_kube_service_free(struct nb_kube_service *service)
{
	nb_vec_free(&service->ports);
	nb_vec_free(&service->external_ips);
	nb_vec_free(&service->balancers);
	nb_vec_free(&service->ranges);
}
