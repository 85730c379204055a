// SPDX-License-Identifier: GPL-2.0-or-later
/* A file with a line for each network: its name, and where its bpffs is. */
#include "known_networks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "file.h"

enum { FILE_BYTES_MAX = 1 << 16, PATH_BYTES_MAX = 512 };

static int file_path(const char *dir, char path[PATH_BYTES_MAX], struct nb_error *err)
{
	if (snprintf(path, PATH_BYTES_MAX, "%s/networks", dir) < PATH_BYTES_MAX)
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0, "stateDir \"%.100s...\" is too long", dir);
}

int nb_known_networks_load(const char *dir, int (*fn)(const char *name, const char *bpffs, void *arg),
			   void *arg, struct nb_error *err)
{
	nb_autofree char *text = NULL;
	char path[PATH_BYTES_MAX], *rest = NULL;
	size_t len;
	int rc = *dir ? file_path(dir, path, err) : 0;

	if (rc || !*dir || access(path, F_OK))
		return rc;
	rc = nb_file_read(path, FILE_BYTES_MAX, &text, &len, err);
	for (char *line = rc ? NULL : strtok_r(text, "\n", &rest); line && !rc;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *blank = strchr(line, ' ');

		if (!blank || blank[1] != '/')
			continue;
		*blank = '\0';
		if (nb_cni_name_valid(line))
			rc = fn(line, blank + 1, arg);
	}
	return rc;
}

int nb_known_networks_save(const char *dir, const struct nb_tables *tables, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf text = { 0 };
	char path[PATH_BYTES_MAX];
	int rc = *dir ? file_path(dir, path, err) : 0;

	if (rc || !*dir)
		return rc;
	nb_strbuf_put(&text, "");
	for (size_t i = 0; i < tables->all.n; i++) {
		if (tables->all.items[i]->is_node)
			continue;
		nb_strbuf_put(&text, tables->all.items[i]->name);
		nb_strbuf_put(&text, " ");
		nb_strbuf_put(&text, tables->all.items[i]->root.bpffs);
		nb_strbuf_put(&text, "\n");
	}
	if (text.failed)
		return nb_fail_nomem(err);
	return nb_file_replace(path, text.buf ? text.buf : "", text.len, err);
}
