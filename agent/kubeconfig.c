// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads a kubeconfig, by tables of keys. */
#include "kubeconfig.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/json/yaml.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "base64.h"
#include "file.h"
#include "server.h"

enum { KUBECONFIG_MAX = 1 << 20 };

static const struct nb_json_limits LIMITS = { .depth = 32, .values = 50000 };

/* How a key is read: a text, the path of a file, or base64. */
enum form { FORM_TEXT, FORM_TOKEN, FORM_PATH, FORM_DATA };

struct key {
	const char *name;
	enum form form;
	size_t offset; /* in struct nb_kubeconfig: of a char *, or of an item */
};

#define AT(field) offsetof(struct nb_kubeconfig, field)

static const struct key cluster_keys[] = {
	{ "server", FORM_TEXT, AT(server) },
	{ "tls-server-name", FORM_TEXT, AT(tls_server_name) },
	{ "proxy-url", FORM_TEXT, AT(proxy_url) },
	{ "certificate-authority", FORM_PATH, AT(ca) },
	{ "certificate-authority-data", FORM_DATA, AT(ca) },
	{ NULL, 0, 0 },
};

static const struct key user_keys[] = {
	{ "client-certificate", FORM_PATH, AT(client_cert) },
	{ "client-certificate-data", FORM_DATA, AT(client_cert) },
	{ "client-key", FORM_PATH, AT(client_key) },
	{ "client-key-data", FORM_DATA, AT(client_key) },
	{ "token", FORM_TOKEN, AT(token) },
	{ "tokenFile", FORM_PATH, AT(token) },
	{ NULL, 0, 0 },
};

/* Keys that are refused, unless their value is false or empty. */
static const char *const cluster_refused[] = { "insecure-skip-tls-verify", NULL };
static const char *const user_refused[] = {
	"exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra", NULL,
};

void nb_kubeconfig_free(struct nb_kubeconfig *conf)
{
	struct nb_kubeconfig_item *items[] = { &conf->ca, &conf->client_cert, &conf->client_key,
					       &conf->token };

	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (items[i]->data)
			explicit_bzero(items[i]->data, items[i]->len);
		free(items[i]->data);
		free(items[i]->path);
	}
	free(conf->server);
	free(conf->tls_server_name);
	free(conf->proxy_url);
	*conf = (struct nb_kubeconfig){ 0 };
}

static int copy(const char *text, size_t len, char **to, struct nb_error *err)
{
	char *new = strndup(text, len);

	if (!new)
		return nb_fail_nomem(err);
	free(*to);
	*to = new;
	return 0;
}

/* Relative paths count from the directory of the kubeconfig. */
static int copy_path(const char *file, const char *path, char **to, struct nb_error *err)
{
	const char *slash = *path == '/' ? NULL : strrchr(file, '/');
	char *new = NULL;

	if (asprintf(&new, "%.*s%s", slash ? (int)(slash + 1 - file) : 0, file, path) < 0)
		return nb_fail_nomem(err);
	free(*to);
	*to = new;
	return 0;
}

static int read_key(const char *file, const struct nb_json *at, const struct key *key,
		    struct nb_kubeconfig *conf, struct nb_error *err)
{
	struct nb_kubeconfig_item *item = (void *)((char *)conf + key->offset);
	const char *text = NULL;
	int rc;

	/* Not nb_json_string(), whose error would show the value. */
	if (at->node && !cJSON_IsString(at->node))
		return nb_json_fail(at, NB_ERR_CONFIG, err, "not a string");
	text = at->node ? at->node->valuestring : "";
	if (!*text)
		return 0;
	switch (key->form) {
	case FORM_TEXT:
		return copy(text, strlen(text), (char **)((char *)conf + key->offset), err);
	case FORM_TOKEN:
		item->len = strlen(text);
		return copy(text, item->len, &item->data, err);
	case FORM_PATH:
		return copy_path(file, text, &item->path, err);
	default:
		rc = nb_base64_decode(text, &item->data, &item->len, err);
		return rc ? nb_json_fail(at, NB_ERR_CONFIG, err, "not base64") : 0;
	}
}

static bool is_set(const struct nb_json *at)
{
	if (!at->node || cJSON_IsFalse(at->node))
		return false;
	if (cJSON_IsString(at->node))
		return *at->node->valuestring;
	return !(cJSON_IsArray(at->node) || cJSON_IsObject(at->node)) || at->node->child;
}

static int read_keys(const char *file, const struct nb_json *object, const struct key *keys,
		     const char *const *refused, struct nb_kubeconfig *conf, struct nb_error *err)
{
	int rc = nb_json_is_object(object, err);

	for (; !rc && *refused; refused++) {
		struct nb_json at = nb_json_get(object, *refused);

		if (is_set(&at))
			rc = nb_json_fail(
				&at, NB_ERR_CONFIG, err,
				"not supported; natbridge-agent takes certificates and tokens only");
	}
	for (; !rc && keys->name; keys++) {
		struct nb_json at = nb_json_get(object, keys->name);

		rc = read_key(file, &at, keys, conf, err);
	}
	return rc;
}

/* A named list: [{"name": N, KEY: {...}}]. The path of *found goes by *element. */
struct named {
	struct nb_json list, element, found;
};

static int find_named(const struct nb_json *root, const char *list, const char *key, const char *name,
		      struct named *named, struct nb_error *err)
{
	int rc;

	named->list = nb_json_get(root, list);
	rc = nb_json_is_array(&named->list, err);
	if (rc)
		return rc;
	named->element = nb_json_first(&named->list);
	for (; named->element.node; named->element = nb_json_next(&named->element)) {
		struct nb_json at;
		const char *is = "";

		rc = nb_json_is_object(&named->element, err);
		if (rc)
			return rc;
		at = nb_json_get(&named->element, "name");
		rc = nb_json_string(&at, &is, err);
		if (rc)
			return rc;
		if (strcmp(is, name) != 0)
			continue;
		named->found = nb_json_get(&named->element, key);
		return 0;
	}
	return nb_fail(err, NB_ERR_CONFIG, 0, "\"%s\": there is no \"%s\"", list, name);
}

/* The checks that need both cluster and user. */
static int check(const struct nb_kubeconfig *conf, struct nb_error *err)
{
	const bool cert = conf->client_cert.path || conf->client_cert.data;
	const bool key = conf->client_key.path || conf->client_key.data;
	const bool token = conf->token.path || conf->token.data;
	struct nb_server server;
	int rc;

	if (!conf->server)
		return nb_fail(err, NB_ERR_CONFIG, 0, "the cluster has no \"server\"");
	rc = nb_server_parse(conf->server, conf->tls_server_name, &server, err);
	if (rc)
		return nb_wrap(err, "\"server\"");
	if (cert != key)
		return nb_fail(err, NB_ERR_CONFIG, 0, "the user has a \"%s\" without a \"%s\"",
			       cert ? "client-certificate" : "client-key",
			       cert ? "client-key" : "client-certificate");
	if (conf->proxy_url && strncmp(conf->proxy_url, "http://", 7) != 0 &&
	    strncmp(conf->proxy_url, "https://", 8) != 0 && strncmp(conf->proxy_url, "socks5://", 9) != 0)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"proxy-url\": not an http://, https:// or socks5:// URL");
	if (!server.tls && (cert || token))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"server\": the user's credentials do not go to an http:// server");
	return 0;
}

static int read_document(const char *file, const struct nb_json *root, struct nb_kubeconfig *conf,
			 struct nb_error *err)
{
	struct named context, cluster, user;
	struct nb_json at = nb_json_get(root, "current-context");
	const char *context_name = "", *cluster_name = "", *user_name = "";

	int rc = nb_json_string(&at, &context_name, err);
	if (!rc && !*context_name)
		rc = nb_fail(err, NB_ERR_CONFIG, 0, "there is no \"current-context\"");
	if (!rc)
		rc = find_named(root, "contexts", "context", context_name, &context, err);
	if (!rc)
		rc = nb_json_is_object(&context.found, err);
	if (rc)
		return rc;
	at = nb_json_get(&context.found, "cluster");
	rc = nb_json_string(&at, &cluster_name, err);
	if (rc)
		return rc;
	at = nb_json_get(&context.found, "user");
	rc = nb_json_string(&at, &user_name, err);
	if (!rc)
		rc = find_named(root, "clusters", "cluster", cluster_name, &cluster, err);
	if (!rc)
		rc = read_keys(file, &cluster.found, cluster_keys, cluster_refused, conf, err);
	if (rc || !*user_name)
		return rc;
	rc = find_named(root, "users", "user", user_name, &user, err);
	if (rc)
		return rc;
	rc = read_keys(file, &user.found, user_keys, user_refused, conf, err);
	/* Of token and tokenFile, client-go takes the file. */
	if (!rc && conf->token.path) {
		free(conf->token.data);
		conf->token.data = NULL;
	}
	return rc;
}

int nb_kubeconfig_read(const char *path, struct nb_kubeconfig *conf, struct nb_error *err)
{
	nb_cleanup(nb_kubeconfig_free) struct nb_kubeconfig is = { 0 };
	nb_cleanup(nb_json_free) struct cJSON *documents = NULL;
	nb_autofree char *text = NULL;
	struct nb_json root;
	size_t len;

	int rc = nb_file_read(path, KUBECONFIG_MAX, &text, &len, err);
	if (rc)
		return rc;
	rc = nb_yaml_parse(text, len, &LIMITS, &documents, err);
	explicit_bzero(text, len);
	if (rc)
		return nb_wrap(err, "\"%s\"", path);
	if (cJSON_GetArraySize(documents) != 1)
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"%s\": not one YAML document", path);
	root = nb_json_root(documents->child);
	rc = nb_json_is_object(&root, err);
	if (!rc)
		rc = read_document(path, &root, &is, err);
	if (!rc)
		rc = check(&is, err);
	if (rc)
		return nb_wrap(err, "\"%s\"", path);
	*conf = is;
	is = (struct nb_kubeconfig){ 0 };
	return 0;
}

int nb_kubeconfig_in_cluster(const char *dir, struct nb_kubeconfig *conf, struct nb_error *err)
{
	nb_cleanup(nb_kubeconfig_free) struct nb_kubeconfig is = { 0 };
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	struct nb_addr addr;
	bool v6;
	int rc;

	if (!host || !*host || !port || !*port)
		return nb_fail(
			err, NB_ERR_ENVIRONMENT, 0,
			"KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: not in a pod");
	v6 = nb_addr_parse(host, &addr) && !nb_addr_is_v4(&addr);
	if (asprintf(&is.server, v6 ? "https://[%s]:%s" : "https://%s:%s", host, port) < 0 ||
	    asprintf(&is.ca.path, "%s/ca.crt", dir) < 0 || asprintf(&is.token.path, "%s/token", dir) < 0)
		return nb_fail_nomem(err);
	rc = check(&is, err);
	if (rc)
		return nb_wrap(err, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT");
	*conf = is;
	is = (struct nb_kubeconfig){ 0 };
	return 0;
}
