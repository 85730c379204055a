// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads what Services and EndpointSlices have in common: metadata, labels, ports. */
#include "object.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/error.h"

enum { NAME_MAX_LEN = 253, LABEL_MAX_LEN = 63 };

int nb_kube_string(const struct nb_json *at, const char **value, struct nb_error *err)
{
	const char *string = "";
	int rc = nb_json_string(at, &string, err);

	if (rc)
		return rc;
	if (*string)
		*value = string;
	return 0;
}

/* A DNS label, or with dots a subdomain (RFC 1123), as Kubernetes checks names. */
static bool is_dns_name(const char *name, size_t max, bool dots)
{
	size_t len = strlen(name);

	if (!len || len > max || !isalnum((unsigned char)name[0]) || !isalnum((unsigned char)name[len - 1]))
		return false;
	for (; *name; name++) {
		if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '-' &&
		    !(dots && *name == '.'))
			return false;
	}
	return true;
}

static int read_protocol(const struct nb_json *port, __u8 *proto, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(port, "protocol");
	const char *protocol = "TCP";
	int rc = nb_kube_string(&at, &protocol, err);

	if (rc)
		return rc;
	if (!strcmp(protocol, "TCP"))
		*proto = IPPROTO_TCP;
	else if (!strcmp(protocol, "UDP"))
		*proto = IPPROTO_UDP;
	else if (!strcmp(protocol, "SCTP"))
		*proto = IPPROTO_SCTP;
	else
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not TCP, UDP or SCTP", protocol);
	return 0;
}

static int read_port_name(const struct nb_json *port, char name[NB_PORT_NAME_MAX], struct nb_error *err)
{
	const struct nb_json at = nb_json_get(port, "name");
	const char *string = "";
	int rc = nb_json_string(&at, &string, err);

	if (rc)
		return rc;
	if (*string && !is_dns_name(string, LABEL_MAX_LEN, false))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not a port name (a DNS label)",
				    string);
	memcpy(name, string, strlen(string) + 1);
	return 0;
}

int nb_kube_read_port(const struct nb_json *at, struct nb_kube_port *port, unsigned int *number,
		      struct nb_error *err)
{
	const struct nb_json number_at = nb_json_get(at, "port");
	struct nb_kube_port read = { 0 };
	unsigned int value = 0;
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = read_port_name(at, read.name, err);
	if (rc)
		return rc;
	rc = read_protocol(at, &read.proto, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&number_at, 1, 65535, &value, err);
	if (rc)
		return rc;
	read.port = htons(value);
	*port = read;
	*number = value;
	return 0;
}

int nb_kube_label(const struct nb_kube_meta *meta, const char *key, const char **value, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(&meta->labels, key);

	/* nb_json_get() takes null for absent. */
	if (!at.node && cJSON_HasObjectItem(meta->labels.node, key))
		*value = "";
	return nb_json_string(&at, value, err);
}

int nb_kube_is_foreign(const struct nb_kube_meta *meta, bool *foreign, struct nb_error *err)
{
	const char *proxy = NULL, *headless = NULL;
	int rc = nb_json_is_object(&meta->labels, err);

	if (rc)
		return rc;
	rc = nb_kube_label(meta, "service.kubernetes.io/service-proxy-name", &proxy, err);
	if (rc)
		return rc;
	rc = nb_kube_label(meta, "service.kubernetes.io/headless", &headless, err);
	if (rc)
		return rc;
	*foreign = proxy || headless;
	return 0;
}

/* Reads and checks a name in metadata; *name holds the default, or NULL if there is none. */
static int read_name(const struct nb_json *metadata, const char *key, size_t max, bool dots,
		     const char **name, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(metadata, key);
	int rc = nb_kube_string(&at, name, err);

	if (rc)
		return rc;
	if (!*name)
		return nb_json_fail(metadata->node ? metadata : metadata->up, NB_ERR_CONFIG, err,
				    "\"%s%s\" is missing", metadata->node ? "" : "metadata.", key);
	if (!is_dns_name(*name, max, dots))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not a Kubernetes name", *name);
	return 0;
}

int nb_kube_read_meta(const struct nb_json *object, bool long_name, struct nb_kube_meta *meta,
		      struct nb_error *err)
{
	int rc;

	meta->namespace_ = "default";
	meta->metadata = nb_json_get(object, "metadata");
	meta->labels = nb_json_get(&meta->metadata, "labels");
	rc = nb_json_is_object(&meta->metadata, err);
	if (rc)
		return rc;
	rc = read_name(&meta->metadata, "name", long_name ? NAME_MAX_LEN : LABEL_MAX_LEN, long_name,
		       &meta->name, err);
	if (rc)
		return rc;
	rc = read_name(&meta->metadata, "namespace", LABEL_MAX_LEN, false, &meta->namespace_, err);
	if (rc)
		return rc;
	snprintf(meta->full, sizeof(meta->full), "%s/%s", meta->namespace_, meta->name);
	return 0;
}
