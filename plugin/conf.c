// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of all keys at the top of the configuration, and how each is read. */
#include "conf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf/proxy.h"
#include "lib/json/json.h"
#include "lib/maps/layout.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "args.h"
#include "cni_value.h"
#include "cni_version.h"
#include "conf_gc.h"
#include "conf_key.h"
#include "conf_vlan.h"
#include "dns.h"

enum { MTU_MIN = 68, MTU_MAX = 65535 };

/* A configuration of NB_STDIN_MAX bytes with this many values takes less than 64 MB of memory. */
static const struct nb_json_limits LIMITS = { .depth = 64, .values = 200000 };

/* The oldest version of the specification that has the command. */
static const char *const COMMAND_SINCE[NB_CNI_COMMANDS] = {
	[NB_CNI_ADD] = "0.1.0", [NB_CNI_DEL] = "0.1.0",    [NB_CNI_CHECK] = "0.4.0",
	[NB_CNI_GC] = "1.1.0",  [NB_CNI_STATUS] = "1.1.0", [NB_CNI_VERSION] = "0.1.0",
};

bool nb_conf_uses_datapath(const struct nb_conf *conf)
{
	return conf->proxy.mode != NB_MODE_OFF && conf->ipam_type;
}

static int parse_name(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	const char *name = "";
	int rc = nb_json_string(at, &name, err);

	if (rc)
		return rc;
	if (!*name)
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"name\": the network name is missing");
	if (!nb_cni_name_valid(name))
		return nb_json_fail(at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not [a-zA-Z0-9][a-zA-Z0-9_.-]* of at most 200 characters",
				    name);
	return nb_strdup(name, &conf->name, err);
}

static int parse_version(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	const char *version = "", *since = COMMAND_SINCE[conf->command];
	int rc = nb_json_string(at, &version, err);

	if (rc)
		return rc;
	if (!*version)
		version = NB_CNI_VERSIONS[0];
	if (nb_cni_version_rank(version) < 0)
		return nb_json_fail(at, NB_ERR_VERSION, err,
				    "\"%.50s\" is not supported; " NB_CNI_VERSIONS_TEXT " are", version);
	rc = nb_strdup(version, &conf->cni_version, err);
	if (rc)
		return rc;
	if (nb_cni_version_rank(version) < nb_cni_version_rank(since))
		return nb_fail(err, NB_ERR_VERSION, 0, "cniVersion \"%s\" has no %s; it came with %s",
			       version, nb_command_name(conf->command), since);
	return 0;
}

/* A name that no link can have leaves conf->bridge empty for DEL and GC: there is no bridge to look at. */
static int parse_bridge(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	const char *name = "cni0", *problem;
	int rc = nb_json_string(at, &name, err);

	if (rc)
		return rc;
	problem = nb_ifname_problem(name);
	if (!problem)
		memcpy(conf->bridge, name, strlen(name) + 1);
	else if (nb_conf_is_full(conf))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.50s\" %s", name, problem);
	return 0;
}

static const char *const IPAM_KEYS[] = { "type", NULL };

static int parse_ipam(const struct nb_json *ipam, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(ipam, "type");
	const char *type = "";
	int rc = nb_json_is_object(ipam, err);

	if (rc)
		return rc;
	rc = nb_json_check_case(ipam, IPAM_KEYS, err);
	if (rc)
		return rc;
	rc = nb_json_string(&at, &type, err);
	if (rc)
		return rc;
	conf->ipam_without_type = ipam->node && ipam->node->child && !*type;
	if (!*type)
		return 0;
	if (!nb_cni_name_valid(type))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not the name of a plugin", type);
	return nb_strdup(type, &conf->ipam_type, err);
}

static int parse_proxy(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	conf->proxy.full = nb_conf_is_full(conf);
	return nb_proxy_conf_parse(at, &conf->proxy, err);
}

static int parse_prev_result(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	conf->prev_result = at->node;
	return 0;
}

static int parse_mtu(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	int rc = nb_json_uint(at, 0, MTU_MAX, &conf->mtu, err);

	if (rc)
		return rc;
	if (conf->mtu && conf->mtu < MTU_MIN)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "%u is less than %d", conf->mtu, MTU_MIN);
	return 0;
}

/* The "mac" of an object: it overrides what came before. */
static int parse_mac(const struct nb_json *object, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(object, "mac");
	const char *mac = "";
	int rc = nb_json_string(&at, &mac, err);

	if (rc || !*mac)
		return rc;
	if (!nb_mac_parse_any(mac, conf->mac))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.50s\" is not a unicast MAC address", mac);
	conf->has_mac = true;
	return 0;
}

static int parse_args(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	static const char *const KEYS[] = { "cni", NULL }, *const CNI_KEYS[] = { "mac", NULL };
	const struct nb_json cni = nb_json_get(at, "cni");
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = nb_json_check_case(at, KEYS, err);
	if (rc)
		return rc;
	rc = nb_json_is_object(&cni, err);
	if (rc)
		return rc;
	rc = nb_json_check_case(&cni, CNI_KEYS, err);
	if (rc)
		return rc;
	return parse_mac(&cni, conf, err);
}

/* Whether the bandwidth plugin is asked to shape this pod. That plugin checks its values. */
static bool asks_to_shape(const struct nb_json *bandwidth)
{
	const struct nb_json ingress = nb_json_get(bandwidth, "ingressRate");
	const struct nb_json egress = nb_json_get(bandwidth, "egressRate");

	return (cJSON_IsNumber(ingress.node) && ingress.node->valuedouble > 0) ||
	       (cJSON_IsNumber(egress.node) && egress.node->valuedouble > 0);
}

static int parse_runtime_config(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	static const char *const KEYS[] = { "mac", "bandwidth", NULL };
	const struct nb_json bandwidth = nb_json_get(at, "bandwidth");
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = nb_json_check_case(at, KEYS, err);
	if (rc)
		return rc;
	conf->shaped = asks_to_shape(&bandwidth);
	return parse_mac(at, conf, err);
}

static int parse_dns(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	return nb_dns_parse(at, &conf->dns, &conf->has_dns, err);
}

/* Without ipMasq the backend is not looked at, as in the reference plugin. */
static int parse_masq_backend(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err)
{
	const char *name = NULL;
	int rc = nb_json_string(at, &name, err);

	if (rc || !name || !conf->ip_masq)
		return rc;
	if (strcmp(name, "iptables") != 0 && strcmp(name, "nftables") != 0)
		return nb_json_fail(at, NB_ERR_CONFIG, err,
				    "\"%.50s\" is not a backend; \"iptables\" and \"nftables\" are", name);
	conf->masq_backend = *name == 'i' ? NB_MASQ_IPTABLES : NB_MASQ_NFTABLES;
	return 0;
}

/* A bool, and a key with a parser: DEL and GC read both. */
#define FLAG(member)   .flag = offsetof(struct nb_conf, member), .for_removal = true
#define ALWAYS(parser) .parse = (parser), .for_removal = true

/*
 * The keys that natbridge knows; others belong to other plugins. Read from top to bottom:
 * all below need the name, runtimeConfig overrides args, the newer list of attachments
 * overrides the older one.
 */
static const struct nb_conf_key KEYS[] = {
	{ "name", ALWAYS(parse_name) },
	{ "cniVersion", ALWAYS(parse_version) },
	{ .name = "type" }, /* the runtime reads these two */
	{ .name = "capabilities" },
	{ "bridge", ALWAYS(parse_bridge) },
	{ "ipam", ALWAYS(parse_ipam) },
	{ "isGateway", FLAG(is_gateway) },
	{ "isDefaultGateway", FLAG(is_default_gateway) },
	{ "forceAddress", FLAG(force_address) },
	{ "ipMasq", FLAG(ip_masq) },
	{ "hairpinMode", FLAG(hairpin_mode) },
	{ "ipspoofchk", FLAG(ip_spoof_check) },
	{ "macspoofchk", FLAG(mac_spoof_check) },
	{ "promiscMode", FLAG(promisc_mode) },
	{ "enabledad", FLAG(enable_dad) },
	{ "preserveDefaultVlan", FLAG(preserve_default_vlan) },
	{ "portIsolation", FLAG(port_isolation) },
	{ "disableContainerInterface", FLAG(disable_container_interface) },
	{ NB_CONF_VALID_OLD, ALWAYS(nb_conf_parse_attachments) },
	{ NB_CONF_VALID, ALWAYS(nb_conf_parse_attachments) },
	{ "serviceProxy", ALWAYS(parse_proxy) },
	{ "prevResult", ALWAYS(parse_prev_result) },
	{ "mtu", .parse = parse_mtu },
	{ "args", .parse = parse_args },
	{ "runtimeConfig", .parse = parse_runtime_config },
	{ "dns", .parse = parse_dns },
	{ "ipMasqBackend", .parse = parse_masq_backend },
	{ "vlan", .parse = nb_conf_parse_vlan },
	{ "vlanTrunk", .parse = nb_conf_parse_vlan_trunk },
	{ 0 },
};
_Static_assert(sizeof(KEYS) / sizeof(*KEYS) <= NB_CONF_KEYS_MAX, "more keys than nb_conf_key_names() takes");

/* What the reference plugin refuses, and what no result could express. */
static int check_combinations(const struct nb_conf *conf, struct nb_error *err)
{
	if (conf->ipam_type && conf->disable_container_interface)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"disableContainerInterface\" is true: \"ipam\" cannot be used with it");
	if (conf->hairpin_mode && conf->promisc_mode)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"hairpinMode\" and \"promiscMode\" cannot both be true");
	if (conf->ip_spoof_check && !nb_conf_uses_datapath(conf))
		return nb_fail(err, NB_ERR_UNSUPPORTED, 0,
			       "\"ipspoofchk\" is true: it needs \"ipam\" and a \"serviceProxy.mode\" other "
			       "than \"off\"");
	if (!conf->ipam_type && nb_cni_version_rank(conf->cni_version) < nb_cni_version_rank("0.3.0"))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"ipam\" is missing: a result of cniVersion \"%s\" must have an address",
			       conf->cni_version);
	return 0;
}

/*
 * ADD refuses a key in another case. DEL and GC read the key that is meant: what they remove may be
 * older than the mistake, or made by the reference plugin, which takes such keys. The entries of
 * GC's list are not corrected: GC removes what the list does not name, so a list that is misread
 * would remove pods in use.
 */
static void correct_case(struct cJSON *json, const char *const keys[])
{
	nb_json_correct_case(json, keys);
	nb_json_correct_case(cJSON_GetObjectItemCaseSensitive(json, "ipam"), IPAM_KEYS);
	nb_proxy_conf_correct_case(cJSON_GetObjectItemCaseSensitive(json, "serviceProxy"));
}

int nb_conf_parse(char *text, size_t len, const struct nb_args *args, struct nb_conf *conf,
		  struct nb_error *err)
{
	const struct nb_conf_key_names known = nb_conf_key_names(KEYS);
	struct nb_json root;
	int rc;

	conf->command = args->command;
	conf->text = text;
	conf->text_len = len;
	conf->has_mac = args->has_mac;
	memcpy(conf->mac, args->mac, sizeof(conf->mac));
	rc = nb_json_parse(text, len, &LIMITS, &conf->json, err);
	if (rc)
		return nb_wrap(err, "network configuration");
	root = nb_json_root(conf->json);
	if (!cJSON_IsObject(root.node))
		return nb_fail(err, NB_ERR_DECODE, 0, "network configuration: not a JSON object");
	if (!nb_conf_is_full(conf))
		correct_case(conf->json, known.names);
	rc = nb_json_check_case(&root, known.names, err);
	if (rc)
		return rc;
	rc = nb_conf_read_keys(&root, KEYS, conf, err);
	if (rc)
		return rc;
	conf->is_gateway |= conf->is_default_gateway;
	return nb_conf_is_full(conf) ? check_combinations(conf, err) : 0;
}

void nb_conf_free(struct nb_conf *conf)
{
	free(conf->cni_version);
	free(conf->name);
	free(conf->ipam_type);
	free(conf->attachments);
	nb_dns_free(&conf->dns);
	nb_proxy_conf_free(&conf->proxy);
	nb_json_free(&conf->json);
	free(conf->text);
	*conf = (struct nb_conf){ 0 };
}
