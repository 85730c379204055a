// SPDX-License-Identifier: GPL-2.0-or-later
/* Routes, by RTM_*ROUTE. */
#include "route.h"

#include <errno.h>
#include <libmnl/libmnl.h>

#include <linux/rtnetlink.h>

#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "netlink.h"

/* The number of a table above this one does not fit struct rtmsg and needs RTA_TABLE. */
enum { MAX_SMALL_TABLE = 255 };

static void put_metrics(struct nlmsghdr *nlh, const struct nb_route *route)
{
	struct nlattr *nest;

	if (!route->mtu && !route->advmss)
		return;
	nest = mnl_attr_nest_start(nlh, RTA_METRICS);
	if (route->mtu)
		mnl_attr_put_u32(nlh, RTAX_MTU, route->mtu);
	if (route->advmss)
		mnl_attr_put_u32(nlh, RTAX_ADVMSS, route->advmss);
	mnl_attr_nest_end(nlh, nest);
}

static void put_route(struct nlmsghdr *nlh, struct rtmsg *msg, const struct nb_route *route)
{
	unsigned int table = route->table ? route->table : RT_TABLE_MAIN;
	unsigned int len;
	const void *bytes = nb_addr_bytes(&route->dst, &len);

	msg->rtm_family = (unsigned char)nb_addr_family(&route->dst);
	msg->rtm_dst_len = (unsigned char)route->prefix_len;
	msg->rtm_protocol = (unsigned char)(route->protocol ? route->protocol : RTPROT_BOOT);
	msg->rtm_scope = (unsigned char)route->scope;
	msg->rtm_type = (unsigned char)(route->type ? route->type : RTN_UNICAST);
	msg->rtm_table = table <= MAX_SMALL_TABLE ? (unsigned char)table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	mnl_attr_put_u32(nlh, RTA_OIF, route->index);
	if (route->prefix_len)
		mnl_attr_put(nlh, RTA_DST, len, bytes);
	if (route->has_gw) {
		bytes = nb_addr_bytes(&route->gw, &len);
		mnl_attr_put(nlh, RTA_GATEWAY, len, bytes);
	}
	if (route->has_src) {
		bytes = nb_addr_bytes(&route->src, &len);
		mnl_attr_put(nlh, RTA_PREFSRC, len, bytes);
	}
	if (route->priority)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->priority);
}

/* Sends the request; verb is for its error. */
static int send_route(struct nb_netlink *nl, struct nlmsghdr *nlh, const struct nb_route *route,
		      const char *verb, struct nb_error *err)
{
	char dst[NB_ADDR_STRLEN], gw[NB_ADDR_STRLEN] = "";
	int rc = nb_netlink_request(nl, nlh, NULL, NULL, err);

	if (!rc)
		return 0;
	if (route->has_gw)
		nb_addr_format(&route->gw, gw);
	return nb_wrap(err, "cannot %s route %s/%u%s%s", verb, nb_addr_format(&route->dst, dst),
		       route->prefix_len, route->has_gw ? " via " : "", gw);
}

static int add(struct nb_netlink *nl, const struct nb_route *route, uint16_t flags, struct nb_error *err)
{
	struct nb_request req;
	void *msg;
	struct nlmsghdr *nlh =
		nb_request_start(&req, RTM_NEWROUTE, NLM_F_CREATE | flags, &msg, sizeof(struct rtmsg));

	put_route(nlh, msg, route);
	put_metrics(nlh, route);
	return send_route(nl, nlh, route, "add", err);
}

int nb_route_add(struct nb_netlink *nl, const struct nb_route *route, struct nb_error *err)
{
	/* Neither NLM_F_EXCL nor NLM_F_APPEND, so that a destination can have a second gateway. */
	return add(nl, route, 0, err);
}

int nb_route_add_first(struct nb_netlink *nl, const struct nb_route *route, struct nb_error *err)
{
	return add(nl, route, NLM_F_EXCL, err);
}

int nb_route_delete(struct nb_netlink *nl, const struct nb_route *route, struct nb_error *err)
{
	struct nb_request req;
	void *msg;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_DELROUTE, 0, &msg, sizeof(struct rtmsg));

	put_route(nlh, msg, route);
	return send_route(nl, nlh, route, "delete", err);
}

struct route_list {
	const struct nb_route_query *query;
	NB_VEC(struct nb_route) found;
};

static void reset_list(void *arg)
{
	struct route_list *list = arg;

	list->found.n = 0;
}

/* False: the attribute is absent or of another size; *addr untouched. */
static bool parse_addr(const struct nlattr *attr, int family, struct nb_addr *addr)
{
	unsigned char bytes[16];

	if (!nb_attr_bytes(attr, bytes, family == AF_INET ? 4 : 16))
		return false;
	*addr = nb_addr_from_bytes(family, bytes);
	return true;
}

/* RTA_MULTIPATH: lists a route for each next hop. */
static int append_multipath(struct route_list *list, const struct nlattr *attr, struct nb_route *route,
			    struct nb_error *err)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attr);
	int left = mnl_attr_get_payload_len(attr);

	while (left > 0) {
		const struct nlattr *gw;
		int attrs_len, rc;

		if (left < (int)sizeof(*hop) || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > left)
			return nb_fail(err, NB_ERR_SYSTEM, EBADMSG, "the kernel sent a malformed route");
		route->index = (unsigned int)hop->rtnh_ifindex;
		route->has_gw = false;
		attrs_len = hop->rtnh_len - (int)RTNH_LENGTH(0);
		for (gw = (const void *)RTNH_DATA(hop); mnl_attr_ok(gw, attrs_len);
		     attrs_len -= (int)MNL_ALIGN(gw->nla_len), gw = mnl_attr_next(gw)) {
			if (mnl_attr_get_type(gw) == RTA_GATEWAY)
				route->has_gw = parse_addr(gw, list->query->family, &route->gw);
		}
		rc = nb_vec_push(&list->found, *route, err);
		if (rc)
			return rc;
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	return 0;
}

static int parse_metrics(const struct nlattr *nest, struct nb_route *route, struct nb_error *err)
{
	const struct nlattr *tb[RTAX_ADVMSS + 1];
	int rc = nb_netlink_parse_nested(nest, tb, RTAX_ADVMSS, err);

	if (rc)
		return rc;
	(void)nb_attr_u32(tb[RTAX_MTU], &route->mtu);
	(void)nb_attr_u32(tb[RTAX_ADVMSS], &route->advmss);
	return 0;
}

static bool is_wanted(const struct nb_route_query *query, const struct rtmsg *msg,
		      const struct nb_route *route)
{
	if (msg->rtm_family != query->family || (msg->rtm_flags & RTM_F_CLONED))
		return false;
	if (query->table ? route->table != query->table : route->table == RT_TABLE_LOCAL)
		return false;
	return (query->any_type || route->type == RTN_UNICAST) &&
	       (!query->protocol || route->protocol == query->protocol);
}

static int take_route(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	const struct rtmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_TABLE + 1];
	struct route_list *list = arg;
	struct nb_route route = { .prefix_len = 0 };
	static const unsigned char zero[16];
	int family, rc;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return 0;
	rc = nb_netlink_parse(nlh, sizeof(*msg), tb, RTA_TABLE, err);
	if (rc)
		return rc;
	route.table = msg->rtm_table;
	(void)nb_attr_u32(tb[RTA_TABLE], &route.table);
	route.type = msg->rtm_type;
	route.protocol = msg->rtm_protocol;
	if (!is_wanted(list->query, msg, &route))
		return 0;
	family = list->query->family;
	route.dst = nb_addr_from_bytes(family, zero);
	if (tb[RTA_DST] && !parse_addr(tb[RTA_DST], family, &route.dst))
		return nb_fail(err, NB_ERR_SYSTEM, EBADMSG, "the kernel sent a malformed route");
	route.has_src = parse_addr(tb[RTA_PREFSRC], family, &route.src);
	route.prefix_len = msg->rtm_dst_len;
	route.scope = msg->rtm_scope;
	(void)nb_attr_u32(tb[RTA_PRIORITY], &route.priority);
	(void)nb_attr_u32(tb[RTA_OIF], &route.index);
	if (tb[RTA_METRICS]) {
		rc = parse_metrics(tb[RTA_METRICS], &route, err);
		if (rc)
			return rc;
	}
	if (tb[RTA_MULTIPATH])
		return append_multipath(list, tb[RTA_MULTIPATH], &route, err);
	route.has_gw = parse_addr(tb[RTA_GATEWAY], family, &route.gw);
	return nb_vec_push(&list->found, route, err);
}

int nb_route_query(struct nb_netlink *nl, const struct nb_route_query *query, struct nb_route **routes,
		   unsigned int *n, struct nb_error *err)
{
	struct route_list list = { .query = query };
	const struct nb_dump_reader reader = { take_route, reset_list, &list };
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_GETROUTE, NLM_F_DUMP, &extra, sizeof(struct rtmsg));
	struct rtmsg *msg = extra;
	int rc;

	msg->rtm_family = (unsigned char)query->family;
	rc = nb_netlink_dump(nl, nlh, &reader, err);
	if (rc) {
		nb_vec_free(&list.found);
		return nb_wrap(err, "cannot list routes");
	}
	*routes = list.found.items;
	*n = (unsigned int)list.found.n;
	return 0;
}

int nb_route_list(struct nb_netlink *nl, int family, struct nb_route **routes, unsigned int *n,
		  struct nb_error *err)
{
	const struct nb_route_query query = { .family = family };

	return nb_route_query(nl, &query, routes, n, err);
}

static int take_answer(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	const struct rtmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_TABLE + 1];
	struct nb_route *route = arg;
	int rc;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return 0;
	rc = nb_netlink_parse(nlh, sizeof(*msg), tb, RTA_TABLE, err);
	if (rc)
		return rc;
	route->type = msg->rtm_type;
	route->table = msg->rtm_table;
	(void)nb_attr_u32(tb[RTA_TABLE], &route->table);
	(void)nb_attr_u32(tb[RTA_OIF], &route->index);
	route->has_gw = parse_addr(tb[RTA_GATEWAY], msg->rtm_family, &route->gw);
	route->has_src = parse_addr(tb[RTA_PREFSRC], msg->rtm_family, &route->src);
	return 0;
}

static void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct nb_addr *addr)
{
	unsigned int len;
	const void *bytes = nb_addr_bytes(addr, &len);

	mnl_attr_put(nlh, type, len, bytes);
}

int nb_route_get(struct nb_netlink *nl, const struct nb_addr *dst, const struct nb_addr *src,
		 unsigned int iif, struct nb_route *route, struct nb_error *err)
{
	const int family = nb_addr_family(dst);
	const unsigned char bits = family == AF_INET ? 32 : 128;
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_GETROUTE, 0, &extra, sizeof(struct rtmsg));
	struct rtmsg *msg = extra;
	char text[NB_ADDR_STRLEN];
	int rc;

	*route = (struct nb_route){ .dst = *dst, .prefix_len = bits };
	msg->rtm_family = (unsigned char)family;
	msg->rtm_dst_len = bits;
	put_addr(nlh, RTA_DST, dst);
	if (src) {
		msg->rtm_src_len = bits;
		put_addr(nlh, RTA_SRC, src);
	}
	if (iif)
		mnl_attr_put_u32(nlh, RTA_IIF, iif);
	rc = nb_netlink_request(nl, nlh, take_answer, route, err);
	return rc ? nb_wrap(err, "no route to %s", nb_addr_format(dst, text)) : 0;
}
