// SPDX-License-Identifier: GPL-2.0-or-later
/* The list of API servers, in memory and on disk. */
#include "servers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "file.h"

enum { SERVERS_FILE_MAX = 4096 };

static const char header[] = "# API servers of this cluster; written by natbridge-agent\n";

int nb_servers_add(struct nb_servers *servers, const char *url, const char *tls_name, struct nb_error *err)
{
	struct nb_server server;
	int rc = nb_server_parse(url, tls_name, &server, err);

	if (rc)
		return rc;
	if (servers->n == NB_SERVERS_MAX)
		return nb_fail(err, NB_ERR_CONFIG, 0, "more than %d API servers", NB_SERVERS_MAX);
	servers->items[servers->n++] = server;
	servers->configured = servers->n;
	return 0;
}

static bool contains(const struct nb_server *items, size_t n, const struct nb_server *server)
{
	for (size_t i = 0; i < n; i++)
		if (nb_server_equal(&items[i], server))
			return true;
	return false;
}

static struct nb_server from_endpoint(const struct nb_servers *servers,
				      const struct nb_servers_endpoint *endpoint)
{
	const char *tls_name = servers->items[0].tls_name;
	struct nb_server server = { .tls = true, .port = endpoint->port };
	char text[NB_ADDR_STRLEN];

	snprintf(server.host, sizeof(server.host), nb_addr_is_v4(&endpoint->addr) ? "%s" : "[%s]",
		 nb_addr_format(&endpoint->addr, text));
	snprintf(server.tls_name, sizeof(server.tls_name), "%s", *tls_name ? tls_name : NB_SERVERS_TLS_NAME);
	return server;
}

static bool is_usable(const struct nb_servers_endpoint *endpoint)
{
	return endpoint->port && nb_addr_is_routable(&endpoint->addr);
}

bool nb_servers_learn(struct nb_servers *servers, const struct nb_servers_endpoint *endpoints, size_t n)
{
	const struct nb_servers old = *servers;
	size_t usable = 0;
	bool changed;

	for (size_t i = 0; i < n; i++)
		usable += is_usable(&endpoints[i]);
	if (!servers->configured || !servers->items[0].tls || !usable)
		return false;
	servers->n = servers->configured;
	for (size_t i = 0; i < n && servers->n < NB_SERVERS_MAX; i++) {
		struct nb_server server = from_endpoint(servers, &endpoints[i]);

		if (is_usable(&endpoints[i]) && !contains(servers->items, servers->n, &server))
			servers->items[servers->n++] = server;
	}
	changed = servers->n != old.n;
	for (size_t i = 0; i < servers->n && !changed; i++)
		changed = !nb_server_equal(&servers->items[i], &old.items[i]);
	/* The one that answers stays the current one, if it is still there. */
	servers->current = 0;
	for (size_t i = 0; i < servers->n; i++)
		if (nb_server_equal(&servers->items[i], &old.items[old.current]))
			servers->current = i;
	return changed;
}

const struct nb_server *nb_servers_current(const struct nb_servers *servers)
{
	return &servers->items[servers->current];
}

void nb_servers_failed(struct nb_servers *servers, const struct nb_server *failed)
{
	if (nb_server_equal(nb_servers_current(servers), failed))
		servers->current = (servers->current + 1) % servers->n;
}

int nb_servers_save(const struct nb_servers *servers, const char *path, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf text = { 0 };
	char name[NB_SERVER_NAME_MAX];

	nb_strbuf_put(&text, header);
	for (size_t i = servers->configured; i < servers->n; i++) {
		nb_strbuf_put(&text, nb_server_name(&servers->items[i], name));
		nb_strbuf_put(&text, "\n");
	}
	if (text.failed)
		return nb_fail_nomem(err);
	return nb_file_replace(path, text.buf, text.len, err);
}

int nb_servers_load(struct nb_servers *servers, const char *path, struct nb_error *err)
{
	struct nb_servers_endpoint endpoints[NB_SERVERS_MAX];
	nb_autofree char *text = NULL;
	char *rest, *line;
	size_t len, n = 0;
	__be16 port;

	int rc;

	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	rc = nb_file_read(path, SERVERS_FILE_MAX, &text, &len, err);
	if (rc)
		return rc;
	if (strlen(text) != len)
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"%s\": a NUL in text", path);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (*line == '#')
			continue;
		if (n == NB_SERVERS_MAX || !nb_addr_port_parse(line, &endpoints[n].addr, &port) ||
		    !nb_addr_is_routable(&endpoints[n].addr))
			return nb_fail(err, NB_ERR_CONFIG, 0,
				       "\"%s\": not a list of at most %d addresses with ports", path,
				       NB_SERVERS_MAX);
		endpoints[n++].port = ntohs(port);
	}
	nb_servers_learn(servers, endpoints, n);
	return 0;
}
