// SPDX-License-Identifier: GPL-2.0-or-later
/* What Service and EndpointSlice have in common: metadata, names, ports. */
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
	const char *text = "";
	int rc = nb_json_string(at, &text, err);

	if (!rc && *text)
		*value = text;
	return rc;
}

/* A DNS label, or with dots a subdomain (RFC 1123), as Kubernetes checks names. */
static bool is_dns_name(const char *text, size_t max, bool dots)
{
	size_t len = strlen(text);

	if (!len || len > max || !isalnum((unsigned char)text[0]) || !isalnum((unsigned char)text[len - 1]))
		return false;
	for (; *text; text++) {
		if (!islower((unsigned char)*text) && !isdigit((unsigned char)*text) && *text != '-' &&
		    !(dots && *text == '.'))
			return false;
	}
	return true;
}

int nb_kube_protocol(const struct nb_json *port, __u8 *proto, struct nb_error *err)
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
		*proto = 0;
	else
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not TCP, UDP or SCTP", protocol);
	return 0;
}

int nb_kube_port_name(const struct nb_json *port, char name[NB_PORT_NAME_MAX], struct nb_error *err)
{
	const struct nb_json at = nb_json_get(port, "name");
	const char *text = "";
	int rc = nb_json_string(&at, &text, err);

	if (rc)
		return rc;
	if (*text && !is_dns_name(text, LABEL_MAX_LEN, false))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not a port name (a DNS label)",
				    text);
	memcpy(name, text, strlen(text) + 1);
	return 0;
}

int nb_kube_label(const struct nb_kube_meta *meta, const char *key, const char **value, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(&meta->labels, key);

	if (!at.node && cJSON_HasObjectItem(meta->labels.node, key))
		*value = "";
	return nb_json_string(&at, value, err);
}

int nb_kube_is_foreign(const struct nb_kube_meta *meta, bool *foreign, struct nb_error *err)
{
	const char *proxy = NULL, *headless = NULL;
	int rc = nb_json_is_object(&meta->labels, err);

	if (!rc)
		rc = nb_kube_label(meta, "service.kubernetes.io/service-proxy-name", &proxy, err);
	if (!rc)
		rc = nb_kube_label(meta, "service.kubernetes.io/headless", &headless, err);
	if (!rc)
		*foreign = proxy || headless;
	return rc;
}

/* A name in metadata, checked. */
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
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not a name in Kubernetes", *name);
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
	if (!rc)
		rc = read_name(&meta->metadata, "name", long_name ? NAME_MAX_LEN : LABEL_MAX_LEN, long_name,
			       &meta->name, err);
	if (!rc)
		rc = read_name(&meta->metadata, "namespace", LABEL_MAX_LEN, false, &meta->namespace_, err);
	if (rc)
		return rc;
	snprintf(meta->full, sizeof(meta->full), "%s/%s", meta->namespace_, meta->name);
	return 0;
}
