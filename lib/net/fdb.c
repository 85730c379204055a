// SPDX-License-Identifier: GPL-2.0-or-later
/* Entries of a bridge's forwarding database, by RTM_*NEIGH of family PF_BRIDGE. */
#include "fdb.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "link.h"
#include "netlink.h"

static struct nlmsghdr *start(struct nb_request *req, uint16_t type, uint16_t flags, unsigned int port_index,
			      const unsigned char mac[NB_MAC_LEN])
{
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(req, type, flags, &extra, sizeof(struct ndmsg));
	struct ndmsg *msg = extra;

	msg->ndm_family = PF_BRIDGE;
	msg->ndm_ifindex = (int)port_index;
	msg->ndm_flags = NTF_MASTER;
	mnl_attr_put(nlh, NDA_LLADDR, NB_MAC_LEN, mac);
	return nlh;
}

int nb_fdb_add(struct nb_netlink *nl, unsigned int port_index, const unsigned char mac[NB_MAC_LEN],
	       struct nb_error *err)
{
	char text[NB_MAC_STRLEN];
	struct nb_request req;
	struct nlmsghdr *nlh = start(&req, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, port_index, mac);
	struct ndmsg *msg = mnl_nlmsg_get_payload(nlh);
	int rc;

	/* Static: the entry does not age (net/bridge/br_fdb.c). */
	msg->ndm_state = NUD_NOARP;
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc)
		return nb_wrap(err, "cannot add the FDB entry of %s", nb_mac_format(mac, text));
	return 0;
}

int nb_fdb_delete(struct nb_netlink *nl, unsigned int port_index, const unsigned char mac[NB_MAC_LEN],
		  struct nb_error *err)
{
	char text[NB_MAC_STRLEN];
	struct nb_request req;
	struct nlmsghdr *nlh = start(&req, RTM_DELNEIGH, 0, port_index, mac);
	int rc = nb_netlink_request(nl, nlh, NULL, NULL, err);

	if (rc)
		return nb_wrap(err, "cannot remove the FDB entry of %s", nb_mac_format(mac, text));
	return 0;
}

/* Reads the entries of a port; port_index 0: of all bridges. */
static int dump(struct nb_netlink *nl, unsigned int port_index, const struct nb_dump_reader *reader,
		struct nb_error *err)
{
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_GETNEIGH, NLM_F_DUMP, &extra, sizeof(struct ndmsg));
	struct ndmsg *msg = extra;

	msg->ndm_family = PF_BRIDGE;
	msg->ndm_ifindex = (int)port_index;
	return nb_netlink_dump(nl, nlh, reader, err);
}

struct fdb_search {
	unsigned int port_index;
	const unsigned char *mac; /* NULL: any */
	bool found;
};

static void reset_search(void *arg)
{
	struct fdb_search *search = arg;

	search->found = false;
}

static int take_entry(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	const struct ndmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NDA_MASTER + 1];
	struct fdb_search *search = arg;
	unsigned char mac[NB_MAC_LEN];
	int rc;

	if (nlh->nlmsg_type != RTM_NEWNEIGH)
		return 0;
	rc = nb_netlink_parse(nlh, sizeof(*msg), tb, NDA_MASTER, err);
	if (rc)
		return rc;
	/* Entries of the port device itself ("self") have no master and are not the bridge's. */
	if ((unsigned int)msg->ndm_ifindex == search->port_index && (msg->ndm_state & NUD_NOARP) &&
	    tb[NDA_MASTER] && nb_attr_bytes(tb[NDA_LLADDR], mac, sizeof(mac)) &&
	    (!search->mac || !memcmp(mac, search->mac, sizeof(mac))))
		search->found = true;
	return 0;
}

int nb_fdb_has(struct nb_netlink *nl, unsigned int port_index, const unsigned char *mac, bool *found,
	       struct nb_error *err)
{
	struct fdb_search search = { .port_index = port_index, .mac = mac };
	const struct nb_dump_reader reader = { take_entry, reset_search, &search };

	if (dump(nl, port_index, &reader, err))
		return nb_wrap(err, "cannot list the FDB entries of link %u", port_index);
	*found = search.found;
	return 0;
}

struct fdb_list {
	unsigned int bridge_index;
	NB_VEC(struct nb_fdb_entry) found;
};

static void reset_list(void *arg)
{
	struct fdb_list *list = arg;

	list->found.n = 0;
}

static int list_entry(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	const struct ndmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NDA_MASTER + 1];
	struct nb_fdb_entry entry = { .port_index = (unsigned int)msg->ndm_ifindex,
				      .is_static = msg->ndm_state & NUD_NOARP };
	struct fdb_list *list = arg;
	uint32_t master;
	int rc;

	if (nlh->nlmsg_type != RTM_NEWNEIGH)
		return 0;
	rc = nb_netlink_parse(nlh, sizeof(*msg), tb, NDA_MASTER, err);
	if (rc || !nb_attr_u32(tb[NDA_MASTER], &master) || master != list->bridge_index ||
	    !nb_attr_bytes(tb[NDA_LLADDR], entry.mac, sizeof(entry.mac)))
		return rc;
	return nb_vec_push(&list->found, entry, err);
}

int nb_fdb_list(struct nb_netlink *nl, unsigned int bridge_index, struct nb_fdb_entry **entries,
		unsigned int *n, struct nb_error *err)
{
	struct fdb_list list = { .bridge_index = bridge_index };
	const struct nb_dump_reader reader = { list_entry, reset_list, &list };

	if (dump(nl, 0, &reader, err)) {
		nb_vec_free(&list.found);
		return nb_wrap(err, "cannot list the FDB entries of link %u", bridge_index);
	}
	*entries = list.found.items;
	*n = (unsigned int)list.found.n;
	return 0;
}
