// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl status: the programs, ports and maps of each network. */
#include <bpf/bpf.h>
#include <errno.h>

#include <natbridge/abi.h>

#include "lib/datapath/port_describe.h"
#include "lib/datapath/port_state.h"
#include "lib/datapath/renew.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/maps/usage.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "each_network.h"
#include "out.h"
#include "texts.h"

enum { RATHER_FULL = 80, ALMOST_FULL = 95 }; /* percent */

static void print_programs(const struct cJSON *row, FILE *to)
{
	const struct cJSON *program;

	cJSON_ArrayForEach(program, cJSON_GetObjectItemCaseSensitive(row, "programs")) {
		fprintf(to, "  program  %-12s id %u\n", nb_row_text(program, "name"),
			nb_row_number(program, "id"));
	}
}

static void print_ports(const struct cJSON *row, const struct nb_terminal *terminal, FILE *to)
{
	const struct cJSON *port;

	cJSON_ArrayForEach(port, cJSON_GetObjectItemCaseSensitive(row, "ports")) {
		const char *name = nb_row_text(port, "name"), *state = nb_row_text(port, "state");

		fprintf(to, "  port     %-12s ifindex %u ", *name ? name : "-",
			nb_row_number(port, "ifindex"));
		nb_colour_print(terminal, nb_colour_find(nb_port_colours, state), state, to);
		fputc('\n', to);
	}
}

static void print_ranges(const struct cJSON *row, FILE *to)
{
	const struct cJSON *range;

	cJSON_ArrayForEach(range, cJSON_GetObjectItemCaseSensitive(row, "serviceCIDRs"))
		fprintf(to, "  range    %s\n", range->valuestring);
}

static enum nb_colour colour_of_use(double percent)
{
	return percent >= ALMOST_FULL   ? NB_COLOUR_RED
	       : percent >= RATHER_FULL ? NB_COLOUR_YELLOW
					: NB_COLOUR_NONE;
}

static void print_maps(const struct cJSON *row, const struct nb_terminal *terminal, FILE *to)
{
	const struct cJSON *map;

	cJSON_ArrayForEach(map, cJSON_GetObjectItemCaseSensitive(row, "maps")) {
		const unsigned int entries = nb_row_number(map, "entries"), max = nb_row_number(map, "max");
		const double percent = max ? 100.0 * entries / max : 0.0;
		char text[32];

		fprintf(to, "  map      %-12s %u of %u ", nb_row_text(map, "name"), entries, max);
		snprintf(text, sizeof(text), "(%.1f %%)", percent);
		nb_colour_print(terminal, colour_of_use(percent), text, to);
		fputc('\n', to);
	}
}

static void print_status(const struct cJSON *row, FILE *to)
{
	const struct nb_terminal terminal = nb_terminal_of(stdout);

	fprintf(to, "%s: mode %s, fast path %s, map layout v%u, pinned in %s\n", nb_row_text(row, "network"),
		nb_row_text(row, "mode"), nb_row_is(row, "fastPath") ? "on" : "off",
		nb_row_number(row, "abiVersion"), nb_row_text(row, "directory"));
	if (nb_row_is(row, "behind")) {
		nb_colour_print(
			&terminal, NB_COLOUR_YELLOW,
			"  programs are those of another version of natbridge: run natbridgectl upgrade", to);
		fputc('\n', to);
	}
	print_ranges(row, to);
	print_programs(row, to);
	print_ports(row, &terminal, to);
	print_maps(row, &terminal, to);
}

static void add_ranges(struct cJSON *row, const struct nb_settings *settings)
{
	struct cJSON *list = cJSON_AddArrayToObject(row, "serviceCIDRs");

	for (__u32 i = 0; i < settings->n_service_cidrs && i < NB_MAX_SERVICE_CIDRS; i++) {
		char addr[NB_ADDR_STRLEN], text[NB_ADDR_STRLEN + 8];

		snprintf(text, sizeof(text), "%s/%u", nb_addr_format(&settings->service_cidrs[i].value, addr),
			 nb_prefix_len(&settings->service_cidrs[i]));
		cJSON_AddItemToArray(list, cJSON_CreateString(text));
	}
}

static int add_programs(struct cJSON *row, const struct nb_datapath *dp, struct nb_error *err)
{
	struct cJSON *list = cJSON_AddArrayToObject(row, "programs");

	for (int i = 0; i < NB_PROGS; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		/* A program of a mode that the network never had. */
		if (dp->prog_fd[i] < 0)
			continue;
		struct cJSON *item = cJSON_CreateObject();
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
	const struct nb_port_links *links;
};

static int add_some_ports(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_port *ports = values;
	struct port_walk *walk = arg;

	(void)keys;
	for (__u32 i = 0; i < n; i++) {
		char name[IF_NAMESIZE];

		if (!ports[i].ifindex)
			continue;
		struct cJSON *item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "name", nb_port_name(ports[i].ifindex, name));
		cJSON_AddNumberToObject(item, "ifindex", ports[i].ifindex);
		cJSON_AddStringToObject(
			item, "state",
			nb_port_look_name(nb_port_look(walk->dp, walk->links, ports[i].ifindex)));
		cJSON_AddItemToArray(walk->list, item);
	}
	return 0;
}

static int add_ports(struct cJSON *row, const struct nb_datapath *dp, struct nb_error *err)
{
	nb_cleanup(nb_port_links_free) struct nb_port_links links = { 0 };
	struct port_walk walk = {
		.list = cJSON_AddArrayToObject(row, "ports"),
		.dp = dp,
		.links = &links,
	};

	int rc = nb_port_links_here(dp, &links, err);
	if (rc)
		return rc;
	return nb_map_walk(dp, NB_MAP_PORTS, add_some_ports, &walk, err);
}

static int add_maps(struct cJSON *row, const struct nb_datapath *dp, struct nb_error *err)
{
	struct cJSON *list = cJSON_AddArrayToObject(row, "maps");

	for (size_t i = 0; i < NB_USAGE_MAPS; i++) {
		const enum nb_map map = nb_usage_maps[i];
		__u32 entries = 0, capacity = 0;

		if (dp->map_fd[map] < 0)
			continue;
		int rc = nb_map_capacity(dp, map, &capacity, err);
		if (rc)
			return rc;
		rc = nb_map_count(dp, map, &entries, err);
		if (rc)
			return rc;
		struct cJSON *item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "name", nb_map_name(map));
		cJSON_AddNumberToObject(item, "entries", entries);
		cJSON_AddNumberToObject(item, "max", capacity);
		cJSON_AddItemToArray(list, item);
	}
	return 0;
}

static int fill_row(struct cJSON *row, const char *network, const struct nb_datapath *dp,
		    struct nb_error *err)
{
	struct nb_settings settings;
	enum nb_mode mode;

	int rc = nb_datapath_mode(dp, &mode, err);
	if (rc)
		return rc;
	rc = nb_settings_read(dp, &settings, err);
	if (rc)
		return rc;
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddStringToObject(row, "mode", nb_mode_name(mode));
	cJSON_AddBoolToObject(row, "fastPath", settings.flags & NB_SETTINGS_FAST_PATH);
	cJSON_AddBoolToObject(row, "behind", nb_renew_is_due(dp) || settings.flags & NB_SETTINGS_BEHIND);
	cJSON_AddNumberToObject(row, "abiVersion", NB_ABI_VERSION);
	cJSON_AddStringToObject(row, "directory", dp->dir);
	add_ranges(row, &settings);
	rc = add_programs(row, dp, err);
	if (rc)
		return rc;
	rc = add_ports(row, dp, err);
	if (rc)
		return rc;
	return add_maps(row, dp, err);
}

static int status_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			  void *arg, struct nb_error *err)
{
	struct cJSON *row = cJSON_CreateObject();

	(void)arg;
	int rc = fill_row(row, network, dp, err);
	if (rc) {
		cJSON_Delete(row);
		return rc;
	}
	return nb_out_row(cli->out, row, print_status, err);
}

int nb_cmd_status(const struct nb_cli *cli, struct nb_error *err)
{
	return nb_each_network(cli, NB_READ, status_network, NULL, NULL, err);
}
