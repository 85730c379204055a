// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks before a mount, and the mount under a lock. */
#include "bpffs.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/lock.h"

bool nb_is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* A mount over a directory such as /etc would hide its files. */
static int check_empty(const char *dir, struct nb_error *err)
{
	DIR *listing = opendir(dir);
	const struct dirent *entry;
	bool empty = true;

	if (!listing)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"%s\"", dir);
	while (empty && (entry = readdir(listing)))
		empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
	closedir(listing);
	if (empty)
		return 0;
	return nb_fail(
		err, NB_ERR_SYSTEM, 0,
		"\"%s\" is a directory with files, and not a bpffs: use an empty directory, or one that "
		"does not exist",
		dir);
}

/* Whether mkdir() can work there. access() allows it in proc and sysfs as well, which take no directories. */
static bool can_mkdir(const char *path)
{
	nb_autofree char *copy = strdup(path);
	const char *parent = copy ? dirname(copy) : ".";
	struct statfs fs;

	return !access(parent, W_OK) && !statfs(parent, &fs) &&
	       (unsigned long)fs.f_type != PROC_SUPER_MAGIC && (unsigned long)fs.f_type != SYSFS_MAGIC;
}

static int cannot_mkdir(const char *dir, struct nb_error *err)
{
	return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot create the directory \"%s\" for bpffs", dir);
}

int nb_bpffs_check(const char *dir, struct nb_error *err)
{
	struct stat st;

	if (dir[0] != '/')
		return nb_fail(err, NB_ERR_ENVIRONMENT, 0, "bpffs \"%s\" is not an absolute path", dir);
	if (nb_is_bpffs(dir))
		return 0;
	if (lstat(dir, &st) && errno == ENOENT && can_mkdir(dir))
		return 0;
	if (lstat(dir, &st))
		return cannot_mkdir(dir, err);
	if (stat(dir, &st))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot open \"%s\"", dir);
	if (!S_ISDIR(st.st_mode))
		return nb_fail(err, NB_ERR_SYSTEM, ENOTDIR, "cannot open \"%s\"", dir);
	return check_empty(dir, err);
}

int nb_bpffs_require(const char *dir, struct nb_error *err)
{
	if (nb_is_bpffs(dir))
		return 0;
	return nb_fail(err, NB_ERR_SYSTEM, 0, "no bpffs is mounted at \"%s\": run mount -t bpf bpf %s", dir,
		       dir);
}

int nb_bpffs_ensure(const char *dir, struct nb_error *err)
{
	nb_autoclose int lock = -1;
	int rc = nb_bpffs_check(dir, err);

	if (rc || nb_is_bpffs(dir))
		return rc;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return cannot_mkdir(dir, err);
	/* Two processes must not both mount: the second mount would hide the pins of the first. */
	rc = nb_lock_dir(dir, &lock, err);
	if (rc || nb_is_bpffs(dir))
		return rc;
	rc = check_empty(dir, err);
	if (rc)
		return rc;
	if (mount("bpf", dir, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot mount a bpffs at \"%s\"", dir);
	return 0;
}

/* /proc/filesystems has a line "nodev<TAB>bpf" then (proc(5)). */
static bool kernel_has_bpffs(void)
{
	nb_autofclose FILE *list = fopen("/proc/filesystems", "re");
	char line[64];

	while (list && fgets(line, sizeof(line), list))
		if (!strcmp(line, "nodev\tbpf\n"))
			return true;
	return false;
}

int nb_bpffs_probe(const char *dir, struct nb_error *err)
{
	int rc = nb_bpffs_check(dir, err);

	if (rc)
		return rc;
	if (!nb_is_bpffs(dir) && !kernel_has_bpffs())
		return nb_fail(err, NB_ERR_SYSTEM, ENODEV, "cannot mount a bpffs at \"%s\"", dir);
	if (nb_is_bpffs(dir) && access(dir, W_OK))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot write to bpffs \"%s\"", dir);
	return 0;
}
