// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl service: the service table. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <natbridge/abi.h>

#include "lib/kube/kube.h"
#include "lib/maps/layout.h"
#include "lib/net/netlink.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "input.h"
#include "out.h"
#include "row.h"

static double milliseconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1e3 + (now.tv_nsec - start->tv_nsec) / 1e6;
}

static void print_changes(const struct cJSON *row, FILE *to)
{
	unsigned int writes = row_number(row, "mapWrites");
	double ms = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(row, "milliseconds"));

	fprintf(to, "%s: %u services, %u frontends, %u backends: ", row_text(row, "network"),
		row_number(row, "services"), row_number(row, "frontends"), row_number(row, "backends"));
	if (!writes)
		fprintf(to, "nothing changed (%.1f ms)\n", ms);
	else
		fprintf(to, "%u changed, %u added, %u removed (%u map writes, %.1f ms)\n",
			row_number(row, "changed"), row_number(row, "added"), row_number(row, "removed"),
			writes, ms);
}

static int tell_changes(const struct nb_cli *cli, const char *network,
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

	fprintf(stderr,
		"natbridgectl: note: Service %s: %s is an address of this host, which gets its packets while "
		"it has the address\n",
		service->name, nb_addr_format(&service->key.addr, addr));
}

static void say_nothing(const struct nb_service *service)
{
	(void)service;
}

static int mark_on_host(struct nb_services *services, void (*tell)(const struct nb_service *service),
			struct nb_error *err)
{
	struct nb_netlink nl nb_cleanup(nb_netlink_close) = { 0 };
	int rc = nb_netlink_open(&nl, err);

	return rc ? rc : nb_services_mark_on_host(services, &nl, tell, err);
}

/* Input from the wrong place, a list that is empty by mistake: that must not take all Services away. */
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
	return nb_fail(
		err, NB_ERR_CONFIG, 0,
		"the input would remove every Service of the table (%zu) and leave none: give --prune-all "
		"if that is meant",
		n);
}

static void note_config(const struct nb_service *service, const struct nb_service *owner)
{
	char frontend[NB_FRONTEND_STRLEN];

	fprintf(stderr, "natbridgectl: note: Service %s: %s stays with %s of the network config\n",
		service->name, nb_frontend_format(&service->key, frontend), owner->name);
}

/* Into *kept: what is wanted beside what stays in the table. */
static int look_at_table(const struct nb_cli *cli, const struct nb_datapath *dp,
			 const struct nb_kube_input *wanted, struct nb_services *kept, struct nb_error *err)
{
	struct nb_services table nb_cleanup(nb_services_free) = { 0 };
	int rc = nb_service_read(dp, &table, err);

	if (!rc)
		rc = nb_services_keep(&wanted->services, &table, &wanted->incomplete, kept, note_config, err);
	if (!rc) /* those of the table as well, without a word */
		rc = mark_on_host(kept, say_nothing, err);
	if (rc || kept->n || cli->keep || cli->prune_all)
		return rc;
	return refuse_to_empty(&table, err);
}

static int write_table(const struct nb_cli *cli, const struct nb_datapath *dp,
		       const struct nb_services *services, struct nb_service_changes *changes,
		       struct nb_error *err)
{
	return cli->keep ? nb_service_update(dp, services, NB_ORIGIN_APPLY, changes, err)
			 : nb_service_apply(dp, services, NB_ORIGIN_APPLY, changes, err);
}

static int apply_to_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			    void *arg, struct nb_error *err)
{
	struct nb_services kept nb_cleanup(nb_services_free) = { 0 };
	const struct nb_kube_input *wanted = arg;
	struct nb_service_changes changes = { 0 };
	struct timespec start;
	int rc = -EEXIST;

	clock_gettime(CLOCK_MONOTONIC, &start);
	/* Reading the whole table takes longer than a small change, so it is read only if it has a say. */
	if (wanted->services.n && !wanted->incomplete.n)
		rc = write_table(cli, dp, &wanted->services, &changes, err);
	if (rc == -EEXIST) {
		rc = look_at_table(cli, dp, wanted, &kept, err);
		rc = rc ? rc : write_table(cli, dp, &kept, &changes, err);
	}
	return rc ? rc : tell_changes(cli, network, &changes, milliseconds_since(&start), err);
}

static int service_apply(const struct nb_cli *cli, struct nb_error *err)
{
	struct nb_kube_input input nb_cleanup(nb_kube_input_free) = { 0 };
	struct nb_walked walked = { 0 };
	int rc = nb_read_objects(cli->files, cli->n_files, &input, err);

	if (rc)
		return rc;
	if (input.says_nothing && !cli->prune_all) {
		fprintf(stderr, "natbridgectl: note: the input says nothing of Services: nothing changed\n");
		return 0;
	}
	rc = mark_on_host(&input.services, note_on_host, err);
	if (rc)
		return rc;
	nb_out_keep_rows(cli->out);
	rc = nb_each_network(cli, NB_ENSURE | NB_TRANSLATING, apply_to_network, &input, &walked, err);
	return rc ? rc : nb_require_network(cli, &walked, err);
}

static struct cJSON *backend_item(const struct nb_service_backend *backend, bool json)
{
	char addr[NB_ADDR_STRLEN], text[NB_ADDR_STRLEN + 32];
	struct cJSON *item;

	nb_addr_format(&backend->addr, addr);
	snprintf(text, sizeof(text), nb_addr_is_v4(&backend->addr) ? "%s:%u%s" : "[%s]:%u%s", addr,
		 ntohs(backend->port), backend->draining ? " (draining)" : "");
	if (!json)
		return cJSON_CreateString(text);
	item = cJSON_CreateObject();
	cJSON_AddStringToObject(item, "address", addr);
	cJSON_AddNumberToObject(item, "port", ntohs(backend->port));
	return item;
}

/* Row of a frontend: in parts for JSON, in the usual notation for the plain columns. */
static struct cJSON *service_row(const char *network, const struct nb_service *service, bool json)
{
	struct cJSON *row = cJSON_CreateObject(), *backends, *draining;
	char frontend[NB_FRONTEND_STRLEN], addr[NB_ADDR_STRLEN];

	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddStringToObject(row, "name", service->name);
	cJSON_AddStringToObject(row, "portName", service->port_name);
	cJSON_AddStringToObject(row, "origin", service->origin == NB_ORIGIN_CONFIG ? "config" : "apply");
	if (json || service->affinity)
		cJSON_AddNumberToObject(row, "affinity", service->affinity);
	cJSON_AddStringToObject(row, "address", nb_addr_format(&service->key.addr, addr));
	cJSON_AddNumberToObject(row, "port", ntohs(service->key.port));
	cJSON_AddStringToObject(row, "protocol", nb_proto_name(service->key.proto));
	if (!json)
		cJSON_AddStringToObject(row, "frontend", nb_frontend_format(&service->key, frontend));
	if (json)
		cJSON_AddBoolToObject(row, "onHost", service->on_host);
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
	struct nb_services services nb_cleanup(nb_services_free) = { 0 };
	int rc = nb_service_read(dp, &services, err);

	(void)arg;
	for (size_t i = 0; i < services.n && !rc; i++)
		rc = nb_out_row(cli->out, service_row(network, &services.items[i], nb_out_is_json(cli->out)),
				NULL, err);
	return rc;
}

static int service_list(const struct nb_cli *cli, struct nb_error *err)
{
	static const struct nb_column columns[] = {
		{ "NETWORK", "network" },   { "SERVICE", "name" },
		{ "PORT", "portName" },     { "FRONTEND", "frontend" },
		{ "AFFINITY", "affinity" }, { "BACKENDS", "backends" },
		{ "FROM", "origin" },       { 0 },
	};

	struct nb_walked walked = { 0 };
	int rc;

	nb_out_columns(cli->out, columns);
	rc = nb_each_network(cli, NB_READ | NB_TRANSLATING, list_network, NULL, &walked, err);
	nb_note_assisted(&walked);
	return rc;
}

/* Networks that do not have the Service are passed over if another one has it. */
struct deletion {
	unsigned int found;
};

static int delete_from_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			       void *arg, struct nb_error *err)
{
	struct nb_service_changes changes = { 0 };
	struct nb_error missing = { 0 };
	struct deletion *deletion = arg;
	struct timespec start;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &start);
	rc = nb_service_delete(dp, cli->arguments[0], &changes, &missing);
	if (rc == -ENOENT)
		return 0;
	if (rc) {
		*err = missing;
		return rc;
	}
	deletion->found++;
	return tell_changes(cli, network, &changes, milliseconds_since(&start), err);
}

static int service_delete(const struct nb_cli *cli, struct nb_error *err)
{
	struct deletion deletion = { 0 };
	struct nb_walked walked = { 0 };
	int rc;

	nb_out_keep_rows(cli->out);
	rc = nb_each_network(cli, NB_CHANGE | NB_TRANSLATING, delete_from_network, &deletion, &walked, err);

	if (!rc)
		rc = nb_require_network(cli, &walked, err);
	if (!rc && !deletion.found)
		return nb_fail(err, NB_ERR_CONFIG, 0, "there is no Service \"%.200s\"", cli->arguments[0]);
	return rc;
}

static const struct nb_verb verbs[] = {
	{ "apply", NULL, NB_OPTION_FILE | NB_OPTION_KEEP, "make the service table what a file says", "\
DESCRIPTION\n\
  Reads Service (v1) and EndpointSlice (discovery.k8s.io/v1) objects of Kubernetes from FILE, or\n\
  from standard input for -, as printed by\n\
    kubectl get services,endpointslices -A -o json | natbridgectl service apply -f -\n\
  and makes the table of the network equal to them: Services that the input does not name are\n\
  removed, except for those of the network config. With --keep they are kept. An input that would\n\
  remove every Service of the table and leave none is refused, unless --prune-all is given.\n\
  Only what differs is written; connections keep their backends where these are still there.\n\
\n\
  The input is JSON or YAML: an object, a List, or several of them, one after the other or as\n\
  documents. With several -f all files are one input. What is absent, null or empty has the value\n\
  that the API server gives it, and addresses are read as Kubernetes reads them. Objects of other\n\
  kinds are passed over and counted.\n\
\n\
  An object that cannot be used is an error that names object, field and value, and nothing is\n\
  changed. In a List of several items, as a cluster gives it, that object alone is left out, named\n\
  and counted, and its Service stays in the table as it was; so is an endpoint of an EndpointSlice\n\
  there. Errors in any case: text that is not JSON or YAML, an object that is there twice, two\n\
  Services with one address and port, and a list of which pieces are missing.\n\
\n\
  Without --network all networks of the node are set. With it, a datapath is loaded and pinned\n\
  if no pod of the network has done that yet.\n\
\n\
  Ready endpoints get new connections; if there is none, those that are serving and terminating.\n\
  A backend that was taken out of its Service loses its UDP flows at once; TCP connections go on\n\
  until its pod is gone.\n\
  Left alone: headless Services, ExternalName, SCTP ports, Services and EndpointSlices with the\n\
  label service.kubernetes.io/service-proxy-name or service.kubernetes.io/headless. Of a Service\n\
  with NodePorts, external or load balancer addresses the cluster addresses are served. Topology\n\
  (trafficDistribution, hints) is not followed. A Service with an address that this host has as well\n\
  is named: the host gets its packets for as long as it has the address, the backends afterwards.\n\
\n\
OUTPUT\n\
  One line for each network: what it holds now, how many frontends (an address and port of a\n\
  Service) were changed, added and removed, or \"nothing changed\".\n",
	  service_apply },
	{ "list", NULL, 0, "list the services", "\
DESCRIPTION\n\
  One line for each frontend: the network, the Service's namespace and name, the name of its port,\n\
  address, port and protocol, for how many seconds a client keeps its backend (ClientIP affinity),\n\
  the backends, and who gave it: apply (this tool or the agent) or config (the network config). A\n\
  backend that is draining keeps the connections that it has and gets no new ones. (host): the\n\
  host had this address as well; its packets are the host's for as long as it has it.\n",
	  service_list },
	{ "delete", "NAMESPACE/NAME", 0, "remove a Service", "\
DESCRIPTION\n\
  Removes all frontends of the Service, wherever it came from. One that stands in the network\n\
  config comes back with the next pod.\n",
	  service_delete },
	{ 0 },
};

const struct nb_noun nb_noun_service = { "service", "the service table", verbs };
