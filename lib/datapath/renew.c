// SPDX-License-Identifier: GPL-2.0-or-later
/* The programs of this natbridge in place of another's: on the same maps, or on maps of this layout. */
#include "renew.h"

#include <stdio.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/maps/usage.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "load.h"
#include "migrate.h"
#include "pins.h"
#include "upgrade.h"

/* Written before the pins change: whoever comes after a kill sees that ports have to follow. */
static int note_behind(const struct nb_datapath *dp, struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	settings.flags |= NB_SETTINGS_BEHIND;
	return nb_settings_write(dp, &settings, err);
}

/* ---- the same layout ---- */

bool nb_upgrade_possible(const struct nb_datapath *dp)
{
	for (int mode = NB_MODE_OFF + 1; mode < NB_MODES; mode++)
		if (nb_datapath_has(dp, mode) && !nb_pins_are_ours(dp, mode))
			return true;
	return false;
}

static void close_fd(int *fd)
{
	nb_close_fd(fd);
	*fd = -1;
}

static int renew_mode(const struct nb_datapath_config *config, enum nb_mode mode, struct nb_datapath *dp,
		      struct nb_error *err)
{
	struct nb_datapath_config of_mode = *config;
	const struct nb_datapath old = *dp;
	int rc = note_behind(dp, err);

	if (rc)
		return rc;
	of_mode.mode = mode;
	for (int i = 0; i < NB_PROGS; i++)
		if (nb_mode_has_prog(mode, i))
			close_fd(&dp->prog_fd[i]);
	rc = nb_datapath_load(&of_mode, dp, err);
	rc = rc ?: nb_pins_add(&old, dp, err);
	for (int i = 0; i < NB_PROGS && !rc; i++)
		if (nb_mode_has_prog(mode, i))
			rc = nb_pins_replace(dp, i, err);
	return rc ?: nb_pins_note_build(dp, mode, err);
}

int nb_renew_programs(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err)
{
	int rc = 0;

	for (int mode = NB_MODE_OFF + 1; mode < NB_MODES && !rc; mode++)
		if (nb_datapath_has(dp, mode) && !nb_pins_are_ours(dp, mode))
			rc = renew_mode(config, mode, dp, err);
	if (dp->watch_fd >= 0 && !nb_pins_are_ours(dp, NB_OBJECT_WATCH)) /* the caller makes it anew */
		close_fd(&dp->watch_fd);
	return rc ? nb_wrap(err, "the eBPF programs of network \"%s\" stay those of another natbridge",
			    config->network)
		  : 0;
}

/* ---- another layout ---- */

static int take_size(const struct nb_datapath *dp, enum nb_map map, __u32 *size, struct nb_error *err)
{
	return dp->map_fd[map] < 0 ? 0 : nb_map_capacity(dp, map, size, err);
}

/* A table of connections that some other mode loads takes the size of the first. */
static int take_sizes(const struct nb_datapath *old, struct nb_limits *limits, struct nb_error *err)
{
	int rc = take_size(old, NB_MAP_FLOWS, &limits->connections, err);

	rc = rc ?: nb_migrate_capacity(old, &limits->connections, err);
	rc = rc ?: take_size(old, NB_MAP_FRONTENDS, &limits->frontends, err);
	return rc ?: take_size(old, NB_MAP_BACKENDS, &limits->backends, err);
}

static int carry(const struct nb_datapath_config *config, const struct nb_datapath *old,
		 struct nb_datapath *dp, struct nb_error *err)
{
	struct nb_datapath_config of_mode = *config;
	int rc = take_sizes(old, &of_mode.limits, err);

	for (int mode = NB_MODE_OFF + 1; mode < NB_MODES && !rc; mode++) {
		of_mode.mode = mode;
		if (mode == (int)config->mode || nb_datapath_has_progs(old, mode))
			rc = nb_datapath_load(&of_mode, dp, err);
	}
	rc = rc ?: nb_migrate_maps(old, dp, err);
	return rc ?: note_behind(dp, err);
}

int nb_migrate(const struct nb_datapath_config *config, unsigned int layout, const char *dir,
	       struct nb_datapath *dp, struct nb_error *err)
{
	struct nb_datapath old nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	int rc;

	snprintf(old.dir, sizeof(old.dir), "%s", dir);
	rc = nb_pins_open(&old, err);
	rc = rc ?: carry(config, &old, dp, err);
	return rc ? nb_wrap(err, "network \"%s\" has map layout %u, which cannot be carried over to %d",
			    config->network, layout, NB_ABI_VERSION)
		  : 0;
}
