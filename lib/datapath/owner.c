// SPDX-License-Identifier: GPL-2.0-or-later
/* A lock on the directory, whose holder /proc/locks names. */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

static int open_dir(const struct nb_pin_root *root, const char *network, int *fd, struct nb_error *err)
{
	char path[NB_PIN_PATH_MAX];
	int rc = nb_pin_path(root, network, NULL, path, err);

	if (rc)
		return rc;
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot open \"%s\"", path);
	return 0;
}

/*
 * Reads a line of /proc/locks (proc(5)): "1: FLOCK ADVISORY WRITE 1234 00:1d:5678 0 EOF". The pid, if that is
 * an exclusive flock of the inode, else -1. Device numbers are left out: in some containers those of a bpffs
 * differ between stat() and this list.
 */
static pid_t read_lock(char *line, ino_t inode)
{
	enum { TYPE = 1, KIND = 3, PID = 4, FILE_ID = 5, FIELDS = 6 };
	char *fields[FIELDS] = { 0 }, *rest = NULL, *colon;
	unsigned long long number, pid;

	for (int i = 0; i < FIELDS; i++) {
		fields[i] = strtok_r(i ? NULL : line, " \n", &rest);
		if (!fields[i])
			return -1;
	}
	colon = strrchr(fields[FILE_ID], ':');
	if (strcmp(fields[TYPE], "FLOCK") || strcmp(fields[KIND], "WRITE") || !colon ||
	    !nb_uint_parse(colon + 1, 0, UINT64_MAX, &number) || number != inode ||
	    !nb_uint_parse(fields[PID], 1, INT32_MAX, &pid))
		return -1;
	return (pid_t)pid;
}

/* Who has a lock of the file; -1: nobody that /proc/locks shows. */
static pid_t find_holder(const struct stat *file)
{
	nb_autofclose FILE *locks = fopen("/proc/locks", "re");
	pid_t pid = -1;
	char line[256];

	while (pid < 0 && locks && fgets(line, sizeof(line), locks))
		pid = read_lock(line, file->st_ino);
	return pid;
}

/* 0: this process has the lock now. -EBUSY: another one has it, *pid or -1. */
static int lock(int fd, pid_t *pid)
{
	struct stat status;

	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return -errno;
	*pid = fstat(fd, &status) ? -1 : find_holder(&status);
	return -EBUSY;
}

int nb_owner_take(const struct nb_pin_root *root, const char *network, int *fd, struct nb_error *err)
{
	nb_autoclose int dir = -1;
	pid_t pid = -1;
	int rc = open_dir(root, network, &dir, err);

	if (rc)
		return rc;
	rc = lock(dir, &pid);
	if (!rc) {
		*fd = NB_TAKE_FD(dir);
		return 0;
	}
	if (rc != -EBUSY)
		return nb_fail(err, NB_ERR_SYSTEM, -rc, "cannot lock the directory of network \"%s\"",
			       network);
	if (pid < 0)
		nb_fail(err, NB_ERR_CONFIG, 0,
			"network \"%s\" belongs to another natbridge-agent, which this process cannot see: "
			"look for "
			"a pod, or a unit of systemd",
			network);
	else
		nb_fail(err, NB_ERR_CONFIG, 0,
			"network \"%s\" belongs to another natbridge-agent, process %d", network, (int)pid);
	return rc;
}

int nb_owner_find(const struct nb_pin_root *root, const char *network, pid_t *pid, struct nb_error *err)
{
	nb_autoclose int dir = -1;
	int rc = open_dir(root, network, &dir, NULL);

	*pid = 0;
	if (rc == -ENOENT)
		return 0;
	if (rc)
		return open_dir(root, network, &dir, err);
	rc = lock(dir, pid);
	return rc == -EBUSY || !rc ? 0
				   : nb_fail(err, NB_ERR_SYSTEM, -rc,
					     "cannot look for the owner of network \"%s\"", network);
}
