// SPDX-License-Identifier: GPL-2.0-or-later
/* A server for each Service that has a health check node port. */
#include "health_ports.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/kube/table.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"
#include "lib/util/vec.h"

#include "health.h"
#include "log.h"
#include "web.h"

struct server {
	char *name; /* of the Service, "namespace/name"; owned */
	unsigned int port;
	size_t local;
	bool wanted; /* by the update that runs */
	bool failed;
	const struct nb_health *health;
	struct nb_web_route routes[2];
	struct nb_web *web; /* NULL: could not be opened */
};

struct nb_health_ports {
	struct nb_loop *loop;
	const struct nb_health *health;
	NB_VEC(struct server *) servers;
};

static void server_free(struct server *server)
{
	nb_web_close(&server->web);
	free(server->name);
	free(server);
}

struct nb_health_ports *nb_health_ports_new(struct nb_loop *loop, const struct nb_health *health)
{
	struct nb_health_ports *ports = calloc(1, sizeof(*ports));

	if (ports)
		*ports = (struct nb_health_ports){ .loop = loop, .health = health };
	return ports;
}

void nb_health_ports_free(struct nb_health_ports **ports_at)
{
	struct nb_health_ports *ports = *ports_at;

	*ports_at = NULL;
	if (!ports)
		return;
	for (size_t i = 0; i < ports->servers.n; i++)
		server_free(ports->servers.items[i]);
	nb_vec_free(&ports->servers);
	free(ports);
}

/* ---- the answer ---- */

static void free_json_text(char **text)
{
	cJSON_free(*text);
}

static cJSON *describe(const struct server *server)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *service = cJSON_AddObjectToObject(object, "service");
	const char *slash = strchr(server->name, '/');
	char namespace[NB_NAME_MAX];

	snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - server->name), server->name);
	if (cJSON_AddStringToObject(service, "namespace", namespace) &&
	    cJSON_AddStringToObject(service, "name", slash + 1) &&
	    cJSON_AddNumberToObject(object, "localEndpoints", (double)server->local) &&
	    cJSON_AddBoolToObject(object, "serviceProxyHealthy", nb_health_is_well(server->health)))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static void on_request(struct nb_web_answer *answer, void *arg)
{
	const struct server *server = arg;
	nb_cleanup(nb_json_free) cJSON *object = describe(server);
	nb_cleanup(free_json_text) char *text = object ? cJSON_PrintUnformatted(object) : NULL;

	answer->code = server->local && nb_health_is_well(server->health) ? 200 : 503;
	answer->type = "application/json";
	answer->extra = "X-Load-Balancing-Endpoint-Weight";
	snprintf(answer->extra_value, sizeof(answer->extra_value), "%zu", server->local);
	/* The code is what counts. */
	nb_strbuf_put(&answer->body, text ? text : "{}");
}

/* ---- the servers ---- */

/* At the addresses of both families, if the node has IPv6. */
static int listen_at(struct nb_health_ports *ports, struct server *server, struct nb_error *err)
{
	static const char *const all[] = { "[::]", "0.0.0.0" };
	int rc = 0;

	for (size_t i = 0; i < 2 && !server->web; i++) {
		char address[16];

		snprintf(address, sizeof(address), "%s:%u", all[i], server->port);
		rc = nb_web_open(ports->loop, address, server->routes, &nb_web_limits, &server->web, err);
	}
	return rc;
}

static void open_web(struct nb_health_ports *ports, struct server *server)
{
	struct nb_error err = { 0 };

	if (!listen_at(ports, server, &err)) {
		nb_log_info(server->failed ? 0 : 1, "Health check node port is answered",
			    NB_TEXT("service", server->name), NB_NUMBER("port", server->port));
		server->failed = false;
		return;
	}
	if (!server->failed)
		nb_log_error("Health check node port is not answered", NB_TEXT("service", server->name),
			     NB_NUMBER("port", server->port), NB_TEXT("err", err.msg));
	server->failed = true;
}

/* Adds one that is not open. NULL: out of memory. */
static struct server *add_server(struct nb_health_ports *ports, const char *name)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->health = ports->health;
	server->routes[0] = (struct nb_web_route){ NB_WEB_ANY, on_request, server };
	if (!nb_strdup(name, &server->name, NULL) && !nb_vec_push(&ports->servers, server, NULL))
		return server;
	free(server->name);
	free(server);
	return NULL;
}

static struct server *find_server(const struct nb_health_ports *ports, const char *name)
{
	for (size_t i = 0; i < ports->servers.n; i++)
		if (!strcmp(ports->servers.items[i]->name, name))
			return ports->servers.items[i];
	return NULL;
}

/* What the Service wants now. A port that it has left may be another one's by now: it is closed first. */
static void note_wanted(const struct nb_kube_health *health, void *arg)
{
	struct nb_health_ports *ports = arg;
	struct server *server = find_server(ports, health->name);

	if (!server)
		server = add_server(ports, health->name);
	if (!server) {
		nb_log_error("Health check node port is not answered", NB_TEXT("service", health->name),
			     NB_TEXT("err", "out of memory"));
		return;
	}
	if (server->port != health->port)
		nb_web_close(&server->web);
	server->port = health->port;
	server->local = health->local;
	server->wanted = true;
}

void nb_health_ports_update(struct nb_health_ports *ports, const struct nb_kube_table *table)
{
	size_t n = 0;

	nb_kube_table_health(table, note_wanted, ports);
	for (size_t i = 0; i < ports->servers.n; i++) {
		struct server *server = ports->servers.items[i];

		if (server->wanted)
			ports->servers.items[n++] = server;
		else
			server_free(server);
	}
	ports->servers.n = n;
	for (size_t i = 0; i < n; i++) {
		ports->servers.items[i]->wanted = false;
		if (!ports->servers.items[i]->web)
			open_web(ports, ports->servers.items[i]);
	}
}
