// SPDX-License-Identifier: GPL-2.0-or-later
/* A table of kube-proxy's keys, and what becomes of each. */
#include "convert.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "document.h"

enum { PATH_MAX_LEN = 128 };

struct conversion {
	const struct cJSON *from;
	FILE *to;
};

/* ---- keys that have a counterpart ---- */

/* Ends a line that has begun with a key or "-". A string of JSON is one of YAML. */
static void put_value(const struct conversion *conversion, const char *text)
{
	nb_cleanup(nb_json_free) struct cJSON *value = cJSON_CreateString(text);
	char *json = value ? cJSON_PrintUnformatted(value) : NULL;

	fprintf(conversion->to, " %s\n", json ? json : "\"\"");
	cJSON_free(json);
}

static const struct cJSON *find(const struct conversion *conversion, const char *object, const char *key)
{
	const struct cJSON *from = conversion->from;

	if (object)
		from = cJSON_GetObjectItemCaseSensitive(from, object);
	return cJSON_GetObjectItemCaseSensitive(from, key);
}

static void put_if_set(const struct conversion *conversion, const char *object, const char *key)
{
	const char *text = cJSON_GetStringValue(find(conversion, object, key));

	if (!text || !*text)
		return;
	if (object)
		fprintf(conversion->to, "%s:\n  ", object);
	fprintf(conversion->to, "%s:", key);
	put_value(conversion, text);
}

/* kube-proxy adds the port to an address without one (AppendPortIfNeeded() of its defaults). */
static void put_bind(const struct conversion *conversion, const char *key, unsigned int port)
{
	const char *text = cJSON_GetStringValue(find(conversion, NULL, key));
	struct nb_addr addr;
	char with_port[NB_ADDR_STRLEN + 16], bare[NB_ADDR_STRLEN];

	if (!text || !*text)
		return;
	if (nb_addr_parse(text, &addr)) {
		nb_addr_format(&addr, bare);
		snprintf(with_port, sizeof(with_port), nb_addr_is_v4(&addr) ? "%s:%u" : "[%s]:%u", bare,
			 port);
		text = with_port;
	}
	fprintf(conversion->to, "%s:", key);
	put_value(conversion, text);
}

/* With nftables no list means the Node's own address, as here; with the other modes all addresses. */
static void put_node_ports(const struct conversion *conversion)
{
	const struct cJSON *list = find(conversion, NULL, "nodePortAddresses"), *item;
	const char *mode = cJSON_GetStringValue(find(conversion, NULL, "mode"));

	if (cJSON_GetArraySize(list)) {
		fputs("nodePortAddresses:\n", conversion->to);
		cJSON_ArrayForEach(item, list) {
			fputs("-", conversion->to);
			put_value(conversion, cJSON_IsString(item) ? item->valuestring : "");
		}
	} else if (!mode || strcmp(mode, "nftables")) {
		fputs("nodePortAddresses: [\"0.0.0.0/0\", \"::/0\"] # as kube-proxy without nftables\n",
		      conversion->to);
	}
}

static void put_logging(const struct conversion *conversion)
{
	const char *format = cJSON_GetStringValue(find(conversion, "logging", "format"));
	const struct cJSON *verbosity = find(conversion, "logging", "verbosity");
	const bool json = format && !strcmp(format, "json"), level = cJSON_IsNumber(verbosity);

	if (!json && !level)
		return;
	fputs("logging:\n", conversion->to);
	if (json)
		fputs("  format: json\n", conversion->to);
	if (level)
		fprintf(conversion->to, "  verbosity: %.0f\n",
			verbosity->valuedouble < 10 ? verbosity->valuedouble : 10);
}

static void put_all(const struct conversion *conversion)
{
	fputs("apiVersion: natbridge.io/v1alpha1\nkind: AgentConfiguration\n", conversion->to);
	put_if_set(conversion, "clientConnection", "kubeconfig");
	put_if_set(conversion, NULL, "hostnameOverride");
	put_bind(conversion, "healthzBindAddress", 10256);
	put_bind(conversion, "metricsBindAddress", 10249);
	put_node_ports(conversion);
	fputs("healthCheckNodePorts: true # false while a kube-proxy runs, which has these ports\n",
	      conversion->to);
	put_logging(conversion);
}

/* ---- the others ---- */

/* Keys of kube-proxy, those below an object by its name and a dot. why: of a comment; NULL: see put_all(). */
static const struct {
	const char *key, *why;
} keys[] = {
	{ "apiVersion", NULL },
	{ "kind", NULL },
	{ "clientConnection.kubeconfig", NULL },
	{ "hostnameOverride", NULL },
	{ "healthzBindAddress", NULL },
	{ "metricsBindAddress", NULL },
	{ "nodePortAddresses", NULL },
	{ "mode", NULL },
	{ "logging.format", NULL },
	{ "logging.verbosity", NULL },
	{ "clientConnection", "the agent has one connection for each resource, and asks for JSON" },
	{ "logging", "log lines are written at once" },
	{ "bindAddress", "NodePorts are at nodePortAddresses" },
	{ "bindAddressHardFail", "an address that is taken ends the agent in any case" },
	{ "enableProfiling", "the agent serves no profiles" },
	{ "showHiddenMetricsForVersion", "no metric is hidden" },
	{ "featureGates", "there are none" },
	{ "clusterCIDR", "the client's address is kept, whoever it is" },
	{ "detectLocalMode", "the client's address is kept, whoever it is" },
	{ "detectLocal", "the client's address is kept, whoever it is" },
	{ "conntrack", "connections are in natbridge's own table: serviceProxy.conntrack of the network" },
	{ "configSyncPeriod", "the agent follows watches" },
	{ "oomScoreAdj", "the unit or the Pod sets it" },
	{ "portRange", "kube-proxy does not use it either" },
	{ "udpIdleTimeout", "serviceProxy.conntrack of the network" },
	{ "iptables.masqueradeAll", "the client's address is kept" },
	{ "nftables.masqueradeAll", "the client's address is kept" },
	{ "iptables.localhostNodePorts", "NodePorts are not at 127.0.0.1" },
	{ "iptables", "no rules are written" },
	{ "ipvs", "no rules are written" },
	{ "nftables", "no rules are written" },
	{ "winkernel", "Linux only" },
	{ "windowsRunAsService", "Linux only" },
};

/* Longer keys come first where one is the other's beginning. NULL: not known. */
static const char *const *why_of(const char *path)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const size_t len = strlen(keys[i].key);

		if (!strncmp(keys[i].key, path, len) && (!path[len] || path[len] == '.'))
			return &keys[i].why;
	}
	return NULL;
}

/* Whether kube-proxy takes its default, as kubeadm's configuration says of most keys. */
static bool is_unset(const struct cJSON *value)
{
	const char *text = cJSON_GetStringValue(value);

	return cJSON_IsNull(value) || cJSON_IsFalse(value) ||
	       (cJSON_IsNumber(value) && !value->valuedouble) || (text && (!*text || !strcmp(text, "0s"))) ||
	       ((cJSON_IsArray(value) || cJSON_IsObject(value)) && !value->child);
}

static void comment(const struct conversion *conversion, const char *path)
{
	const char *const *why = why_of(path);

	if (!why)
		fprintf(conversion->to, "# %s: not known to natbridge-agent\n", path);
	else if (*why)
		fprintf(conversion->to, "# %s: %s\n", path, *why);
}

/* Keys with dots are objects of one level. What is deeper is told by its object. */
static void comment_all(const struct conversion *conversion, const struct cJSON *object, const char *prefix)
{
	const struct cJSON *item;

	cJSON_ArrayForEach(item, object) {
		char path[PATH_MAX_LEN];

		snprintf(path, sizeof(path), "%s%s%.60s", prefix, *prefix ? "." : "", item->string);
		path[strcspn(path, "\r\n")] = '\0'; /* it must not end the comment */
		if (is_unset(item))
			continue;
		if (cJSON_IsObject(item) && !*prefix)
			comment_all(conversion, item, path);
		else
			comment(conversion, path);
	}
}

int nb_agent_convert(const char *path, FILE *to, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	int rc = nb_document_read(path, "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", &json,
				  err);
	const struct conversion conversion = { .from = json, .to = to };

	if (rc)
		return rc;
	put_all(&conversion);
	comment_all(&conversion, json, "");
	return 0;
}
