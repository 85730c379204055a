// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl status: what is loaded, where it is attached, how full the maps are. */
#include <bpf/bpf.h>
#include <errno.h>

#include <natbridge/abi.h>

#include "lib/datapath/port_state.h"
#include "lib/datapath/upgrade.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/maps/usage.h"
#include "lib/util/error.h"

#include "cli.h"
#include "out.h"
#include "port.h"
#include "row.h"

static void print_programs(const struct cJSON *row, FILE *to)
{
	const struct cJSON *program;

	cJSON_ArrayForEach(program, cJSON_GetObjectItemCaseSensitive(row, "programs")) {
		fprintf(to, "  program  %-12s id %u\n", row_text(program, "name"), row_number(program, "id"));
	}
}

static void print_ports(const struct cJSON *row, FILE *to)
{
	const struct cJSON *port;

	cJSON_ArrayForEach(port, cJSON_GetObjectItemCaseSensitive(row, "ports")) {
		const char *name = row_text(port, "name");

		fprintf(to, "  port     %-12s ifindex %u %s\n", *name ? name : "-",
			row_number(port, "ifindex"), row_text(port, "state"));
	}
}

static void print_maps(const struct cJSON *row, FILE *to)
{
	const struct cJSON *map;

	cJSON_ArrayForEach(map, cJSON_GetObjectItemCaseSensitive(row, "maps")) {
		unsigned int entries = row_number(map, "entries"), max = row_number(map, "max");

		fprintf(to, "  map      %-12s %u of %u (%.1f %%)\n", row_text(map, "name"), entries, max,
			max ? 100.0 * entries / max : 0.0);
	}
}

static void print_status(const struct cJSON *row, FILE *to)
{
	fprintf(to, "%s: mode %s, fast path %s, map layout v%u, pinned in %s\n", row_text(row, "network"),
		row_text(row, "mode"),
		cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "fastPath")) ? "on" : "off",
		row_number(row, "abiVersion"), row_text(row, "directory"));
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "behind")))
		fprintf(to, "  programs are of another natbridge: see natbridgectl upgrade\n");
	print_programs(row, to);
	print_ports(row, to);
	print_maps(row, to);
}

static int add_programs(struct cJSON *row, const struct nb_datapath *dp, struct nb_error *err)
{
	struct cJSON *list = cJSON_AddArrayToObject(row, "programs");

	for (int i = 0; i < NB_PROGS; i++) {
		struct cJSON *item = dp->prog_fd[i] < 0 ? NULL : cJSON_CreateObject();
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		if (!item) /* of a mode that the network never had */
			continue;
		cJSON_AddItemToArray(list, item);
		if (bpf_obj_get_info_by_fd(dp->prog_fd[i], &info, &len))
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read program %s", nb_prog_name(i));
		cJSON_AddStringToObject(item, "name", nb_prog_name(i));
		cJSON_AddNumberToObject(item, "id", info.id);
	}
	return 0;
}

struct port_walk {
	struct cJSON *list;
	const struct nb_datapath *dp;
	struct nb_port_links links;
};

static int add_ports(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_port *ports = values;
	struct port_walk *walk = arg;

	(void)keys;
	for (__u32 i = 0; i < n; i++) {
		char name[IF_NAMESIZE];
		struct cJSON *item;

		if (!ports[i].ifindex)
			continue;
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "name", nb_port_name(ports[i].ifindex, name));
		cJSON_AddNumberToObject(item, "ifindex", ports[i].ifindex);
		cJSON_AddStringToObject(item, "state",
					nb_port_describe(walk->dp, &walk->links, ports[i].ifindex));
		cJSON_AddItemToArray(walk->list, item);
	}
	return 0;
}

/* services[] holds a record of its own beside those of Services, under no name. */
static int count_named(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_key *names = keys;

	(void)values;
	for (__u32 i = 0; i < n; i++)
		*(__u32 *)arg += names[i].name[0] != '\0';
	return 0;
}

static int count_entries(const struct nb_datapath *dp, enum nb_map map, __u32 *entries, struct nb_error *err)
{
	return map == NB_MAP_SERVICES ? nb_map_walk(dp, map, count_named, entries, err)
				      : nb_map_count(dp, map, entries, err);
}

static int add_maps(struct cJSON *row, const struct nb_datapath *dp, struct nb_error *err)
{
	/* The others are arrays, which are always as large as they can be. */
	static const enum nb_map shown[] = { NB_MAP_CONNECTIONS, NB_MAP_FRONTENDS, NB_MAP_BACKENDS,
					     NB_MAP_SERVICES,    NB_MAP_ENDPOINTS, NB_MAP_LINKS,
					     NB_MAP_FLOWS };
	struct cJSON *list = cJSON_AddArrayToObject(row, "maps");
	int rc = 0;

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]) && !rc; i++) {
		struct cJSON *item;
		__u32 entries = 0, room = 0;

		if (dp->map_fd[shown[i]] < 0)
			continue;
		item = cJSON_CreateObject();
		rc = nb_map_capacity(dp, shown[i], &room, err);
		if (!rc)
			rc = count_entries(dp, shown[i], &entries, err);
		cJSON_AddStringToObject(item, "name", nb_map_name(shown[i]));
		cJSON_AddNumberToObject(item, "entries", entries);
		cJSON_AddNumberToObject(item, "max", room);
		cJSON_AddItemToArray(list, item);
	}
	return rc;
}

static int status_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			  void *arg, struct nb_error *err)
{
	struct cJSON *row = cJSON_CreateObject();
	struct port_walk walk = { .dp = dp };
	struct nb_settings settings = { 0 };
	enum nb_mode mode = NB_MODE_OFF;
	int rc = nb_datapath_mode(dp, &mode, err);

	(void)arg;
	rc = rc ?: nb_settings_read(dp, &settings, err);
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddStringToObject(row, "mode", nb_mode_name(mode));
	cJSON_AddBoolToObject(row, "fastPath", settings.flags & NB_SETTINGS_FAST_PATH);
	cJSON_AddBoolToObject(row, "behind", nb_upgrade_possible(dp) || settings.flags & NB_SETTINGS_BEHIND);
	cJSON_AddNumberToObject(row, "abiVersion", NB_ABI_VERSION);
	cJSON_AddStringToObject(row, "directory", dp->dir);
	rc = rc ?: add_programs(row, dp, err);
	walk.list = cJSON_AddArrayToObject(row, "ports");
	rc = rc ?: nb_port_links_here(dp, &walk.links, err);
	if (!rc)
		rc = nb_map_walk(dp, NB_MAP_PORTS, add_ports, &walk, err);
	nb_port_links_free(&walk.links);
	if (!rc)
		rc = add_maps(row, dp, err);
	if (rc) {
		cJSON_Delete(row);
		return rc;
	}
	return nb_out_row(cli->out, row, print_status, err);
}

static int status(const struct nb_cli *cli, struct nb_error *err)
{
	return nb_each_network(cli, NB_READ, status_network, NULL, NULL, err);
}

static const struct nb_verb verbs[] = {
	{ "", NULL, 0, "show what is loaded, attached, and how full the maps are", "\
DESCRIPTION\n\
  For each network that has a datapath: its mode, whether translated packets pass the host's stack by\n\
  (fast path), the version of its map layout and where it is pinned, the ids of its eBPF programs, the pods' ports with their state (see endpoint list), and for each\n\
  hash map the entries that it holds and can hold. Expired connections count until they are taken\n\
  out; each connection has two entries. No network: no output.\n",
	  status },
	{ 0 },
};

const struct nb_noun nb_noun_status = { "status", "the datapath of each network", verbs };
