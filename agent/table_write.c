// SPDX-License-Identifier: GPL-2.0-or-later
/* Opens a network's datapath and changes its Services. */
#include "table_write.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/datapath/bpffs.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/ensure.h"
#include "lib/datapath/owner.h"
#include "lib/datapath/pins.h"
#include "lib/kube/table.h"
#include "lib/maps/layout.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/net/netlink.h"
#include "lib/service/change.h"
#include "lib/service/host_addr.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cluster.h"
#include "log.h"

enum { NAMES_PER_REMOVAL = 512 };

static enum nb_mode mode_of(const struct nb_table *table)
{
	return table->is_node ? NB_MODE_NODE : NB_MODE_EBPF;
}

/* Creates, completes or migrates it if need be. */
static int ensure(const struct nb_table *table, struct nb_datapath *dp, struct nb_error *err)
{
	const struct nb_datapath_config config = {
		.root = &table->root,
		.network = table->name,
		.mode = mode_of(table),
		.limits = table->limits,
	};

	return nb_datapath_ensure(&config, dp, err);
}

/* Pins of a newer natbridge are not for this one, which may have been running since before an upgrade. */
static int check_not_newer(const struct nb_table *table, struct nb_error *err)
{
	char dir[NB_PIN_PATH_MAX];
	unsigned int layout;
	int rc = nb_pins_other_layout(&table->root, table->name, &layout, dir, err);

	if (rc || layout <= NB_ABI_VERSION)
		return rc;
	return nb_fail(
		err, NB_ERR_DATAPATH, 0,
		"network \"%s\" has map layout %u of a newer natbridge, and this natbridge-agent knows "
		"%d: upgrade and restart it",
		table->name, layout, NB_ABI_VERSION);
}

/* In a container or a unit of systemd, what the agent mounts or pins elsewhere is seen by nobody else. */
static int open_for_change(const struct nb_table *table, struct nb_datapath *dp, struct nb_error *err)
{
	int rc = nb_bpffs_require(table->root.bpffs, err);

	if (rc)
		return rc;
	rc = nb_datapath_open(&table->root, table->name, true, dp, err);
	if (rc == -ESTALE && check_not_newer(table, err))
		return -ESTALE;
	if (!rc && !nb_datapath_has(dp, mode_of(table))) {
		/* Its pods have another mode until the next ADD. */
		nb_datapath_close(dp);
		*dp = (struct nb_datapath)NB_DATAPATH_INIT;
		rc = -ENOENT;
	}
	return rc == -ENOENT || rc == -ESTALE ? ensure(table, dp, err) : rc;
}

int nb_table_load(const struct nb_table *table, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;

	return open_for_change(table, &dp, err);
}

bool nb_table_is_there(const struct nb_table *table)
{
	char path[NB_PIN_PATH_MAX];

	return !nb_pin_path(&table->root, table->name, NULL, path, NULL) && !access(path, F_OK);
}

/* ---- what is wanted, and what the host has ---- */

static void say_on_host(const struct nb_service *service)
{
	char addr[NB_ADDR_STRLEN];

	nb_log_warning(service->on_host ? "An address of a Service is this host's, which gets its packets"
					: "An address of this host is a Service's, which gets its packets",
		       NB_TEXT("service", service->name),
		       NB_TEXT("address", nb_addr_format(&service->key.addr, addr)));
}

static int mark_on_host(struct nb_services *services, struct nb_error *err)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	int rc = nb_netlink_open(&nl, err);

	return rc ? rc : nb_services_mark_on_host(services, &nl, say_on_host, err);
}

static void say_config(const struct nb_service *service, const struct nb_service *owner)
{
	char frontend[NB_FRONTEND_STRLEN];

	nb_log_warning("Left out a frontend, which the network's configuration gives to another Service",
		       NB_TEXT("service", service->name),
		       NB_TEXT("frontend", nb_frontend_format(&service->key, frontend)),
		       NB_TEXT("owner", owner->name));
}

/* ---- writing ---- */

static int replace(const struct nb_tables *tables, const struct nb_datapath *dp,
		   const struct nb_service_names *names, const struct nb_services *services,
		   struct nb_service_changes *changes, struct nb_error *err)
{
	return tables->dry ? nb_service_preview(dp, names, services, NB_ORIGIN_APPLY, changes, err)
			   : nb_service_replace(dp, names, services, NB_ORIGIN_APPLY, changes, err);
}

/* The same without the frontends that Services of the network's configuration have. */
static int replace_beside_config(const struct nb_tables *tables, const struct nb_datapath *dp,
				 const struct nb_service_names *names, const struct nb_services *services,
				 struct nb_service_changes *changes, struct nb_error *err)
{
	static const struct nb_service_names none;
	nb_cleanup(nb_services_free) struct nb_services had = { 0 };
	nb_cleanup(nb_services_free) struct nb_services kept = { 0 };
	int rc = nb_service_read(dp, &had, err);

	rc = rc ? rc : nb_services_keep(services, &had, &none, &kept, say_config, err);
	rc = rc ? rc : mark_on_host(&kept, err);
	return rc ? rc : replace(tables, dp, names, &kept, changes, err);
}

/* All Services at once: whatever address goes from one to another, the plan sees both. */
static int replace_all(const struct nb_tables *tables, const struct nb_table *table,
		       const struct nb_datapath *dp, struct nb_service_changes *changes, struct nb_error *err)
{
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch all = { 0 };
	nb_cleanup(nb_services_view_free) struct nb_services met = { 0 };
	nb_cleanup(nb_service_names_free) struct nb_service_names had = { 0 };
	int rc = nb_kube_table_list(tables->cluster->table, "", SIZE_MAX / 2, &all, err);

	rc = rc ? rc : nb_service_list_names(dp, NB_ORIGIN_APPLY, &had, err);
	for (size_t i = 0; i < had.n && !rc; i++)
		if (!nb_kube_table_has(tables->cluster->table, had.items[i]))
			rc = nb_service_names_add(&all.names, had.items[i], err);
	rc = rc ? rc : nb_services_view(&all.services, table->is_node, &met, err);
	if (rc)
		return rc;
	nb_service_names_sort(&all.names);
	return replace_beside_config(tables, dp, &all.names, &met, changes, err);
}

static void print_changes(const struct nb_table *table, const struct nb_service_changes *changes)
{
	if (changes->added || changes->changed || changes->removed)
		printf("%s: %zu frontends added, %zu changed, %zu removed\n", table->name, changes->added,
		       changes->changed, changes->removed);
}

/* What a network would get that nothing is pinned for. */
static int preview_empty(const struct nb_table *table, const struct nb_services *services,
			 struct nb_error *err)
{
	const struct nb_service_changes changes = { .added = services->n };

	*err = (struct nb_error){ 0 };
	print_changes(table, &changes);
	return 0;
}

int nb_table_write(struct nb_tables *tables, struct nb_table *table, const struct nb_service_names *names,
		   const struct nb_services *services, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	nb_cleanup(nb_services_view_free) struct nb_services met = { 0 };
	struct nb_service_changes changes = { 0 };
	int rc = nb_services_view(services, table->is_node, &met, err);

	if (rc)
		return rc;
	rc = tables->dry ? nb_datapath_open(&table->root, table->name, true, &dp, err)
			 : open_for_change(table, &dp, err);
	if (rc == -ENOENT && tables->dry)
		return preview_empty(table, &met, err);
	rc = rc ? rc : mark_on_host(&met, err);
	rc = rc ? rc : replace(tables, &dp, names, &met, &changes, err);
	if (rc == -EEXIST)
		rc = replace_beside_config(tables, &dp, names, &met, &changes, err);
	if (rc == -EEXIST)
		rc = replace_all(tables, table, &dp, &changes, err);
	if (rc)
		return rc;
	if (tables->dry)
		print_changes(table, &changes);
	else if (changes.map_writes)
		nb_log_info(1, "Table written", NB_TEXT("network", table->name),
			    NB_NUMBER("added", changes.added), NB_NUMBER("changed", changes.changed),
			    NB_NUMBER("removed", changes.removed), NB_NUMBER("writes", changes.map_writes));
	table->last = changes;
	return 0;
}

/* Under the lock of *dp. */
static int put_cidrs(const struct nb_datapath *dp, const struct nb_prefix *ranges, size_t n,
		     struct nb_error *err)
{
	struct nb_settings old, new;
	int rc = nb_settings_read(dp, &old, err);

	if (rc || (old.n_service_cidrs && !(old.flags & NB_SETTINGS_CLUSTER_CIDRS)))
		return rc;
	new = old;
	nb_settings_put_ranges(&new, ranges, n);
	new.flags &= ~NB_SETTINGS_CLUSTER_CIDRS;
	if (n)
		new.flags |= NB_SETTINGS_CLUSTER_CIDRS;
	return memcmp(&old, &new, sizeof(old)) ? nb_settings_write(dp, &new, err) : 0;
}

int nb_table_write_cidrs(const struct nb_table *table, const struct nb_service_cidrs *cidrs,
			 struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_prefix ranges[NB_MAX_SERVICE_CIDRS];
	const size_t n = nb_service_cidrs_list(cidrs, ranges);
	int rc = open_for_change(table, &dp, err);

	return rc ? rc : put_cidrs(&dp, ranges, n, err);
}

/* Removes Services by name, some at a time. */
static int remove_names(const struct nb_tables *tables, const struct nb_table *table,
			const struct nb_datapath *dp, const struct nb_service_names *names,
			struct nb_error *err)
{
	static const struct nb_services none;
	int rc = 0;

	for (size_t at = 0; at < names->n && !rc; at += NAMES_PER_REMOVAL) {
		const size_t left = names->n - at;
		const struct nb_service_names some = {
			.n = left < NAMES_PER_REMOVAL ? left : NAMES_PER_REMOVAL,
			.items = names->items + at,
		};
		struct nb_service_changes changes = { 0 };

		rc = replace(tables, dp, &some, &none, &changes, err);
		if (!rc && tables->dry)
			print_changes(table, &changes);
	}
	return rc;
}

int nb_table_remove_others(struct nb_tables *tables, struct nb_table *table, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	nb_cleanup(nb_service_names_free) struct nb_service_names had = { 0 };
	nb_cleanup(nb_service_names_free) struct nb_service_names others = { 0 };
	int rc = tables->dry ? nb_datapath_open(&table->root, table->name, true, &dp, err)
			     : open_for_change(table, &dp, err);

	if (rc == -ENOENT && tables->dry) {
		*err = (struct nb_error){ 0 };
		return 0;
	}
	rc = rc ? rc : nb_service_list_names(&dp, NB_ORIGIN_APPLY, &had, err);
	for (size_t i = 0; i < had.n && !rc; i++)
		if (!nb_kube_table_has(tables->cluster->table, had.items[i]))
			rc = nb_service_names_add(&others, had.items[i], err);
	return rc ? rc : remove_names(tables, table, &dp, &others, err);
}

int nb_table_clean(const struct nb_table *table, struct nb_error *err)
{
	static const struct nb_tables writing;
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	nb_cleanup(nb_service_names_free) struct nb_service_names had = { 0 };
	nb_autoclose int owner = -1;
	int rc = nb_table_is_there(table) ? nb_owner_take(&table->root, table->name, &owner, err) : -ENOENT;

	if (rc == -ENOENT)
		return 0;
	rc = rc ? rc : nb_datapath_open(&table->root, table->name, true, &dp, err);
	rc = rc ? rc : nb_service_list_names(&dp, NB_ORIGIN_APPLY, &had, err);
	rc = rc ? rc : remove_names(&writing, table, &dp, &had, err);
	rc = rc ? rc : put_cidrs(&dp, NULL, 0, err);
	if (!rc)
		nb_log_info(0, "Services removed", NB_TEXT("network", table->name),
			    NB_NUMBER("services", had.n));
	return rc;
}
