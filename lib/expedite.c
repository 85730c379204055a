// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/expedite.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static const char path[] = "/sys/kernel/rcu_expedited";

/* -1: cannot be read. */
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

	/* No worse than slow. */
	if (pwrite(fd, text, len, 0) != len)
		return;
}

static bool lock(int fd, int how)
{
	int rc;

	do
		rc = flock(fd, how);
	while (rc && errno == EINTR);
	return !rc;
}

/* All who want it hold a shared lock; the last of them gets an exclusive one. */

int nb_expedite_begin(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && lock(fd, LOCK_SH) && value(fd) == 0)
		set(fd, NB_EXPEDITED);
	return fd;
}

void nb_expedite_end(int *fd)
{
	if (*fd < 0)
		return;
	if (lock(*fd, LOCK_EX | LOCK_NB) && value(*fd) == NB_EXPEDITED)
		set(*fd, 0);
	close(*fd);
	*fd = -1;
}
