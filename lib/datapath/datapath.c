// SPDX-License-Identifier: GPL-2.0-or-later
/* Directories of pins: opened, listed, removed. */
#include "datapath.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/lock.h"

#include "bpffs.h"
#include "kernel_probe.h"
#include "pin_path.h"
#include "pins.h"

int nb_datapath_locate(const struct nb_pin_root *root, const char *network, bool lock, struct nb_datapath *dp,
		       struct nb_error *err)
{
	char version[16];
	int rc;

	snprintf(version, sizeof(version), "v%d", NB_ABI_VERSION);
	rc = nb_pin_path(root, network, version, dp->dir, err);
	if (rc || !lock)
		return rc;
	return nb_lock_dir(root->path, &dp->lock_fd, err);
}

static int no_datapath(const char *network, const char *dir, int errnum, struct nb_error *err)
{
	return nb_fail(err, NB_ERR_DATAPATH, errnum, "network \"%s\" has no datapath: \"%s\"", network, dir);
}

/* Why the directory of this map layout does not exist. */
static int not_there(const struct nb_pin_root *root, const char *network, const struct nb_datapath *dp,
		     struct nb_error *err)
{
	char other[NB_PIN_PATH_MAX];
	unsigned int layout;
	int rc = nb_pins_other_layout(root, network, &layout, other, err);

	if (rc)
		return rc;
	if (!layout)
		return no_datapath(network, dp->dir, ENOENT, err);
	nb_fail(err, NB_ERR_DATAPATH, 0,
		"network \"%s\" has map layout %u, not %d: the next ADD of this natbridge, or "
		"\"natbridgectl upgrade\", migrates it",
		network, layout, NB_ABI_VERSION);
	return -ESTALE;
}

int nb_datapath_open(const struct nb_pin_root *root, const char *network, bool lock, struct nb_datapath *dp,
		     struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath found = NB_DATAPATH_INIT;
	int rc;

	if (access(root->path, F_OK))
		return no_datapath(network, root->path, errno, err);
	rc = nb_datapath_locate(root, network, lock, &found, err);
	if (rc)
		return rc;
	if (access(found.dir, F_OK))
		return not_there(root, network, &found, err);
	rc = nb_pins_open(&found, err);
	if (rc)
		return rc;
	if (!nb_datapath_has(&found, NB_MODE_EBPF) && !nb_datapath_has(&found, NB_MODE_ASSIST) &&
	    !nb_datapath_has(&found, NB_MODE_NODE))
		return nb_fail(err, NB_ERR_DATAPATH, ENOENT, "pins are missing in \"%s\"", found.dir);
	*dp = found;
	found = (struct nb_datapath)NB_DATAPATH_INIT;
	return 0;
}

int nb_datapath_lock(const struct nb_pin_root *root, int *lock_fd, struct nb_error *err)
{
	if (access(root->path, F_OK))
		return 0;
	return nb_lock_dir(root->path, lock_fd, err);
}

static void close_listing(DIR **listing)
{
	if (*listing)
		closedir(*listing);
}

static int cannot_read(const char *dir, struct nb_error *err)
{
	return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", dir);
}

int nb_datapath_each(const struct nb_pin_root *root, int (*fn)(const char *network, void *arg), void *arg,
		     struct nb_error *err)
{
	nb_cleanup(close_listing) DIR *listing = opendir(root->path);
	const struct dirent *entry;

	if (!listing)
		return errno == ENOENT ? 0 : cannot_read(root->path, err);
	while ((entry = readdir(listing))) {
		char network[NAME_MAX + 1];
		int rc;

		if (entry->d_name[0] == '.')
			continue;
		nb_pin_name_decode(entry->d_name, network, sizeof(network));
		rc = fn(network, arg);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_datapath_possible(const struct nb_pin_root *root, const char *network, enum nb_mode mode,
			 struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int rc = nb_bpffs_check(root->bpffs, err);

	if (rc)
		return rc;
	rc = nb_datapath_locate(root, network, false, &dp, err);
	if (rc)
		return rc;
	for (int i = 0; i < NB_PROGS; i++) {
		char path[sizeof(dp.dir) + 32];

		snprintf(path, sizeof(path), "%s/%s", dp.dir, nb_prog_name(i));
		if (nb_mode_has_prog(mode, i) && access(path, F_OK))
			return nb_kernel_check(mode, err);
	}
	return 0;
}

int nb_datapath_probe(const struct nb_pin_root *root, const char *network, enum nb_mode mode,
		      struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int rc = nb_kernel_allows_ebpf(err);

	if (rc)
		return rc;
	rc = nb_bpffs_probe(root->bpffs, err);
	if (rc)
		return rc;
	rc = nb_datapath_open(root, network, false, &dp, err);
	if (rc && rc != -ENOENT && rc != -ESTALE)
		return rc;
	return nb_datapath_possible(root, network, mode, err);
}

bool nb_datapath_impossible(const struct nb_pin_root *root, const char *network)
{
	char dir[NB_PIN_PATH_MAX];

	return nb_kernel_allows_ebpf(NULL) &&
	       (nb_pin_path(root, network, NULL, dir, NULL) || access(dir, F_OK));
}

/* Removes the pins of every layout, finished or not. Goes on after an error. */
static int remove_network(const char *dir, struct nb_error *err)
{
	nb_cleanup(close_listing) DIR *listing = opendir(dir);
	const struct dirent *entry;
	int first = 0;

	if (!listing)
		return errno == ENOENT ? 0 : cannot_read(dir, err);
	while ((entry = readdir(listing))) {
		char path[NB_PIN_PATH_MAX + NAME_MAX + 2];
		int rc;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		rc = nb_pins_remove(path, first ? NULL : err);
		if (!first)
			first = rc;
	}
	if (first)
		return first;
	if (rmdir(dir) && errno != ENOENT)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot remove \"%s\"", dir);
	return 0;
}

int nb_datapath_unpin(const struct nb_pin_root *root, const char *network, struct nb_error *err)
{
	nb_autoclose int lock = -1;
	char dir[NB_PIN_PATH_MAX];
	int rc = nb_pin_path(root, network, NULL, dir, err);

	if (rc || access(dir, F_OK))
		return rc;
	rc = nb_datapath_lock(root, &lock, err);
	if (rc)
		return rc;
	return remove_network(dir, err);
}

int nb_datapath_clear(const struct nb_pin_root *root, const char *network, struct nb_error *err)
{
	nb_autoclose int lock = -1;
	char unfinished[NB_PIN_PATH_MAX], dir[NB_PIN_PATH_MAX];
	int rc = nb_pin_path(root, network, NB_PINS_UNFINISHED, unfinished, err);

	if (rc)
		return rc;
	rc = nb_pin_path(root, network, NULL, dir, err);
	if (rc || access(unfinished, F_OK))
		return rc;
	rc = nb_datapath_lock(root, &lock, err); /* an ADD may be filling it */
	if (rc)
		return rc;
	rc = nb_pins_remove(unfinished, err);
	if (rc)
		return rc;
	rmdir(dir); /* unless there is more in it */
	return 0;
}

int nb_datapath_unpin_root(const struct nb_pin_root *root, bool *removed, struct nb_error *err)
{
	bool gone = !rmdir(root->path);

	if (!gone && errno != ENOENT && errno != ENOTEMPTY)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot remove \"%s\"", root->path);
	*removed = gone;
	return 0;
}
