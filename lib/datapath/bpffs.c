// SPDX-License-Identifier: GPL-2.0-or-later
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

const char *nb_bpffs_root(const char *bpffs)
{
	const char *env = getenv("NATBRIDGE_BPFFS");

	if (bpffs)
		return bpffs;
	return env && *env ? env : "/sys/fs/bpf";
}

bool nb_is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* What is below a directory would be hidden by a mount: by one over /etc, for example. */
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
	return empty ? 0
		     : nb_fail(err, NB_ERR_SYSTEM, 0,
			       "\"%s\" is no bpffs, and a directory with files, over which none is mounted: "
			       "use an "
			       "empty directory, or one that does not exist",
			       dir);
}

/* Whether a directory can be made there: the file systems of the kernel take none, whatever they say. */
static bool can_make(const char *path)
{
	nb_autofree char *copy = strdup(path);
	const char *parent = copy ? dirname(copy) : ".";
	struct statfs fs;

	return !access(parent, W_OK) && !statfs(parent, &fs) &&
	       (unsigned long)fs.f_type != PROC_SUPER_MAGIC && (unsigned long)fs.f_type != SYSFS_MAGIC;
}

int nb_bpffs_check(const char *root, struct nb_error *err)
{
	struct stat st;

	if (root[0] != '/')
		return nb_fail(err, NB_ERR_ENVIRONMENT, 0, "the bpffs root \"%s\" is not an absolute path",
			       root);
	if (nb_is_bpffs(root))
		return 0;
	if (lstat(root, &st) && errno == ENOENT && can_make(root))
		return 0;
	if (lstat(root, &st))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot make the directory \"%s\" for bpffs", root);
	if (stat(root, &st))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot open \"%s\"", root);
	if (!S_ISDIR(st.st_mode))
		return nb_fail(err, NB_ERR_SYSTEM, ENOTDIR, "cannot open \"%s\"", root);
	return check_empty(root, err);
}

int nb_bpffs_ensure(const char *root, struct nb_error *err)
{
	int lock nb_autoclose = -1;
	int rc = nb_bpffs_check(root, err);

	if (rc || nb_is_bpffs(root))
		return rc;
	if (mkdir(root, 0700) && errno != EEXIST)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot make the directory \"%s\" for bpffs", root);
	/* Another process may be at the same: two mounts would hide each other's pins. */
	rc = nb_lock_dir(root, &lock, err);
	if (rc || nb_is_bpffs(root))
		return rc;
	rc = check_empty(root, err);
	if (rc)
		return rc;
	if (mount("bpf", root, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return nb_fail(err, NB_ERR_SYSTEM, errno,
			       "\"%s\" is not a bpffs, and none can be mounted there", root);
	return 0;
}

/* In the list of file systems of proc(5): a line "nodev<TAB>bpf". */
static bool kernel_has_bpffs(void)
{
	FILE *list = fopen("/proc/filesystems", "re");
	char line[64];
	bool found = false;

	while (list && !found && fgets(line, sizeof(line), list))
		found = !strcmp(line, "nodev\tbpf\n");
	if (list)
		fclose(list);
	return found;
}

int nb_bpffs_probe(const char *root, struct nb_error *err)
{
	int rc = nb_bpffs_check(root, err);

	if (rc)
		return rc;
	if (nb_is_bpffs(root))
		return access(root, W_OK) ? nb_fail(err, NB_ERR_SYSTEM, errno,
						    "the bpffs root \"%s\" cannot be written", root)
					  : 0;
	return kernel_has_bpffs() ? 0
				  : nb_fail(err, NB_ERR_SYSTEM, ENODEV,
					    "\"%s\" is not a bpffs, and none can be mounted there", root);
}

int nb_pin_path(char *buf, size_t size, const char *bpffs, const char *network, const char *last,
		struct nb_error *err)
{
	size_t used = snprintf(buf, size, "%s/natbridge", nb_bpffs_root(bpffs));

	if (network && used < size)
		buf[used++] = '/';
	for (; network && *network && used + 4 < size; network++) {
		/* bpffs keeps names with a dot for itself (kernel/bpf/inode.c, bpf_lookup()). */
		if (*network == '.')
			used += snprintf(buf + used, size - used, "%%2e");
		else
			buf[used++] = *network;
	}
	if (used < size)
		used += snprintf(buf + used, size - used, "%s%s", last ? "/" : "", last ? last : "");
	if (used + 1 >= size || (network && *network))
		return nb_fail(err, NB_ERR_CONFIG, ENAMETOOLONG, "the pin path below \"%s\"",
			       nb_bpffs_root(bpffs));
	buf[used] = '\0';
	return 0;
}

void nb_pin_name_decode(const char *dir_name, char *network, size_t size)
{
	size_t used = 0;

	for (const char *at = dir_name; *at && used + 1 < size; used++) {
		bool dot = strncmp(at, "%2e", 3) == 0;

		network[used] = dot ? '.' : *at;
		at += dot ? 3 : 1;
	}
	network[used] = '\0';
}
