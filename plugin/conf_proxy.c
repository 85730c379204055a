// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/maps/layout.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "conf.h"

enum {
	BPFFS_MAX = 200, /* bytes of the bpffs path */
	ENTRIES_MIN = 16,
	ENTRIES_MAX = 1 << 23,
};

static const char *const PROXY_KEYS[] = { "mode",      "services", "serviceCIDRs", "fastPath", "bpffs",
					  "conntrack", "limits",   "rcuExpedited", NULL };

static int parse_mode(const struct nb_json *proxy, bool full, struct nb_proxy_conf *conf,
		      struct nb_error *err)
{
	const struct nb_json at = nb_json_get(proxy, "mode");
	const char *mode = "ebpf";
	int ret = nb_json_string(&at, &mode, err);

	if (ret)
		return ret;
	conf->mode = NB_MODE_EBPF;
	for (enum nb_mode i = 0; i < NB_MODES; i++)
		if (strcmp(mode, nb_mode_name(i)) == 0)
			conf->mode = i;
	if (!full || strcmp(mode, nb_mode_name(conf->mode)) == 0)
		return 0;
	return nb_json_fail(&at, NB_ERR_CONFIG, err,
			    "\"%.50s\" is not one of \"ebpf\", \"assist\" and \"off\"", mode);
}

static int parse_bpffs(const struct nb_json *proxy, struct nb_proxy_conf *conf, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(proxy, "bpffs");
	const char *path = NULL;
	int ret = nb_json_string(&at, &path, err);

	if (ret || !path)
		return ret;
	if (path[0] != '/' || strlen(path) > BPFFS_MAX)
		return nb_json_fail(&at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not an absolute path of at most %d bytes", path,
				    BPFFS_MAX);
	for (const char *c = path; *c; c++)
		if (iscntrl((unsigned char)*c))
			return nb_json_fail(&at, NB_ERR_CONFIG, err, "contains a control character");
	return nb_strdup(path, &conf->bpffs, err);
}

static int parse_timeouts(const struct nb_json *conntrack, struct nb_proxy_conf *conf, struct nb_error *err)
{
	const struct nb_json timeouts = nb_json_get(conntrack, "timeouts");
	struct nb_json item;
	int ret = nb_json_is_object(&timeouts, err);

	if (ret)
		return ret;
	for (item = nb_json_first(&timeouts); item.node && !ret; item = nb_json_next(&item)) {
		int which = nb_setting_find(item.node->string);

		if (which < 0 || which == NB_SETTING_MAX)
			return nb_json_fail(&item, NB_ERR_CONFIG, err,
					    "unknown timeout; the names are those of nf_conntrack");
		ret = nb_json_uint(&item, 1, NB_TIMEOUT_MAX, &conf->timeouts[which], err);
	}
	return ret;
}

static int parse_conntrack(const struct nb_json *proxy, struct nb_proxy_conf *conf, struct nb_error *err)
{
	static const char *const KEYS[] = { "max", "timeouts", NULL };
	const struct nb_json conntrack = nb_json_get(proxy, "conntrack");
	const struct nb_json max = nb_json_get(&conntrack, "max");
	int ret = nb_json_is_object(&conntrack, err);

	if (!ret)
		ret = nb_json_check_known(&conntrack, KEYS, err);
	if (!ret)
		ret = nb_json_uint(&max, NB_CONNECTIONS_MIN, NB_CONNECTIONS_MAX, &conf->limits.connections,
				   err);
	return ret ? ret : parse_timeouts(&conntrack, conf, err);
}

static int parse_limits(const struct nb_json *proxy, struct nb_proxy_conf *conf, struct nb_error *err)
{
	static const char *const KEYS[] = { "frontends", "backends", NULL };
	const struct nb_json limits = nb_json_get(proxy, "limits");
	const struct nb_json frontends = nb_json_get(&limits, "frontends");
	const struct nb_json backends = nb_json_get(&limits, "backends");
	int ret = nb_json_is_object(&limits, err);

	if (!ret)
		ret = nb_json_check_known(&limits, KEYS, err);
	if (!ret)
		ret = nb_json_uint(&frontends, ENTRIES_MIN, ENTRIES_MAX, &conf->limits.frontends, err);
	return ret ? ret : nb_json_uint(&backends, ENTRIES_MIN, ENTRIES_MAX, &conf->limits.backends, err);
}

static int parse_range(const struct nb_json *at, struct nb_proxy_conf *conf, struct nb_error *err)
{
	struct nb_addr addr, network;
	unsigned int prefix_len;
	const char *text = "";
	int ret = nb_json_string(at, &text, err);

	if (ret)
		return ret;
	if (!nb_cidr_parse(text, &addr, &prefix_len) || !prefix_len || !nb_addr_is_routable(&addr))
		return nb_json_fail(at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not ADDRESS/PREFIX of a service range", text);
	network = nb_addr_network(&addr, prefix_len);
	if (!nb_addr_equal(&addr, &network))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.100s\" has bits set behind its prefix",
				    text);
	if (conf->n_ranges == NB_MAX_SERVICE_CIDRS)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "there are more than %d ranges",
				    NB_MAX_SERVICE_CIDRS);
	conf->ranges[conf->n_ranges++] = nb_prefix_make(&addr, prefix_len);
	return 0;
}

static int parse_ranges(const struct nb_json *proxy, struct nb_proxy_conf *conf, struct nb_error *err)
{
	const struct nb_json array = nb_json_get(proxy, "serviceCIDRs");
	struct nb_json item;
	int ret = nb_json_is_array(&array, err);

	for (item = nb_json_first(&array); item.node && !ret; item = nb_json_next(&item))
		ret = parse_range(&item, conf, err);
	return ret;
}

/* What cannot be read forbids it to DEL and GC, which go on: the operator has said something about it. */
static int parse_rcu_expedited(const struct nb_json *proxy, bool full, struct nb_proxy_conf *conf,
			       struct nb_error *err)
{
	const struct nb_json at = nb_json_get(proxy, "rcuExpedited");
	int ret;

	conf->rcu_expedited = true;
	ret = nb_json_bool(&at, &conf->rcu_expedited, full ? err : NULL);
	if (ret && !full) {
		conf->rcu_expedited = false;
		return 0;
	}
	return ret;
}

int nb_conf_parse_proxy(const struct nb_json *proxy, bool full, struct nb_proxy_conf *conf,
			struct nb_error *err)
{
	const struct nb_json services = nb_json_get(proxy, "services");
	const struct nb_json fast_path = nb_json_get(proxy, "fastPath");
	int ret = nb_json_is_object(proxy, err);

	conf->fast_path = true;
	conf->fast_path_given = fast_path.node != NULL;
	if (!ret)
		ret = parse_mode(proxy, full, conf, err);
	if (!ret)
		ret = parse_bpffs(proxy, conf, err);
	if (!ret)
		ret = parse_rcu_expedited(proxy, full, conf, err);
	if (ret || !full)
		return ret;
	ret = nb_json_check_known(proxy, PROXY_KEYS, err);
	if (!ret)
		ret = parse_ranges(proxy, conf, err);
	if (!ret)
		ret = nb_json_bool(&fast_path, &conf->fast_path, err);
	if (!ret)
		ret = parse_conntrack(proxy, conf, err);
	if (!ret)
		ret = parse_limits(proxy, conf, err);
	if (ret || !services.node)
		return ret;
	conf->services_given = true;
	return nb_conf_parse_services(&services, &conf->services, err);
}

void nb_conf_correct_proxy(struct cJSON *proxy)
{
	nb_json_correct_case(proxy, PROXY_KEYS);
}

void nb_conf_free_proxy(struct nb_proxy_conf *conf)
{
	free(conf->bpffs);
	nb_services_free(&conf->services);
}
