// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads Services as the configuration lists them, each with one address, one port and its backends. */
#include "services.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

/* A DNS label (RFC 1123) of len bytes, as Kubernetes takes it: lower case, 1 to 63. */
static bool is_label(const char *text, size_t len)
{
	if (len < 1 || len > 63 || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != '-')
			return false;
	return true;
}

static int parse_name(const struct nb_json *entry, struct nb_service *service, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(entry, "name");
	const char *name = NULL, *slash;
	int rc = nb_json_string(&at, &name, err);

	if (rc)
		return rc;
	if (!name)
		return nb_json_fail(entry, NB_ERR_CONFIG, err, "\"name\" is missing");
	slash = strchr(name, '/');
	if (!slash || !is_label(name, (size_t)(slash - name)) || !is_label(slash + 1, strlen(slash + 1)))
		return nb_json_fail(&at, NB_ERR_CONFIG, err,
				    "\"%.150s\" is not NAMESPACE/NAME, both of [a-z0-9-] and at most 63 long",
				    name);
	memcpy(service->name, name, strlen(name) + 1);
	return 0;
}

/* A unicast address that is valid beyond one link, so a Service or a backend can have it. */
static bool is_service_address(const struct nb_addr *addr)
{
	const __u32 first = ntohl(addr->w[0]), last = ntohl(addr->w[3]);

	if (nb_addr_is_v4(addr)) /* not 0/8, 127/8, 169.254/16, 224/3 */
		return last >> 24 != 0 && last >> 24 != 127 && last >> 16 != 0xa9fe && last >> 29 != 7;
	/* not ::/32 (unspecified, loopback), fe80::/10, ff00::/8 */
	return first != 0 && first >> 22 != 0xfe80 >> 6 && first >> 24 != 0xff;
}

static int parse_vip(const struct nb_json *entry, struct nb_service *service, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(entry, "vip");
	const char *vip = NULL;
	int rc = nb_json_string(&at, &vip, err);

	if (rc)
		return rc;
	if (!vip)
		return nb_json_fail(entry, NB_ERR_CONFIG, err, "\"vip\" is missing");
	if (!nb_addr_parse(vip, &service->key.addr) || !is_service_address(&service->key.addr))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not a unicast address", vip);
	return 0;
}

static int parse_port(const struct nb_json *entry, struct nb_service *service, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(entry, "port");
	const struct nb_json name = nb_json_get(entry, "portName");
	const char *port_name = "";
	unsigned int port = 0;
	int rc = nb_json_uint(&at, 1, 65535, &port, err);

	if (rc)
		return rc;
	if (!port)
		return nb_json_fail(entry, NB_ERR_CONFIG, err, "\"port\" is missing");
	rc = nb_json_string(&name, &port_name, err);
	if (rc)
		return rc;
	if (*port_name && !is_label(port_name, strlen(port_name)))
		return nb_json_fail(&name, NB_ERR_CONFIG, err, "\"%.100s\" is not a DNS label", port_name);
	service->key.port = htons((__u16)port);
	memcpy(service->port_name, port_name, strlen(port_name) + 1);
	return 0;
}

static int parse_protocol(const struct nb_json *entry, struct nb_service *service, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(entry, "protocol");
	const char *protocol = "TCP";
	int rc = nb_json_string(&at, &protocol, err);

	if (rc)
		return rc;
	if (strcmp(protocol, "TCP") == 0)
		service->key.proto = IPPROTO_TCP;
	else if (strcmp(protocol, "UDP") == 0)
		service->key.proto = IPPROTO_UDP;
	else if (strcmp(protocol, "SCTP") == 0)
		service->key.proto = IPPROTO_SCTP;
	else
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.50s\" is not \"TCP\", \"UDP\" or \"SCTP\"",
				    protocol);
	return 0;
}

static int parse_backend(const struct nb_json *at, struct nb_service_backend *backend, struct nb_error *err)
{
	const char *text = "";
	int rc = nb_json_string(at, &text, err);

	if (rc)
		return rc;
	if (!nb_addr_port_parse(text, &backend->addr, &backend->port) || !is_service_address(&backend->addr))
		return nb_json_fail(at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not ADDRESS:PORT with a unicast address", text);
	return 0;
}

/*
 * Leaves out backends of the other family than the VIP's, as kube-proxy does with the endpoints of
 * a dual-stack Service. A list in which all are of the other family is refused as a mistake.
 */
static int parse_backends(const struct nb_json *entry, struct nb_service *service, struct nb_error *err)
{
	const struct nb_json array = nb_json_get(entry, "backends");
	const int family = nb_addr_family(&service->key.addr);
	int rc = nb_json_is_array(&array, err);

	if (rc)
		return rc;
	if (!array.node)
		return nb_json_fail(entry, NB_ERR_CONFIG, err,
				    "\"backends\" is missing (a list, [] for none)");
	service->backends = calloc((size_t)cJSON_GetArraySize(array.node) + 1, sizeof(*service->backends));
	if (!service->backends)
		return nb_fail_nomem(err);
	for (struct nb_json item = nb_json_first(&array); item.node; item = nb_json_next(&item)) {
		struct nb_service_backend backend = { 0 };

		rc = parse_backend(&item, &backend, err);
		if (rc)
			return rc;
		if (nb_addr_family(&backend.addr) == family)
			service->backends[service->n_backends++] = backend;
	}
	if (array.node->child && !service->n_backends)
		return nb_json_fail(&array, NB_ERR_CONFIG, err, "none of them is IPv%d as the \"vip\" is",
				    family == AF_INET ? 4 : 6);
	return 0;
}

static int parse_service(const struct nb_json *entry, struct nb_service *service, struct nb_error *err)
{
	static const char *const KEYS[] = { "name", "vip", "port", "portName", "protocol", "backends", NULL };
	int rc = nb_json_is_object(entry, err);

	if (rc)
		return rc;
	rc = nb_json_check_known(entry, KEYS, err);
	if (rc)
		return rc;
	service->origin = NB_ORIGIN_CONFIG;
	rc = parse_name(entry, service, err);
	if (rc)
		return rc;
	rc = parse_vip(entry, service, err);
	if (rc)
		return rc;
	rc = parse_port(entry, service, err);
	if (rc)
		return rc;
	rc = parse_protocol(entry, service, err);
	if (rc)
		return rc;
	return parse_backends(entry, service, err);
}

int nb_conf_parse_services(const struct nb_json *array, struct nb_services *services, struct nb_error *err)
{
	nb_cleanup(nb_services_free) struct nb_services read = { 0 };
	int rc = nb_json_is_array(array, err);

	if (rc)
		return rc;
	read.items = calloc((size_t)cJSON_GetArraySize(array->node) + 1, sizeof(*read.items));
	if (!read.items)
		return nb_fail_nomem(err);
	for (struct nb_json item = nb_json_first(array); item.node; item = nb_json_next(&item)) {
		rc = parse_service(&item, &read.items[read.n++], err);
		if (rc)
			return rc;
	}
	rc = nb_services_normalize(&read, err);
	if (rc)
		return nb_wrap(err, "\"serviceProxy.services\"");
	*services = read;
	read = (struct nb_services){ 0 };
	return 0;
}
