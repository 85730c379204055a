// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs to every port, then the note that they are there, then the other layout's pins away. */
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
#include "pin_path.h"
#include "pins.h"

/* ---- the ports ---- */

int nb_ports_attach(const struct nb_datapath *dp, enum nb_mode mode, struct nb_ports *ports,
		    struct nb_error *err)
{
	nb_autofree struct nb_port *list = NULL;
	unsigned int n;
	int first = nb_endpoint_ports(dp, &list, &n, err);

	*ports = (struct nb_ports){ 0 };
	if (first)
		return first;
	for (unsigned int i = 0; i < n; i++) {
		struct nb_error why = { 0 };
		int rc = mode == NB_MODE_OFF ? nb_datapath_detach(list[i].ifindex, &why)
					     : nb_datapath_attach(dp, mode, list[i].ifindex, &why);

		ports->attached += !rc;
		ports->gone += rc == -ENODEV;
		if (!rc || rc == -ENODEV || first)
			continue;
		first = rc;
		if (err)
			*err = why;
	}
	return first;
}

struct link_search {
	const struct nb_datapath *dp;
	bool found; /* a link that *dp does not have */
	struct nb_error *err;
};

static int look_for_unknown(const void *keys, const void *values, __u32 n, void *arg)
{
	const __u32 *ifindex = keys;
	struct link_search *search = arg;
	char name[IF_NAMESIZE];
	__u32 slot;

	(void)values;
	for (__u32 i = 0; i < n && !search->found; i++) {
		int known = nb_map_get(search->dp, NB_MAP_LINKS, &ifindex[i], &slot, search->err);

		if (known < 0)
			return known;
		/* A link that does not exist is that of a pod deleted since the migration. */
		search->found = !known && if_indextoname(ifindex[i], name);
	}
	return 0;
}

/* Sets *found if the other layout has a link that *dp does not have. */
static int find_unknown_link(struct link_search *search, const struct nb_datapath *old)
{
	struct nb_map_sizes sizes;
	int rc;

	if (old->map_fd[NB_MAP_LINKS] < 0)
		return 0;
	rc = nb_map_sizes(old, NB_MAP_LINKS, &sizes, search->err);
	if (rc || sizes.key != sizeof(__u32))
		return rc;
	return nb_map_walk(old, NB_MAP_LINKS, look_for_unknown, search, search->err);
}

/* Removes the pins of another layout, unless its natbridge has added a pod there since the migration. */
static int remove_layout(const struct nb_datapath *dp, const char *dir, unsigned int layout,
			 struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath old = NB_DATAPATH_INIT;
	struct link_search search = { .dp = dp, .err = err };
	int rc;

	snprintf(old.dir, sizeof(old.dir), "%s", dir);
	rc = nb_pins_open(&old, err);
	if (rc)
		return rc;
	rc = find_unknown_link(&search, &old);
	if (rc)
		return rc;
	if (search.found)
		return nb_fail(err, NB_ERR_DATAPATH, EAGAIN,
			       "a natbridge with map layout %u has added a pod meanwhile; the next ADD "
			       "completes the migration",
			       layout);
	return nb_pins_remove(dir, err);
}

static int remove_other_layouts(const struct nb_pin_root *root, const char *network,
				const struct nb_datapath *dp, struct nb_error *err)
{
	for (;;) {
		char dir[NB_PIN_PATH_MAX];
		unsigned int layout;
		int rc = nb_pins_other_layout(root, network, &layout, dir, err);

		if (rc || !layout)
			return rc;
		rc = remove_layout(dp, dir, layout, err);
		if (rc)
			return rc;
	}
}

int nb_ports_note_upgraded(const struct nb_pin_root *root, const char *network, enum nb_mode mode,
			   struct nb_error *err)
{
	const __u16 clear = NB_SETTINGS_IS_EBPF | NB_SETTINGS_IS_ASSIST | NB_SETTINGS_BEHIND;
	const __u16 set = mode == NB_MODE_ASSIST ? NB_SETTINGS_IS_ASSIST : NB_SETTINGS_IS_EBPF;
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int rc = nb_datapath_open(root, network, true, &dp, err);

	if (rc)
		return rc;
	rc = remove_other_layouts(root, network, &dp, err);
	if (rc)
		return rc;
	return nb_settings_change_flags(&dp, clear, set, err);
}

/* ---- all of it, outside of an ADD ---- */

/* Opens the pins of whatever layout the network has. */
static int open_any_layout(const struct nb_pin_root *root, const char *network, struct nb_datapath *dp,
			   struct nb_error *err)
{
	unsigned int layout;
	int rc = nb_datapath_open(root, network, false, dp, err);

	if (rc != -ESTALE)
		return rc;
	rc = nb_pins_other_layout(root, network, &layout, dp->dir, err);
	if (rc)
		return rc;
	return nb_pins_open(dp, err);
}

/* A mode that the network has programs of: to ensure it changes no mode. */
static int some_mode(const struct nb_pin_root *root, const char *network, enum nb_mode *mode,
		     struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int rc = open_any_layout(root, network, &dp, err);

	if (rc)
		return rc;
	*mode = nb_datapath_has_progs(&dp, NB_MODE_EBPF) ? NB_MODE_EBPF : NB_MODE_ASSIST;
	return 0;
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
	if (rc && rc != -ENODEV) /* ENODEV: the bridge is gone, and its ports with it */
		return rc;
	rc = nb_ports_attach(dp, mode, &ports, err);
	done->ports = ports.attached;
	if (rc)
		return rc;
	if (ports.gone && !ports.attached)
		return nb_fail(err, NB_ERR_DATAPATH, 0,
			       "none of the %u ports of network \"%s\" is in this network namespace: run "
			       "this in the node's",
			       ports.gone, network);
	return 0;
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

int nb_upgrade(const struct nb_pin_root *root, const char *network, struct nb_upgraded *done,
	       struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_datapath_config config = { .root = root, .network = network };
	int rc = some_mode(root, network, &config.mode, err);

	*done = (struct nb_upgraded){ 0 };
	if (rc)
		return rc;
	rc = nb_datapath_ensure(&config, &dp, err);
	if (rc)
		return rc;
	nb_close_fd(&dp.lock_fd); /* attaching may wait, see attach.h */
	dp.lock_fd = -1;
	rc = attach_as_allowed(&dp, network, done, err);
	if (rc || !done->replaced)
		return rc;
	return nb_ports_note_upgraded(root, network, done->mode, err);
}
