// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of bpffs: opened, made, replaced and noted, each in steps that a kill may interrupt. */
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "load.h"
#include "pin_path.h"

#define WATCH_NAME "nb_qdisc_made"

enum { PATH_LEN = NB_PIN_PATH_MAX + 32 }; /* of a pin in its directory */

static void close_listing(DIR **listing)
{
	if (*listing)
		closedir(*listing);
}

static void path_of(char path[PATH_LEN], const char *dir, const char *name)
{
	snprintf(path, PATH_LEN, "%s/%s", dir, name);
}

static int open_pin(const char *dir, const char *name, int *fd, struct nb_error *err)
{
	char path[PATH_LEN];

	path_of(path, dir, name);
	*fd = bpf_obj_get(path);
	if (*fd < 0 && errno != ENOENT) /* ENOENT: it belongs to another mode */
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot open \"%s\"", path);
	return 0;
}

int nb_pins_open(struct nb_datapath *dp, struct nb_error *err)
{
	for (int i = 0; i < NB_MAPS; i++) {
		int rc = open_pin(dp->dir, nb_map_name(i), &dp->map_fd[i], err);

		if (rc)
			return rc;
	}
	for (int i = 0; i < NB_PROGS; i++) {
		int rc = open_pin(dp->dir, nb_prog_name(i), &dp->prog_fd[i], err);

		if (rc)
			return rc;
	}
	return open_pin(dp->dir, WATCH_NAME, &dp->watch_fd, err);
}

static int pin(int fd, const char *path, struct nb_error *err)
{
	if (bpf_obj_pin(fd, path))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot pin \"%s\"", path);
	return 0;
}

static int pin_one(int fd, const char *dir, const char *name, struct nb_error *err)
{
	char path[PATH_LEN];

	path_of(path, dir, name);
	return pin(fd, path, err);
}

/* Programs last: they say that a mode is complete. */
static int pin_new(const struct nb_datapath *old, const struct nb_datapath *new, const char *dir,
		   struct nb_error *err)
{
	for (int i = 0; i < NB_MAPS; i++) {
		bool is_new = old->map_fd[i] < 0 && new->map_fd[i] >= 0;
		int rc = is_new ? pin_one(new->map_fd[i], dir, nb_map_name(i), err) : 0;

		if (rc)
			return rc;
	}
	for (int i = 0; i < NB_PROGS; i++) {
		bool is_new = old->prog_fd[i] < 0 && new->prog_fd[i] >= 0;
		int rc = is_new ? pin_one(new->prog_fd[i], dir, nb_prog_name(i), err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

int nb_pins_add(const struct nb_datapath *old, const struct nb_datapath *dp, struct nb_error *err)
{
	return pin_new(old, dp, dp->dir, err);
}

/* ---- replaced pins ---- */

int nb_pins_replace(const struct nb_datapath *dp, enum nb_prog prog, struct nb_error *err)
{
	char path[PATH_LEN], new[PATH_LEN];
	int rc;

	path_of(path, dp->dir, nb_prog_name(prog));
	path_of(new, dp->dir, "new");
	unlink(new); /* left by a kill */
	rc = pin(dp->prog_fd[prog], new, err);
	if (rc || !rename(new, path))
		return rc;
	rc = nb_fail(err, NB_ERR_DATAPATH, errno, "cannot rename \"%s\"", new);
	unlink(new);
	return rc;
}

int nb_pins_remove_map(struct nb_datapath *dp, enum nb_map map, struct nb_error *err)
{
	char path[PATH_LEN];

	path_of(path, dp->dir, nb_map_name(map));
	if (unlink(path) && errno != ENOENT)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot remove \"%s\"", path);
	nb_close_fd(&dp->map_fd[map]);
	dp->map_fd[map] = -1;
	return 0;
}

static void build_path(char path[PATH_LEN], const char *dir, unsigned int object)
{
	snprintf(path, PATH_LEN, "%s/%s_build", dir,
		 object == NB_OBJECT_WATCH ? "watch" : nb_mode_name((enum nb_mode)object));
}

bool nb_pins_are_ours(const struct nb_datapath *dp, unsigned int object)
{
	char path[PATH_LEN], pinned[NB_BUILD_LEN], ours[NB_BUILD_LEN];
	ssize_t len;

	nb_object_build(object, ours);
	build_path(path, dp->dir, object);
	len = readlink(path, pinned, sizeof(pinned) - 1);
	pinned[len < 0 ? 0 : len] = '\0';
	return !strcmp(pinned, ours);
}

/* Without a note, as after a kill between the two calls, the programs count as another build's. */
static int note_build(const char *dir, unsigned int object, struct nb_error *err)
{
	char path[PATH_LEN], build[NB_BUILD_LEN];

	nb_object_build(object, build);
	build_path(path, dir, object);
	unlink(path);
	if (symlink(build, path))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot create \"%s\"", path);
	return 0;
}

int nb_pins_note_build(const struct nb_datapath *dp, unsigned int object, struct nb_error *err)
{
	return note_build(dp->dir, object, err);
}

int nb_pins_watch(const struct nb_datapath *dp, struct nb_error *err)
{
	char path[PATH_LEN];
	int rc;

	path_of(path, dp->dir, WATCH_NAME);
	unlink(path); /* of another natbridge */
	rc = pin(dp->watch_fd, path, err);
	if (rc)
		return rc;
	return note_build(dp->dir, NB_OBJECT_WATCH, err);
}

static int note_builds(const struct nb_datapath *dp, const char *dir, struct nb_error *err)
{
	for (int mode = NB_MODE_OFF + 1; mode < NB_MODES; mode++) {
		int rc = nb_datapath_has(dp, mode) ? note_build(dir, mode, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

/* ---- whole directories ---- */

static int cannot_read(const char *dir, struct nb_error *err)
{
	return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", dir);
}

static int make_dir(const char *dir, bool may_exist, struct nb_error *err)
{
	if (mkdir(dir, 0700) && !(may_exist && errno == EEXIST))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot create \"%s\"", dir);
	return 0;
}

int nb_pins_remove(const char *dir, struct nb_error *err)
{
	nb_cleanup(close_listing) DIR *listing = opendir(dir);
	const struct dirent *entry;

	if (!listing)
		return errno == ENOENT ? 0 : cannot_read(dir, err);
	while ((entry = readdir(listing)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(listing), entry->d_name, 0);
	if (rmdir(dir))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot remove \"%s\"", dir);
	return 0;
}

static int fill_and_rename(const struct nb_datapath *dp, const char *unfinished, struct nb_error *err)
{
	const struct nb_datapath none = NB_DATAPATH_INIT;
	int rc = pin_new(&none, dp, unfinished, err);

	if (rc)
		return rc;
	rc = note_builds(dp, unfinished, err);
	if (rc)
		return rc;
	if (rename(unfinished, dp->dir))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot rename \"%s\"", unfinished);
	return 0;
}

/*
 * Pins first go to a directory with another name, which a rename makes the datapath's. A kill before that
 * leaves nothing that looks like a datapath, and the next ADD removes it.
 */
int nb_pins_create(const struct nb_datapath *dp, const struct nb_datapath_config *config,
		   struct nb_error *err)
{
	char network[NB_PIN_PATH_MAX], unfinished[NB_PIN_PATH_MAX];
	int rc = nb_pin_path(config->root, config->network, NULL, network, err);

	if (rc)
		return rc;
	rc = nb_pin_path(config->root, config->network, NB_PINS_UNFINISHED, unfinished, err);
	if (rc)
		return rc;
	rc = make_dir(network, true, err);
	if (rc)
		return rc;
	rc = nb_pins_remove(unfinished, err);
	if (rc)
		return rc;
	rc = make_dir(unfinished, false, err);
	if (rc)
		return rc;
	rc = fill_and_rename(dp, unfinished, err);
	if (rc) {
		nb_pins_remove(unfinished, NULL);
		rmdir(network); /* unless another layout's pins are in it */
	}
	return rc;
}

/* The map layout in the name of a directory; 0: it has another name. */
static unsigned int layout_of(const char *name)
{
	unsigned long layout;
	char *end;

	if (name[0] != 'v' || name[1] < '1' || name[1] > '9')
		return 0;
	errno = 0;
	layout = strtoul(name + 1, &end, 10);
	return *end || errno || layout > INT_MAX ? 0 : layout;
}

int nb_pins_other_layout(const struct nb_pin_root *root, const char *network, unsigned int *layout,
			 char dir[NB_PIN_PATH_MAX], struct nb_error *err)
{
	nb_cleanup(close_listing) DIR *listing = NULL;
	char of_network[NB_PIN_PATH_MAX], name[16];
	int rc = nb_pin_path(root, network, NULL, of_network, err);
	const struct dirent *entry;

	*layout = 0;
	if (rc)
		return rc;
	listing = opendir(of_network);
	if (!listing)
		return errno == ENOENT ? 0 : cannot_read(of_network, err);
	while ((entry = readdir(listing))) {
		unsigned int found = layout_of(entry->d_name);

		if (found != NB_ABI_VERSION && found > *layout)
			*layout = found;
	}
	snprintf(name, sizeof(name), "v%u", *layout);
	return nb_pin_path(root, network, name, dir, err);
}
