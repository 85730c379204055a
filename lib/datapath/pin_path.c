// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of networks as names of directories, and back. */
#include "pin_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

static int too_long(const char *bpffs, struct nb_error *err)
{
	return nb_fail(err, NB_ERR_CONFIG, ENAMETOOLONG, "the pin path below \"%.200s\"", bpffs);
}

int nb_pin_root_resolve(const char *bpffs, struct nb_pin_root *root, struct nb_error *err)
{
	const char *env = getenv("NATBRIDGE_BPFFS");
	struct nb_pin_root found;

	if (!bpffs)
		bpffs = env && *env ? env : "/sys/fs/bpf";
	if (snprintf(found.path, sizeof(found.path), "%s/natbridge", bpffs) >= (int)sizeof(found.path))
		return too_long(bpffs, err);
	snprintf(found.bpffs, sizeof(found.bpffs), "%s", bpffs);
	*root = found;
	return 0;
}

int nb_pin_path(const struct nb_pin_root *root, const char *network, const char *last,
		char path[NB_PIN_PATH_MAX], struct nb_error *err)
{
	size_t used = snprintf(path, NB_PIN_PATH_MAX, "%s/", root->path);

	/* bpffs keeps names with a dot for itself (kernel/bpf/inode.c, bpf_lookup()). */
	for (; *network && used + 4 < NB_PIN_PATH_MAX; network++)
		used += snprintf(path + used, NB_PIN_PATH_MAX - used, *network == '.' ? "%%2e" : "%c",
				 *network);
	if (used < NB_PIN_PATH_MAX)
		used += snprintf(path + used, NB_PIN_PATH_MAX - used, "%s%s", last ? "/" : "",
				 last ? last : "");
	if (*network || used >= NB_PIN_PATH_MAX)
		return too_long(root->bpffs, err);
	return 0;
}

void nb_pin_name_decode(const char *dir_name, char *network, size_t size)
{
	size_t used = 0;

	for (const char *at = dir_name; *at && used + 1 < size; used++) {
		bool is_dot = strncmp(at, "%2e", 3) == 0;

		network[used] = is_dot ? '.' : *at;
		at += is_dot ? 3 : 1;
	}
	network[used] = '\0';
}
