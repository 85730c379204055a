// SPDX-License-Identifier: GPL-2.0-or-later
/* IP addresses of links, by RTM_*ADDR. */
#include "ifaddr.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "netlink.h"

/* From this prefix length on a network has no broadcast address (RFC 3021). */
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
	int rc;

	if (nb_addr_is_v4(&addr->addr) && addr->prefix_len < NO_BROADCAST_PREFIX)
		put_broadcast(nlh, addr);
	if (addr->flags)
		mnl_attr_put_u32(nlh, IFA_FLAGS, addr->flags);
	rc = nb_netlink_request(nl, nlh, NULL, NULL, err);
	if (rc)
		return nb_wrap(err, "cannot add address %s/%u", nb_addr_format(&addr->addr, text),
			       addr->prefix_len);
	return 0;
}

int nb_ifaddr_delete(struct nb_netlink *nl, unsigned int index, const struct nb_ifaddr *addr,
		     struct nb_error *err)
{
	char text[NB_ADDR_STRLEN];
	struct nb_request req;
	struct nlmsghdr *nlh = start(&req, RTM_DELADDR, 0, index, addr);
	int rc = nb_netlink_request(nl, nlh, NULL, NULL, err);

	if (rc)
		return nb_wrap(err, "cannot remove address %s/%u", nb_addr_format(&addr->addr, text),
			       addr->prefix_len);
	return 0;
}

struct addr_list {
	unsigned int index;
	NB_VEC(struct nb_ifaddr) found;
};

static void reset_list(void *arg)
{
	struct addr_list *list = arg;

	list->found.n = 0;
}

static int take_addr(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	const struct ifaddrmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFA_FLAGS + 1];
	struct addr_list *list = arg;
	struct nb_ifaddr addr = { .prefix_len = 0 };
	const struct nlattr *local;
	unsigned char bytes[16];
	int rc;

	if (nlh->nlmsg_type != RTM_NEWADDR)
		return 0;
	rc = nb_netlink_parse(nlh, sizeof(*msg), tb, IFA_FLAGS, err);
	if (rc)
		return rc;
	if ((list->index && msg->ifa_index != list->index) ||
	    (msg->ifa_family != AF_INET && msg->ifa_family != AF_INET6))
		return 0;
	/* On a point-to-point link, IFA_ADDRESS is the peer's address. */
	local = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!nb_attr_bytes(local, bytes, msg->ifa_family == AF_INET ? 4 : 16))
		return nb_fail(err, NB_ERR_SYSTEM, EBADMSG, "the kernel sent a malformed address");
	addr.index = msg->ifa_index;
	addr.addr = nb_addr_from_bytes(msg->ifa_family, bytes);
	addr.prefix_len = msg->ifa_prefixlen;
	addr.scope = msg->ifa_scope;
	addr.flags = msg->ifa_flags;
	(void)nb_attr_u32(tb[IFA_FLAGS], &addr.flags);
	return nb_vec_push(&list->found, addr, err);
}

/* The addresses that a listing asks for. */
struct wanted {
	const unsigned int *nsid; /* NULL: of the socket's namespace */
	unsigned int index;       /* 0: of all links */
	int family;
};

static int list_addrs(struct nb_netlink *nl, const struct wanted *wanted, struct nb_ifaddr **addrs,
		      unsigned int *n, struct nb_error *err)
{
	struct addr_list list = { .index = wanted->index };
	const struct nb_dump_reader reader = { take_addr, reset_list, &list };
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh =
		nb_request_start(&req, RTM_GETADDR, NLM_F_DUMP, &extra, sizeof(struct ifaddrmsg));
	struct ifaddrmsg *msg = extra;
	int rc;

	msg->ifa_family = (unsigned char)wanted->family;
	msg->ifa_index = wanted->index;
	if (wanted->nsid)
		mnl_attr_put_u32(nlh, IFA_TARGET_NETNSID, *wanted->nsid);
	rc = nb_netlink_dump(nl, nlh, &reader, err);
	if (rc) {
		nb_vec_free(&list.found);
		return wanted->index ? nb_wrap(err, "cannot list the addresses of link %u", wanted->index)
				     : nb_wrap(err, "cannot list the addresses of all links");
	}
	*addrs = list.found.items;
	*n = (unsigned int)list.found.n;
	return 0;
}

int nb_ifaddr_list(struct nb_netlink *nl, unsigned int index, int family, struct nb_ifaddr **addrs,
		   unsigned int *n, struct nb_error *err)
{
	const struct wanted wanted = { .index = index, .family = family };

	return list_addrs(nl, &wanted, addrs, n, err);
}

int nb_ifaddr_list_elsewhere(struct nb_netlink *nl, unsigned int nsid, unsigned int index,
			     struct nb_ifaddr **addrs, unsigned int *n, struct nb_error *err)
{
	const struct wanted wanted = { .nsid = &nsid, .index = index, .family = AF_UNSPEC };

	return list_addrs(nl, &wanted, addrs, n, err);
}

bool nb_ifaddr_has(const struct nb_ifaddr *addrs, unsigned int n, const struct nb_addr *addr)
{
	for (unsigned int i = 0; i < n; i++)
		if (nb_addr_equal(&addrs[i].addr, addr))
			return true;
	return false;
}
