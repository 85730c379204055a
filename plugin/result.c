// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads results. */
#include "result.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "cni_value.h"
#include "cni_version.h"
#include "dns.h"

enum { INTERFACES_MAX = 64, IPS_MAX = 32, ROUTES_MAX = 4096 };

void nb_result_free(struct nb_result *result)
{
	for (size_t i = 0; i < result->n_interfaces; i++)
		free(result->interfaces[i].sandbox);
	free(result->interfaces);
	free(result->ips);
	free(result->routes);
	nb_dns_free(&result->dns);
	*result = (struct nb_result){ 0 };
}

/* Counts the items of an array, which may be absent. More than max are an error. */
static int count_items(const struct nb_json *array, int max, size_t *n, struct nb_error *err)
{
	int rc = nb_json_is_array(array, err);
	int size;

	if (rc)
		return rc;
	size = cJSON_GetArraySize(array->node);
	if (size > max)
		return nb_json_fail(array, NB_ERR_CONFIG, err, "%d items are more than %d", size, max);
	*n = (size_t)size;
	return 0;
}

static int parse_addr(const struct nb_json *at, bool *given, struct nb_addr *addr, struct nb_error *err)
{
	const char *text = "";
	int rc = nb_json_string(at, &text, err);

	if (rc || !*text)
		return rc;
	if (!nb_addr_parse(text, addr))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.100s\" is not an address", text);
	*given = true;
	return 0;
}

static int parse_cidr(const struct nb_json *object, const char *key, struct nb_addr *addr,
		      unsigned int *prefix_len, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(object, key);
	const char *text = NULL;
	int rc = nb_json_string(&at, &text, err);

	if (rc)
		return rc;
	if (!text)
		return nb_json_fail(object, NB_ERR_CONFIG, err, "\"%s\" is missing", key);
	if (!nb_cidr_parse(text, addr, prefix_len))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not ADDRESS/PREFIX", text);
	return 0;
}

static int parse_gateway(const struct nb_json *object, const char *key, const struct nb_addr *of, bool *given,
			 struct nb_addr *gateway, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(object, key);
	int rc = parse_addr(&at, given, gateway, err);

	if (rc)
		return rc;
	if (*given && nb_addr_family(gateway) != nb_addr_family(of))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "the gateway is of another family");
	return 0;
}

static int parse_interface(const struct nb_json *at, struct nb_result_if *iface, struct nb_error *err)
{
	const struct nb_json name = nb_json_get(at, "name"), mac = nb_json_get(at, "mac");
	const struct nb_json sandbox = nb_json_get(at, "sandbox"), mtu = nb_json_get(at, "mtu");
	const char *name_text = "", *mac_text = "", *sandbox_text = "", *problem;
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = nb_json_string(&name, &name_text, err);
	if (rc)
		return rc;
	rc = nb_json_string(&mac, &mac_text, err);
	if (rc)
		return rc;
	rc = nb_json_string(&sandbox, &sandbox_text, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&mtu, 0, INT_MAX, &iface->mtu, err);
	if (rc)
		return rc;
	problem = nb_ifname_problem(name_text);
	if (problem)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "the name \"%.50s\" %s", name_text, problem);
	memcpy(iface->name, name_text, strlen(name_text) + 1);
	if (strcmp(mac_text, "00:00:00:00:00:00") == 0) /* a loopback interface */
		mac_text = "";
	iface->has_mac = nb_mac_parse_any(mac_text, iface->mac);
	if (*mac_text && !iface->has_mac)
		return nb_json_fail(&mac, NB_ERR_CONFIG, err, "\"%.50s\" is not a unicast MAC address",
				    mac_text);
	return *sandbox_text ? nb_strdup(sandbox_text, &iface->sandbox, err) : 0;
}

static int parse_interfaces(const struct nb_json *root, struct nb_result *result, struct nb_error *err)
{
	const struct nb_json array = nb_json_get(root, "interfaces");
	size_t n = 0;
	int rc = count_items(&array, INTERFACES_MAX, &n, err);

	if (rc || !n)
		return rc;
	result->interfaces = calloc(n, sizeof(*result->interfaces));
	if (!result->interfaces)
		return nb_fail_nomem(err);
	for (struct nb_json item = nb_json_first(&array); item.node; item = nb_json_next(&item)) {
		rc = parse_interface(&item, &result->interfaces[result->n_interfaces++], err);
		if (rc)
			return rc;
	}
	return 0;
}

static int parse_ip(const struct nb_json *at, const char *address_key, struct nb_result_ip *ip,
		    struct nb_error *err)
{
	const struct nb_json interface = nb_json_get(at, "interface");
	unsigned int index = 0;
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = parse_cidr(at, address_key, &ip->addr, &ip->prefix_len, err);
	if (rc)
		return rc;
	rc = parse_gateway(at, "gateway", &ip->addr, &ip->has_gateway, &ip->gateway, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&interface, 0, INTERFACES_MAX, &index, err);
	if (rc)
		return rc;
	ip->interface = interface.node ? (int)index : -1;
	return 0;
}

static int parse_ips(const struct nb_json *root, struct nb_result *result, struct nb_error *err)
{
	const struct nb_json array = nb_json_get(root, "ips");
	size_t n = 0;
	int rc = count_items(&array, IPS_MAX, &n, err);

	if (rc || !n)
		return rc;
	result->ips = calloc(n, sizeof(*result->ips));
	if (!result->ips)
		return nb_fail_nomem(err);
	for (struct nb_json item = nb_json_first(&array); item.node; item = nb_json_next(&item)) {
		rc = parse_ip(&item, "address", &result->ips[result->n_ips++], err);
		if (rc)
			return rc;
	}
	return 0;
}

static int parse_optional(const struct nb_json *object, const char *key, bool *given, unsigned int *value,
			  struct nb_error *err)
{
	const struct nb_json at = nb_json_get(object, key);

	*given = at.node != NULL;
	return nb_json_uint(&at, 0, UINT_MAX, value, err);
}

static int parse_route(const struct nb_json *at, struct nb_result_route *route, struct nb_error *err)
{
	const struct nb_json mtu = nb_json_get(at, "mtu"), advmss = nb_json_get(at, "advmss");
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = parse_cidr(at, "dst", &route->dst, &route->prefix_len, err);
	if (rc)
		return rc;
	rc = parse_gateway(at, "gw", &route->dst, &route->has_gw, &route->gw, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&mtu, 0, INT_MAX, &route->mtu, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&advmss, 0, INT_MAX, &route->advmss, err);
	if (rc)
		return rc;
	rc = parse_optional(at, "priority", &route->has_priority, &route->priority, err);
	if (rc)
		return rc;
	rc = parse_optional(at, "table", &route->has_table, &route->table, err);
	if (rc)
		return rc;
	rc = parse_optional(at, "scope", &route->has_scope, &route->scope, err);
	if (rc)
		return rc;
	if (route->has_scope && route->scope > 255)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "the scope %u is more than 255", route->scope);
	return 0;
}

/* Appends the routes of an array (versions below 0.3.0 have one array a family). */
static int parse_routes(const struct nb_json *object, struct nb_result *result, struct nb_error *err)
{
	const struct nb_json array = nb_json_get(object, "routes");
	struct nb_result_route *grown;
	size_t n = 0;
	int rc = count_items(&array, ROUTES_MAX, &n, err);

	if (rc || !n)
		return rc;
	grown = reallocarray(result->routes, result->n_routes + n, sizeof(*grown));
	if (!grown)
		return nb_fail_nomem(err);
	result->routes = grown;
	for (struct nb_json item = nb_json_first(&array); item.node; item = nb_json_next(&item)) {
		struct nb_result_route *route = &grown[result->n_routes++];

		*route = (struct nb_result_route){ 0 };
		rc = parse_route(&item, route, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Versions 0.1.0 and 0.2.0: at most one address a family, each with its routes. */
static int parse_families(const struct nb_json *root, struct nb_result *result, struct nb_error *err)
{
	static const char *const KEYS[] = { "ip4", "ip6" };

	result->ips = calloc(2, sizeof(*result->ips));
	if (!result->ips)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < 2; i++) {
		const struct nb_json at = nb_json_get(root, KEYS[i]);
		struct nb_result_ip *ip = &result->ips[result->n_ips];
		int rc;

		if (!at.node)
			continue;
		rc = parse_ip(&at, "ip", ip, err);
		if (rc)
			return rc;
		if (nb_addr_is_v4(&ip->addr) != (i == 0))
			return nb_json_fail(&at, NB_ERR_CONFIG, err, "the address is of the other family");
		rc = parse_routes(&at, result, err);
		if (rc)
			return rc;
		result->n_ips++;
	}
	return 0;
}

static int check_version(const struct nb_json *root, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(root, "cniVersion");
	const char *version = "";
	int rc = nb_json_string(&at, &version, err);

	if (rc)
		return rc;
	if (*version && nb_cni_version_rank(version) < 0)
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.50s\" is not supported", version);
	return 0;
}

static int check_indices(const struct nb_result *result, struct nb_error *err)
{
	for (size_t i = 0; i < result->n_ips && result->n_interfaces; i++)
		if (result->ips[i].interface >= (int)result->n_interfaces)
			return nb_fail(err, NB_ERR_CONFIG, 0,
				       "\"ips[%zu].interface\": %d, but there are %zu interfaces", i,
				       result->ips[i].interface, result->n_interfaces);
	return 0;
}

int nb_result_from_json(const struct cJSON *json, struct nb_result *result, struct nb_error *err)
{
	nb_cleanup(nb_result_free) struct nb_result read = { 0 };
	const struct nb_json root = nb_json_root(json);
	const struct nb_json dns = nb_json_get(&root, "dns");
	const bool by_family = nb_json_get(&root, "ip4").node || nb_json_get(&root, "ip6").node;
	bool dns_given;
	int rc = nb_json_is_object(&root, err);

	if (rc)
		return rc;
	rc = check_version(&root, err);
	if (rc)
		return rc;
	rc = parse_interfaces(&root, &read, err);
	if (rc)
		return rc;
	rc = by_family ? parse_families(&root, &read, err) : parse_ips(&root, &read, err);
	if (rc)
		return rc;
	rc = check_indices(&read, err);
	if (rc)
		return rc;
	rc = by_family ? 0 : parse_routes(&root, &read, err); /* else read with each family */
	if (rc)
		return rc;
	rc = nb_dns_parse(&dns, &read.dns, &dns_given, err);
	if (rc)
		return rc;
	nb_result_free(result);
	*result = read;
	read = (struct nb_result){ 0 };
	return 0;
}
