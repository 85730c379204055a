// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads stdin to its end, within bounds. */
#include "stdin.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

enum {
	WAIT_STEP_MS = 50,   /* of one poll(); what it takes beyond this is the scheduler's and not counted */
	WAIT_TOTAL_MS = 900, /* so that a configuration without end fails within a second */
	FIRST_SIZE = 16384,
};

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Waits until fd can be read, and takes the time that this took from *left_ms. */
static int wait_readable(int fd, int *left_ms, struct nb_error *err)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	for (;;) {
		const int step = *left_ms < WAIT_STEP_MS ? *left_ms : WAIT_STEP_MS;
		const long long before = now_ms();
		const int n = poll(&poll_fd, 1, step);
		const long long spent = now_ms() - before;

		*left_ms -= spent < step ? (int)spent : step;
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return nb_fail(err, NB_ERR_IO, errno, "cannot wait for the configuration on stdin");
		if (*left_ms <= 0)
			return nb_fail(err, NB_ERR_DECODE, 0,
				       "stdin: the configuration did not end within 0.9 s; the runtime must "
				       "close stdin");
	}
}

/* Makes *size large enough for at least one more byte and the final NUL. */
static int grow(char **text, size_t len, size_t *size, struct nb_error *err)
{
	size_t wanted = *size ? *size * 2 : FIRST_SIZE;
	char *grown;

	if (len + 1 < *size)
		return 0;
	if (wanted > NB_STDIN_MAX + 2)
		wanted = NB_STDIN_MAX + 2;
	grown = realloc(*text, wanted);
	if (!grown)
		return nb_fail_nomem(err);
	*text = grown;
	*size = wanted;
	return 0;
}

int nb_stdin_read(int fd, char **text, size_t *len, struct nb_error *err)
{
	nb_autofree char *read_text = NULL;
	size_t used = 0, size = 0;
	int left_ms = WAIT_TOTAL_MS;
	ssize_t n = 1;

	while (n) {
		int rc = grow(&read_text, used, &size, err);

		if (rc)
			return rc;
		rc = wait_readable(fd, &left_ms, err);
		if (rc)
			return rc;
		n = read(fd, read_text + used, size - used - 1);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return nb_fail(err, NB_ERR_IO, errno, "cannot read the configuration from stdin");
		if (n > 0)
			used += (size_t)n;
		if (used > NB_STDIN_MAX)
			return nb_fail(err, NB_ERR_DECODE, 0,
				       "stdin: the configuration is larger than %d bytes", NB_STDIN_MAX);
	}
	read_text[used] = '\0';
	*text = NB_TAKE_PTR(read_text);
	*len = used;
	return 0;
}
