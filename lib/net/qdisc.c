// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds queueing disciplines of links, by RTM_GETQDISC. */
#include "qdisc.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "lib/util/error.h"

#include "netlink.h"

struct search {
	unsigned int index;
	char kind[NB_QDISC_KIND_MAX];
};

static void reset_search(void *arg)
{
	struct search *search = arg;

	search->kind[0] = '\0';
}

static int take_qdisc(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	const struct tcmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[TCA_KIND + 1];
	char kind[NB_QDISC_KIND_MAX];
	struct search *search = arg;
	int rc;

	if (nlh->nlmsg_type != RTM_NEWQDISC)
		return 0;
	rc = nb_netlink_parse(nlh, sizeof(*msg), tb, TCA_KIND, err);
	if (rc || msg->tcm_ifindex != (int)search->index || search->kind[0] ||
	    !nb_attr_str(tb[TCA_KIND], kind, sizeof(kind)))
		return rc;
	if (strcmp(kind, "noqueue") != 0 && strcmp(kind, "clsact") != 0)
		memcpy(search->kind, kind, sizeof(kind));
	return 0;
}

int nb_qdisc_find(struct nb_netlink *nl, unsigned int index, char kind[NB_QDISC_KIND_MAX],
		  struct nb_error *err)
{
	struct search search = { .index = index };
	const struct nb_dump_reader reader = { take_qdisc, reset_search, &search };
	struct nb_error why = { 0 };
	struct nb_request req;
	void *extra;
	/*
	 * The kernel dumps the qdiscs of all links only; it sends a single one also to all
	 * listeners.
	 */
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_GETQDISC, NLM_F_DUMP, &extra, sizeof(struct tcmsg));
	int rc = nb_netlink_dump(nl, nlh, &reader, &why);

	/* EOPNOTSUPP: a kernel without qdiscs. */
	if (rc && rc != -EOPNOTSUPP) {
		if (err)
			*err = why;
		return nb_wrap(err, "cannot list the qdiscs of link %u", index);
	}
	memcpy(kind, search.kind, sizeof(search.kind));
	return 0;
}
