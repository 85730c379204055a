// SPDX-License-Identifier: GPL-2.0-or-later
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/kube/kube.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

enum { FIRST_READ = 1 << 16, INPUT_MAX = 1 << 30 };

int nb_read_input(const char *path, char **text, size_t *len, struct nb_error *err)
{
	bool is_stdin = !strcmp(path, "-");
	int opened nb_autoclose = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	int fd = is_stdin ? STDIN_FILENO : opened;
	char *read_so_far nb_autofree = NULL;
	size_t used = 0, room = 0;
	ssize_t n;

	if (fd < 0)
		return nb_fail(err, NB_ERR_IO, errno, "cannot open \"%s\"", path);
	do {
		if (used == room) {
			size_t more = room ? 2 * room : FIRST_READ;
			char *grown = realloc(read_so_far, more);

			if (!grown)
				return nb_fail_nomem(err);
			read_so_far = grown;
			room = more;
		}
		n = read(fd, read_so_far + used, room - used);
		if (n < 0 && errno != EINTR)
			return nb_fail(err, NB_ERR_IO, errno, "cannot read \"%s\"", path);
		used += n > 0 ? n : 0;
		if (used > INPUT_MAX)
			return nb_fail(err, NB_ERR_IO, EFBIG, "\"%s\" is larger than 1 GiB", path);
	} while (n);
	*text = NB_TAKE_PTR(read_so_far);
	*len = used;
	return 0;
}

static void print_note(const char *text, void *arg)
{
	(void)arg;
	fprintf(stderr, "natbridgectl: note: %s\n", text);
}

static const char *display_name(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

static int read_file(struct nb_kube *kube, const char *path, struct nb_error *err)
{
	char *text nb_autofree = NULL;
	size_t len;
	int rc = nb_read_input(path, &text, &len, err);

	if (rc)
		return rc;
	rc = nb_kube_read(kube, text, len, err);
	return rc ? nb_wrap(err, "%s", display_name(path)) : 0;
}

int nb_read_objects(const char *const *paths, size_t n, struct nb_kube_input *input, struct nb_error *err)
{
	const struct nb_kube_note note = { .fn = print_note };
	struct nb_kube *kube nb_cleanup(nb_kube_free) = nb_kube_new(&note, err);
	int rc;

	if (!kube)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		rc = read_file(kube, paths[i], err);
		if (rc)
			return rc;
	}
	rc = nb_kube_finish(kube, input, err);
	return rc && n == 1 ? nb_wrap(err, "%s", display_name(paths[0])) : rc;
}
