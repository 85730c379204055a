// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Switches /sys/kernel/rcu_expedited on and off. Several processes may do so at once: each holds a
 * write lock on one byte of the file, at the offset of its pid, for as long as it wants expedited
 * grace periods. A write lock requires write access, which root alone has. No process ever waits
 * for a lock.
 */
#include "rcu_expedite.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char path[] = "/sys/kernel/rcu_expedited";

/* The value of the file; -1: it cannot be read. */
static long value(int fd)
{
	char text[16];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return -1;
	text[len] = '\0';
	return strtol(text, NULL, 10);
}

static void set(int fd, int to)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", to);

	/* On failure grace periods take longer, which is harmless. */
	if (pwrite(fd, text, len, 0) != len)
		return;
}

/* type: F_WRLCK or F_UNLCK. */
static int lock(int fd, short type)
{
	struct flock own = { .l_type = type, .l_whence = SEEK_SET, .l_start = getpid(), .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &own);
}

/* Whether another process holds its lock. F_RDLCK asks for write locks alone. */
static bool wanted_by_others(int fd)
{
	struct flock all = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &all) || all.l_type != F_UNLCK;
}

/* Of the process: a command serves one config, or one network after the other. */
static bool is_allowed = true;

bool nb_rcu_expedite_allow(bool allowed)
{
	bool before = is_allowed;

	is_allowed = allowed;
	return before;
}

/* Removes natbridge's value, unless another process wants it. */
static void put_back(int fd)
{
	if (!wanted_by_others(fd) && value(fd) == NB_EXPEDITED)
		set(fd, 0);
}

int nb_rcu_expedite_begin(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!is_allowed) {
		put_back(fd);
		close(fd);
		return -1;
	}
	if (lock(fd, F_WRLCK)) {
		close(fd);
		return -1;
	}
	if (value(fd) == 0)
		set(fd, NB_EXPEDITED);
	return fd;
}

void nb_rcu_expedite_end(int *fd)
{
	if (*fd < 0)
		return;
	/*
	 * Unlock before the check: of two processes that end at once, at least one then sees no
	 * lock.
	 */
	(void)lock(*fd, F_UNLCK);
	put_back(*fd);
	close(*fd);
	*fd = -1;
}
