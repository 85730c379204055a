// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * natbridgectl install: copies the plugin and this tool to a directory of CNI plugins, and with them the
 * libraries that an image packs beside them. A runtime may call the plugin meanwhile: each file is replaced
 * whole, programs after the libraries.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/lock.h"

#include "cli.h"
#include "out.h"

/* Beside the programs; scripts/image.sh makes it. */
#define LIBRARIES "natbridge-lib"

enum { PATH_BYTES_MAX = 4096, CHUNK = 1 << 16 };

/* From one directory to another, which belong to the caller. */
struct copy {
	int from, to;
	const char *from_path, *to_path; /* for messages */
	struct nb_out *out;
};

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void print_installed(const struct cJSON *row, FILE *to)
{
	fprintf(to, "installed %s\n", nb_row_text(row, "file"));
}

static int join(char path[PATH_BYTES_MAX], const char *dir, const char *name, struct nb_error *err)
{
	if (snprintf(path, PATH_BYTES_MAX, "%s/%s", dir, name) < PATH_BYTES_MAX)
		return 0;
	return nb_fail(err, NB_ERR_IO, ENAMETOOLONG, "cannot write to \"%.100s...\"", dir);
}

static int report(const struct copy *copy, const char *name, struct nb_error *err)
{
	char path[PATH_BYTES_MAX];
	struct cJSON *row;
	int rc = join(path, copy->to_path, name, err);

	if (rc)
		return rc;
	row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "file", path);
	return nb_out_row(copy->out, row, print_installed, err);
}

static int write_whole(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? n : 0;
	}
	return 0;
}

/* All of a file, which is executable then, also after a crash. */
static int copy_bytes(int from, int to)
{
	char chunk[CHUNK];
	ssize_t n;
	int rc = 0;

	do {
		n = read(from, chunk, sizeof(chunk));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			rc = write_whole(to, chunk, n);
	} while (n && !rc);
	if (!rc && (fchmod(to, 0755) || fsync(to)))
		rc = -errno;
	return rc;
}

static int install_file(const struct copy *copy, const char *name, struct nb_error *err)
{
	nb_autoclose int from = openat(copy->from, name, O_RDONLY | O_CLOEXEC);
	nb_autoclose int to = -1;
	char new[NAME_MAX + 8];
	int rc;

	if (from < 0)
		return nb_fail(err, NB_ERR_IO, errno, "cannot open \"%s/%s\"", copy->from_path, name);
	snprintf(new, sizeof(new), ".%s.new", name);
	to = openat(copy->to, new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0700);
	if (to < 0)
		return nb_fail(err, NB_ERR_IO, errno, "cannot create \"%s/%s\"", copy->to_path, new);
	rc = copy_bytes(from, to);
	if (!rc && renameat(copy->to, new, copy->to, name))
		rc = -errno;
	if (!rc)
		return report(copy, name, err);
	unlinkat(copy->to, new, 0);
	return nb_fail(err, NB_ERR_IO, -rc, "cannot write \"%s/%s\"", copy->to_path, name);
}

static int open_dir(const char *path, int *fd, struct nb_error *err)
{
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? nb_fail(err, NB_ERR_IO, errno, "cannot open \"%s\"", path) : 0;
}

/* Nothing, where none are packed: then the programs use those of the system. */
static int install_libraries(const struct copy *programs, struct nb_error *err)
{
	nb_autoclose int from = -1, to = -1;
	nb_cleanup(close_dir) DIR *listing = NULL;
	char from_path[PATH_BYTES_MAX], to_path[PATH_BYTES_MAX];
	struct copy copy = { .from_path = from_path, .to_path = to_path, .out = programs->out };
	const struct dirent *entry;
	int rc = join(from_path, programs->from_path, LIBRARIES, err);

	rc = rc ? rc : join(to_path, programs->to_path, LIBRARIES, err);
	if (rc)
		return rc;
	if (faccessat(programs->from, LIBRARIES, F_OK, 0))
		return 0;
	if (mkdirat(programs->to, LIBRARIES, 0755) && errno != EEXIST)
		return nb_fail(err, NB_ERR_IO, errno, "cannot create \"%s\"", to_path);
	rc = open_dir(from_path, &from, err);
	rc = rc ? rc : open_dir(to_path, &to, err);
	if (rc)
		return rc;
	copy.from = from;
	copy.to = to;
	listing = opendir(from_path);
	if (!listing)
		return nb_fail(err, NB_ERR_IO, errno, "cannot read \"%s\"", from_path);
	while (!rc && (entry = readdir(listing)))
		if (*entry->d_name != '.')
			rc = install_file(&copy, entry->d_name, err);
	return rc;
}

/* The directory that this program is in. */
static int own_dir(char path[PATH_BYTES_MAX], struct nb_error *err)
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_BYTES_MAX - 1);
	char *slash;

	if (len < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read \"/proc/self/exe\"");
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

int nb_cmd_install(const struct nb_cli *cli, struct nb_error *err)
{
	static const char *const programs[] = { "natbridge", "natbridgectl" };
	nb_autoclose int from = -1, to = -1, lock = -1;
	char from_path[PATH_BYTES_MAX];
	struct copy copy = { .from_path = from_path, .to_path = cli->arguments[0], .out = cli->out };
	int rc = own_dir(from_path, err);

	rc = rc ? rc : open_dir(from_path, &from, err);
	rc = rc ? rc : open_dir(copy.to_path, &to, err);
	rc = rc ? rc : nb_lock_dir(copy.to_path, &lock, err);
	if (rc)
		return rc;
	copy.from = from;
	copy.to = to;
	nb_out_keep_rows(cli->out);
	rc = install_libraries(&copy, err);
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs) && !rc; i++)
		rc = install_file(&copy, programs[i], err);
	return rc;
}
