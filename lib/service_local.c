// SPDX-License-Identifier: GPL-2.0-or-later
/* Services whose address is one of the host's own. */
#include <natbridge/address.h>
#include <natbridge/cleanup.h>
#include <natbridge/service.h>

#include <stdlib.h>
#include <string.h>

static bool has_address(const struct nb_ifaddr *addrs, unsigned int n, const struct nb_addr *addr)
{
	for (unsigned int i = 0; i < n; i++)
		if (nb_addr_equal(&addrs[i].addr, addr))
			return true;
	return false;
}

/* Whether a frontend before that one in *services is of the same Service and address. */
static bool is_repeated(const struct nb_services *services, size_t at)
{
	const struct nb_service *service = &services->items[at];

	while (at-- && !strcmp(services->items[at].name, service->name))
		if (nb_addr_equal(&services->items[at].key.addr, &service->key.addr))
			return true;
	return false;
}

int nb_services_set_local_apart(struct nb_services *services, size_t *n, struct nb_netlink *nl,
				void (*tell)(const struct nb_service *service), struct nb_error *err)
{
	struct nb_ifaddr *addrs nb_autofree = NULL;
	const size_t n_all = services->n;
	unsigned int n_addrs;
	size_t kept = 0;
	int rc;

	*n = n_all;
	if (!n_all)
		return 0;
	rc = nb_ifaddr_list(nl, 0, AF_UNSPEC, &addrs, &n_addrs, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < n_all; i++)
		if (has_address(addrs, n_addrs, &services->items[i].key.addr) && !is_repeated(services, i))
			tell(&services->items[i]);
	for (size_t i = 0; i < n_all; i++) {
		const struct nb_service service = services->items[i];

		if (has_address(addrs, n_addrs, &service.key.addr))
			continue;
		services->items[i] = services->items[kept];
		services->items[kept++] = service;
	}
	*n = kept;
	return 0;
}
