// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints results. */
#include "result_print.h"

#include <stdio.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cni_version.h"
#include "dns.h"
#include "result.h"

/* What the spec versions differ in. */
struct shape {
	const char *version;
	bool by_family;  /* below 0.3.0: ip4 and ip6, no interfaces */
	bool ip_version; /* below 1.0.0: "version" of an address; dns always there */
	bool extended;   /* 1.1.0: mtu of an interface, metrics of a route */
};

static bool add_string(struct cJSON *object, const char *key, const char *value)
{
	return cJSON_AddStringToObject(object, key, value) != NULL;
}

static bool add_number(struct cJSON *object, const char *key, unsigned int value)
{
	return cJSON_AddNumberToObject(object, key, value) != NULL;
}

static bool add_addr(struct cJSON *object, const char *key, const struct nb_addr *addr)
{
	char text[NB_ADDR_STRLEN];

	return add_string(object, key, nb_addr_format(addr, text));
}

static bool add_cidr(struct cJSON *object, const char *key, const struct nb_addr *addr,
		     unsigned int prefix_len)
{
	char text[NB_ADDR_STRLEN], cidr[NB_ADDR_STRLEN + 12];

	snprintf(cidr, sizeof(cidr), "%s/%u", nb_addr_format(addr, text), prefix_len);
	return add_string(object, key, cidr);
}

static struct cJSON *append_object(struct cJSON *array)
{
	struct cJSON *object = cJSON_CreateObject();

	if (object && cJSON_AddItemToArray(array, object))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static bool add_interface(struct cJSON *array, const struct shape *shape, const struct nb_result_if *iface)
{
	struct cJSON *object = append_object(array);
	char mac[NB_MAC_STRLEN];

	return object && add_string(object, "name", iface->name) &&
	       (!iface->has_mac || add_string(object, "mac", nb_mac_format(iface->mac, mac))) &&
	       (!shape->extended || !iface->mtu || add_number(object, "mtu", iface->mtu)) &&
	       (!iface->sandbox || add_string(object, "sandbox", iface->sandbox));
}

static bool add_ip(struct cJSON *array, const struct shape *shape, const struct nb_result_ip *ip)
{
	struct cJSON *object = append_object(array);

	return object &&
	       (!shape->ip_version || add_string(object, "version", nb_addr_is_v4(&ip->addr) ? "4" : "6")) &&
	       (ip->interface < 0 || add_number(object, "interface", (unsigned int)ip->interface)) &&
	       add_cidr(object, "address", &ip->addr, ip->prefix_len) &&
	       (!ip->has_gateway || add_addr(object, "gateway", &ip->gateway));
}

static bool add_route(struct cJSON *array, const struct shape *shape, const struct nb_result_route *route)
{
	struct cJSON *object = append_object(array);

	if (!object || !add_cidr(object, "dst", &route->dst, route->prefix_len) ||
	    (route->has_gw && !add_addr(object, "gw", &route->gw)))
		return false;
	if (!shape->extended)
		return true;
	return (!route->mtu || add_number(object, "mtu", route->mtu)) &&
	       (!route->advmss || add_number(object, "advmss", route->advmss)) &&
	       (!route->has_priority || add_number(object, "priority", route->priority)) &&
	       (!route->has_table || add_number(object, "table", route->table)) &&
	       (!route->has_scope || add_number(object, "scope", route->scope));
}

/* Adds the routes of one family (0: both), and no array if there are none. */
static bool add_routes(struct cJSON *object, const struct shape *shape, const struct nb_result *result,
		       int family)
{
	struct cJSON *array = NULL;

	for (size_t i = 0; i < result->n_routes; i++) {
		if (family && nb_addr_family(&result->routes[i].dst) != family)
			continue;
		if (!array)
			array = cJSON_AddArrayToObject(object, "routes");
		if (!array || !add_route(array, shape, &result->routes[i]))
			return false;
	}
	return true;
}

/* The first address of the family with its routes: versions below 0.3.0 hold one a family. */
static bool add_family(struct cJSON *root, const struct shape *shape, const struct nb_result *result,
		       int family)
{
	for (size_t i = 0; i < result->n_ips; i++) {
		const struct nb_result_ip *ip = &result->ips[i];
		struct cJSON *object;

		if (nb_addr_family(&ip->addr) != family)
			continue;
		object = cJSON_AddObjectToObject(root, family == AF_INET ? "ip4" : "ip6");
		return object && add_cidr(object, "ip", &ip->addr, ip->prefix_len) &&
		       (!ip->has_gateway || add_addr(object, "gateway", &ip->gateway)) &&
		       add_routes(object, shape, result, family);
	}
	return true;
}

static bool add_lists(struct cJSON *root, const struct shape *shape, const struct nb_result *result)
{
	struct cJSON *interfaces = result->n_interfaces ? cJSON_AddArrayToObject(root, "interfaces") : NULL;
	struct cJSON *ips = result->n_ips ? cJSON_AddArrayToObject(root, "ips") : NULL;

	if ((result->n_interfaces && !interfaces) || (result->n_ips && !ips))
		return false;
	for (size_t i = 0; i < result->n_interfaces; i++)
		if (!add_interface(interfaces, shape, &result->interfaces[i]))
			return false;
	for (size_t i = 0; i < result->n_ips; i++)
		if (!add_ip(ips, shape, &result->ips[i]))
			return false;
	return add_routes(root, shape, result, 0);
}

static bool add_dns(struct cJSON *root, const struct shape *shape, const struct nb_dns *dns)
{
	struct cJSON *object;

	if (!shape->ip_version && nb_dns_empty(dns))
		return true;
	object = nb_dns_to_json(dns);
	if (object && cJSON_AddItemToObject(root, "dns", object))
		return true;
	cJSON_Delete(object);
	return false;
}

struct cJSON *nb_result_to_json(const struct nb_result *result, const char *cni_version, struct nb_error *err)
{
	const int rank = nb_cni_version_rank(cni_version);
	const struct shape shape = {
		.version = cni_version,
		.by_family = rank < nb_cni_version_rank("0.3.0"),
		.ip_version = rank < nb_cni_version_rank("1.0.0"),
		.extended = rank >= nb_cni_version_rank("1.1.0"),
	};
	nb_cleanup(nb_json_free) struct cJSON *root = cJSON_CreateObject();
	bool ok = root && add_string(root, "cniVersion", shape.version);

	if (shape.by_family)
		ok = ok && add_family(root, &shape, result, AF_INET) &&
		     add_family(root, &shape, result, AF_INET6);
	else
		ok = ok && add_lists(root, &shape, result);
	if (!ok || !add_dns(root, &shape, &result->dns)) {
		nb_fail_nomem(err);
		return NULL;
	}
	return NB_TAKE_PTR(root);
}
