// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The node's side of Services, one call of lib/node each, in the caller's network namespace.
 *
 *   nodenet ensure MTU                 makes nb0, prints "IFINDEX MAC MTU"
 *   nodenet find                       prints the same
 *   nodenet remove                     deletes nb0
 *   nodenet routes DST/LEN[=SRC]...    sets the routes; prints "conflict DST/LEN IFINDEX" for each conflict
 *   nodenet unroute                    deletes the routes
 *   nodenet devices [PATTERN...]       prints "NAME MTU V4 V6" for each device in use, "-" for none, then
 * "mtu MTU"
 *
 * Prints errors to stderr and exits with 1.
 */
#include "lib/net/netlink.h"
#include "lib/net/route.h"
#include "lib/node/devices.h"
#include "lib/node/nb0.h"
#include "lib/node/node_routes.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTES_MAX = 64 };

static void print_nb0(const struct nb_nb0 *nb0)
{
	char mac[NB_MAC_STRLEN];

	printf("%u %s %u\n", nb0->ifindex, nb_mac_format(nb0->mac, mac), nb0->mtu);
}

static int ensure(struct nb_netlink *nl, char **args, int n, struct nb_error *err)
{
	struct nb_nb0 nb0;
	int rc = nb_nb0_ensure(nl, (unsigned int)strtoul(n ? args[0] : "0", NULL, 10), &nb0, err);

	if (!rc)
		print_nb0(&nb0);
	return rc;
}

static int find(struct nb_netlink *nl, char **args, int n, struct nb_error *err)
{
	struct nb_nb0 nb0;
	int rc = nb_nb0_find(nl, &nb0, err);

	(void)args;
	(void)n;
	if (!rc)
		print_nb0(&nb0);
	return rc;
}

static int delete_nb0(struct nb_netlink *nl, char **args, int n, struct nb_error *err)
{
	(void)args;
	(void)n;
	return nb_nb0_remove(nl, err);
}

static void print_conflict(const struct nb_node_route *wanted, const struct nb_route *other, void *arg)
{
	char dst[NB_ADDR_STRLEN];

	(void)arg;
	printf("conflict %s/%u %u\n", nb_addr_format(&wanted->dst, dst), wanted->prefix_len, other->index);
}

static int routes(struct nb_netlink *nl, char **args, int n, struct nb_error *err)
{
	struct nb_node_route wanted[ROUTES_MAX] = { 0 };
	struct nb_nb0 nb0;
	int rc = nb_nb0_find(nl, &nb0, err);

	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		char *src = strchr(args[i], '=');

		if (src)
			*src++ = '\0';
		if (i == ROUTES_MAX || !nb_cidr_parse(args[i], &wanted[i].dst, &wanted[i].prefix_len) ||
		    (src && !nb_addr_parse(src, &wanted[i].src)))
			return nb_fail(err, NB_ERR_CONFIG, 0, "%s: not a route", args[i]);
		wanted[i].has_src = src;
	}
	return nb_node_routes_set(nl, nb0.ifindex, wanted, (size_t)n, print_conflict, NULL, err);
}

static int unroute(struct nb_netlink *nl, char **args, int n, struct nb_error *err)
{
	(void)args;
	(void)n;
	return nb_node_routes_remove(nl, err);
}

static int devices(struct nb_netlink *nl, char **args, int n, struct nb_error *err)
{
	nb_autofree struct nb_node_device *found = NULL;
	char v4[NB_ADDR_STRLEN], v6[NB_ADDR_STRLEN];
	unsigned int count = 0;
	int rc = nb_node_devices_list(nl, (const char *const *)args, (size_t)n, &found, &count, err);

	for (unsigned int i = 0; !rc && i < count; i++)
		if (found[i].in_use)
			printf("%s %u %s %s\n", found[i].name, found[i].mtu,
			       found[i].has_v4 ? nb_addr_format(&found[i].v4, v4) : "-",
			       found[i].has_v6 ? nb_addr_format(&found[i].v6, v6) : "-");
	if (!rc)
		printf("mtu %u\n", nb_node_devices_mtu(found, count));
	return rc;
}

static const struct {
	const char *name;
	int (*run)(struct nb_netlink *nl, char **args, int n, struct nb_error *err);
} VERBS[] = {
	{ "ensure", ensure }, { "find", find },       { "remove", delete_nb0 },
	{ "routes", routes }, { "unroute", unroute }, { "devices", devices },
};

int main(int argc, char **argv)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	struct nb_error err = { 0 };

	for (size_t i = 0; argc > 1 && i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
		if (strcmp(argv[1], VERBS[i].name) != 0)
			continue;
		if (!nb_netlink_open(&nl, &err) && !VERBS[i].run(&nl, argv + 2, argc - 2, &err))
			return 0;
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	fputs("usage: nodenet ensure|find|remove|routes|unroute|devices [ARGUMENT...]\n", stderr);
	return 2;
}
