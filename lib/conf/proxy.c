// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of the keys of "serviceProxy", and how each is read. */
#include "proxy.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/datapath/pin_path.h"
#include "lib/json/json.h"
#include "lib/maps/layout.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include "services.h"

enum {
	BPFFS_MAX = 200, /* bytes of the bpffs path */
	ENTRIES_MIN = 16,
	ENTRIES_MAX = 1 << 23,
};

/*
 * DEL and GC go on with a mode that ADD refuses: they take it for "ebpf", of which
 * there is most to remove.
 */
static int parse_mode(const struct nb_json *at, struct nb_proxy_conf *conf, struct nb_error *err)
{
	const char *mode = "ebpf";
	int rc = nb_json_string(at, &mode, err);

	if (rc)
		return rc;
	conf->mode = NB_MODE_EBPF;
	for (enum nb_mode i = 0; i < NB_MODE_NODE; i++)
		if (strcmp(mode, nb_mode_name(i)) == 0)
			conf->mode = i;
	if (!conf->full || strcmp(mode, nb_mode_name(conf->mode)) == 0)
		return 0;
	return nb_json_fail(at, NB_ERR_CONFIG, err,
			    "\"%.50s\" is not one of \"ebpf\", \"assist\" and \"off\"", mode);
}

static int parse_bpffs(const struct nb_json *at, struct nb_proxy_conf *conf, struct nb_error *err)
{
	const char *path = NULL;
	int rc = nb_json_string(at, &path, err);

	if (rc)
		return rc;
	if (!path)
		return nb_pin_root_resolve(NULL, &conf->pin_root, err);
	if (path[0] != '/' || strlen(path) > BPFFS_MAX)
		return nb_json_fail(at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not an absolute path of at most %d bytes", path,
				    BPFFS_MAX);
	for (const char *c = path; *c; c++)
		if (iscntrl((unsigned char)*c))
			return nb_json_fail(at, NB_ERR_CONFIG, err, "contains a control character");
	return nb_pin_root_resolve(path, &conf->pin_root, err);
}

/*
 * For DEL and GC a value that is no boolean counts as false: the operator meant
 * to say something about it.
 */
static int parse_rcu_expedited(const struct nb_json *at, struct nb_proxy_conf *conf, struct nb_error *err)
{
	const bool full = conf->full;
	int rc = nb_json_bool(at, &conf->rcu_expedited, full ? err : NULL);

	if (!rc || full)
		return rc;
	conf->rcu_expedited = false;
	return 0;
}

static int parse_fast_path(const struct nb_json *at, struct nb_proxy_conf *conf, struct nb_error *err)
{
	conf->fast_path_given = at->node != NULL;
	return nb_json_bool(at, &conf->fast_path, err);
}

static int parse_timeouts(const struct nb_json *timeouts, struct nb_proxy_conf *proxy, struct nb_error *err)
{
	int rc = nb_json_is_object(timeouts, err);

	if (rc)
		return rc;
	for (struct nb_json item = nb_json_first(timeouts); item.node; item = nb_json_next(&item)) {
		int which = nb_setting_find(item.node->string);

		if (which < 0 || which == NB_SETTING_MAX)
			return nb_json_fail(&item, NB_ERR_CONFIG, err,
					    "unknown timeout; the names are those of nf_conntrack");
		rc = nb_json_uint(&item, 1, NB_TIMEOUT_MAX, &proxy->timeouts[which], err);
		if (rc)
			return rc;
	}
	return 0;
}

static int parse_conntrack(const struct nb_json *conntrack, struct nb_proxy_conf *conf, struct nb_error *err)
{
	static const char *const KEYS[] = { "max", "timeouts", NULL };
	const struct nb_json max = nb_json_get(conntrack, "max");
	const struct nb_json timeouts = nb_json_get(conntrack, "timeouts");
	int rc = nb_json_is_object(conntrack, err);

	if (rc)
		return rc;
	rc = nb_json_check_known(conntrack, KEYS, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&max, NB_CONNECTIONS_MIN, NB_CONNECTIONS_MAX, &conf->limits.connections, err);
	if (rc)
		return rc;
	return parse_timeouts(&timeouts, conf, err);
}

static int parse_limits(const struct nb_json *limits, struct nb_proxy_conf *conf, struct nb_error *err)
{
	static const char *const KEYS[] = { "frontends", "backends", NULL };
	const struct nb_json frontends = nb_json_get(limits, "frontends");
	const struct nb_json backends = nb_json_get(limits, "backends");
	int rc = nb_json_is_object(limits, err);

	if (rc)
		return rc;
	rc = nb_json_check_known(limits, KEYS, err);
	if (rc)
		return rc;
	rc = nb_json_uint(&frontends, ENTRIES_MIN, ENTRIES_MAX, &conf->limits.frontends, err);
	if (rc)
		return rc;
	return nb_json_uint(&backends, ENTRIES_MIN, ENTRIES_MAX, &conf->limits.backends, err);
}

static int parse_range(const struct nb_json *at, struct nb_proxy_conf *proxy, struct nb_error *err)
{
	struct nb_addr addr, network;
	unsigned int prefix_len;
	const char *text = "";
	int rc = nb_json_string(at, &text, err);

	if (rc)
		return rc;
	if (!nb_cidr_parse(text, &addr, &prefix_len) || !prefix_len || !nb_addr_is_routable(&addr))
		return nb_json_fail(at, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not ADDRESS/PREFIX of a service range", text);
	network = nb_addr_network(&addr, prefix_len);
	if (!nb_addr_equal(&addr, &network))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"%.100s\" has bits set behind its prefix",
				    text);
	if (proxy->n_ranges == NB_MAX_SERVICE_CIDRS)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "there are more than %d ranges",
				    NB_MAX_SERVICE_CIDRS);
	proxy->ranges[proxy->n_ranges++] = nb_prefix_make(&addr, prefix_len);
	return 0;
}

static int parse_ranges(const struct nb_json *array, struct nb_proxy_conf *conf, struct nb_error *err)
{
	int rc = nb_json_is_array(array, err);

	if (rc)
		return rc;
	for (struct nb_json item = nb_json_first(array); item.node; item = nb_json_next(&item)) {
		rc = parse_range(&item, conf, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int parse_services(const struct nb_json *array, struct nb_proxy_conf *conf, struct nb_error *err)
{
	return array->node ? nb_conf_parse_services(array, &conf->services, err) : 0;
}

struct key {
	const char *name;
	int (*parse)(const struct nb_json *at, struct nb_proxy_conf *conf, struct nb_error *err);
	bool for_removal; /* DEL and GC read it as well */
};

/* There are no others. */
static const struct key keys[] = {
	{ "mode", parse_mode, true },
	{ "bpffs", parse_bpffs, true },
	{ "rcuExpedited", parse_rcu_expedited, true },
	{ "serviceCIDRs", parse_ranges, false },
	{ "fastPath", parse_fast_path, false },
	{ "conntrack", parse_conntrack, false },
	{ "limits", parse_limits, false },
	{ "services", parse_services, false },
};

enum { KEYS = sizeof(keys) / sizeof(*keys) };

/* In the form that nb_json_check_known() takes. */
struct key_names {
	const char *names[KEYS + 1];
};

static struct key_names key_names(void)
{
	struct key_names all = { 0 };

	for (size_t i = 0; i < KEYS; i++)
		all.names[i] = keys[i].name;
	return all;
}

int nb_proxy_conf_parse(const struct nb_json *proxy, struct nb_proxy_conf *conf, struct nb_error *err)
{
	int rc = nb_json_is_object(proxy, err);

	if (rc)
		return rc;
	conf->fast_path = true;
	conf->rcu_expedited = true;
	if (conf->full) {
		rc = nb_json_check_known(proxy, key_names().names, err);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < KEYS; i++) {
		const struct nb_json at = nb_json_get(proxy, keys[i].name);

		rc = conf->full || keys[i].for_removal ? keys[i].parse(&at, conf, err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

void nb_proxy_conf_correct_case(struct cJSON *proxy)
{
	nb_json_correct_case(proxy, key_names().names);
}

void nb_proxy_conf_free(struct nb_proxy_conf *conf)
{
	nb_services_free(&conf->services);
}
