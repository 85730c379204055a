// SPDX-License-Identifier: GPL-2.0-or-later
#include "ifaddr.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdlib.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "lib/util/addr.h"
#include "lib/util/error.h"

#include "netlink.h"

/* Networks this small have no broadcast address (RFC 3021). */
enum { NO_BROADCAST_PREFIX = 31 };

static struct nlmsghdr *start(struct nb_request *req, uint16_t type, uint16_t flags, unsigned int index,
			      const struct nb_ifaddr *addr)
{
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(req, type, flags, &extra, sizeof(struct ifaddrmsg));
	struct ifaddrmsg *msg = extra;
	unsigned int len;
	const void *bytes = nb_addr_bytes(&addr->addr, &len);

	msg->ifa_family = (unsigned char)nb_addr_family(&addr->addr);
	msg->ifa_prefixlen = (unsigned char)addr->prefix_len;
	msg->ifa_index = index;
	mnl_attr_put(nlh, IFA_LOCAL, len, bytes);
	mnl_attr_put(nlh, IFA_ADDRESS, len, bytes);
	return nlh;
}

static void put_broadcast(struct nlmsghdr *nlh, const struct nb_ifaddr *addr)
{
	__be32 host_bits = htonl(addr->prefix_len ? ~0U >> addr->prefix_len : ~0U);

	mnl_attr_put_u32(nlh, IFA_BROADCAST, addr->addr.w[3] | host_bits);
}

int nb_ifaddr_add(struct nb_netlink *nl, unsigned int index, const struct nb_ifaddr *addr,
		  struct nb_error *err)
{
	char text[NB_ADDR_STRLEN];
	struct nb_request req;
	struct nlmsghdr *nlh = start(&req, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, addr);
	int ret;

	if (nb_addr_is_v4(&addr->addr) && addr->prefix_len < NO_BROADCAST_PREFIX)
		put_broadcast(nlh, addr);
	if (addr->flags)
		mnl_attr_put_u32(nlh, IFA_FLAGS, addr->flags);
	ret = nb_netlink_request(nl, nlh, NULL, NULL, err);
	return ret ? nb_wrap(err, "cannot add address %s/%u", nb_addr_format(&addr->addr, text),
			     addr->prefix_len)
		   : 0;
}

int nb_ifaddr_delete(struct nb_netlink *nl, unsigned int index, const struct nb_ifaddr *addr,
		     struct nb_error *err)
{
	char text[NB_ADDR_STRLEN];
	struct nb_request req;
	struct nlmsghdr *nlh = start(&req, RTM_DELADDR, 0, index, addr);
	int ret = nb_netlink_request(nl, nlh, NULL, NULL, err);

	return ret ? nb_wrap(err, "cannot remove address %s/%u", nb_addr_format(&addr->addr, text),
			     addr->prefix_len)
		   : 0;
}

struct addr_list {
	unsigned int index;
	struct nb_ifaddr *addrs;
	unsigned int n, room;
};

static void reset_list(void *arg)
{
	struct addr_list *list = arg;

	list->n = 0;
}

static int append(struct addr_list *list, const struct nb_ifaddr *addr, struct nb_error *err)
{
	if (list->n == list->room) {
		unsigned int room = list->room ? 2 * list->room : 8;
		struct nb_ifaddr *addrs = reallocarray(list->addrs, room, sizeof(*addrs));

		if (!addrs)
			return nb_fail_nomem(err);
		list->addrs = addrs;
		list->room = room;
	}
	list->addrs[list->n++] = *addr;
	return 0;
}

static int take_addr(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	const struct ifaddrmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFA_FLAGS + 1];
	struct addr_list *list = arg;
	struct nb_ifaddr addr = { .prefix_len = 0 };
	const struct nlattr *local;
	unsigned char bytes[16];
	int ret;

	if (nlh->nlmsg_type != RTM_NEWADDR)
		return 0;
	ret = nb_netlink_parse(nlh, sizeof(*msg), tb, IFA_FLAGS, err);
	if (ret)
		return ret;
	if ((list->index && msg->ifa_index != list->index) ||
	    (msg->ifa_family != AF_INET && msg->ifa_family != AF_INET6))
		return 0;
	/* IFA_ADDRESS is the far end of a point-to-point address where IFA_LOCAL is there as well. */
	local = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!nb_attr_bytes(local, bytes, msg->ifa_family == AF_INET ? 4 : 16))
		return nb_fail(err, NB_ERR_SYSTEM, EBADMSG, "the kernel described an address without bytes");
	addr.addr = nb_addr_from_bytes(msg->ifa_family, bytes);
	addr.prefix_len = msg->ifa_prefixlen;
	addr.scope = msg->ifa_scope;
	addr.flags = msg->ifa_flags;
	(void)nb_attr_u32(tb[IFA_FLAGS], &addr.flags);
	return append(list, &addr, err);
}

static int list_addrs(struct nb_netlink *nl, const unsigned int *nsid, unsigned int index, int family,
		      struct nb_ifaddr **addrs, unsigned int *n, struct nb_error *err)
{
	struct addr_list list = { .index = index };
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh =
		nb_request_start(&req, RTM_GETADDR, NLM_F_DUMP, &extra, sizeof(struct ifaddrmsg));
	struct ifaddrmsg *msg = extra;
	int ret;

	msg->ifa_family = (unsigned char)family;
	msg->ifa_index = index;
	if (nsid)
		mnl_attr_put_u32(nlh, IFA_TARGET_NETNSID, *nsid);
	ret = nb_netlink_dump(nl, nlh, take_addr, reset_list, &list, err);
	if (ret) {
		free(list.addrs);
		return index ? nb_wrap(err, "cannot list addresses of link %u", index)
			     : nb_wrap(err, "cannot list the addresses of this host");
	}
	*addrs = list.addrs;
	*n = list.n;
	return 0;
}

int nb_ifaddr_list(struct nb_netlink *nl, unsigned int index, int family, struct nb_ifaddr **addrs,
		   unsigned int *n, struct nb_error *err)
{
	return list_addrs(nl, NULL, index, family, addrs, n, err);
}

int nb_ifaddr_list_elsewhere(struct nb_netlink *nl, unsigned int nsid, unsigned int index,
			     struct nb_ifaddr **addrs, unsigned int *n, struct nb_error *err)
{
	return list_addrs(nl, &nsid, index, AF_UNSPEC, addrs, n, err);
}
