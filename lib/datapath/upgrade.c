// SPDX-License-Identifier: GPL-2.0-or-later
#include "upgrade.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/net/rcu_expedite.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "attach.h"
#include "datapath.h"
#include "ensure.h"
#include "load.h"
#include "pins.h"

/* ---- the ports ---- */

int nb_ports_attach(const struct nb_datapath *dp, enum nb_mode mode, struct nb_ports *ports,
		    struct nb_error *err)
{
	struct nb_port *list nb_autofree = NULL;
	unsigned int n = 0;
	int first = nb_endpoint_ports(dp, &list, &n, err);

	*ports = (struct nb_ports){ 0 };
	for (unsigned int i = 0; i < n; i++) {
		struct nb_error why = { 0 };
		int rc = mode == NB_MODE_OFF ? nb_datapath_detach(list[i].ifindex, &why)
					     : nb_datapath_attach(dp, mode, list[i].ifindex, &why);

		ports->attached += !rc;
		ports->gone += rc == -ENODEV;
		if (!rc || rc == -ENODEV || first) /* a port may go meanwhile */
			continue;
		first = rc;
		if (err)
			*err = why;
	}
	return first;
}

struct link_search {
	const struct nb_datapath *dp;
	bool unknown; /* one that *dp does not know */
	struct nb_error *err;
};

static int look_for_unknown(const void *keys, const void *values, __u32 n, void *arg)
{
	const __u32 *ifindex = keys;
	struct link_search *search = arg;
	char name[IF_NAMESIZE];
	__u32 slot;

	(void)values;
	for (__u32 i = 0; i < n && !search->unknown; i++) {
		int found = nb_map_get(search->dp, NB_MAP_LINKS, &ifindex[i], &slot, search->err);

		if (found < 0)
			return found;
		search->unknown = !found && if_indextoname(ifindex[i], name); /* else deleted meanwhile */
	}
	return 0;
}

/* The pins of another layout go, unless its natbridge has added a pod there since it was carried over. */
static int remove_layout(const struct nb_datapath *dp, const char *dir, unsigned int layout,
			 struct nb_error *err)
{
	struct nb_datapath old nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	struct link_search search = { .dp = dp, .err = err };
	struct nb_map_sizes sizes = { 0 };
	int rc;

	snprintf(old.dir, sizeof(old.dir), "%s", dir);
	rc = nb_pins_open(&old, err);
	if (!rc && old.map_fd[NB_MAP_LINKS] >= 0)
		rc = nb_map_sizes(&old, NB_MAP_LINKS, &sizes, err);
	if (!rc && sizes.key == sizeof(__u32))
		rc = nb_map_walk(&old, NB_MAP_LINKS, look_for_unknown, &search, err);
	if (!rc && search.unknown)
		return nb_fail(err, NB_ERR_DATAPATH, EAGAIN,
			       "a pod was added by map layout %u meanwhile; the next ADD goes on", layout);
	return rc ?: nb_pins_remove(dir, err);
}

int nb_ports_followed(const char *bpffs, const char *network, enum nb_mode mode, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	struct nb_settings settings;
	int rc = nb_datapath_open(bpffs, network, true, &dp, err);
	char other[sizeof(dp.dir)];
	unsigned int layout = 1;

	while (!rc && layout) {
		rc = nb_pins_other_layout(bpffs, network, &layout, other, sizeof(other), err);
		if (!rc && layout)
			rc = remove_layout(&dp, other, layout, err);
	}
	rc = rc ?: nb_settings_read(&dp, &settings, err);
	if (rc)
		return rc;
	settings.flags &= ~(NB_SETTINGS_IS_EBPF | NB_SETTINGS_IS_ASSIST | NB_SETTINGS_BEHIND);
	settings.flags |= mode == NB_MODE_ASSIST ? NB_SETTINGS_IS_ASSIST : NB_SETTINGS_IS_EBPF;
	return nb_settings_write(&dp, &settings, err);
}

/* ---- all of it, outside of an ADD ---- */

/* The pins, whatever their layout, say what modes there are; any of them will do to open them. */
static int some_mode(const char *bpffs, const char *network, enum nb_mode *mode, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	unsigned int layout;
	int rc = nb_datapath_open(bpffs, network, false, &dp, err);

	if (rc == -ESTALE)
		rc = nb_pins_other_layout(bpffs, network, &layout, dp.dir, sizeof(dp.dir), err)
			     ?: nb_pins_open(&dp, err);
	*mode = nb_datapath_has_progs(&dp, NB_MODE_EBPF) ? NB_MODE_EBPF : NB_MODE_ASSIST;
	return rc;
}

static int attach_all(const struct nb_datapath *dp, const char *network, const struct nb_settings *settings,
		      struct nb_upgraded *done, struct nb_error *err)
{
	struct nb_ports ports = { 0 };
	enum nb_mode mode;
	int rc = nb_datapath_mode(dp, &mode, err);

	if (rc)
		return rc;
	done->mode = mode;
	done->replaced = settings->flags & NB_SETTINGS_BEHIND;
	if (!done->replaced)
		return 0;
	if (settings->bridge_ifindex)
		rc = nb_datapath_attach_bridge(dp, mode, network, settings->bridge_ifindex, err);
	if (rc == -ENODEV) /* the bridge has gone, and its ports with it */
		rc = 0;
	rc = rc ?: nb_ports_attach(dp, mode, &ports, err);
	done->ports = ports.attached;
	if (!rc && ports.gone && !ports.attached)
		return nb_fail(err, NB_ERR_DATAPATH, 0,
			       "none of the %u ports of network \"%s\" is in this network namespace",
			       ports.gone, network);
	return rc;
}

/* Without a config it is the settings that say whether the network forbids the kernel's switch. */
static int attach_as_allowed(const struct nb_datapath *dp, const char *network, struct nb_upgraded *done,
			     struct nb_error *err)
{
	struct nb_settings settings;
	bool allowed;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	allowed = nb_rcu_expedite_allow(false);
	nb_rcu_expedite_allow(allowed && !(settings.flags & NB_SETTINGS_NOT_EXPEDITED));
	rc = attach_all(dp, network, &settings, done, err);
	nb_rcu_expedite_allow(allowed);
	return rc;
}

int nb_upgrade(const char *bpffs, const char *network, struct nb_upgraded *done, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	struct nb_datapath_config config = { .bpffs = bpffs, .network = network };
	int rc = some_mode(bpffs, network, &config.mode, err);

	*done = (struct nb_upgraded){ 0 };
	rc = rc ?: nb_datapath_ensure(&config, &dp, err);
	if (rc)
		return rc;
	nb_close_fd(&dp.lock_fd); /* attaching may wait for others, see lib/datapath/attach.c */
	dp.lock_fd = -1;
	rc = attach_as_allowed(&dp, network, done, err);
	if (rc || !done->replaced)
		return rc;
	return nb_ports_followed(bpffs, network, done->mode, err);
}
