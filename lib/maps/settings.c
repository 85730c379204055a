// SPDX-License-Identifier: GPL-2.0-or-later
/* Settings by name, with their ranges and defaults, and the map that holds them. */
#include "settings.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"
#include "map.h"
#include "tick.h"

/* Names and defaults of net.netfilter.nf_conntrack_<protocol>_timeout_<name> (nf_conntrack_proto_*.c). */
static const struct {
	const char *name;
	unsigned int seconds;
} timeouts[NB_TIMEOUTS] = {
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
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"%.100s\" is not NAME=VALUE", text);
	memcpy(name, text, equals - text);
	name[equals - text] = '\0';
	found = nb_setting_find(name);
	if (found < 0)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "unknown setting \"%s\": use max or a timeout's name, as nf_conntrack has it",
			       name);
	*setting = found;
	errno = 0;
	number = strtoul(equals + 1, &end, 10);
	if (!strchr("0123456789", equals[1]) || !equals[1] || *end || errno ||
	    number < nb_setting_least(found) || number > nb_setting_most(found))
		return nb_fail(err, NB_ERR_CONFIG, 0, "%s=%.50s: not a number of %s in %u..%u", name,
			       equals + 1, found == NB_SETTING_MAX ? "connections" : "seconds",
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

	if (dp->map_fd[NB_MAP_CONNECTIONS] < 0)
		return nb_fail(err, NB_ERR_CONFIG, 0, "max=%u: mode assist has no connection table", max);
	rc = nb_map_sizes(dp, NB_MAP_CONNECTIONS, &sizes, err);
	if (rc)
		return rc;
	if (max <= sizes.max)
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0,
		       "max=%u: the connection table in \"%s\" was made for %u connections", max, dp->dir,
		       sizes.max);
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
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot read the settings in \"%s\"", dp->dir);
	for (int i = 0; i < 2; i++)
		for (size_t w = 0; w < sizeof(found.vips[i].value.w) / sizeof(*found.vips[i].value.w); w++)
			found.vips[i].value.w[w] &= found.vips[i].mask.w[w];
	*settings = found;
	return 0;
}

typedef __u32 __attribute__((may_alias)) word;

static_assert(sizeof(struct nb_settings) % sizeof(word) == 0, "written word by word");

/* Copies the words that differ. A program sees each as it was or as it is. */
static void store_words(void *to, const void *from, size_t size)
{
	const word *source = from;
	word *target = to;

	for (size_t i = 0; i < size / sizeof(word); i++)
		if (target[i] != source[i])
			__atomic_store_n(&target[i], source[i], __ATOMIC_SEQ_CST);
}

/*
 * Programs read the mask before the value. So the value is written before the mask, and keeps its bits
 * outside the new mask: an address that was in all prefixes since a program read a mask is in what it sees,
 * however long that program is interrupted. Other addresses may be, for an instant.
 */
static void store_prefix(struct nb_prefix *to, const struct nb_prefix *from)
{
	struct nb_addr value = to->value;

	for (size_t i = 0; i < sizeof(value.w) / sizeof(*value.w); i++)
		value.w[i] = (from->value.w[i] & from->mask.w[i]) | (value.w[i] & ~from->mask.w[i]);
	store_words(&to->value, &value, sizeof(value));
	store_words(&to->mask, &from->mask, sizeof(from->mask));
}

/*
 * The order: the prefixes around VIPs, so that a VIP is in them all the time. Then the service ranges, of
 * which there are none while they change: a packet to a free address of one may pass in this instant, but
 * none is dropped that is in no range. Then all other words, each of which programs use by itself; of
 * bridge_mac they may see one half, as if the bridge's MAC had changed a moment ago or later, since it did
 * before it came here.
 */
static void store_settings(struct nb_settings *to, const struct nb_settings *from)
{
	struct nb_settings rest = *from;

	for (int i = 0; i < 2; i++)
		store_prefix(&to->vips[i], &from->vips[i]);
	memcpy(rest.vips, to->vips, sizeof(rest.vips));
	if (memcmp(to->service_cidrs, from->service_cidrs, sizeof(to->service_cidrs))) {
		__atomic_store_n(&to->n_service_cidrs, 0, __ATOMIC_SEQ_CST);
		store_words(to->service_cidrs, from->service_cidrs, sizeof(to->service_cidrs));
	}
	store_words(to, &rest, sizeof(*to));
}

int nb_settings_write(const struct nb_datapath *dp, const struct nb_settings *settings, struct nb_error *err)
{
	void *map = mmap(NULL, sizeof(*settings), PROT_READ | PROT_WRITE, MAP_SHARED,
			 dp->map_fd[NB_MAP_SETTINGS], 0);
	__u32 zero = 0;

	if (map != MAP_FAILED) {
		store_settings(map, settings);
		munmap(map, sizeof(*settings));
		return 0;
	}
	/* A map that cannot be mapped, such as those of unit tests. */
	if (bpf_map_update_elem(dp->map_fd[NB_MAP_SETTINGS], &zero, settings, BPF_ANY))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot write the settings in \"%s\"", dp->dir);
	return 0;
}

int nb_settings_change_flags(const struct nb_datapath *dp, __u16 clear, __u16 set, struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	settings.flags = (settings.flags & ~clear) | set;
	return nb_settings_write(dp, &settings, err);
}

int nb_datapath_mode(const struct nb_datapath *dp, enum nb_mode *mode, struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	*mode = nb_datapath_has(dp, NB_MODE_NODE)   ? NB_MODE_NODE
		: nb_datapath_has(dp, NB_MODE_EBPF) ? NB_MODE_EBPF
						    : NB_MODE_ASSIST;
	if (settings.flags & NB_SETTINGS_IS_ASSIST)
		*mode = NB_MODE_ASSIST;
	return 0;
}
