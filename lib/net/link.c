// SPDX-License-Identifier: GPL-2.0-or-later
/* Network links, by RTM_*LINK. */
#include "link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <string.h>

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "netlink.h"

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

bool nb_ifname_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ)
		return false;
	for (const char *c = name; *c; c++) {
		if (*c <= ' ' || *c > '~' || *c == '/' || *c == ':')
			return false;
	}
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "all") != 0 &&
	       strcmp(name, "default") != 0;
}

/* ---- reading ---- */

/* Reads IFLA_INFO_SLAVE_DATA of a bridge's port. */
static int parse_port(const struct nlattr *nest, struct nb_link *link, struct nb_error *err)
{
	const struct nlattr *tb[IFLA_BRPORT_ISOLATED + 1];
	uint8_t mode, isolated, state;
	int rc = nb_netlink_parse_nested(nest, tb, IFLA_BRPORT_ISOLATED, err);

	if (rc)
		return rc;
	if (!nb_attr_u8(tb[IFLA_BRPORT_MODE], &mode))
		return 0;
	link->has_port = true;
	link->hairpin = mode == BRIDGE_MODE_HAIRPIN;
	link->port_state = nb_attr_u8(tb[IFLA_BRPORT_STATE], &state) ? state : BR_STATE_FORWARDING;
	link->isolated = nb_attr_u8(tb[IFLA_BRPORT_ISOLATED], &isolated) && isolated;
	return 0;
}

/* Reads IFLA_INFO_DATA of a bridge. */
static int parse_bridge(const struct nlattr *nest, struct nb_link *link, struct nb_error *err)
{
	const struct nlattr *tb[IFLA_BR_VLAN_FILTERING + 1];
	uint8_t filtering;
	int rc = nb_netlink_parse_nested(nest, tb, IFLA_BR_VLAN_FILTERING, err);

	if (rc)
		return rc;
	link->vlan_filtering = nb_attr_u8(tb[IFLA_BR_VLAN_FILTERING], &filtering) && filtering;
	return 0;
}

static int parse_linkinfo(const struct nlattr *nest, struct nb_link *link, struct nb_error *err)
{
	const struct nlattr *tb[IFLA_INFO_SLAVE_DATA + 1];
	char slave_kind[NB_LINK_KIND_MAX];
	int rc = nb_netlink_parse_nested(nest, tb, IFLA_INFO_SLAVE_DATA, err);

	if (rc)
		return rc;
	(void)nb_attr_str(tb[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	if (tb[IFLA_INFO_DATA] && strcmp(link->kind, "bridge") == 0) {
		rc = parse_bridge(tb[IFLA_INFO_DATA], link, err);
		if (rc)
			return rc;
	}
	if (!tb[IFLA_INFO_SLAVE_DATA] ||
	    !nb_attr_str(tb[IFLA_INFO_SLAVE_KIND], slave_kind, sizeof(slave_kind)) ||
	    strcmp(slave_kind, "bridge") != 0)
		return 0;
	return parse_port(tb[IFLA_INFO_SLAVE_DATA], link, err);
}

/* IPV4_DEVCONF_* of linux/ip.h count from 1, and the values are an array. */
static int parse_ipv4(const struct nlattr *nest, struct nb_link *link, struct nb_error *err)
{
	const size_t at = (IPV4_DEVCONF_ACCEPT_LOCAL - 1) * sizeof(uint32_t);
	const struct nlattr *tb[IFLA_INET_CONF + 1];
	uint32_t value;
	int rc = nb_netlink_parse_nested(nest, tb, IFLA_INET_CONF, err);

	if (rc || !tb[IFLA_INET_CONF] || mnl_attr_get_payload_len(tb[IFLA_INET_CONF]) < at + sizeof(value))
		return rc;
	memcpy(&value, (const char *)mnl_attr_get_payload(tb[IFLA_INET_CONF]) + at, sizeof(value));
	link->accept_local = value;
	return 0;
}

/* Reads IFLA_AF_SPEC, whose nests are those of address families. */
static int parse_families(const struct nlattr *nest, struct nb_link *link, struct nb_error *err)
{
	const struct nlattr *families[AF_INET6 + 1], *tb[IFLA_INET6_ADDR_GEN_MODE + 1];
	uint8_t mode;
	int rc = nb_netlink_parse_nested(nest, families, AF_INET6, err);

	if (!rc && families[AF_INET])
		rc = parse_ipv4(families[AF_INET], link, err);
	if (rc || !families[AF_INET6])
		return rc;
	rc = nb_netlink_parse_nested(families[AF_INET6], tb, IFLA_INET6_ADDR_GEN_MODE, err);
	if (rc)
		return rc;
	link->has_ipv6 = nb_attr_u8(tb[IFLA_INET6_ADDR_GEN_MODE], &mode);
	if (link->has_ipv6)
		link->addr_gen_mode = mode;
	return 0;
}

static int parse_link(const struct nlmsghdr *nlh, struct nb_link *link, struct nb_error *err)
{
	const struct nlattr *tb[IFLA_LINK_NETNSID + 1];
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct nb_link parsed = { 0 };
	int rc = nb_netlink_parse(nlh, sizeof(*info), tb, IFLA_LINK_NETNSID, err);

	if (rc)
		return rc;
	if (info->ifi_index <= 0 || !nb_attr_str(tb[IFLA_IFNAME], parsed.name, sizeof(parsed.name)))
		return nb_fail(err, NB_ERR_SYSTEM, EBADMSG, "the kernel sent a link without a name");
	parsed.index = (unsigned int)info->ifi_index;
	parsed.type = info->ifi_type;
	parsed.flags = info->ifi_flags;
	parsed.has_mac = nb_attr_bytes(tb[IFLA_ADDRESS], parsed.mac, sizeof(parsed.mac));
	(void)nb_attr_str(tb[IFLA_IFALIAS], parsed.alias, sizeof(parsed.alias));
	(void)nb_attr_u32(tb[IFLA_MTU], &parsed.mtu);
	(void)nb_attr_u32(tb[IFLA_MASTER], &parsed.master);
	(void)nb_attr_u32(tb[IFLA_LINK], &parsed.peer);
	(void)nb_attr_u8(tb[IFLA_OPERSTATE], &parsed.operstate);
	parsed.peer_elsewhere = nb_attr_u32(tb[IFLA_LINK_NETNSID], &parsed.peer_nsid);
	if (tb[IFLA_LINKINFO]) {
		rc = parse_linkinfo(tb[IFLA_LINKINFO], &parsed, err);
		if (rc)
			return rc;
	}
	if (tb[IFLA_AF_SPEC]) {
		rc = parse_families(tb[IFLA_AF_SPEC], &parsed, err);
		if (rc)
			return rc;
	}
	*link = parsed;
	return 0;
}

struct one_link {
	struct nb_link link;
	bool found;
};

static int take_one(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	struct one_link *one = arg;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	one->found = true;
	return parse_link(nlh, &one->link, err);
}

static int get(struct nb_netlink *nl, struct nlmsghdr *nlh, struct nb_link *link, struct nb_error *err)
{
	struct one_link one = { .found = false };
	int rc;

	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	rc = nb_netlink_request(nl, nlh, take_one, &one, err);
	if (rc)
		return rc;
	if (!one.found)
		return nb_fail(err, NB_ERR_SYSTEM, ENODEV, "the kernel's answer holds no link");
	*link = one.link;
	return 0;
}

int nb_link_get(struct nb_netlink *nl, const char *name, struct nb_link *link, struct nb_error *err)
{
	struct nb_request req;
	void *info;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_GETLINK, 0, &info, sizeof(struct ifinfomsg));
	int rc;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	rc = get(nl, nlh, link, err);
	if (rc)
		return nb_wrap(err, "cannot look up link \"%s\"", name);
	return 0;
}

/* nsid: see nb_link_get_elsewhere(); NULL: the socket's namespace. */
static int get_index(struct nb_netlink *nl, const unsigned int *nsid, unsigned int index,
		     struct nb_link *link, struct nb_error *err)
{
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_GETLINK, 0, &extra, sizeof(struct ifinfomsg));
	struct ifinfomsg *info = extra;
	int rc;

	info->ifi_index = (int)index;
	if (nsid)
		mnl_attr_put_u32(nlh, IFLA_TARGET_NETNSID, *nsid);
	rc = get(nl, nlh, link, err);
	if (rc)
		return nb_wrap(err, "cannot look up link %u", index);
	return 0;
}

int nb_link_get_index(struct nb_netlink *nl, unsigned int index, struct nb_link *link, struct nb_error *err)
{
	return get_index(nl, NULL, index, link, err);
}

int nb_link_get_elsewhere(struct nb_netlink *nl, unsigned int nsid, unsigned int index, struct nb_link *link,
			  struct nb_error *err)
{
	return get_index(nl, &nsid, index, link, err);
}

struct link_list {
	const char *kind;
	unsigned int master;
	NB_VEC(struct nb_link) found;
};

static void reset_list(void *arg)
{
	struct link_list *list = arg;

	list->found.n = 0;
}

static int take_listed(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	struct link_list *list = arg;
	struct nb_link link;
	int rc;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	rc = parse_link(nlh, &link, err);
	if (rc)
		return rc;
	if ((list->kind && strcmp(list->kind, link.kind) != 0) ||
	    (list->master && list->master != link.master))
		return 0;
	return nb_vec_push(&list->found, link, err);
}

int nb_link_list(struct nb_netlink *nl, const char *kind, unsigned int master, struct nb_link **links,
		 unsigned int *n, struct nb_error *err)
{
	struct link_list list = { .kind = kind, .master = master };
	const struct nb_dump_reader reader = { take_listed, reset_list, &list };
	struct nb_request req;
	void *info;
	struct nlmsghdr *nlh =
		nb_request_start(&req, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(struct ifinfomsg));
	int rc;

	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, master);
	rc = nb_netlink_dump(nl, nlh, &reader, err);
	if (rc) {
		nb_vec_free(&list.found);
		return nb_wrap(err, "cannot list links");
	}
	*links = list.found.items;
	*n = (unsigned int)list.found.n;
	return 0;
}

/* ---- writing ---- */

int nb_link_create_bridge(struct nb_netlink *nl, const char *name, const unsigned char mac[NB_MAC_LEN],
			  unsigned int mtu, bool vlan_filtering, struct nb_error *err)
{
	struct nb_request req;
	void *info;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info,
						sizeof(struct ifinfomsg));
	struct nlattr *nest, *data;
	int rc;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put(nlh, IFLA_ADDRESS, NB_MAC_LEN, mac);
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
	if (vlan_filtering) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		mnl_attr_put_u8(nlh, IFLA_BR_VLAN_FILTERING, 1);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, nest);
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc)
		return nb_wrap(err, "cannot create bridge \"%s\"", name);
	return 0;
}

/* Adds VETH_INFO_PEER, the other end: an ifinfomsg and its attributes. */
static void put_peer(struct nlmsghdr *nlh, const struct nb_veth_spec *spec)
{
	struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	if (spec->noarp)
		info->ifi_flags = info->ifi_change = IFF_NOARP;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, spec->peer_name);
	if (spec->peer_mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, NB_MAC_LEN, spec->peer_mac);
	if (spec->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, spec->mtu);
	if (spec->peer_netns_fd >= 0)
		mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)spec->peer_netns_fd);
	mnl_attr_nest_end(nlh, peer);
}

int nb_link_create_veth(struct nb_netlink *nl, const struct nb_veth_spec *spec, struct nb_error *err)
{
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &extra,
						sizeof(struct ifinfomsg));
	struct ifinfomsg *info = extra;
	struct nlattr *nest, *data;
	int rc;

	if (spec->noarp)
		info->ifi_flags = info->ifi_change = IFF_NOARP;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, spec->name);
	if (spec->mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, NB_MAC_LEN, spec->mac);
	if (spec->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, spec->mtu);
	if (spec->master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, spec->master);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	put_peer(nlh, spec);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, nest);
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc)
		return nb_wrap(err, "cannot create veth pair \"%s\" and \"%s\"", spec->name, spec->peer_name);
	return 0;
}

int nb_link_create_dummy(struct nb_netlink *nl, const char *name, const unsigned char mac[NB_MAC_LEN],
			 unsigned int mtu, struct nb_error *err)
{
	struct nb_request req;
	void *info;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info,
						sizeof(struct ifinfomsg));
	struct nlattr *nest;
	int rc;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put(nlh, IFLA_ADDRESS, NB_MAC_LEN, mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "dummy");
	mnl_attr_nest_end(nlh, nest);
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc)
		return nb_wrap(err, "cannot create dummy \"%s\"", name);
	return 0;
}

static void put_port(struct nlmsghdr *nlh, const struct nb_link_change *change)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	struct nlattr *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_MODE, change->hairpin ? BRIDGE_MODE_HAIRPIN : 0);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_ISOLATED, change->isolated);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, nest);
}

static void put_addr_gen_mode(struct nlmsghdr *nlh, unsigned char mode)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, mode);
	mnl_attr_nest_end(nlh, family);
	mnl_attr_nest_end(nlh, nest);
}

static void put_accept_local(struct nlmsghdr *nlh, bool accept)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(nlh, AF_INET);
	struct nlattr *values = mnl_attr_nest_start(nlh, IFLA_INET_CONF);

	mnl_attr_put_u32(nlh, IPV4_DEVCONF_ACCEPT_LOCAL, accept);
	mnl_attr_nest_end(nlh, values);
	mnl_attr_nest_end(nlh, family);
	mnl_attr_nest_end(nlh, nest);
}

int nb_link_change(struct nb_netlink *nl, unsigned int index, const struct nb_link_change *change,
		   struct nb_error *err)
{
	struct nb_request req;
	void *extra;
	/*
	 * Not RTM_SETLINK, which ignores IFLA_INFO_SLAVE_DATA (rtnl_setlink() of
	 * net/core/rtnetlink.c).
	 */
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_NEWLINK, 0, &extra, sizeof(struct ifinfomsg));
	struct ifinfomsg *info = extra;
	int rc;

	info->ifi_index = (int)index;
	if (change->set_up) {
		info->ifi_change |= IFF_UP;
		info->ifi_flags |= change->up ? IFF_UP : 0;
	}
	if (change->set_promisc) {
		info->ifi_change |= IFF_PROMISC;
		info->ifi_flags |= change->promisc ? IFF_PROMISC : 0;
	}
	if (change->set_noarp) {
		info->ifi_change |= IFF_NOARP;
		info->ifi_flags |= change->noarp ? IFF_NOARP : 0;
	}
	if (change->set_master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, change->master);
	if (change->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, change->mtu);
	if (change->mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, NB_MAC_LEN, change->mac);
	if (change->alias)
		mnl_attr_put(nlh, IFLA_IFALIAS, strlen(change->alias), change->alias);
	if (change->set_port)
		put_port(nlh, change);
	if (change->set_accept_local)
		put_accept_local(nlh, change->accept_local);
	if (change->set_addr_gen_mode)
		put_addr_gen_mode(nlh, change->addr_gen_mode);
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc)
		return nb_wrap(err, "cannot change link %u", index);
	return 0;
}

int nb_link_delete(struct nb_netlink *nl, unsigned int index, struct nb_error *err)
{
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_DELLINK, 0, &extra, sizeof(struct ifinfomsg));
	struct ifinfomsg *info = extra;
	int rc;

	info->ifi_index = (int)index;
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc)
		return nb_wrap(err, "cannot delete link %u", index);
	return 0;
}
