// SPDX-License-Identifier: GPL-2.0-or-later
/* The choice of endpoints once more, for one Service, to be looked at. */
#include "table.h"

#include <errno.h>
#include <stdbool.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "endpoint_set.h"
#include "table_entry.h"

/* One port and family of a Service, for each kind of client. */
static int explain_port(const struct nb_kube_table *table, const struct nb_table_entry *entry,
			struct nb_kube_explained *explained, nb_kube_explain_fn fn, void *arg,
			struct nb_error *err)
{
	nb_cleanup(nb_kube_endpoint_set_free) struct nb_kube_endpoint_set set = { 0 };
	const bool local[] = {
		[NB_KUBE_TO_CLUSTER_IP] = entry->service.local_inside,
		[NB_KUBE_TO_EXTERNAL] = false,
		[NB_KUBE_FROM_OUTSIDE] = entry->service.local_outside,
	};
	bool elsewhere;
	int rc = nb_kube_endpoint_set_collect(&set, entry->slices.items, entry->slices.n, explained->family,
					      explained->port, err);

	explained->set = &set;
	for (int clients = 0; clients < NB_KUBE_CLIENTS && !rc; clients++) {
		explained->clients = clients;
		explained->policy = local[clients] ? NB_KUBE_POLICY_LOCAL : NB_KUBE_POLICY_CLUSTER;
		nb_kube_endpoint_set_choose(&set, explained->policy, &table->view, &elsewhere);
		rc = fn(explained, arg);
	}
	explained->set = NULL;
	return rc;
}

int nb_kube_table_explain(const struct nb_kube_table *table, const char *name, nb_kube_explain_fn fn,
			  void *arg, struct nb_error *err)
{
	const struct nb_table_entry *entry = nb_table_find_entry(table, name);
	int rc = 0;

	if (!entry || !entry->has_service)
		return -ENOENT;
	for (size_t p = 0; p < entry->service.ports.n; p++) {
		struct nb_kube_explained explained = { .port = &entry->service.ports.items[p] };

		for (unsigned int v = 0; v < entry->service.n_vips && !rc; v++) {
			explained.family = nb_addr_family(&entry->service.vips[v]);
			rc = explain_port(table, entry, &explained, fn, arg, err);
		}
	}
	return rc;
}
