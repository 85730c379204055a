// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/lock.h"

#include "bpffs.h"
#include "kernel_probe.h"
#include "pins.h"

int nb_datapath_locate(const char *bpffs, const char *network, bool lock, struct nb_datapath *dp,
		       struct nb_error *err)
{
	char version[16], root[sizeof(dp->dir)];
	int rc;

	snprintf(version, sizeof(version), "v%d", NB_ABI_VERSION);
	rc = nb_pin_path(dp->dir, sizeof(dp->dir), bpffs, network, version, err);
	if (!rc && lock)
		rc = nb_pin_path(root, sizeof(root), bpffs, NULL, NULL, err);
	if (!rc && lock)
		rc = nb_lock_dir(root, &dp->lock_fd, err);
	return rc;
}

static int not_there(const char *bpffs, const char *network, const struct nb_datapath *dp,
		     struct nb_error *err)
{
	char other[sizeof(dp->dir)];
	unsigned int layout;
	int rc = nb_pins_other_layout(bpffs, network, &layout, other, sizeof(other), err);

	if (rc)
		return rc;
	if (layout) {
		nb_fail(err, NB_ERR_DATAPATH, 0,
			"network \"%s\" has map layout %u, not %d: the next ADD of this natbridge, or "
			"\"natbridgectl upgrade\", carries it over",
			network, layout, NB_ABI_VERSION);
		return -ESTALE;
	}
	return nb_fail(err, NB_ERR_DATAPATH, ENOENT, "network \"%s\" has no datapath: \"%s\"", network,
		       dp->dir);
}

int nb_datapath_open(const char *bpffs, const char *network, bool lock, struct nb_datapath *dp,
		     struct nb_error *err)
{
	struct nb_datapath found nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	char root[sizeof(found.dir)];
	int rc = nb_pin_path(root, sizeof(root), bpffs, NULL, NULL, err);

	if (rc)
		return rc;
	if (access(root, F_OK))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "network \"%s\" has no datapath: \"%s\"", network,
			       root);
	rc = nb_datapath_locate(bpffs, network, lock, &found, err);
	if (rc)
		return rc;
	if (access(found.dir, F_OK))
		return not_there(bpffs, network, &found, err);
	rc = nb_pins_open(&found, err);
	if (rc)
		return rc;
	if (!nb_datapath_has(&found, NB_MODE_EBPF) && !nb_datapath_has(&found, NB_MODE_ASSIST))
		return nb_fail(err, NB_ERR_DATAPATH, ENOENT, "pins are missing in \"%s\"", found.dir);
	*dp = found;
	found = (struct nb_datapath)NB_DATAPATH_INIT;
	return 0;
}

int nb_datapath_possible(const char *bpffs, const char *network, enum nb_mode mode, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	int rc = nb_bpffs_check(nb_bpffs_root(bpffs), err);

	rc = rc ?: nb_datapath_locate(bpffs, network, false, &dp, err);
	for (int i = 0; i < NB_PROGS && !rc; i++) {
		char path[sizeof(dp.dir) + 32];

		snprintf(path, sizeof(path), "%s/%s", dp.dir, nb_prog_name(i));
		if (nb_mode_has_prog(mode, i) && access(path, F_OK))
			return nb_kernel_probe(mode, err);
	}
	return rc;
}

int nb_datapath_each(const char *bpffs, int (*fn)(const char *network, void *arg), void *arg,
		     struct nb_error *err)
{
	char root[sizeof(((struct nb_datapath *)0)->dir)], network[NAME_MAX + 1];
	int rc = nb_pin_path(root, sizeof(root), bpffs, NULL, NULL, err);
	struct dirent *entry;
	DIR *listing;

	if (rc)
		return rc;
	listing = opendir(root);
	if (!listing)
		return errno == ENOENT ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", root);
	while (!rc && (entry = readdir(listing))) {
		if (entry->d_name[0] == '.')
			continue;
		nb_pin_name_decode(entry->d_name, network, sizeof(network));
		rc = fn(network, arg);
	}
	closedir(listing);
	return rc;
}

/* Whatever version of a datapath, finished or not. Goes on after an error. */
static int remove_network(const char *dir, struct nb_error *err)
{
	char path[sizeof(((struct nb_datapath *)0)->dir) + NAME_MAX + 2];
	DIR *listing = opendir(dir);
	struct dirent *entry;
	int first = 0;

	if (!listing)
		return errno == ENOENT ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", dir);
	while ((entry = readdir(listing))) {
		int rc;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		rc = nb_pins_remove(path, first ? NULL : err);
		first = first ?: rc;
	}
	closedir(listing);
	if (!first && rmdir(dir) && errno != ENOENT)
		first = nb_fail(err, NB_ERR_SYSTEM, errno, "cannot remove \"%s\"", dir);
	return first;
}

int nb_datapath_unpin(const char *bpffs, const char *network, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	char dir[sizeof(dp.dir)];
	int rc = nb_pin_path(dir, sizeof(dir), bpffs, network, NULL, err);

	if (rc || access(dir, F_OK))
		return rc;
	rc = nb_datapath_locate(bpffs, network, true, &dp, err);
	return rc ?: remove_network(dir, err);
}

int nb_datapath_lock(const char *bpffs, int *lock_fd, struct nb_error *err)
{
	char root[sizeof(((struct nb_datapath *)0)->dir)];
	int rc = nb_pin_path(root, sizeof(root), bpffs, NULL, NULL, err);

	return rc || access(root, F_OK) ? rc : nb_lock_dir(root, lock_fd, err);
}

int nb_datapath_clear(const char *bpffs, const char *network, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	char unfinished[sizeof(dp.dir)], dir[sizeof(dp.dir)];
	int rc = nb_pin_path(unfinished, sizeof(unfinished), bpffs, network, NB_PINS_UNFINISHED, err);

	rc = rc ?: nb_pin_path(dir, sizeof(dir), bpffs, network, NULL, err);
	if (rc || access(unfinished, F_OK))
		return rc;
	rc = nb_datapath_locate(bpffs, network, true, &dp, err); /* for the lock: an ADD may be at it */
	rc = rc ?: nb_pins_remove(unfinished, err);
	if (!rc)
		rmdir(dir); /* unless there is more in it */
	return rc;
}

int nb_datapath_unpin_root(const char *bpffs, bool *removed, struct nb_error *err)
{
	char root[sizeof(((struct nb_datapath *)0)->dir)];
	int rc = nb_pin_path(root, sizeof(root), bpffs, NULL, NULL, err);

	if (rc)
		return rc;
	*removed = !rmdir(root);
	if (*removed || errno == ENOENT || errno == ENOTEMPTY)
		return 0;
	return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot remove \"%s\"", root);
}

int nb_datapath_probe(const char *bpffs, const char *network, enum nb_mode mode, struct nb_error *err)
{
	struct nb_datapath dp nb_cleanup(nb_datapath_close) = NB_DATAPATH_INIT;
	int rc = nb_ebpf_usable(err);

	rc = rc ?: nb_bpffs_probe(nb_bpffs_root(bpffs), err);
	if (rc)
		return rc;
	rc = nb_datapath_open(bpffs, network, false, &dp, err);
	return rc && rc != -ENOENT && rc != -ESTALE ? rc : nb_datapath_possible(bpffs, network, mode, err);
}

bool nb_datapath_impossible(const char *bpffs, const char *network)
{
	char dir[sizeof(((struct nb_datapath *)0)->dir)];

	return nb_ebpf_usable(NULL) &&
	       (nb_pin_path(dir, sizeof(dir), bpffs, network, NULL, NULL) || access(dir, F_OK));
}
