// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of keys and flags, and what reads them. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/json/json.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "document.h"

enum { SYNC_MS_MAX = 60000 };

/* Checks a value: NULL, or what is wrong with it: "is not ...". */
typedef const char *(*check_fn)(const char *text);

static const char *check_address(const char *text)
{
	struct nb_addr addr;

	return nb_addr_parse(text, &addr) ? NULL : "is not an address";
}

static const char *check_node_ports(const char *text)
{
	struct nb_addr addr;
	unsigned int len;

	return !strcmp(text, "primary") || nb_cidr_parse(text, &addr, &len)
		       ? NULL
		       : "is neither \"primary\" nor an address range such as 192.168.0.0/16";
}

static const char *check_bind(const char *text)
{
	struct nb_addr addr;
	__be16 port;

	return !*text || nb_addr_port_parse(text, &addr, &port)
		       ? NULL
		       : "is not ADDRESS:PORT, such as 127.0.0.1:10249";
}

static const char *check_path(const char *text)
{
	return *text == '/' || !*text ? NULL : "is not an absolute path";
}

static const char *check_node(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-' && *c != '.')
			return "is not the name of a Node";
	return strlen(text) > 253 ? "is not the name of a Node" : NULL;
}

static const char *check_switch(const char *text)
{
	return !strcmp(text, "true") || !strcmp(text, "false") ? NULL : "is neither true nor false";
}

static const char *check_format(const char *text)
{
	return !strcmp(text, "text") || !strcmp(text, "json") ? NULL : "is neither text nor json";
}

static const char *check_served(const char *text)
{
	return !strcmp(text, "pods") || !strcmp(text, "node") ? NULL : "is neither pods nor node";
}

static const char *check_range(const char *text)
{
	struct nb_addr addr;
	unsigned int len;

	return nb_cidr_parse(text, &addr, &len) && len ? NULL
						       : "is not an address range such as 10.96.0.0/12";
}

enum type {
	TYPE_TEXT,
	TYPE_LIST,
	TYPE_DURATION, /* unsigned int, milliseconds; "100ms", "1s" */
	TYPE_NUMBER,   /* unsigned int */
	TYPE_FORMAT,   /* bool: json */
	TYPE_SWITCH,   /* bool */
	TYPE_SERVED,   /* bool: the node */
	TYPE_VERB,     /* a switch of the command line */
};

struct key {
	const char *flag;
	const char *key; /* in the file, with dots between objects; NULL: a flag alone */
	enum type type;
	enum nb_agent_verb verb;
	size_t offset; /* of the field */
	check_fn check;
	const char *value; /* what the help calls it */
	const char *help;
};

#define FIELD(name) offsetof(struct nb_agent_config, name)
#define ROW(flag, key, type, field, check, value, help)                                                      \
	{                                                                                                    \
		flag, key, TYPE_##type, NB_AGENT_RUN, FIELD(field), check, value, help                       \
	}
#define VERB(flag, verb, help)                                                                               \
	{                                                                                                    \
		flag, NULL, TYPE_VERB, NB_AGENT_##verb, 0, NULL, NULL, help                                  \
	}
static const struct key keys[] = {
	ROW("config", NULL, TEXT, file, check_path, "FILE", "configuration file (natbridge-agent.yaml(5))"),
	ROW("kubeconfig", "clientConnection.kubeconfig", TEXT, kubeconfig, check_path, "FILE",
	    "how to reach the API server; default: the service account of this pod"),
	ROW("api-server", "apiServers", LIST, servers, NULL, "URL", "a further API server; repeatable"),
	ROW("hostname-override", "hostnameOverride", TEXT, node, check_node, "NAME",
	    "name of this Node; default: $NODE_NAME, else the host name"),
	ROW("cni-conf-dir", "cniConfDir", TEXT, cni_dir, check_path, "DIR",
	    "configuration of the networks; default: /etc/cni/net.d"),
	ROW("bpffs", "bpffs", TEXT, bpffs, check_path, "DIR",
	    "bpffs of the pinned maps; default: as the network's configuration says"),
	ROW("state-dir", "stateDir", TEXT, state_dir, check_path, "DIR",
	    "where learned API servers are kept; default: /var/lib/natbridge"),
	ROW("healthz-bind-address", "healthzBindAddress", TEXT, healthz, check_bind, "ADDRESS:PORT",
	    "/healthz, /livez and /readyz; default: 0.0.0.0:10256"),
	ROW("metrics-bind-address", "metricsBindAddress", TEXT, metrics, check_bind, "ADDRESS:PORT",
	    "/metrics; default: 127.0.0.1:10249"),
	ROW("nodeport-addresses", "nodePortAddresses", LIST, node_ports, check_node_ports, "CIDR",
	    "addresses of NodePorts: primary or ranges; repeatable; default: primary"),
	ROW("health-check-node-ports", "healthCheckNodePorts", SWITCH, health_ports, check_switch,
	    "true|false",
	    "answer load balancers at the health check node ports; default: false, as kube-proxy does"),
	ROW("service-proxy", "serviceProxy", SERVED, serves_node, check_served, "pods|node",
	    "whose way to Services this is: that of pods, beside kube-proxy; or that of the whole node, "
	    "instead "
	    "of it; default: pods"),
	ROW("takeover", "takeover", SWITCH, takes_over, check_switch, "true|false",
	    "with service-proxy node: remove the rules that a kube-proxy has left, once this node is served; "
	    "default: false"),
	ROW("fast-path", "fastPath", SWITCH, fast_path, check_switch, "true|false",
	    "with service-proxy node: clients outside reach pods of this node past the host's IP stack, and "
	    "so past its FORWARD rules; default: false"),
	ROW("service-cidr", "serviceCIDRs", LIST, service_cidrs, check_range, "CIDR",
	    "a range of Services, for an API server without ServiceCIDRs; repeatable"),
	ROW("device", "devices", LIST, devices, NULL, "GLOB",
	    "a device of the node, such as eth*; repeatable; default: those that have addresses"),
	ROW("self-address", "selfAddresses", LIST, self, check_address, "ADDRESS",
	    "source of connections of the node to itself; repeatable; default: 169.254.110.48 and "
	    "fd6e:6230::1"),
	ROW("exclude-vip", "excludeVIPs", LIST, excluded, check_address, "ADDRESS",
	    "an address that is left to the node, whatever Service has it; repeatable"),
	ROW("min-sync-period", "minSyncPeriod", DURATION, sync_ms, NULL, "DURATION",
	    "how long changes are collected after others were written; default: 100ms"),
	ROW("logging-format", "logging.format", FORMAT, json_log, check_format, "text|json", "default: text"),
	ROW("v", "logging.verbosity", NUMBER, verbosity, NULL, "LEVEL", "more information; default: 0"),
	ROW("convert", NULL, TEXT, convert, NULL, "FILE",
	    "print kube-proxy's configuration in this file as one of the agent, and exit"),
	VERB("once", ONCE, "write the tables once, and exit"),
	VERB("dry-run", DRY_RUN, "print what --once would write, and exit"),
	VERB("check", CHECK, "check kernel, rights and API access, a line each, and exit"),
	VERB("cleanup", CLEANUP, "remove the Services of the API from the tables, and exit"),
	VERB("help", HELP, "print this help"),
	VERB("version", VERSION, "print the version"),
};
#undef ROW
#undef VERB
#undef FIELD

enum { KEYS = sizeof(keys) / sizeof(*keys) };

void nb_agent_config_help(FILE *to)
{
	fputs("usage: natbridge-agent [OPTION]...\n\n"
	      "Follows a Kubernetes API server and keeps the service tables of this node's networks equal to "
	      "it.\n\n",
	      to);
	for (size_t i = 0; i < KEYS; i++) {
		char flag[64];

		snprintf(flag, sizeof(flag), "%s%s%s%s", strlen(keys[i].flag) > 1 ? "--" : "-", keys[i].flag,
			 keys[i].value ? " " : "", keys[i].value ? keys[i].value : "");
		fprintf(to, "  %-38s %s\n", flag, keys[i].help);
	}
}

static void list_free(struct nb_agent_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	list->n = 0;
}

void nb_agent_config_free(struct nb_agent_config *config)
{
	for (size_t i = 0; i < KEYS; i++) {
		char *field = (char *)config + keys[i].offset;

		if (keys[i].type == TYPE_TEXT)
			free(*(char **)field);
		else if (keys[i].type == TYPE_LIST)
			list_free((struct nb_agent_list *)field);
	}
	*config = (struct nb_agent_config){ 0 };
}

/* ---- values ---- */

static int list_add(struct nb_agent_list *list, const char *text, const char *name, struct nb_error *err)
{
	if (list->n == NB_AGENT_LIST_MAX)
		return nb_fail(err, NB_ERR_CONFIG, 0, "%s: there are more than %d", name, NB_AGENT_LIST_MAX);
	list->items[list->n] = strdup(text);
	if (!list->items[list->n])
		return nb_fail_nomem(err);
	list->n++;
	return 0;
}

/* A Go duration of one unit: "100ms", "2s", "1m". */
static bool parse_duration(const char *text, unsigned int *ms)
{
	static const struct {
		const char *unit;
		unsigned int ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 } };
	char number[16] = "";
	const size_t digits = strspn(text, "0123456789");
	unsigned long long value;

	if (!digits || digits >= sizeof(number))
		return false;
	memcpy(number, text, digits);
	if (!nb_uint_parse(number, 0, SYNC_MS_MAX, &value))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(text + digits, units[i].unit) || value * units[i].ms > SYNC_MS_MAX)
			continue;
		*ms = value * units[i].ms;
		return true;
	}
	return false;
}

/* Sets one value, from a flag or from the file; name says which in an error. */
static int set_value(const struct key *key, const char *name, const char *text,
		     struct nb_agent_config *config, struct nb_error *err)
{
	char *field = (char *)config + key->offset;
	const char *problem = key->check ? key->check(text) : NULL;
	unsigned long long number;

	if (problem)
		return nb_fail(err, NB_ERR_CONFIG, 0, "%s: \"%.200s\" %s", name, text, problem);
	switch (key->type) {
	case TYPE_TEXT:
		return nb_strdup(text, (char **)field, err);
	case TYPE_LIST:
		return list_add((struct nb_agent_list *)field, text, name, err);
	case TYPE_DURATION:
		if (parse_duration(text, (unsigned int *)field))
			return 0;
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "%s: \"%.200s\" is not a duration of at most 1m, such as 100ms", name, text);
	case TYPE_NUMBER:
		if (!nb_uint_parse(text, 0, 10, &number))
			return nb_fail(err, NB_ERR_CONFIG, 0, "%s: \"%.200s\" is not a number from 0 to 10",
				       name, text);
		*(unsigned int *)field = number;
		return 0;
	case TYPE_FORMAT:
		*(bool *)field = !strcmp(text, "json");
		return 0;
	case TYPE_SWITCH:
		*(bool *)field = !strcmp(text, "true");
		return 0;
	case TYPE_SERVED:
		*(bool *)field = !strcmp(text, "node");
		return 0;
	default:
		config->verb = key->verb;
		return 0;
	}
}

/* ---- the file ---- */

/* The value at a key with dots. */
static const struct cJSON *find_key(const struct cJSON *json, const char *key)
{
	char part[64];

	while (json) {
		const size_t len = strcspn(key, ".");

		snprintf(part, sizeof(part), "%.*s", (int)len, key);
		json = cJSON_GetObjectItemCaseSensitive(json, part);
		if (!key[len])
			return json;
		key += len + 1;
	}
	return NULL;
}

static int set_from_json(const struct key *key, const struct cJSON *value, struct nb_agent_config *config,
			 struct nb_error *err)
{
	char number[32];

	if (cJSON_IsString(value))
		return set_value(key, key->key, value->valuestring, config, err);
	if (cJSON_IsNumber(value) && key->type == TYPE_NUMBER) {
		snprintf(number, sizeof(number), "%.0f", value->valuedouble);
		return set_value(key, key->key, number, config, err);
	}
	if (cJSON_IsBool(value) && key->type == TYPE_SWITCH)
		return set_value(key, key->key, cJSON_IsTrue(value) ? "true" : "false", config, err);
	return nb_fail(err, NB_ERR_CONFIG, 0, "%s: is not a %s", key->key,
		       key->type == TYPE_NUMBER   ? "number"
		       : key->type == TYPE_SWITCH ? "boolean"
						  : "string");
}

static int read_key(const struct key *key, const struct cJSON *json, struct nb_agent_config *config,
		    struct nb_error *err)
{
	const struct cJSON *value = key->key ? find_key(json, key->key) : NULL, *item;

	if (!value || cJSON_IsNull(value))
		return 0;
	if (key->type != TYPE_LIST)
		return set_from_json(key, value, config, err);
	if (!cJSON_IsArray(value))
		return nb_fail(err, NB_ERR_CONFIG, 0, "%s: is not a list", key->key);
	cJSON_ArrayForEach(item, value) {
		int rc = set_from_json(key, item, config, err);

		if (rc)
			return rc;
	}
	return 0;
}

/* Whether some key is at this path, or below it. */
static bool is_known(const char *path)
{
	const size_t len = strlen(path);

	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].key && !strncmp(keys[i].key, path, len) &&
		    (!keys[i].key[len] || keys[i].key[len] == '.'))
			return true;
	return false;
}

/* Refuses keys that are in no row. Keys with dots are objects of one level. */
static int refuse_unknown(const struct cJSON *json, const char *prefix, struct nb_error *err)
{
	const struct cJSON *item;

	cJSON_ArrayForEach(item, json) {
		char path[128];
		int rc = 0;

		snprintf(path, sizeof(path), "%s%s%.60s", prefix, *prefix ? "." : "", item->string);
		if (!*prefix && (!strcmp(path, "apiVersion") || !strcmp(path, "kind")))
			continue;
		if (!is_known(path) || strchr(item->string, '.'))
			return nb_fail(err, NB_ERR_UNSUPPORTED, 0, "%s: unknown key", path);
		if (!*prefix && cJSON_IsObject(item))
			rc = refuse_unknown(item, path, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_file(const char *path, struct nb_agent_config *config, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	int rc = nb_document_read(path, "natbridge.io/v1alpha1", "AgentConfiguration", &json, err);

	if (rc)
		return rc;
	rc = refuse_unknown(json, "", err);
	for (size_t i = 0; i < KEYS && !rc; i++)
		rc = read_key(&keys[i], json, config, err);
	return rc ? nb_wrap(err, "%s", path) : 0;
}

/* ---- the command line ---- */

static const struct key *find_flag(const char *name, size_t len)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strlen(keys[i].flag) == len && !strncmp(keys[i].flag, name, len))
			return &keys[i];
	return NULL;
}

/* One flag at argv[*at], and its value: "--name=value", "--name value", "-v 2", "-v=2"; "--name" for true. */
struct flag {
	const struct key *key;
	const char *value;
	char name[64];
};

static int read_flag(char **argv, int *at, struct flag *flag, struct nb_error *err)
{
	const char *text = argv[*at], *name = text + strspn(text, "-");
	const size_t dashes = name - text, len = strcspn(name, "=");

	flag->key = dashes == 1 || dashes == 2 ? find_flag(name, len) : NULL;
	if (!flag->key && (!strcmp(text, "-h") || !strcmp(text, "-V")))
		flag->key = find_flag(text[1] == 'h' ? "help" : "version", text[1] == 'h' ? 4 : 7);
	if (!flag->key)
		return nb_fail(err, NB_ERR_CONFIG, 0, "unknown option \"%.100s\"; see natbridge-agent --help",
			       text);
	snprintf(flag->name, sizeof(flag->name), "%s%s", strlen(flag->key->flag) > 1 ? "--" : "-",
		 flag->key->flag);
	flag->value = name[len] ? name + len + 1 : NULL;
	if (flag->key->type == TYPE_VERB) {
		if (flag->value)
			return nb_fail(err, NB_ERR_CONFIG, 0, "%s takes no value", flag->name);
		flag->value = "";
	} else if (!flag->value && flag->key->type == TYPE_SWITCH &&
		   (!argv[*at + 1] || check_switch(argv[*at + 1]))) {
		flag->value = "true";
	} else if (!flag->value) {
		flag->value = argv[*at + 1];
		if (!flag->value)
			return nb_fail(err, NB_ERR_CONFIG, 0, "%s requires a value", flag->name);
		++*at;
	}
	return 0;
}

/* A list on the command line replaces that of the file. */
static int set_flags(int argc, char **argv, bool file_alone, struct nb_agent_config *config,
		     struct nb_error *err)
{
	bool seen[KEYS] = { false };

	for (int i = 1; i < argc; i++) {
		struct flag flag;
		int rc = read_flag(argv, &i, &flag, err);

		if (rc)
			return rc;
		if (file_alone && strcmp(flag.key->flag, "config"))
			continue;
		if (flag.key->type == TYPE_LIST && !seen[flag.key - keys])
			list_free((struct nb_agent_list *)((char *)config + flag.key->offset));
		if (flag.key->type == TYPE_VERB && config->verb != NB_AGENT_RUN &&
		    config->verb != flag.key->verb)
			return nb_fail(err, NB_ERR_CONFIG, 0, "%s excludes the other command that is given",
				       flag.name);
		seen[flag.key - keys] = true;
		rc = set_value(flag.key, flag.name, flag.value, config, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int set_default(char **field, const char *text, struct nb_error *err)
{
	return *field ? 0 : nb_strdup(text, field, err);
}

/* The kubelet's name for the node, unless the operator says another: the host name in lower case. */
static int default_node(struct nb_agent_config *config, struct nb_error *err)
{
	const char *given = getenv("NODE_NAME"), *problem;
	char name[256] = "";

	if (config->node && *config->node)
		return 0;
	if (given && *given)
		snprintf(name, sizeof(name), "%s", given);
	else if (gethostname(name, sizeof(name) - 1))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read the host name");
	for (char *c = name; *c; c++)
		*c = tolower((unsigned char)*c);
	problem = *name ? check_node(name) : "is empty";
	if (problem)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "the node's name \"%.200s\" %s; use --hostname-override", name, problem);
	return nb_strdup(name, &config->node, err);
}

static int set_defaults(struct nb_agent_config *config, struct nb_error *err)
{
	int rc = set_default(&config->cni_dir, "/etc/cni/net.d", err);

	rc = rc ? rc : set_default(&config->state_dir, "/var/lib/natbridge", err);
	rc = rc ? rc : set_default(&config->healthz, "0.0.0.0:10256", err);
	rc = rc ? rc : set_default(&config->metrics, "127.0.0.1:10249", err);
	config->health_ports |= config->serves_node; /* no kube-proxy answers there */
	if (!rc && !config->node_ports.n)
		rc = list_add(&config->node_ports, "primary", "nodePortAddresses", err);
	if (!rc && config->takes_over && !config->serves_node)
		rc = nb_fail(err, NB_ERR_CONFIG, 0, "takeover: requires serviceProxy: node");
	if (!rc && config->fast_path && !config->serves_node)
		rc = nb_fail(err, NB_ERR_CONFIG, 0, "fastPath: requires serviceProxy: node");
	return rc ? rc : default_node(config, err);
}

int nb_agent_config_read(int argc, char **argv, struct nb_agent_config *config, struct nb_error *err)
{
	int rc;

	config->sync_ms = 100;
	rc = set_flags(argc, argv, true, config, err);
	if (!rc && config->file)
		rc = read_file(config->file, config, err);
	rc = rc ? rc : set_flags(argc, argv, false, config, err);
	return rc || config->convert || config->verb == NB_AGENT_HELP || config->verb == NB_AGENT_VERSION
		       ? rc
		       : set_defaults(config, err);
}
