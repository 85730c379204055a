// SPDX-License-Identifier: GPL-2.0-or-later
/* Looks at namespaces that have a file, and asks the kernel for the id of each (RTM_GETNSID). */
#include "netns_find.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "lib/util/cleanup.h"

#include "netns.h"

static int take_id(const struct nlmsghdr *nlh, void *arg, struct nb_error *err)
{
	const struct nlattr *tb[NETNSA_MAX + 1];
	int rc;

	if (nlh->nlmsg_type != RTM_NEWNSID)
		return 0;
	rc = nb_netlink_parse(nlh, sizeof(struct rtgenmsg), tb, NETNSA_MAX, err);
	if (rc)
		return rc;
	(void)nb_attr_u32(tb[NETNSA_NSID], arg);
	return 0;
}

/* Whether a namespace has the id. One without an id has -1 there. */
static bool has_id(struct nb_netlink *nl, int fd, unsigned int nsid)
{
	unsigned int id = UINT_MAX;
	struct nb_request req;
	void *extra;
	struct nlmsghdr *nlh = nb_request_start(&req, RTM_GETNSID, 0, &extra, sizeof(struct rtgenmsg));

	mnl_attr_put_u32(nlh, NETNSA_FD, (unsigned int)fd);
	return !nb_netlink_request(nl, nlh, take_id, &id, NULL) && id == nsid;
}

/* Whether it is that of a path. */
static bool is_at(struct nb_netlink *nl, const char *path, unsigned int nsid, int *fd)
{
	nb_autoclose int found = -1;

	if (nb_netns_open(path, &found, NULL) || !has_id(nl, found, nsid))
		return false;
	*fd = NB_TAKE_FD(found);
	return true;
}

static void close_listing(DIR **listing)
{
	if (*listing)
		closedir(*listing);
}

/* suffix: behind the name of each entry. */
static bool is_below(struct nb_netlink *nl, const char *dir, const char *suffix, unsigned int nsid, int *fd)
{
	nb_cleanup(close_listing) DIR *listing = opendir(dir);
	const struct dirent *entry;
	char path[PATH_MAX];

	while (listing && (entry = readdir(listing))) {
		if (entry->d_name[0] == '.' || (*suffix && !isdigit((unsigned char)entry->d_name[0])))
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", dir, entry->d_name, suffix);
		if (is_at(nl, path, nsid, fd))
			return true;
	}
	return false;
}

int nb_netns_find(struct nb_netlink *nl, unsigned int nsid, int *fd, struct nb_error *err)
{
	if (is_below(nl, "/run/netns", "", nsid, fd) || is_below(nl, "/var/run/docker/netns", "", nsid, fd) ||
	    is_below(nl, "/proc", "/ns/net", nsid, fd))
		return 0;
	return nb_fail(err, NB_ERR_NETNS, ENOENT,
		       "the network namespace with id %u is neither below /run/netns nor that of a process",
		       nsid);
}
