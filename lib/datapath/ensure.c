// SPDX-License-Identifier: GPL-2.0-or-later
/* From whatever a network has pinned to an open datapath with the programs of a mode. */
#include "ensure.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "bpffs.h"
#include "datapath.h"
#include "load.h"
#include "migrate.h"
#include "pins.h"
#include "renew.h"

/* No pins of this map layout: migrates those of another one, or loads and pins everything. */
static int create(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err)
{
	char other[NB_PIN_PATH_MAX];
	unsigned int layout;
	int rc = nb_pins_other_layout(config->root, config->network, &layout, other, err);

	if (rc)
		return rc;
	rc = layout ? nb_migrate(config, layout, other, dp, err) : nb_datapath_load(config, dp, err);
	if (rc)
		return rc;
	return nb_pins_create(dp, config, err);
}

/* Adds a mode to the pins of another one, programs last. After a kill, the next call continues. */
static int complete(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err)
{
	const struct nb_datapath old = *dp;
	int rc = nb_datapath_load(config, dp, err);

	if (rc)
		return rc;
	rc = nb_pins_add(&old, dp, err);
	if (rc)
		return rc;
	return nb_pins_note_build(dp, config->mode, err);
}

static int open_or_create(const struct nb_datapath_config *config, struct nb_datapath *dp,
			  struct nb_error *err)
{
	int rc;

	if (access(dp->dir, F_OK))
		return create(config, dp, err);
	rc = nb_pins_open(dp, err);
	if (rc)
		return rc;
	rc = nb_renew_programs(config, dp, err);
	if (rc || nb_datapath_has(dp, config->mode))
		return rc;
	return complete(config, dp, err);
}

/* A failure is no error: all else works without the watch, and watch_fd says that there is none. */
static void watch(struct nb_datapath *dp)
{
	dp->watch_fd = nb_datapath_watch(dp);
	if (dp->watch_fd < 0 || !nb_pins_watch(dp, NULL))
		return;
	nb_close_fd(&dp->watch_fd);
	dp->watch_fd = -1;
}

int nb_datapath_ensure(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath made = NB_DATAPATH_INIT;
	int rc = nb_limits_check(&config->limits, err);

	if (rc)
		return rc;
	rc = nb_bpffs_ensure(config->root->bpffs, err);
	if (rc)
		return rc;
	if (mkdir(config->root->path, 0700) && errno != EEXIST)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot create \"%s\"", config->root->path);
	rc = nb_datapath_locate(config->root, config->network, true, &made, err);
	if (rc)
		return rc;
	rc = open_or_create(config, &made, err);
	if (rc)
		return rc;
	if (made.watch_fd < 0 && config->mode != NB_MODE_NODE)
		watch(&made);
	*dp = made;
	made = (struct nb_datapath)NB_DATAPATH_INIT;
	return 0;
}
