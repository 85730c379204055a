// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl service: the Services of each network. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <natbridge/abi.h>

#include "lib/datapath/owner.h"
#include "lib/kube/kube.h"
#include "lib/maps/layout.h"
#include "lib/net/netlink.h"
#include "lib/service/change.h"
#include "lib/service/host_addr.h"
#include "lib/service/keep.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "each_network.h"
#include "out.h"
#include "service_files.h"
#include "texts.h"

static double milliseconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1e3 + (now.tv_nsec - start->tv_nsec) / 1e6;
}

static void print_changes(const struct cJSON *row, FILE *to)
{
	unsigned int writes = nb_row_number(row, "mapWrites");
	double ms = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(row, "milliseconds"));

	fprintf(to, "%s: %u services, %u frontends, %u backends: ", nb_row_text(row, "network"),
		nb_row_number(row, "services"), nb_row_number(row, "frontends"),
		nb_row_number(row, "backends"));
	if (!writes)
		fprintf(to, "nothing changed (%.1f ms)\n", ms);
	else
		fprintf(to, "%u changed, %u added, %u removed (%u map writes, %.1f ms)\n",
			nb_row_number(row, "changed"), nb_row_number(row, "added"),
			nb_row_number(row, "removed"), writes, ms);
}

static int report_changes(const struct nb_cli *cli, const char *network,
			  const struct nb_service_changes *changes, double ms, struct nb_error *err)
{
	struct cJSON *row = cJSON_CreateObject();

	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddNumberToObject(row, "services", changes->services);
	cJSON_AddNumberToObject(row, "frontends", changes->frontends);
	cJSON_AddNumberToObject(row, "backends", changes->backends);
	cJSON_AddNumberToObject(row, "changed", changes->changed);
	cJSON_AddNumberToObject(row, "added", changes->added);
	cJSON_AddNumberToObject(row, "removed", changes->removed);
	cJSON_AddNumberToObject(row, "mapWrites", changes->map_writes);
	cJSON_AddNumberToObject(row, "milliseconds", ms);
	return nb_out_row(cli->out, row, print_changes, err);
}

static void note_on_host(const struct nb_service *service)
{
	char addr[NB_ADDR_STRLEN];

	nb_out_note(
		service->on_host
			? "Service %s: %s is an address of this host: its packets go to the host, "
			  "not to the backends"
			: "Service %s: %s is an address of this host: the Service's ports of it go to the "
			  "backends, not to the host",
		service->name, nb_addr_format(&service->key.addr, addr));
}

static void note_nothing(const struct nb_service *service)
{
	(void)service;
}

static int mark_on_host(struct nb_services *services, void (*note)(const struct nb_service *service),
			struct nb_error *err)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };

	int rc = nb_netlink_open(&nl, err);
	if (rc)
		return rc;
	return nb_services_mark_on_host(services, &nl, note, err);
}

/* An input from the wrong cluster, or a List that is empty by mistake, must not remove every Service. */
static int refuse_to_empty(const struct nb_services *table, struct nb_error *err)
{
	const char *last = "";
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++) {
		if (table->items[i].origin != NB_ORIGIN_APPLY || !strcmp(table->items[i].name, last))
			continue;
		last = table->items[i].name;
		n++;
	}
	if (!n)
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0,
		       "the input would remove every Service of the table (%zu): use --prune-all if you "
		       "mean it",
		       n);
}

static void note_config(const struct nb_service *service, const struct nb_service *owner)
{
	char frontend[NB_FRONTEND_STRLEN];

	nb_out_note("Service %s: left out %s, which belongs to Service %s of the network configuration",
		    service->name, nb_frontend_format(&service->key, frontend), owner->name);
}

/* Into *kept: what is wanted, and what stays in the table beside it. */
static int merge_with_table(const struct nb_cli *cli, const struct nb_datapath *dp,
			    const struct nb_kube_input *wanted, struct nb_services *kept,
			    struct nb_error *err)
{
	nb_cleanup(nb_services_free) struct nb_services table = { 0 };

	int rc = nb_service_read(dp, &table, err);
	if (rc)
		return rc;
	rc = nb_services_keep(&wanted->services, &table, &wanted->incomplete, kept, note_config, err);
	if (rc)
		return rc;
	/* Those of the table as well, without a note: those of the input have had theirs. */
	rc = mark_on_host(kept, note_nothing, err);
	if (rc)
		return rc;
	if (kept->n || cli->keep || cli->prune_all)
		return 0;
	return refuse_to_empty(&table, err);
}

static int write_table(const struct nb_cli *cli, const struct nb_datapath *dp,
		       const struct nb_services *services, struct nb_service_changes *changes,
		       struct nb_error *err)
{
	if (cli->keep)
		return nb_service_update(dp, services, NB_ORIGIN_APPLY, changes, err);
	return nb_service_apply(dp, services, NB_ORIGIN_APPLY, changes, err);
}

/* A table that an agent feeds would be changed back at once. */
static int refuse_owned(const struct nb_cli *cli, const char *network, struct nb_error *err)
{
	pid_t pid = 0;
	int rc = cli->force ? 0 : nb_owner_find(&cli->pin_root, network, &pid, err);

	if (rc || !pid)
		return rc;
	if (pid < 0)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "natbridge-agent feeds this table from the Kubernetes API; use --force if you "
			       "mean it");
	return nb_fail(
		err, NB_ERR_CONFIG, 0,
		"natbridge-agent (process %d) feeds this table from the Kubernetes API; use --force if you "
		"mean it",
		(int)pid);
}

static int apply_to_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			    void *arg, struct nb_error *err)
{
	nb_cleanup(nb_services_free) struct nb_services kept = { 0 };
	const struct nb_kube_input *wanted = arg;
	struct nb_service_changes changes = { 0 };
	struct timespec start;
	int rc = refuse_owned(cli, network, err);

	if (rc)
		return rc;
	rc = -EEXIST;
	clock_gettime(CLOCK_MONOTONIC, &start);
	/* The whole table is read only if it matters: that takes longer than a small change. */
	if (wanted->services.n && !wanted->incomplete.n)
		rc = write_table(cli, dp, &wanted->services, &changes, err);
	if (rc == -EEXIST) {
		rc = merge_with_table(cli, dp, wanted, &kept, err);
		if (rc)
			return rc;
		rc = write_table(cli, dp, &kept, &changes, err);
	}
	if (rc)
		return rc;
	return report_changes(cli, network, &changes, milliseconds_since(&start), err);
}

int nb_cmd_service_apply(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(nb_kube_input_free) struct nb_kube_input input = { 0 };
	struct nb_visited visited = { 0 };

	int rc = nb_service_files_read(&cli->files, cli->node, &input, err);
	if (rc)
		return rc;
	if (input.says_nothing && !cli->prune_all) {
		nb_out_note("the input is an empty EndpointSliceList: nothing changed");
		return 0;
	}
	rc = mark_on_host(&input.services, note_on_host, err);
	if (rc)
		return rc;
	nb_out_keep_rows(cli->out);
	rc = nb_each_network(cli, NB_ENSURE | NB_TRANSLATING, apply_to_network, &input, &visited, err);
	if (rc)
		return rc;
	return nb_require_network(cli, &visited, err);
}

static struct cJSON *backend_item(const struct nb_service_backend *backend, bool json)
{
	char addr[NB_ADDR_STRLEN], text[NB_ADDR_STRLEN + 32];

	nb_addr_format(&backend->addr, addr);
	snprintf(text, sizeof(text), nb_addr_is_v4(&backend->addr) ? "%s:%u%s" : "[%s]:%u%s", addr,
		 ntohs(backend->port), backend->draining ? " (draining)" : "");
	if (!json)
		return cJSON_CreateString(text);
	struct cJSON *item = cJSON_CreateObject();
	cJSON_AddStringToObject(item, "address", addr);
	cJSON_AddNumberToObject(item, "port", ntohs(backend->port));
	return item;
}

static struct cJSON *range_items(const struct nb_service *service)
{
	struct cJSON *items = cJSON_CreateArray();
	char addr[NB_ADDR_STRLEN], text[NB_ADDR_STRLEN + 8];

	for (size_t i = 0; i < service->n_ranges; i++) {
		snprintf(text, sizeof(text), "%s/%u", nb_addr_format(&service->ranges[i].addr, addr),
			 nb_source_range_len(&service->ranges[i]));
		cJSON_AddItemToArray(items, cJSON_CreateString(text));
	}
	return items;
}

/* The row of a frontend: addresses and ports apart for JSON, "ADDRESS:PORT/PROTOCOL" for the columns. */
static struct cJSON *service_row(const char *network, const struct nb_service *service, bool json)
{
	static const char *const kinds[] = { [NB_CLUSTER_IP] = "ClusterIP",
					     [NB_EXTERNAL_IP] = "ExternalIP",
					     [NB_LOAD_BALANCER] = "LoadBalancer",
					     [NB_NODE_PORT] = "NodePort" };
	struct cJSON *row = cJSON_CreateObject(), *backends, *draining;
	char frontend[NB_FRONTEND_STRLEN], addr[NB_ADDR_STRLEN], duration[NB_DURATION_STRLEN];

	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddStringToObject(row, "name", service->name);
	cJSON_AddStringToObject(row, "portName", service->port_name);
	cJSON_AddStringToObject(row, "origin", service->origin == NB_ORIGIN_CONFIG ? "config" : "apply");
	cJSON_AddStringToObject(row, "kind", kinds[service->kind]);
	if (!json && service->affinity && nb_is_for_people())
		cJSON_AddStringToObject(row, "affinity", nb_duration_format(service->affinity, duration));
	else if (json || service->affinity)
		cJSON_AddNumberToObject(row, "affinity", service->affinity);
	cJSON_AddStringToObject(row, "address", nb_addr_format(&service->key.addr, addr));
	cJSON_AddNumberToObject(row, "port", ntohs(service->key.port));
	cJSON_AddStringToObject(row, "protocol", nb_proto_name(service->key.proto));
	if (!json)
		cJSON_AddStringToObject(row, "frontend", nb_frontend_format(&service->key, frontend));
	if (service->key.side == NB_SIDE_OUTSIDE)
		cJSON_AddStringToObject(row, "side", "outside");
	if (json)
		cJSON_AddBoolToObject(row, "onHost", service->on_host);
	if (json)
		cJSON_AddItemToObject(row, "sourceRanges", range_items(service));
	backends = cJSON_AddArrayToObject(row, "backends");
	if (!json && service->on_host)
		cJSON_AddItemToArray(backends, cJSON_CreateString("(host)"));
	draining = json ? cJSON_AddArrayToObject(row, "draining") : backends;
	for (size_t i = 0; i < service->n_backends; i++)
		cJSON_AddItemToArray(service->backends[i].draining ? draining : backends,
				     backend_item(&service->backends[i], json));
	return row;
}

static int list_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			void *arg, struct nb_error *err)
{
	nb_cleanup(nb_services_free) struct nb_services services = { 0 };
	bool json = nb_out_is_json(cli->out);

	(void)arg;
	int rc = nb_service_read(dp, &services, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < services.n; i++) {
		rc = nb_out_row(cli->out, service_row(network, &services.items[i], json), NULL, err);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_cmd_service_list(const struct nb_cli *cli, struct nb_error *err)
{
	static const struct nb_column columns[] = {
		{ "NETWORK", "network" },   { "SERVICE", "name" }, { "PORT", "portName" },
		{ "FRONTEND", "frontend" }, { "KIND", "kind" },    { "AFFINITY", "affinity" },
		{ "BACKENDS", "backends" }, { "FROM", "origin" },  { 0 },
	};
	/* Nothing answers there. */
	static const struct nb_coloured colours[] = { { "-", NB_COLOUR_YELLOW }, { 0 } };
	struct nb_visited visited = { 0 };

	nb_out_columns(cli->out, columns);
	nb_out_wrap(cli->out, "backends");
	nb_out_colour(cli->out, "backends", colours);
	int rc = nb_each_network(cli, NB_READ | NB_TRANSLATING, list_network, NULL, &visited, err);
	nb_note_assisted(&visited);
	return rc;
}

/* A network without the Service is no error: another one may have it. */
static int delete_from_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			       void *arg, struct nb_error *err)
{
	struct nb_service_changes changes = { 0 };
	struct nb_error step = { 0 };
	bool *found = arg;
	struct timespec start;

	int rc = refuse_owned(cli, network, err);
	if (rc)
		return rc;
	clock_gettime(CLOCK_MONOTONIC, &start);
	rc = nb_service_delete(dp, cli->arguments[0], &changes, &step);
	if (rc == -ENOENT)
		return 0;
	if (rc) {
		*err = step;
		return rc;
	}
	*found = true;
	return report_changes(cli, network, &changes, milliseconds_since(&start), err);
}

int nb_cmd_service_delete(const struct nb_cli *cli, struct nb_error *err)
{
	struct nb_visited visited = { 0 };
	bool found = false;

	nb_out_keep_rows(cli->out);
	int rc = nb_each_network(cli, NB_CHANGE | NB_TRANSLATING, delete_from_network, &found, &visited, err);
	if (rc)
		return rc;
	rc = nb_require_network(cli, &visited, err);
	if (rc)
		return rc;
	if (!found)
		return nb_fail(err, NB_ERR_CONFIG, 0, "Service \"%.200s\" not found", cli->arguments[0]);
	return 0;
}
