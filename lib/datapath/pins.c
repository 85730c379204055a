// SPDX-License-Identifier: GPL-2.0-or-later
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

#include "bpffs.h"
#include "load.h"

#define WATCH_NAME "nb_qdisc_made"

enum { PIN_PATH_MAX = sizeof(((struct nb_datapath *)0)->dir) + 32 };

static void close_listing(DIR **listing)
{
	if (*listing)
		closedir(*listing);
}

static void path_of(char path[PIN_PATH_MAX], const char *dir, const char *name)
{
	snprintf(path, PIN_PATH_MAX, "%s/%s", dir, name);
}

static int open_pin(const char *dir, const char *name, int *fd, struct nb_error *err)
{
	char path[PIN_PATH_MAX];

	path_of(path, dir, name);
	*fd = bpf_obj_get(path);
	if (*fd < 0 && errno != ENOENT) /* one of another mode */
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot open \"%s\"", path);
	return 0;
}

int nb_pins_open(struct nb_datapath *dp, struct nb_error *err)
{
	int rc = 0;

	for (int i = 0; i < NB_MAPS && !rc; i++)
		rc = open_pin(dp->dir, nb_map_name(i), &dp->map_fd[i], err);
	for (int i = 0; i < NB_PROGS && !rc; i++)
		rc = open_pin(dp->dir, nb_prog_name(i), &dp->prog_fd[i], err);
	return rc ?: open_pin(dp->dir, WATCH_NAME, &dp->watch_fd, err);
}

static int pin(int fd, const char *path, struct nb_error *err)
{
	return bpf_obj_pin(fd, path) ? nb_fail(err, NB_ERR_DATAPATH, errno, "cannot pin \"%s\"", path) : 0;
}

static int pin_one(int fd, const char *dir, const char *name, struct nb_error *err)
{
	char path[PIN_PATH_MAX];

	path_of(path, dir, name);
	return pin(fd, path, err);
}

static int pin_new(const struct nb_datapath *old, const struct nb_datapath *new, const char *dir,
		   struct nb_error *err)
{
	int rc = 0;

	for (int i = 0; i < NB_MAPS && !rc; i++)
		if (old->map_fd[i] < 0 && new->map_fd[i] >= 0)
			rc = pin_one(new->map_fd[i], dir, nb_map_name(i), err);
	for (int i = 0; i < NB_PROGS && !rc; i++)
		if (old->prog_fd[i] < 0 && new->prog_fd[i] >= 0)
			rc = pin_one(new->prog_fd[i], dir, nb_prog_name(i), err);
	return rc;
}

int nb_pins_add(const struct nb_datapath *old, const struct nb_datapath *dp, struct nb_error *err)
{
	return pin_new(old, dp, dp->dir, err);
}

/* ---- replaced pins ---- */

int nb_pins_replace(const struct nb_datapath *dp, enum nb_prog prog, struct nb_error *err)
{
	char path[PIN_PATH_MAX], new[PIN_PATH_MAX];
	int rc;

	path_of(path, dp->dir, nb_prog_name(prog));
	path_of(new, dp->dir, "new");
	unlink(new); /* of one who was killed */
	rc = pin(dp->prog_fd[prog], new, err);
	if (rc || !rename(new, path))
		return rc;
	rc = nb_fail(err, NB_ERR_DATAPATH, errno, "cannot rename \"%s\"", new);
	unlink(new);
	return rc;
}

static void build_path(char path[PIN_PATH_MAX], const char *dir, unsigned int object)
{
	snprintf(path, PIN_PATH_MAX, "%s/%s_build", dir,
		 object == NB_OBJECT_WATCH ? "watch" : nb_mode_name((enum nb_mode)object));
}

bool nb_pins_are_ours(const struct nb_datapath *dp, unsigned int object)
{
	char path[PIN_PATH_MAX], pinned[NB_BUILD_LEN], ours[NB_BUILD_LEN];
	ssize_t len;

	nb_object_build(object, ours);
	build_path(path, dp->dir, object);
	len = readlink(path, pinned, sizeof(pinned) - 1);
	pinned[len < 0 ? 0 : len] = '\0';
	return !strcmp(pinned, ours);
}

/* Without a note, as after a kill between the two, programs count as another build's. */
static int note_build(const char *dir, unsigned int object, struct nb_error *err)
{
	char path[PIN_PATH_MAX], build[NB_BUILD_LEN];

	nb_object_build(object, build);
	build_path(path, dir, object);
	unlink(path);
	if (symlink(build, path))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot make \"%s\"", path);
	return 0;
}

int nb_pins_note_build(const struct nb_datapath *dp, unsigned int object, struct nb_error *err)
{
	return note_build(dp->dir, object, err);
}

int nb_pins_watch(const struct nb_datapath *dp, struct nb_error *err)
{
	char path[PIN_PATH_MAX];
	int rc;

	path_of(path, dp->dir, WATCH_NAME);
	unlink(path); /* of another natbridge */
	rc = pin(dp->watch_fd, path, err);
	return rc ?: note_build(dp->dir, NB_OBJECT_WATCH, err);
}

static int note_builds(const struct nb_datapath *dp, const char *dir, struct nb_error *err)
{
	int rc = 0;

	for (int mode = NB_MODE_OFF + 1; mode < NB_MODES && !rc; mode++)
		if (nb_datapath_has(dp, mode))
			rc = note_build(dir, mode, err);
	return rc;
}

/* ---- whole directories ---- */

int nb_pins_remove(const char *dir, struct nb_error *err)
{
	DIR *listing nb_cleanup(close_listing) = opendir(dir);
	struct dirent *entry;

	if (!listing)
		return errno == ENOENT ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", dir);
	while ((entry = readdir(listing)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(listing), entry->d_name, 0);
	if (rmdir(dir))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot remove \"%s\"", dir);
	return 0;
}

/*
 * Pins go to a directory of their own first and get their name all at once: whoever is killed on the way
 * leaves nothing that looks like a datapath, and the next one clears it away.
 */
int nb_pins_create(const struct nb_datapath *dp, const struct nb_datapath_config *config,
		   struct nb_error *err)
{
	const struct nb_datapath none = NB_DATAPATH_INIT;
	char network[sizeof(dp->dir)], unfinished[sizeof(network)];
	int rc = nb_pin_path(network, sizeof(network), config->bpffs, config->network, NULL, err);

	rc = rc
		     ?: nb_pin_path(unfinished, sizeof(unfinished), config->bpffs, config->network,
				    NB_PINS_UNFINISHED, err);
	if (rc)
		return rc;
	if (mkdir(network, 0700) && errno != EEXIST)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot make \"%s\"", network);
	rc = nb_pins_remove(unfinished, err);
	if (rc)
		return rc;
	if (mkdir(unfinished, 0700))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot make \"%s\"", unfinished);
	rc = pin_new(&none, dp, unfinished, err);
	rc = rc ?: note_builds(dp, unfinished, err);
	if (!rc && rename(unfinished, dp->dir))
		rc = nb_fail(err, NB_ERR_DATAPATH, errno, "cannot rename \"%s\"", unfinished);
	if (rc) {
		nb_pins_remove(unfinished, NULL);
		rmdir(network);
	}
	return rc;
}

/* The number of a directory's map layout; 0: it is none of pins, or unfinished. */
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

int nb_pins_other_layout(const char *bpffs, const char *network, unsigned int *layout, char *dir, size_t size,
			 struct nb_error *err)
{
	DIR *listing nb_cleanup(close_listing) = NULL;
	char of_network[sizeof(((struct nb_datapath *)0)->dir)], name[16];
	int rc = nb_pin_path(of_network, sizeof(of_network), bpffs, network, NULL, err);
	struct dirent *entry;

	*layout = 0;
	if (rc)
		return rc;
	listing = opendir(of_network);
	if (!listing)
		return errno == ENOENT ? 0
				       : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", of_network);
	while ((entry = readdir(listing))) {
		unsigned int found = layout_of(entry->d_name);

		if (found != NB_ABI_VERSION && found > *layout)
			*layout = found;
	}
	snprintf(name, sizeof(name), "v%u", *layout);
	return nb_pin_path(dir, size, bpffs, network, name, err);
}
