// SPDX-License-Identifier: GPL-2.0-or-later
/* After each event all is compared with what is wanted: what the event says does not matter. */
#include "node_side.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/maps/prefix.h"
#include "lib/net/ifaddr.h"
#include "lib/net/netlink.h"
#include "lib/net/sysctl.h"
#include "lib/node/node.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cluster.h"
#include "config.h"
#include "log.h"
#include "service_cidrs.h"

enum {
	LOOK_MS = 200,    /* after the first of some events: each new pod causes some */
	AGAIN_MS = 30000, /* routes that others have removed cause no event here */
	RANGES_MAX = NB_MAX_SERVICE_CIDRS + NB_AGENT_LIST_MAX,
};

/* ---- what leads to nb0 ---- */

struct ranges {
	struct nb_node_route all[RANGES_MAX];
	size_t n;
};

static void add_range(struct ranges *ranges, const struct nb_addr *addr, unsigned int len)
{
	const struct nb_addr dst = nb_addr_network(addr, len);

	for (size_t i = 0; i < ranges->n; i++)
		if (nb_addr_equal(&ranges->all[i].dst, &dst) && ranges->all[i].prefix_len == len)
			return;
	ranges->all[ranges->n++] = (struct nb_node_route){ .dst = dst, .prefix_len = len };
}

static void list_ranges(const struct nb_node_side *side, struct ranges *ranges)
{
	const struct nb_agent_list *given = &side->config->service_cidrs;
	struct nb_prefix found[NB_MAX_SERVICE_CIDRS];
	const size_t n = nb_service_cidrs_list(&side->cluster->cidrs, found);

	for (size_t i = 0; i < n; i++)
		add_range(ranges, &found[i].value, nb_prefix_len(&found[i]));
	for (size_t i = 0; i < given->n; i++) {
		struct nb_addr addr;
		unsigned int len;

		if (nb_cidr_parse(given->items[i], &addr, &len))
			add_range(ranges, &addr, len);
	}
}

static bool is_here(const struct nb_ifaddr *addrs, unsigned int n, const struct nb_addr *addr)
{
	for (unsigned int i = 0; i < n; i++)
		if (nb_addr_equal(&addrs[i].addr, addr))
			return true;
	return false;
}

/* The Node's address of a family, if some link has it: the kernel refuses others as a source. */
static const struct nb_addr *find_source(const struct nb_node_side *side, int family,
					 const struct nb_ifaddr *addrs, unsigned int n)
{
	const struct nb_kube_node *node = &side->cluster->node;

	for (unsigned int i = 0; i < node->n_addrs; i++)
		if (nb_addr_family(&node->addrs[i]) == family && is_here(addrs, n, &node->addrs[i]))
			return &node->addrs[i];
	return NULL;
}

static int set_sources(const struct nb_node_side *side, struct ranges *ranges, struct nb_error *err)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int rc = nb_netlink_open(&nl, err);

	rc = rc ? rc : nb_ifaddr_list(&nl, 0, AF_UNSPEC, &addrs, &n, err);
	for (size_t i = 0; i < ranges->n && !rc; i++) {
		struct nb_node_route *range = &ranges->all[i];
		const struct nb_addr *source = find_source(side, nb_addr_family(&range->dst), addrs, n);

		range->has_src = source;
		if (source)
			range->src = *source;
	}
	return rc;
}

static void on_conflict(const struct nb_node_route *wanted, const struct nb_route *other, void *arg)
{
	struct nb_node_side *side = arg;
	char dst[NB_ADDR_STRLEN], text[sizeof(side->said)];

	snprintf(text, sizeof(text), "%s/%u by link %u", nb_addr_format(&wanted->dst, dst),
		 wanted->prefix_len, other->index);
	if (!strcmp(text, side->said))
		return;
	snprintf(side->said, sizeof(side->said), "%s", text);
	nb_log_warning("A route of somebody else leads to a service range: the node itself does not reach "
		       "Services there",
		       NB_TEXT("route", text));
}

/* ---- all of it ---- */

static void set_self(const struct nb_agent_config *config, struct nb_node_config *node)
{
	nb_addr_parse(NB_NODE_SELF6, &node->self[0]);
	nb_addr_parse(NB_NODE_SELF4, &node->self[1]);
	for (size_t i = 0; i < config->self.n; i++) {
		struct nb_addr addr;

		if (nb_addr_parse(config->self.items[i], &addr))
			node->self[nb_addr_is_v4(&addr)] = addr;
	}
}

static int ensure(struct nb_node_side *side, struct nb_error *err)
{
	const struct nb_agent_config *config = side->config;
	struct ranges ranges = { 0 };
	struct nb_pin_root root;
	struct nb_node_config node = {
		.root = &root,
		.patterns = (const char *const *)config->devices.items,
		.n_patterns = config->devices.n,
		.keep = !side->is_filled,
		.outside = side->outside,
		.fast_path = config->fast_path,
	};
	int rc = nb_pin_root_resolve(config->bpffs, &root, err);

	if (rc)
		return rc;
	set_self(config, &node);
	list_ranges(side, &ranges);
	rc = set_sources(side, &ranges, err);
	if (rc)
		return rc;
	node.ranges = ranges.all;
	node.n_ranges = ranges.n;
	return nb_node_ensure(&node, on_conflict, side, err);
}

static int update(struct nb_node_side *side, struct nb_error *err)
{
	int rc;

	side->cidrs = side->cluster->cidrs.changes;
	rc = ensure(side, err);
	nb_timer_set(side->loop, &side->again, AGAIN_MS);
	if (rc && !side->has_failed)
		nb_log_error("The node's own way to Services is not set up", NB_TEXT("err", err->msg));
	else if (!rc && side->has_failed)
		nb_log_info(0, "The node's own way to Services is set up again");
	side->has_failed = rc;
	snprintf(side->problem, sizeof(side->problem), "%.250s", rc ? err->msg : "");
	return rc;
}

static void on_look(void *arg)
{
	struct nb_error err = { 0 };

	update(arg, &err);
}

static void look_soon(struct nb_node_side *side)
{
	if (side->loop && !side->look.at)
		nb_timer_set(side->loop, &side->look, LOOK_MS);
}

void nb_node_side_changed(struct nb_node_side *side, enum nb_kube_kind kind)
{
	struct nb_error err = { 0 };

	if (kind == NB_KUBE_SERVICE && !side->outside && nb_kube_table_has_external(side->cluster->table)) {
		side->outside = true;
		if (side->loop)
			update(side, &err); /* answers are translated before the table has requests */
	}
	if (side->loop && (kind == NB_KUBE_NODE || side->cidrs != side->cluster->cidrs.changes))
		look_soon(side);
}

static void on_events(uint32_t events, void *arg)
{
	struct nb_node_side *side = arg;
	char buf[8192];

	(void)events;
	while (recv(side->events.fd, buf, sizeof(buf), 0) > 0 || errno == ENOBUFS || errno == EINTR)
		;
	look_soon(side);
}

/* A connection of the node itself to a backend may look like a translated one, if the kernel takes ports of
 * ours. */
static void warn_of_ports(void)
{
	char range[64], reserved[512] = "", ours[32];
	const char *last;

	if (nb_sysctl_read("net/ipv4/ip_local_port_range", range, sizeof(range), NULL))
		return;
	last = range + strcspn(range, " \t");
	snprintf(ours, sizeof(ours), "%d-65535", NB_NODE_L4PORT);
	nb_sysctl_read("net/ipv4/ip_local_reserved_ports", reserved, sizeof(reserved), NULL);
	if (strtoul(last, NULL, 10) < NB_NODE_L4PORT || strstr(reserved, ours))
		return;
	nb_log_warning("The node itself may take source ports of the Services' connections: add them to "
		       "net.ipv4.ip_local_reserved_ports",
		       NB_TEXT("ports", ours), NB_TEXT("ip_local_port_range", range));
}

int nb_node_side_start(struct nb_node_side *side, struct nb_loop *loop, struct nb_error *err)
{
	const struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), rc;

	warn_of_ports();
	side->loop = loop;
	side->look = (struct nb_timer){ .fn = on_look, .arg = side };
	side->again = (struct nb_timer){ .fn = on_look, .arg = side };
	side->events = (struct nb_loop_fd){ .fd = fd, .fn = on_events, .arg = side };
	if (fd < 0 || bind(fd, (const struct sockaddr *)&groups, sizeof(groups)))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot follow the node's links");
	rc = nb_loop_fd_add(loop, &side->events, EPOLLIN, err);
	if (!rc)
		on_look(side); /* what fails now is tried again */
	return rc;
}

void nb_node_side_free(struct nb_node_side *side)
{
	nb_timer_stop(&side->look);
	nb_timer_stop(&side->again);
	if (side->loop && side->events.fd >= 0) {
		nb_loop_fd_remove(side->loop, &side->events);
		close(side->events.fd);
	}
}

int nb_node_side_filled(struct nb_node_side *side, struct nb_error *err)
{
	if (side->is_filled || !side->cluster->cidrs.changes)
		return 0;
	side->is_filled = true;
	if (!side->cluster->cidrs.all.n && !side->config->service_cidrs.n)
		nb_log_warning(
			"No service range is known, so that the node itself reaches no ClusterIP: give "
			"serviceCIDRs");
	return update(side, err);
}

static bool knows_ranges(const struct nb_node_side *side)
{
	return side->cluster->cidrs.all.n || side->config->service_cidrs.n;
}

bool nb_node_side_serves(const struct nb_node_side *side)
{
	return side->is_filled && !side->has_failed && knows_ranges(side);
}

const char *nb_node_side_problem(const struct nb_node_side *side)
{
	return side->has_failed ? side->problem : NULL;
}

int nb_node_side_clean(const struct nb_agent_config *config, struct nb_error *err)
{
	struct nb_pin_root root;
	int rc = nb_pin_root_resolve(config->bpffs, &root, err);

	return rc ? rc : nb_node_remove(&root, err);
}
