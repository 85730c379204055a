// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses of Services compared with those of the host's links. */
#include "host_addr.h"

#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/net/ifaddr.h"
#include "lib/net/netlink.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "service.h"

static bool has_address(const struct nb_ifaddr *addrs, unsigned int n, const struct nb_addr *addr)
{
	for (unsigned int i = 0; i < n; i++)
		if (nb_addr_equal(&addrs[i].addr, addr))
			return true;
	return false;
}

/* Whether an earlier frontend in *services has the same Service and address. */
static bool is_repeated(const struct nb_services *services, size_t at)
{
	const struct nb_service *service = &services->items[at];

	while (at-- && !strcmp(services->items[at].name, service->name))
		if (nb_addr_equal(&services->items[at].key.addr, &service->key.addr))
			return true;
	return false;
}

int nb_services_mark_on_host(struct nb_services *services, struct nb_netlink *nl,
			     void (*tell)(const struct nb_service *service), struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n_addrs;
	int rc;

	if (!services->n)
		return 0;
	rc = nb_ifaddr_list(nl, 0, AF_UNSPEC, &addrs, &n_addrs, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < services->n; i++) {
		struct nb_service *service = &services->items[i];

		bool has;

		if (service->kind == NB_NODE_PORT)
			continue;
		has = has_address(addrs, n_addrs, &service->key.addr);
		service->on_host = has && service->kind == NB_CLUSTER_IP;
		if (has && !is_repeated(services, i))
			tell(service);
	}
	return 0;
}
