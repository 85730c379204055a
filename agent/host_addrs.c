// SPDX-License-Identifier: GPL-2.0-or-later
/* Events say that some address changed; then all are read and compared with those of before. */
#include "host_addrs.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/net/ifaddr.h"
#include "lib/net/netlink.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "log.h"

enum { LOOK_MS = 200 }; /* after the first of some events: each new pod causes one */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nb_addr));
}

/* A sorted list without duplicates. */
struct list {
	NB_VEC(struct nb_addr) all;
};

static void list_free(struct list *list)
{
	nb_vec_free(&list->all);
}

static int read_all(struct list *list, struct nb_error *err)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	nb_autofree struct nb_ifaddr *found = NULL;
	unsigned int n = 0;
	size_t last = 0;
	int rc = nb_netlink_open(&nl, err);

	rc = rc ? rc : nb_ifaddr_list(&nl, 0, AF_UNSPEC, &found, &n, err);
	for (unsigned int i = 0; i < n && !rc; i++)
		if (nb_addr_is_routable(&found[i].addr))
			rc = nb_vec_push(&list->all, found[i].addr, err);
	if (rc || !list->all.n)
		return rc;
	qsort(list->all.items, list->all.n, sizeof(*list->all.items), compare);
	for (size_t i = 1; i < list->all.n; i++)
		if (compare(&list->all.items[last], &list->all.items[i]))
			list->all.items[++last] = list->all.items[i];
	list->all.n = last + 1;
	return 0;
}

/* Tells each address that only one of the two lists has. */
static void tell_difference(const struct nb_host_addrs *addrs, const struct list *now)
{
	size_t i = 0, k = 0;

	while (i < addrs->all.n || k < now->all.n) {
		const struct nb_addr *had = i < addrs->all.n ? &addrs->all.items[i] : NULL;
		const struct nb_addr *has = k < now->all.n ? &now->all.items[k] : NULL;
		int order = !had ? 1 : !has ? -1 : compare(had, has);

		if (order)
			addrs->changed(order < 0 ? had : has, addrs->arg);
		i += order <= 0;
		k += order >= 0;
	}
}

static int update(struct nb_host_addrs *addrs, struct nb_error *err)
{
	nb_cleanup(list_free) struct list now = { 0 };
	int rc = read_all(&now, err);

	if (rc)
		return rc;
	tell_difference(addrs, &now);
	nb_vec_free(&addrs->all);
	addrs->all.items = NB_TAKE_PTR(now.all.items);
	addrs->all.n = now.all.n;
	addrs->all.capacity = now.all.capacity;
	return 0;
}

static void on_look(void *arg)
{
	struct nb_host_addrs *addrs = arg;
	struct nb_error err = { 0 };

	if (update(addrs, &err))
		nb_log_warning("The node's addresses cannot be read", NB_TEXT("err", err.msg));
}

/* What the events say does not matter; nor do those that were lost. */
static void on_events(uint32_t events, void *arg)
{
	struct nb_host_addrs *addrs = arg;
	char buf[8192];

	(void)events;
	while (recv(addrs->events.fd, buf, sizeof(buf), 0) > 0 || errno == ENOBUFS || errno == EINTR)
		;
	if (!addrs->look.at)
		nb_timer_set(addrs->loop, &addrs->look, LOOK_MS);
}

int nb_host_addrs_start(struct nb_host_addrs *addrs, struct nb_loop *loop, struct nb_error *err)
{
	const struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), rc;

	addrs->loop = loop;
	addrs->look = (struct nb_timer){ .fn = on_look, .arg = addrs };
	addrs->events = (struct nb_loop_fd){ .fd = fd, .fn = on_events, .arg = addrs };
	if (fd < 0 || bind(fd, (const struct sockaddr *)&groups, sizeof(groups)))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot follow the addresses of links");
	rc = nb_loop_fd_add(loop, &addrs->events, EPOLLIN, err);
	return rc ? rc : update(addrs, err);
}

void nb_host_addrs_free(struct nb_host_addrs *addrs)
{
	nb_timer_stop(&addrs->look);
	if (addrs->loop && addrs->events.fd >= 0) {
		nb_loop_fd_remove(addrs->loop, &addrs->events);
		close(addrs->events.fd);
	}
	nb_vec_free(&addrs->all);
}
