// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the files of "service apply" into the model of Services. */
#include "service_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/kube/kube.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "options.h"
#include "out.h"

enum { FIRST_READ = 1 << 16, FILE_MAX = 1 << 30 };

/* Reads a file whole; the caller frees *text. */
static int read_whole(const char *path, char **text, size_t *len, struct nb_error *err)
{
	bool is_stdin = !strcmp(path, "-");
	nb_autoclose int opened = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	int fd = is_stdin ? STDIN_FILENO : opened;
	nb_autofree char *read_so_far = NULL;
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
		if (used > FILE_MAX)
			return nb_fail(err, NB_ERR_IO, EFBIG, "\"%s\" is larger than 1 GiB", path);
	} while (n);
	*text = NB_TAKE_PTR(read_so_far);
	*len = used;
	return 0;
}

static void print_note(const char *text, void *arg)
{
	(void)arg;
	nb_out_note("%s", text);
}

static const char *display_name(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

static int read_file(struct nb_kube *kube, const char *path, struct nb_error *err)
{
	nb_autofree char *text = NULL;
	size_t len = 0;

	int rc = read_whole(path, &text, &len, err);
	if (rc)
		return rc;
	rc = nb_kube_read(kube, text, len, err);
	if (rc)
		return nb_wrap(err, "%s", display_name(path));
	return 0;
}

int nb_service_files_read(const struct nb_option_values *files, const char *node, struct nb_kube_input *input,
			  struct nb_error *err)
{
	const struct nb_kube_note note = { .fn = print_note };
	nb_cleanup(nb_kube_free) struct nb_kube *kube = nb_kube_new(&note, node, err);

	if (!kube)
		return -ENOMEM;
	for (size_t i = 0; i < files->n; i++) {
		int rc = read_file(kube, files->items[i], err);
		if (rc)
			return rc;
	}
	int rc = nb_kube_finish(kube, input, err);
	if (rc && files->n == 1)
		return nb_wrap(err, "%s", display_name(files->items[0]));
	return rc;
}
