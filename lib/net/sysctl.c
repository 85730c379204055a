// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads and writes files below /proc/sys. */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "link.h"

enum { PATH_SIZE = 160, VALUE_SIZE = 64 };

static int open_file(const char *name, int flags, int *fd, struct nb_error *err)
{
	char path[PATH_SIZE];
	int len = snprintf(path, sizeof(path), "/proc/sys/%s", name);

	if (len < 0 || (size_t)len >= sizeof(path))
		return nb_fail(err, NB_ERR_SYSTEM, ENAMETOOLONG, "cannot open /proc/sys/%s", name);
	*fd = open(path, flags | O_CLOEXEC);
	return *fd >= 0 ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot open %s", path);
}

int nb_sysctl_read(const char *name, char *buf, size_t size, struct nb_error *err)
{
	char value[VALUE_SIZE];
	nb_autoclose int fd = -1;
	ssize_t len;
	int rc = open_file(name, O_RDONLY, &fd, err);

	if (rc)
		return rc;
	len = read(fd, value, sizeof(value));
	if (len < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read /proc/sys/%s", name);
	while (len > 0 && value[len - 1] == '\n')
		len--;
	if ((size_t)len >= size || (size_t)len >= sizeof(value))
		return nb_fail(err, NB_ERR_SYSTEM, EOVERFLOW, "the value of /proc/sys/%s is too long", name);
	memcpy(buf, value, (size_t)len);
	buf[len] = '\0';
	return 0;
}

/* Opens the file for writing, unless it has the value already: then *fd stays untouched. */
static int open_to_change(const char *name, const char *value, int *fd, struct nb_error *err)
{
	char now[VALUE_SIZE];
	int rc = nb_sysctl_read(name, now, sizeof(now), err);

	if (rc == -ENOENT)
		return rc;
	/* A value that cannot be read, or is too long, is another one. */
	if (rc || strcmp(now, value))
		return open_file(name, O_WRONLY, fd, err);
	return 0;
}

int nb_sysctl_probe(const char *name, const char *value, struct nb_error *err)
{
	nb_autoclose int fd = -1;

	return open_to_change(name, value, &fd, err);
}

int nb_sysctl_write(const char *name, const char *value, struct nb_error *err)
{
	nb_autoclose int fd = -1;
	ssize_t written;
	int rc = open_to_change(name, value, &fd, err);

	if (rc || fd < 0)
		return rc;
	written = write(fd, value, strlen(value));
	if (written < 0 || (size_t)written != strlen(value))
		return nb_fail(err, NB_ERR_SYSTEM, written < 0 ? errno : EIO,
			       "cannot write %s to /proc/sys/%s", value, name);
	return 0;
}

static int link_name(const char *family, const char *ifname, const char *key, char name[PATH_SIZE],
		     struct nb_error *err)
{
	if (!nb_ifname_valid(ifname))
		return nb_fail(err, NB_ERR_SYSTEM, EINVAL, "\"%s\" is not an interface name", ifname);
	snprintf(name, PATH_SIZE, "net/%s/conf/%s/%s", family, ifname, key);
	return 0;
}

int nb_sysctl_link_read(const char *family, const char *ifname, const char *key, char *buf, size_t size,
			struct nb_error *err)
{
	char name[PATH_SIZE];
	int rc = link_name(family, ifname, key, name, err);

	if (rc)
		return rc;
	return nb_sysctl_read(name, buf, size, err);
}

int nb_sysctl_link_write(const char *family, const char *ifname, const char *key, const char *value,
			 struct nb_error *err)
{
	char name[PATH_SIZE];
	int rc = link_name(family, ifname, key, name, err);

	if (rc)
		return rc;
	return nb_sysctl_write(name, value, err);
}
