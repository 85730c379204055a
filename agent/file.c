// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads and replaces small files. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

int nb_file_read(const char *path, size_t max, char **text, size_t *len, struct nb_error *err)
{
	/* Not blocking: whoever puts a FIFO there shall not stop the agent. */
	nb_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	nb_autofree char *content = NULL;
	size_t used = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return nb_fail(err, NB_ERR_IO, errno, "cannot open \"%s\"", path);
	if (!S_ISREG(st.st_mode))
		return nb_fail(err, NB_ERR_IO, 0, "\"%s\" is not a regular file", path);
	content = malloc(max + 1);
	if (!content)
		return nb_fail_nomem(err);
	do {
		n = read(fd, content + used, max + 1 - used);
		if (n < 0 && errno != EINTR)
			return nb_fail(err, NB_ERR_IO, errno, "cannot read \"%s\"", path);
		used += n > 0 ? n : 0;
	} while (n && used <= max);
	if (used > max)
		return nb_fail(err, NB_ERR_IO, EFBIG, "\"%s\" is larger than %zu bytes", path, max);
	content[used] = '\0';
	*text = NB_TAKE_PTR(content);
	*len = used;
	return 0;
}

static int write_whole(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? n : 0;
	}
	return fsync(fd) ? -errno : 0;
}

int nb_file_replace(const char *path, const char *text, size_t len, struct nb_error *err)
{
	nb_autoclose int fd = -1;
	char new[PATH_MAX];
	int rc;

	if ((size_t)snprintf(new, sizeof(new), "%s.new", path) >= sizeof(new))
		return nb_fail(err, NB_ERR_IO, ENAMETOOLONG, "cannot write \"%s\"", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return nb_fail(err, NB_ERR_IO, errno, "cannot create \"%s\"", new);
	rc = write_whole(fd, text, len);
	if (!rc && rename(new, path))
		rc = -errno;
	if (!rc)
		return 0;
	unlink(new);
	return nb_fail(err, NB_ERR_IO, -rc, "cannot write \"%s\"", path);
}
