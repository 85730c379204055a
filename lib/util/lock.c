// SPDX-License-Identifier: GPL-2.0-or-later
/* A lock between processes: flock(2) on a directory, with a time limit. */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "cleanup.h"
#include "error.h"

/* The pause doubles up to its maximum: many waiters must not take the CPU from the holder. */
enum {
	LOCK_WAIT_SECONDS = 60,
	LOCK_POLL_FIRST_NS = 250 * 1000,
	LOCK_POLL_MAX_NS = 8 * 1000 * 1000,
};

int nb_lock_dir(const char *dir, int *lock_fd, struct nb_error *err)
{
	struct timespec pause = { .tv_nsec = LOCK_POLL_FIRST_NS };
	nb_autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec start, now;

	if (fd < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot open \"%s\"", dir);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot lock \"%s\"", dir);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec >= LOCK_WAIT_SECONDS)
			return nb_fail(err, NB_ERR_TRY_AGAIN, ETIMEDOUT,
				       "\"%s\" is locked by another process", dir);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < LOCK_POLL_MAX_NS)
			pause.tv_nsec *= 2;
	}
	*lock_fd = NB_TAKE_FD(fd);
	return 0;
}
