// SPDX-License-Identifier: GPL-2.0-or-later
/* Mode by mode: close the old programs, load new ones on the maps that stay, replace the pins. */
#include "renew.h"

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "load.h"
#include "pins.h"

static bool is_outdated(const struct nb_datapath *dp, enum nb_mode mode)
{
	return nb_datapath_has(dp, mode) && !nb_pins_are_ours(dp, mode);
}

bool nb_renew_is_due(const struct nb_datapath *dp)
{
	for (int mode = NB_MODE_OFF + 1; mode < NB_MODES; mode++)
		if (is_outdated(dp, mode))
			return true;
	return false;
}

static void close_fd(int *fd)
{
	nb_close_fd(fd);
	*fd = -1;
}

static int replace_pins(const struct nb_datapath *dp, enum nb_mode mode, struct nb_error *err)
{
	for (int i = 0; i < NB_PROGS; i++) {
		int rc = nb_mode_has_prog(mode, i) ? nb_pins_replace(dp, i, err) : 0;

		if (rc)
			return rc;
	}
	return nb_pins_note_build(dp, mode, err);
}

static int renew_mode(const struct nb_datapath_config *config, enum nb_mode mode, struct nb_datapath *dp,
		      struct nb_error *err)
{
	struct nb_datapath_config of_mode = *config;
	const struct nb_datapath old = *dp;
	/* Before the pins change: after a kill, the next call sees that the ports are behind. */
	int rc = nb_settings_change_flags(dp, 0, NB_SETTINGS_BEHIND, err);

	if (rc)
		return rc;
	of_mode.mode = mode;
	for (int i = 0; i < NB_PROGS; i++)
		if (nb_mode_has_prog(mode, i))
			close_fd(&dp->prog_fd[i]);
	rc = nb_datapath_load(&of_mode, dp, err);
	if (rc)
		return rc;
	rc = nb_pins_add(&old, dp, err); /* maps that the other build did not have */
	if (rc)
		return rc;
	return replace_pins(dp, mode, err);
}

int nb_renew_programs(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err)
{
	for (int mode = NB_MODE_OFF + 1; mode < NB_MODES; mode++)
		if (is_outdated(dp, mode) && renew_mode(config, mode, dp, err))
			return nb_wrap(err, "cannot replace the eBPF programs of network \"%s\"",
				       config->network);
	if (dp->watch_fd >= 0 && !nb_pins_are_ours(dp, NB_OBJECT_WATCH)) /* the caller makes a new one */
		close_fd(&dp->watch_fd);
	return 0;
}
