// SPDX-License-Identifier: GPL-2.0-or-later
#include "settings.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"
#include "map.h"
#include "tick.h"

static const struct {
	const char *name;
	unsigned int seconds;
} timeouts[NB_TIMEOUTS] = {
	/* Names and defaults of net.netfilter.nf_conntrack_<protocol>_timeout_<name>
	   (nf_conntrack_proto_*.c). */
	[NB_TCP_NONE] = { "tcp_none", 120 },
	[NB_TCP_SYN_SENT] = { "tcp_syn_sent", 120 },
	[NB_TCP_SYN_RECV] = { "tcp_syn_recv", 60 },
	[NB_TCP_ESTABLISHED] = { "tcp_established", 432000 },
	[NB_TCP_FIN_WAIT] = { "tcp_fin_wait", 120 },
	[NB_TCP_CLOSE_WAIT] = { "tcp_close_wait", 60 },
	[NB_TCP_LAST_ACK] = { "tcp_last_ack", 30 },
	[NB_TCP_TIME_WAIT] = { "tcp_time_wait", 120 },
	[NB_TCP_CLOSE] = { "tcp_close", 10 },
	[NB_TCP_SYN_SENT2] = { "tcp_syn_sent2", 120 },
	[NB_TIMEOUT_TCP_RETRANS] = { "tcp_max_retrans", 300 },
	[NB_TIMEOUT_TCP_UNACKNOWLEDGED] = { "tcp_unacknowledged", 300 },
	[NB_TIMEOUT_UDP] = { "udp", 30 },
	[NB_TIMEOUT_UDP_STREAM] = { "udp_stream", 120 },
	[NB_TIMEOUT_ICMP] = { "icmp", 30 },
	[NB_TIMEOUT_GENERIC] = { "generic", 600 },
};

const char *nb_setting_name(unsigned int setting)
{
	if (setting == NB_SETTING_MAX)
		return "max";
	return setting < NB_TIMEOUTS ? timeouts[setting].name : "unknown";
}

int nb_setting_find(const char *name)
{
	for (int i = NB_SETTING_FIRST; i < NB_SETTINGS; i++)
		if (strcmp(nb_setting_name(i), name) == 0)
			return i;
	return -1;
}

unsigned int nb_timeout_default(unsigned int timeout)
{
	return timeout < NB_TIMEOUTS ? timeouts[timeout].seconds : 0;
}

unsigned int nb_setting_get(const struct nb_settings *settings, unsigned int setting)
{
	if (setting == NB_SETTING_MAX)
		return settings->max;
	return setting < NB_TIMEOUTS ? nb_seconds_from_ticks(settings->timeouts[setting]) : 0;
}

void nb_setting_put(struct nb_settings *settings, unsigned int setting, unsigned int value)
{
	if (setting == NB_SETTING_MAX)
		settings->max = value;
	else if (setting < NB_TIMEOUTS)
		settings->timeouts[setting] = nb_ticks_from_seconds(value);
}

int nb_setting_parse(const char *text, unsigned int *setting, unsigned int *value, struct nb_error *err)
{
	const char *equals = strchr(text, '=');
	unsigned long number;
	char name[32];
	char *end;
	int found;

	if (!equals || equals == text || equals - text >= (int)sizeof(name))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"%.100s\" is not NAME=VALUE with the name of a setting", text);
	memcpy(name, text, equals - text);
	name[equals - text] = '\0';
	found = nb_setting_find(name);
	if (found < 0)
		return nb_fail(
			err, NB_ERR_CONFIG, 0,
			"\"%s\" is not a setting; the names are those of nf_conntrack: max and timeouts",
			name);
	*setting = found;
	errno = 0;
	number = strtoul(equals + 1, &end, 10);
	if (!strchr("0123456789", equals[1]) || !equals[1] || *end || errno ||
	    number < nb_setting_least(found) || number > nb_setting_most(found))
		return nb_fail(err, NB_ERR_CONFIG, 0, "%s \"%.50s\" is not a number of %s from %u to %u",
			       name, equals + 1, found == NB_SETTING_MAX ? "connections" : "seconds",
			       nb_setting_least(found), nb_setting_most(found));
	*value = number;
	return 0;
}

unsigned int nb_setting_least(unsigned int setting)
{
	return setting == NB_SETTING_MAX ? NB_CONNECTIONS_MIN : 1;
}

unsigned int nb_setting_most(unsigned int setting)
{
	return setting == NB_SETTING_MAX ? NB_CONNECTIONS_MAX : NB_TIMEOUT_MAX;
}

int nb_settings_check_max(const struct nb_datapath *dp, unsigned int max, struct nb_error *err)
{
	struct nb_map_sizes sizes;
	int rc;

	if (!nb_datapath_has(dp, NB_MODE_EBPF))
		return nb_fail(err, NB_ERR_CONFIG, 0, "max %u: mode assist has no connections of its own",
			       max);
	rc = nb_map_sizes(dp, NB_MAP_CONNECTIONS, &sizes, err);
	if (rc || max <= sizes.max)
		return rc;
	return nb_fail(err, NB_ERR_CONFIG, 0,
		       "max %u is more than the %u connections that the table below \"%s\" was made for", max,
		       sizes.max, dp->dir);
}

void nb_settings_know_l4port(struct nb_settings *settings, __be16 port)
{
	settings->known_ports[port / 32] |= 1U << port % 32;
}

int nb_settings_read(const struct nb_datapath *dp, struct nb_settings *settings, struct nb_error *err)
{
	struct nb_settings found;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(dp->map_fd[NB_MAP_SETTINGS], &zero, &found))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot read the settings below \"%s\"", dp->dir);
	*settings = found;
	return 0;
}

int nb_settings_write(const struct nb_datapath *dp, const struct nb_settings *settings, struct nb_error *err)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(dp->map_fd[NB_MAP_SETTINGS], &zero, settings, BPF_ANY))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot write the settings below \"%s\"",
			       dp->dir);
	return 0;
}

int nb_datapath_mode(const struct nb_datapath *dp, enum nb_mode *mode, struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	*mode = nb_datapath_has(dp, NB_MODE_EBPF) ? NB_MODE_EBPF : NB_MODE_ASSIST;
	if (settings.flags & NB_SETTINGS_IS_ASSIST)
		*mode = NB_MODE_ASSIST;
	return 0;
}
