// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the names from the maps, without a lock and without a look at the links: a shell waits for them. */
#include "names.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/datapath/datapath.h"
#include "lib/datapath/port_describe.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "network_names.h"

static void add(struct nb_network_names *names, const char *name)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@";

	if (*name && !name[strspn(name, harmless)])
		nb_network_names_add(names, name, NULL);
}

/* ---- the lists ---- */

static int add_services(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_key *key = keys;

	(void)values;
	for (__u32 i = 0; i < n; i++)
		if (!key[i].index && memchr(key[i].name, '\0', sizeof(key[i].name)))
			add(arg, key[i].name);
	return 0;
}

static void services_of(const struct nb_datapath *dp, struct nb_network_names *names)
{
	if (dp->map_fd[NB_MAP_SERVICES] >= 0)
		nb_map_walk(dp, NB_MAP_SERVICES, add_services, names, NULL);
}

static int add_pod(const struct nb_endpoint_info *info, void *arg)
{
	char addr[NB_ADDR_STRLEN], name[IF_NAMESIZE];

	add(arg, nb_addr_format(&info->addr, addr));
	add(arg, nb_port_name(info->port.ifindex, name));
	return 0;
}

static void pods_of(const struct nb_datapath *dp, struct nb_network_names *names)
{
	nb_endpoint_each(dp, add_pod, names, NULL);
}

static void ends_of(const struct nb_datapath *dp, struct nb_network_names *names)
{
	add(names, "node");
	pods_of(dp, names);
	services_of(dp, names);
}

static const struct {
	const char *name;
	void (*read)(const struct nb_datapath *dp, struct nb_network_names *names); /* NULL: the networks */
} lists[] = { { "networks", NULL }, { "services", services_of }, { "pods", pods_of }, { "ends", ends_of } };

/* ---- a list ---- */

static void read_networks(const struct nb_network_names *networks, const struct nb_cli *cli,
			  void (*read)(const struct nb_datapath *dp, struct nb_network_names *names),
			  struct nb_network_names *names)
{
	for (size_t i = 0; i < networks->n; i++) {
		nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;

		if (!nb_datapath_open(&cli->pin_root, networks->items[i], false, &dp, NULL))
			read(&dp, names);
	}
}

static void print_sorted(struct nb_network_names *names)
{
	nb_network_names_sort(names);
	for (size_t i = 0; i < names->n; i++)
		if (!i || strcmp(names->items[i], names->items[i - 1]) != 0)
			puts(names->items[i]);
}

static void print_list(const struct nb_cli *cli,
		       void (*read)(const struct nb_datapath *dp, struct nb_network_names *names))
{
	nb_cleanup(nb_network_names_free) struct nb_network_names networks = { 0 }, names = { 0 };

	if (nb_network_names_read(&networks, cli, NULL))
		return;
	if (read)
		read_networks(&networks, cli, read, &names);
	else
		for (size_t i = 0; i < networks.n; i++)
			add(&names, networks.items[i]);
	print_sorted(&names);
}

bool nb_names_print(const struct nb_cli *cli, const char *list)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (strcmp(lists[i].name, list) != 0)
			continue;
		print_list(cli, lists[i].read);
		return true;
	}
	return false;
}
