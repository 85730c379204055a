// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs to every port, then the note that they are there, then the other layout's pins away. */
#include "upgrade.h"

#include <errno.h>
#include <stdio.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/net/rcu_expedite.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "attach.h"
#include "datapath.h"
#include "devices.h"
#include "ensure.h"
#include "handover.h"
#include "load.h"
#include "migrate_conns.h"
#include "node_pods.h"
#include "past_host.h"
#include "pin_path.h"
#include "pins.h"

/* ---- the ports ---- */

int nb_ports_follow(const struct nb_datapath *dp, const struct nb_datapath_config *config,
		    struct nb_followed *followed, struct nb_error *err)
{
	int rc = 0;

	*followed = (struct nb_followed){ 0 };
	if (config->mode != NB_MODE_ASSIST)
		rc = nb_handover(config->root, config->network, &followed->handed, err);
	if (rc)
		return rc;
	if (config->mode == NB_MODE_NODE)
		return nb_devices_attach(dp, &followed->ports, err);
	return nb_ports_attach_here(dp, config->network, config->mode, &followed->ports, err);
}

/* ---- the other layout ---- */

/*
 * Removes the pins of another layout, unless its natbridge has added a pod there since the migration. If
 * there was no handover, connections have begun in the old table while ports changed their programs.
 */
static int remove_layout(const struct nb_datapath *dp, const char *dir, unsigned int layout,
			 struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath old = NB_DATAPATH_INIT;
	int rc;

	snprintf(old.dir, sizeof(old.dir), "%s", dir);
	rc = nb_pins_open(&old, err);
	if (rc)
		return rc;
	rc = nb_links_check_known(dp, &old, layout, err);
	if (rc)
		return rc;
	if (!nb_handover_is_done(dp))
		rc = nb_migrate_conns(&old, dp, NB_CONNS_ALL, NULL, err);
	if (rc)
		return rc;
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

/* The node's table meets the network's programs and pods of now. There is no such table: 0. */
static int renew_node(const struct nb_pin_root *root, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath node = NB_DATAPATH_INIT;
	nb_cleanup(nb_devices_free) struct nb_devices devices = { 0 };
	int rc;

	if (nb_datapath_open(root, NB_NODE_NETWORK, false, &node, NULL) ||
	    !nb_datapath_has(&node, NB_MODE_NODE))
		return 0;
	rc = nb_devices_read(&node, &devices, err);
	rc = rc ? rc : nb_node_pods_set(root, &node, err);
	return rc ? rc : nb_past_host_set(root, &node, &devices, err);
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
	/* After the layouts: as long as it is there, they are not handed over again. */
	rc = nb_handover_forget(&dp, err);
	if (rc)
		return rc;
	rc = nb_settings_change_flags(&dp, clear, set, err);
	return rc ? rc : renew_node(root, err);
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
	*mode = nb_datapath_has_progs(&dp, NB_MODE_NODE)   ? NB_MODE_NODE
		: nb_datapath_has_progs(&dp, NB_MODE_EBPF) ? NB_MODE_EBPF
							   : NB_MODE_ASSIST;
	return 0;
}

static int attach_all(const struct nb_datapath *dp, struct nb_datapath_config config,
		      const struct nb_settings *settings, struct nb_upgraded *done, struct nb_error *err)
{
	int rc = nb_datapath_mode(dp, &config.mode, err);

	if (rc)
		return rc;
	done->mode = config.mode;
	done->replaced = settings->flags & NB_SETTINGS_BEHIND;
	if (!done->replaced)
		return 0;
	if (settings->bridge_ifindex)
		rc = nb_datapath_attach_bridge(dp, config.mode, config.network, settings->bridge_ifindex,
					       err);
	if (rc && rc != -ENODEV) /* ENODEV: the bridge is gone, and its ports with it */
		return rc;
	return nb_ports_follow(dp, &config, &done->followed, err);
}

/* Without a config it is the settings that say whether the network forbids the kernel's switch. */
static int attach_as_allowed(const struct nb_datapath *dp, const struct nb_datapath_config *config,
			     struct nb_upgraded *done, struct nb_error *err)
{
	struct nb_settings settings;
	bool allowed;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	allowed = nb_rcu_expedite_allow(false);
	nb_rcu_expedite_allow(allowed && !(settings.flags & NB_SETTINGS_NOT_EXPEDITED));
	rc = attach_all(dp, *config, &settings, done, err);
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
	rc = attach_as_allowed(&dp, &config, done, err);
	if (rc || !done->replaced)
		return rc;
	return nb_ports_note_upgraded(root, network, done->mode, err);
}
