// SPDX-License-Identifier: GPL-2.0-or-later
/* VLANs of bridge ports, by RTM_*LINK of family PF_BRIDGE. */
#include "vlan.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "netlink.h"

void nb_vlans_put(struct nb_vlans *vlans, unsigned int id)
{
	vlans->bits[id / 8] |= (unsigned char)(1U << id % 8);
}

bool nb_vlans_has(const struct nb_vlans *vlans, unsigned int id)
{
	return vlans->bits[id / 8] >> id % 8 & 1;
}

bool nb_vlans_empty(const struct nb_vlans *vlans)
{
	static const struct nb_vlans none;

	return !memcmp(vlans, &none, sizeof(none));
}

/*
 * The kernel lists VLANs (RTM_GETVLAN, Linux 5.6) only if it can filter them (net/bridge/br_vlan.c)
 * and the bridge module is loaded. Without the module a refusal says nothing.
 */
int nb_vlans_supported(struct nb_netlink *nl, bool *supported, struct nb_error *err)
{
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh =
		nb_request_start(&req, RTM_GETVLAN, NLM_F_DUMP, &extra, sizeof(struct br_vlan_msg));
	struct br_vlan_msg *msg = extra;
	int rc;

	msg->family = PF_BRIDGE;
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc && rc != -EOPNOTSUPP)
		return rc;
	*supported = !rc || access("/sys/module/bridge", F_OK);
	return 0;
}

/* ---- writing ---- */

/* The ids from first to last. */
struct range {
	unsigned int first, last;
	uint16_t flags; /* BRIDGE_VLAN_INFO_* of linux/if_bridge.h */
};

/* RTM_SETLINK adds the range, RTM_DELLINK removes it (net/bridge/br_netlink.c). */
static int change(struct nb_netlink *nl, uint16_t type, unsigned int port_index, const struct range *range,
		  struct nb_error *err)
{
	struct bridge_vlan_info info = { .flags = range->flags, .vid = (uint16_t)range->first };
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(&req, type, 0, &extra, sizeof(struct ifinfomsg));
	struct ifinfomsg *msg = extra;
	struct nlattr *nest;
	int rc;

	msg->ifi_family = PF_BRIDGE;
	msg->ifi_index = (int)port_index;
	nest = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	mnl_attr_put_u16(nlh, IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_MASTER);
	if (range->last > range->first)
		info.flags |= BRIDGE_VLAN_INFO_RANGE_BEGIN;
	mnl_attr_put(nlh, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
	if (range->last > range->first) {
		info.flags = range->flags | BRIDGE_VLAN_INFO_RANGE_END;
		info.vid = (uint16_t)range->last;
		mnl_attr_put(nlh, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
	}
	mnl_attr_nest_end(nlh, nest);
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc)
		return nb_wrap(err, "cannot change VLAN %u of link %u", range->first, port_index);
	return 0;
}

static int change_set(struct nb_netlink *nl, uint16_t type, unsigned int port_index,
		      const struct nb_vlans *vlans, struct nb_error *err)
{
	for (unsigned int first = 1; first <= NB_VLAN_MAX; first++) {
		struct range range = { .first = first, .last = first };
		int rc;

		if (!nb_vlans_has(vlans, first))
			continue;
		while (range.last < NB_VLAN_MAX && nb_vlans_has(vlans, range.last + 1))
			range.last++;
		rc = change(nl, type, port_index, &range, err);
		if (rc)
			return rc;
		first = range.last;
	}
	return 0;
}

int nb_port_vlans_add(struct nb_netlink *nl, unsigned int port_index, const struct nb_port_vlans *vlans,
		      struct nb_error *err)
{
	const struct range native = { vlans->native, vlans->native,
				      BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED };
	int rc = change_set(nl, RTM_SETLINK, port_index, &vlans->tagged, err);

	if (rc || !vlans->native)
		return rc;
	return change(nl, RTM_SETLINK, port_index, &native, err);
}

int nb_port_vlans_clear(struct nb_netlink *nl, unsigned int port_index, struct nb_error *err)
{
	struct nb_port_vlans found;
	int rc = nb_port_vlans_get(nl, port_index, &found, err);

	if (rc)
		return rc;
	if (found.native)
		nb_vlans_put(&found.tagged, found.native);
	return change_set(nl, RTM_DELLINK, port_index, &found.tagged, err);
}

int nb_port_vlans_keep_only(struct nb_netlink *nl, unsigned int port_index, const struct nb_port_vlans *keep,
			    struct nb_error *err)
{
	struct nb_port_vlans found;
	int rc = nb_port_vlans_get(nl, port_index, &found, err);

	if (rc)
		return rc;
	if (found.native)
		nb_vlans_put(&found.tagged, found.native);
	for (unsigned int id = 1; id <= NB_VLAN_MAX; id++)
		if (id == keep->native || nb_vlans_has(&keep->tagged, id))
			found.tagged.bits[id / 8] &= (unsigned char)~(1U << id % 8);
	return change_set(nl, RTM_DELLINK, port_index, &found.tagged, err);
}

/* ---- reading ---- */

struct list {
	unsigned int port_index; /* 0: of any port */
	unsigned int begin;      /* first id of a range whose last id is the next entry */
	struct nb_port_vlans vlans;
};

static void reset(void *arg)
{
	struct list *list = arg;

	memset(&list->vlans, 0, sizeof(list->vlans));
}

static void take_vlan(struct list *list, const struct bridge_vlan_info *info)
{
	const uint16_t native = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED;
	unsigned int first = info->vid;

	if (info->flags & BRIDGE_VLAN_INFO_RANGE_BEGIN) {
		list->begin = info->vid;
		return;
	}
	if (info->flags & BRIDGE_VLAN_INFO_RANGE_END)
		first = list->begin;
	if ((info->flags & native) == native) {
		list->vlans.native = info->vid;
		return;
	}
	for (unsigned int id = first; id && id <= info->vid && id <= NB_VLAN_MAX; id++)
		nb_vlans_put(&list->vlans.tagged, id);
}

/*
 * Reads the VLANs of a message into *list. *index: ifindex of the port; 0: the message has no
 * VLANs.
 */
static int take_vlans(const struct nlmsghdr *nlh, struct list *list, unsigned int *index,
		      struct nb_error *err)
{
	const struct ifinfomsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_AF_SPEC + 1], *attr;
	int rc;

	*index = 0;
	if (nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	rc = nb_netlink_parse(nlh, sizeof(*msg), tb, IFLA_AF_SPEC, err);
	if (rc || !tb[IFLA_AF_SPEC] || (list->port_index && (unsigned int)msg->ifi_index != list->port_index))
		return rc;
	*index = (unsigned int)msg->ifi_index;
	mnl_attr_for_each_nested(attr, tb[IFLA_AF_SPEC]) {
		struct bridge_vlan_info info;

		if (mnl_attr_get_type(attr) == IFLA_BRIDGE_VLAN_INFO &&
		    nb_attr_bytes(attr, (unsigned char *)&info, sizeof(info)))
			take_vlan(list, &info);
	}
	return 0;
}

static int take_port(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	unsigned int index;

	return take_vlans(nlh, arg, &index, err);
}

static int dump(struct nb_netlink *nl, const struct nb_dump_reader *reader, struct nb_error *err)
{
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh =
		nb_request_start(&req, RTM_GETLINK, NLM_F_DUMP, &extra, sizeof(struct ifinfomsg));
	struct ifinfomsg *msg = extra;

	msg->ifi_family = PF_BRIDGE;
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
	return nb_netlink_dump(nl, nlh, reader, err);
}

int nb_port_vlans_get(struct nb_netlink *nl, unsigned int port_index, struct nb_port_vlans *vlans,
		      struct nb_error *err)
{
	struct list list = { .port_index = port_index };
	const struct nb_dump_reader reader = { take_port, reset, &list };
	int rc = dump(nl, &reader, err);

	if (rc)
		return nb_wrap(err, "cannot list the VLANs of link %u", port_index);
	*vlans = list.vlans;
	return 0;
}

struct native_list {
	NB_VEC(struct nb_port_native) found;
};

static void reset_natives(void *arg)
{
	struct native_list *list = arg;

	list->found.n = 0;
}

static int take_native(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	struct list one = { .port_index = 0 };
	struct native_list *list = arg;
	struct nb_port_native native;
	int rc = take_vlans(nlh, &one, &native.port_index, err);

	if (rc || !native.port_index)
		return rc;
	native.vlan = one.vlans.native;
	return nb_vec_push(&list->found, native, err);
}

int nb_port_natives(struct nb_netlink *nl, struct nb_port_native **natives, unsigned int *n,
		    struct nb_error *err)
{
	struct native_list list = { 0 };
	const struct nb_dump_reader reader = { take_native, reset_natives, &list };
	int rc = dump(nl, &reader, err);

	if (rc) {
		nb_vec_free(&list.found);
		return nb_wrap(err, "cannot list the VLANs of the bridges' ports");
	}
	*natives = list.found.items;
	*n = (unsigned int)list.found.n;
	return 0;
}
