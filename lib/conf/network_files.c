// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds natbridge in the plugins of each file, and reads its part of the configuration. */
#include "network_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static const struct nb_json_limits limits = { .depth = 32, .values = 1 << 16 };

static void file_free(struct nb_network_file *file)
{
	free(file->path);
	free(file->name);
	nb_proxy_conf_free(&file->proxy);
	free(file->bridge);
	free(file->ipam);
	free(file->data_dir);
	for (size_t i = 0; i < file->types.n; i++)
		free(file->types.items[i]);
	nb_vec_free(&file->types);
	*file = (struct nb_network_file){ 0 };
}

void nb_network_files_free(struct nb_network_files *files)
{
	for (size_t i = 0; i < files->all.n; i++)
		file_free(&files->all.items[i]);
	nb_vec_free(&files->all);
	*files = (struct nb_network_files){ 0 };
}

/* Reads a regular file; the caller frees *text. */
static int read_text(const char *path, char **text, size_t *len, struct nb_error *err)
{
	nb_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	nb_autofree char *found = NULL;
	struct stat status;
	ssize_t n;

	if (fd < 0 || fstat(fd, &status))
		return nb_fail(err, NB_ERR_IO, errno, "cannot open \"%s\"", path);
	if (!S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX)
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"%s\" is not a file of at most %d bytes", path,
			       FILE_BYTES_MAX);
	found = malloc(status.st_size + 1);
	if (!found)
		return nb_fail_nomem(err);
	n = read(fd, found, status.st_size);
	if (n < 0)
		return nb_fail(err, NB_ERR_IO, errno, "cannot read \"%s\"", path);
	*text = NB_TAKE_PTR(found);
	*len = n;
	return 0;
}

/* Whether a plugin's type is natbridge, and the pods that it adds get addresses. */
static int is_natbridge(const struct nb_json *plugin, bool *is, struct nb_error *err)
{
	const struct nb_json type_at = nb_json_get(plugin, "type"), ipam = nb_json_get(plugin, "ipam");
	const struct nb_json ipam_type_at = nb_json_get(&ipam, "type");
	const char *type = "", *ipam_type = "";
	int rc = nb_json_is_object(plugin, err);

	if (rc)
		return rc;
	rc = nb_json_string(&type_at, &type, err);
	if (rc)
		return rc;
	*is = false;
	if (strcmp(type, "natbridge"))
		return 0;
	rc = nb_json_is_object(&ipam, err);
	if (rc)
		return rc;
	rc = nb_json_string(&ipam_type_at, &ipam_type, err);
	*is = !rc && *ipam_type;
	return rc;
}

/* Finds natbridge in a list of plugins, or in a document that is the configuration of one. */
static int find_plugin(const struct nb_json *root, const struct nb_json *plugins, struct nb_json *found,
		       struct nb_error *err)
{
	bool is = false;
	int rc = nb_json_is_array(plugins, err);

	if (rc)
		return rc;
	*found = *root;
	if (!plugins->node) {
		rc = is_natbridge(root, &is, err);
		found->node = is ? root->node : NULL;
		return rc;
	}
	for (*found = nb_json_first(plugins); found->node; *found = nb_json_next(found)) {
		rc = is_natbridge(found, &is, err);
		if (rc || is)
			return rc;
	}
	return 0;
}

static int read_name(const struct nb_json *root, struct nb_network_file *file, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(root, "name");
	const char *name = "";
	int rc = nb_json_string(&at, &name, err);

	if (rc)
		return rc;
	if (!nb_cni_name_valid(name))
		return nb_json_fail(root, NB_ERR_CONFIG, err, "\"name\" \"%.100s\" is not a network name",
				    name);
	return nb_strdup(name, &file->name, err);
}

/* Copies a string member; one that is absent or empty leaves *to. */
static int copy_text(const struct nb_json *object, const char *key, char **to, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(object, key);
	const char *text = NULL;
	int rc = nb_json_string(&at, &text, err);

	return rc || !text || !*text ? rc : nb_strdup(text, to, err);
}

static int add_type(const struct nb_json *plugin, struct nb_network_file *file, struct nb_error *err)
{
	nb_autofree char *type = NULL;
	int rc = nb_json_is_object(plugin, err);

	rc = rc ? rc : copy_text(plugin, "type", &type, err);
	if (rc || !type)
		return rc;
	rc = nb_vec_push(&file->types, type, err);
	if (!rc)
		type = NULL;
	return rc;
}

/* The types of a chain, or of the one plugin that the document is for. */
static int read_types(const struct nb_json *root, const struct nb_json *plugins, struct nb_network_file *file,
		      struct nb_error *err)
{
	int rc = plugins->node ? 0 : add_type(root, file, err);

	for (struct nb_json plugin = nb_json_first(plugins); plugin.node && !rc;
	     plugin = nb_json_next(&plugin))
		rc = add_type(&plugin, file, err);
	return rc;
}

static int read_plugin(const struct nb_json *plugin, struct nb_network_file *file, struct nb_error *err)
{
	const struct nb_json gateway = nb_json_get(plugin, "isGateway"), ipam = nb_json_get(plugin, "ipam");
	const struct nb_json default_gateway = nb_json_get(plugin, "isDefaultGateway");
	bool is_default = false;
	int rc = nb_json_bool(&gateway, &file->is_gateway, err);

	rc = rc ? rc : nb_json_bool(&default_gateway, &is_default, err);
	file->is_gateway |= is_default;
	rc = rc ? rc : nb_strdup("cni0", &file->bridge, err);
	rc = rc ? rc : copy_text(plugin, "bridge", &file->bridge, err);
	rc = rc ? rc : copy_text(&ipam, "type", &file->ipam, err);
	return rc ? rc : copy_text(&ipam, "dataDir", &file->data_dir, err);
}

/* file->name stays NULL if natbridge is none of its plugins. */
static int read_json(struct cJSON *json, struct nb_network_file *file, struct nb_error *err)
{
	const struct nb_json root = nb_json_root(json), plugins = nb_json_get(&root, "plugins");
	struct nb_json plugin, proxy;
	int rc = nb_json_is_object(&root, err);

	if (rc)
		return rc;
	rc = find_plugin(&root, &plugins, &plugin, err);
	if (rc || !plugin.node)
		return rc;
	nb_proxy_conf_correct_case(cJSON_GetObjectItemCaseSensitive(plugin.node, "serviceProxy"));
	proxy = nb_json_get(&plugin, "serviceProxy");
	file->proxy.full = true;
	rc = nb_proxy_conf_parse(&proxy, &file->proxy, err);
	rc = rc ? rc : read_types(&root, &plugins, file, err);
	rc = rc ? rc : read_plugin(&plugin, file, err);
	return rc ? rc : read_name(&root, file, err);
}

static int read_file(const char *path, struct nb_network_file *file, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	nb_autofree char *text = NULL;
	size_t len = 0;
	int rc = read_text(path, &text, &len, err);

	if (rc)
		return rc;
	rc = nb_json_parse(text, len, &limits, &json, err);
	rc = rc ? rc : read_json(json, file, err);
	rc = rc ? rc : nb_strdup(path, &file->path, err);
	return rc ? nb_wrap(err, "%s", path) : 0;
}

static bool is_known(const struct nb_network_files *files, const char *name)
{
	for (size_t i = 0; i < files->all.n; i++)
		if (!strcmp(files->all.items[i].name, name))
			return true;
	return false;
}

static int add_file(const char *path, struct nb_network_files *files, struct nb_error *err)
{
	nb_cleanup(file_free) struct nb_network_file file = { 0 };
	int rc = read_file(path, &file, err);

	if (rc || !file.name || is_known(files, file.name))
		return rc;
	rc = nb_vec_push(&files->all, file, err);
	if (!rc)
		file = (struct nb_network_file){ 0 };
	return rc;
}

static int is_config(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && entry->d_name[0] != '.' &&
	       (!strcmp(dot, ".conflist") || !strcmp(dot, ".conf") || !strcmp(dot, ".json"));
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

struct listing {
	struct dirent **entries;
	int n;
};

static void listing_free(struct listing *listing)
{
	for (int i = 0; i < listing->n; i++)
		free(listing->entries[i]);
	free(listing->entries);
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const struct nb_network_file *)a)->name, ((const struct nb_network_file *)b)->name);
}

int nb_network_files_read(const char *dir, void (*tell)(const char *why, void *arg), void *arg,
			  struct nb_network_files *files, struct nb_error *err)
{
	nb_cleanup(listing_free) struct listing listing = { 0 };

	listing.n = scandir(dir, &listing.entries, is_config, compare_entries);
	if (listing.n < 0) {
		listing.n = 0;
		return errno == ENOENT ? 0 : nb_fail(err, NB_ERR_IO, errno, "cannot read \"%s\"", dir);
	}
	for (int i = 0; i < listing.n; i++) {
		nb_cleanup(nb_strbuf_free) struct nb_strbuf path = { 0 };
		struct nb_error file_err = { 0 };

		nb_strbuf_put(&path, dir);
		nb_strbuf_put(&path, "/");
		nb_strbuf_put(&path, listing.entries[i]->d_name);
		if (path.failed)
			return nb_fail_nomem(err);
		if (add_file(path.buf, files, &file_err) && tell)
			tell(file_err.msg, arg);
	}
	if (files->all.n)
		qsort(files->all.items, files->all.n, sizeof(*files->all.items), compare_files);
	return 0;
}
