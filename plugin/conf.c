// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "args.h"
#include "dns.h"

enum { MTU_MIN = 68, MTU_MAX = 65535 };

/* A configuration of 4 MB (see input.c) with this many values stays under 64 MB of memory. */
static const struct nb_json_limits LIMITS = { .depth = 64, .values = 200000 };

const char *const NB_CNI_VERSIONS[] = { "0.1.0", "0.2.0", "0.3.0",       "0.3.1",
					"0.4.0", "1.0.0", NB_CNI_NEWEST, NULL };

/* Keys that natbridge knows; others are other plugins' business. */
static const char *const TOP_KEYS[] = {
	"cniVersion",
	"name",
	"type",
	"args",
	"capabilities",
	"runtimeConfig",
	"prevResult",
	NB_CONF_VALID,
	NB_CONF_VALID_OLD,
	"ipam",
	"dns",
	"bridge",
	"isGateway",
	"isDefaultGateway",
	"forceAddress",
	"ipMasq",
	"ipMasqBackend",
	"mtu",
	"hairpinMode",
	"promiscMode",
	"vlan",
	"vlanTrunk",
	"preserveDefaultVlan",
	"macspoofchk",
	"ipspoofchk",
	"enabledad",
	"disableContainerInterface",
	"portIsolation",
	"serviceProxy",
	NULL,
};

static const char *const IPAM_KEYS[] = { "type", NULL };

static const struct {
	const char *key;
	size_t offset; /* of a bool in struct nb_conf */
} BOOLS[] = {
	{ "isGateway", offsetof(struct nb_conf, is_gateway) },
	{ "isDefaultGateway", offsetof(struct nb_conf, is_default_gateway) },
	{ "forceAddress", offsetof(struct nb_conf, force_address) },
	{ "ipMasq", offsetof(struct nb_conf, ip_masq) },
	{ "hairpinMode", offsetof(struct nb_conf, hairpin_mode) },
	{ "ipspoofchk", offsetof(struct nb_conf, ip_spoof_check) },
	{ "macspoofchk", offsetof(struct nb_conf, mac_spoof_check) },
	{ "promiscMode", offsetof(struct nb_conf, promisc_mode) },
	{ "enabledad", offsetof(struct nb_conf, enable_dad) },
	{ "preserveDefaultVlan", offsetof(struct nb_conf, preserve_default_vlan) },
	{ "portIsolation", offsetof(struct nb_conf, port_isolation) },
	{ "disableContainerInterface", offsetof(struct nb_conf, disable_container_interface) },
};

/* Oldest spec version that has the command. */
static const char *const COMMAND_SINCE[NB_COMMANDS] = {
	[NB_CMD_ADD] = "0.1.0", [NB_CMD_DEL] = "0.1.0",    [NB_CMD_CHECK] = "0.4.0",
	[NB_CMD_GC] = "1.1.0",  [NB_CMD_STATUS] = "1.1.0", [NB_CMD_VERSION] = "0.1.0",
};

int nb_cni_version_rank(const char *version)
{
	for (int i = 0; NB_CNI_VERSIONS[i]; i++)
		if (strcmp(version, NB_CNI_VERSIONS[i]) == 0)
			return i;
	return -1;
}

bool nb_conf_uses_datapath(const struct nb_conf *conf)
{
	return conf->proxy.mode != NB_MODE_OFF && conf->ipam_type;
}

static int parse_version(const struct nb_json *root, enum nb_command command, struct nb_conf *conf,
			 struct nb_error *err)
{
	const struct nb_json at = nb_json_get(root, "cniVersion");
	const char *version = "", *since = COMMAND_SINCE[command];
	int ret = nb_json_string(&at, &version, err);

	if (ret)
		return ret;
	if (!*version)
		version = NB_CNI_VERSIONS[0];
	if (nb_cni_version_rank(version) < 0)
		return nb_json_fail(&at, NB_ERR_VERSION, err,
				    "\"%.50s\" is not supported; " NB_CNI_VERSIONS_TEXT " are", version);
	ret = nb_strdup(version, &conf->cni_version, err);
	if (!ret && nb_cni_version_rank(version) < nb_cni_version_rank(since))
		ret = nb_fail(err, NB_ERR_VERSION, 0, "cniVersion \"%s\" has no %s; it came with %s", version,
			      nb_command_name(command), since);
	return ret;
}

static int parse_name(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(root, "name");
	const char *name = "";
	int ret = nb_json_string(&at, &name, err);

	if (ret)
		return ret;
	if (!*name)
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"name\": the network name is missing");
	if (!nb_cni_name_valid(name))
		return nb_json_fail(&at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not [a-zA-Z0-9][a-zA-Z0-9_.-]* of at most 200 characters",
				    name);
	return nb_strdup(name, &conf->name, err);
}

/* DEL and GC of a name that cannot be have no bridge to look at: conf->bridge stays empty. */
static int parse_bridge(const struct nb_json *root, bool full, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(root, "bridge");
	const char *name = "cni0", *problem;
	int ret = nb_json_string(&at, &name, err);

	if (ret)
		return ret;
	problem = nb_ifname_problem(name);
	if (problem)
		return full ? nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.50s\" %s", name, problem) : 0;
	memcpy(conf->bridge, name, strlen(name) + 1);
	return 0;
}

static int parse_mtu(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(root, "mtu");
	int ret = nb_json_uint(&at, 0, MTU_MAX, &conf->mtu, err);

	if (!ret && conf->mtu && conf->mtu < MTU_MIN)
		ret = nb_json_fail(&at, NB_ERR_CONFIG, err, "%u is less than %d", conf->mtu, MTU_MIN);
	return ret;
}

static int parse_bools(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err)
{
	int ret = 0;

	for (size_t i = 0; i < sizeof(BOOLS) / sizeof(*BOOLS) && !ret; i++) {
		const struct nb_json at = nb_json_get(root, BOOLS[i].key);

		ret = nb_json_bool(&at, (bool *)((char *)conf + BOOLS[i].offset), err);
	}
	conf->is_gateway |= conf->is_default_gateway;
	return ret;
}

static int parse_ipam(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_json ipam = nb_json_get(root, "ipam");
	const struct nb_json at = nb_json_get(&ipam, "type");
	const char *type = "";
	int ret = nb_json_is_object(&ipam, err);

	if (!ret)
		ret = nb_json_check_case(&ipam, IPAM_KEYS, err);
	if (!ret)
		ret = nb_json_string(&at, &type, err);
	conf->ipam_without_type = ipam.node && ipam.node->child && !*type;
	if (ret || !*type)
		return ret;
	if (!nb_cni_name_valid(type))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not the name of a plugin", type);
	return nb_strdup(type, &conf->ipam_type, err);
}

static int use_mac(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	const char *mac = "";
	int ret = nb_json_string(at, &mac, err);

	if (ret || !*mac)
		return ret;
	if (!nb_mac_parse_any(mac, conf->mac))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.50s\" is not a unicast MAC address", mac);
	conf->has_mac = true;
	return 0;
}

/* args.cni.mac overrides CNI_ARGS, runtimeConfig.mac overrides both. */
static int parse_mac(const struct nb_json *root, const struct nb_args *args, struct nb_conf *conf,
		     struct nb_error *err)
{
	static const char *const ALL[] = { "cni", NULL }, *const KEYS[] = { "mac", NULL };
	static const char *const RUNTIME[] = { "mac", "bandwidth", NULL };
	const struct nb_json all_args = nb_json_get(root, "args"), cni = nb_json_get(&all_args, "cni");
	const struct nb_json from_args = nb_json_get(&cni, "mac");
	const struct nb_json runtime = nb_json_get(root, "runtimeConfig");
	const struct nb_json from_runtime = nb_json_get(&runtime, "mac");
	int ret;

	conf->has_mac = args->has_mac;
	memcpy(conf->mac, args->mac, sizeof(conf->mac));
	ret = nb_json_is_object(&all_args, err);
	if (!ret)
		ret = nb_json_check_case(&all_args, ALL, err);
	if (!ret)
		ret = nb_json_is_object(&cni, err);
	if (!ret)
		ret = nb_json_check_case(&cni, KEYS, err);
	if (!ret)
		ret = use_mac(&from_args, conf, err);
	if (!ret)
		ret = nb_json_is_object(&runtime, err);
	if (!ret)
		ret = nb_json_check_case(&runtime, RUNTIME, err);
	return ret ? ret : use_mac(&from_runtime, conf, err);
}

/* Whether the bandwidth plugin is asked to shape this pod. Its values are that plugin's to check. */
static void parse_bandwidth(const struct nb_json *root, struct nb_conf *conf)
{
	const struct nb_json runtime = nb_json_get(root, "runtimeConfig");
	const struct nb_json bandwidth = nb_json_get(&runtime, "bandwidth");
	const struct nb_json ingress = nb_json_get(&bandwidth, "ingressRate");
	const struct nb_json egress = nb_json_get(&bandwidth, "egressRate");

	conf->shaped = (cJSON_IsNumber(ingress.node) && ingress.node->valuedouble > 0) ||
		       (cJSON_IsNumber(egress.node) && egress.node->valuedouble > 0);
}

static int parse_masq_backend(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(root, "ipMasqBackend");
	const char *name = NULL;
	int ret = nb_json_string(&at, &name, err);

	if (ret || !name || !conf->ip_masq)
		return ret;
	if (strcmp(name, "iptables") != 0 && strcmp(name, "nftables") != 0)
		return nb_json_fail(&at, NB_ERR_CONFIG, err,
				    "\"%.50s\" is not a backend; \"iptables\" and \"nftables\" are", name);
	conf->masq_backend = *name == 'i' ? NB_MASQ_IPTABLES : NB_MASQ_NFTABLES;
	return 0;
}

/* What the reference plugin refuses, and what no result could say. */
static int check_combinations(const struct nb_conf *conf, struct nb_error *err)
{
	if (conf->ipam_type && conf->disable_container_interface)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"disableContainerInterface\" is true: \"ipam\" cannot be used with it");
	if (conf->hairpin_mode && conf->promisc_mode)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"hairpinMode\" and \"promiscMode\" cannot both be true");
	if (conf->ip_spoof_check && !nb_conf_uses_datapath(conf))
		return nb_fail(
			err, NB_ERR_UNSUPPORTED, 0,
			"\"ipspoofchk\" is true: it needs \"ipam\" and \"serviceProxy.mode\" \"ebpf\"");
	if (!conf->ipam_type && nb_cni_version_rank(conf->cni_version) < nb_cni_version_rank("0.3.0"))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"ipam\" is missing: a result of cniVersion \"%s\" must have an address",
			       conf->cni_version);
	return 0;
}

/*
 * ADD refuses a key in another case. What DEL and GC remove may be older than the mistake, or made by the
 * reference plugin, which takes such keys: they read the key that is meant. The entries of GC's list stay as
 * they are: what it does not name is removed.
 */
static void correct_case(struct cJSON *json)
{
	nb_json_correct_case(json, TOP_KEYS);
	nb_json_correct_case(cJSON_GetObjectItemCaseSensitive(json, "ipam"), IPAM_KEYS);
	nb_conf_correct_proxy(cJSON_GetObjectItemCaseSensitive(json, "serviceProxy"));
}

/* DEL and GC read only what they need. */
static bool is_full(enum nb_command command)
{
	return command != NB_CMD_DEL && command != NB_CMD_GC;
}

static int parse_members(const struct nb_json *root, const struct nb_args *args, struct nb_conf *conf,
			 struct nb_error *err)
{
	const bool full = is_full(args->command);
	const struct nb_json proxy = nb_json_get(root, "serviceProxy"), dns = nb_json_get(root, "dns");
	const struct nb_json prev = nb_json_get(root, "prevResult");
	int ret = parse_bridge(root, full, conf, err);

	if (!ret)
		ret = parse_ipam(root, conf, err);
	if (!ret)
		ret = parse_bools(root, conf, err);
	if (!ret)
		ret = nb_conf_parse_attachments(root, conf, err);
	if (!ret)
		ret = nb_conf_parse_proxy(&proxy, full, &conf->proxy, err);
	if (!ret)
		ret = nb_json_is_object(&prev, err);
	conf->prev_result = prev.node;
	if (ret || !full)
		return ret;
	ret = parse_mtu(root, conf, err);
	if (!ret)
		ret = parse_mac(root, args, conf, err);
	if (!ret)
		ret = nb_dns_parse(&dns, &conf->dns, &conf->has_dns, err);
	if (!ret)
		ret = parse_masq_backend(root, conf, err);
	if (!ret)
		ret = nb_conf_parse_vlans(root, conf, err);
	if (!ret)
		ret = check_combinations(conf, err);
	parse_bandwidth(root, conf);
	return ret;
}

int nb_conf_parse(char *text, size_t len, const struct nb_args *args, struct nb_conf *conf,
		  struct nb_error *err)
{
	struct nb_json root;
	int ret;

	conf->text = text;
	conf->text_len = len;
	ret = nb_json_parse(text, len, &LIMITS, &conf->json, err);
	if (ret)
		return nb_wrap(err, "network configuration");
	root = nb_json_root(conf->json);
	if (!cJSON_IsObject(root.node))
		return nb_fail(err, NB_ERR_DECODE, 0, "network configuration: not a JSON object");
	if (!is_full(args->command))
		correct_case(conf->json);
	ret = nb_json_check_case(&root, TOP_KEYS, err);
	if (!ret)
		ret = parse_name(&root, conf, err);
	if (!ret)
		ret = parse_version(&root, args->command, conf, err);
	return ret ? ret : parse_members(&root, args, conf, err);
}

void nb_conf_free(struct nb_conf *conf)
{
	free(conf->cni_version);
	free(conf->name);
	free(conf->ipam_type);
	free(conf->attachments);
	nb_dns_free(&conf->dns);
	nb_conf_free_proxy(&conf->proxy);
	nb_json_free(&conf->json);
	free(conf->text);
	*conf = (struct nb_conf){ 0 };
}
