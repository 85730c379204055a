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
#include "pins.h"
#include "renew.h"

/*
 * Loads and pins what is not there. To a datapath of another mode it is added pin by pin, programs last:
 * after a kill the next one finds what there is and goes on from there.
 */
static int complete(const struct nb_datapath_config *config, bool exists, struct nb_datapath *dp,
		    struct nb_error *err)
{
	const struct nb_datapath old = *dp;
	char other[sizeof(dp->dir)];
	unsigned int layout = 0;
	int rc = 0;

	if (!exists)
		rc = nb_pins_other_layout(config->bpffs, config->network, &layout, other, sizeof(other), err);
	if (rc)
		return rc;
	rc = layout ? nb_migrate(config, layout, other, dp, err) : nb_datapath_load(config, dp, err);
	if (rc)
		return rc;
	if (!exists)
		return nb_pins_create(dp, config, err);
	rc = nb_pins_add(&old, dp, err);
	return rc ?: nb_pins_note_build(dp, config->mode, err);
}

/* Without it all else works: watch_fd says so. */
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
	struct nb_datapath made nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	char root[sizeof(made.dir)];
	bool exists;
	int rc = nb_limits_check(&config->limits, err);

	rc = rc ?: nb_bpffs_ensure(nb_bpffs_root(config->bpffs), err);
	rc = rc ?: nb_pin_path(root, sizeof(root), config->bpffs, NULL, NULL, err);
	if (rc)
		return rc;
	if (mkdir(root, 0700) && errno != EEXIST)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot make \"%s\"", root);
	rc = nb_datapath_locate(config->bpffs, config->network, true, &made, err);
	exists = !access(made.dir, F_OK);
	if (!rc && exists)
		rc = nb_pins_open(&made, err);
	if (!rc && exists)
		rc = nb_renew_programs(config, &made, err);
	if (!rc && !nb_datapath_has(&made, config->mode))
		rc = complete(config, exists, &made, err);
	if (rc)
		return rc;
	if (made.watch_fd < 0)
		watch(&made);
	*dp = made;
	made = (struct nb_datapath)NB_DATAPATH_INIT;
	return 0;
}
