// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Plans the elements of services[]. Each frontend has one at every moment: new ones are added behind the last
 * index before their frontends are written; gaps of removed ones are filled from the end afterwards.
 */
#include "names.h"

#include <errno.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "frontend_index.h"
#include "plan.h"
#include "snapshot.h"

/* The elements of one name after the change. */
struct name_owners {
	const char *name;
	NB_VEC(struct nb_owner_write) live; /* sorted by index */
};

static struct nb_owner_write make_owner(const char *name, __u32 index, const struct nb_item *item)
{
	struct nb_owner_write made = { .key = { .index = index } };

	memcpy(made.key.name, name, strnlen(name, NB_NAME_MAX - 1));
	made.entry.frontend = item->service->key;
	memcpy(made.entry.port_name, item->service->port_name,
	       strnlen(item->service->port_name, NB_PORT_NAME_MAX - 1));
	made.entry.origin = item->origin;
	made.entry.port = item->service->port;
	return made;
}

/* The item whose name an element of services[] stays; NULL: none, or another element names it. */
static struct nb_item *item_of(const struct nb_plan *plan, const struct nb_owner *owner)
{
	const struct nb_frontend_cell *cell =
		nb_frontend_index_find(&plan->snapshot->cells, &owner->entry.frontend);
	struct nb_item *item = cell && cell->item ? &plan->items.items[cell->item - 1] : NULL;

	return item && !item->has_owner && !strcmp(item->service->name, owner->key.name) ? item : NULL;
}

static int keep_owner(struct nb_plan *plan, struct name_owners *owners, const struct nb_owner *owner,
		      struct nb_error *err)
{
	struct nb_owner_write as_is = { .key = owner->key, .entry = owner->entry }, wanted;
	const struct nb_frontend_cell *cell;
	struct nb_item *item;
	int rc;

	if (!plan->snapshot->whole && !owner->in_scope)
		return nb_vec_push(&owners->live, as_is, err);
	item = item_of(plan, owner);
	if (!item)
		return 0;
	item->has_owner = true;
	wanted = make_owner(owners->name, owner->key.index, item);
	rc = nb_vec_push(&owners->live, wanted, err);
	if (rc || !memcmp(&wanted.entry, &owner->entry, sizeof(wanted.entry)))
		return rc;
	cell = nb_frontend_index_find(&plan->snapshot->cells, &owner->entry.frontend);
	plan->changes.changed += !cell->switches;
	return nb_vec_push(&plan->owners_first, wanted, err);
}

/* Moves elements behind the new end into the gaps before it. */
static int close_gaps(struct nb_plan *plan, struct name_owners *owners, struct nb_error *err)
{
	size_t n = owners->live.n, from = 0;

	while (from < n && owners->live.items[from].key.index < n)
		from++;
	for (size_t index = 0, at = 0; from < n; index++) {
		struct nb_owner_write moved = owners->live.items[from];

		if (at < n && owners->live.items[at].key.index == index) {
			at++;
			continue;
		}
		if (nb_vec_push(&plan->owners_gone, moved.key, err))
			return -ENOMEM;
		moved.key.index = index;
		if (nb_vec_push(&plan->owners_last, moved, err))
			return -ENOMEM;
		from++;
	}
	return 0;
}

/* Deletes elements behind the new end whose frontends go. close_gaps() overwrites those before it. */
static int drop_dead(struct nb_plan *plan, const struct name_owners *owners, size_t first, size_t last,
		     struct nb_error *err)
{
	const struct nb_owner *all = plan->snapshot->owners.items;
	size_t at = 0;

	for (size_t i = first; i < last; i++) {
		while (at < owners->live.n && owners->live.items[at].key.index < all[i].key.index)
			at++;
		if (all[i].key.index < owners->live.n ||
		    (at < owners->live.n && owners->live.items[at].key.index == all[i].key.index))
			continue;
		if (nb_vec_push(&plan->owners_gone, all[i].key, err))
			return -ENOMEM;
	}
	return 0;
}

/* Adds elements, from index on, for the items of that name that have none. *item: the first of them, and then
 * the first of the next name. */
static int add_owners(struct nb_plan *plan, struct name_owners *owners, __u32 index, size_t *item,
		      struct nb_error *err)
{
	for (; *item < plan->items.n; ++*item) {
		const struct nb_item *at = &plan->items.items[*item];
		struct nb_owner_write made;

		if (strcmp(at->service->name, owners->name))
			return 0;
		if (at->has_owner)
			continue;
		made = make_owner(owners->name, index++, at);
		if (nb_vec_push(&owners->live, made, err) || nb_vec_push(&plan->owners_first, made, err))
			return -ENOMEM;
	}
	return 0;
}

/* Owners [first, last) and items [*item, ...) of one name. */
static int plan_name(struct nb_plan *plan, struct name_owners *owners, size_t first, size_t last,
		     size_t *item, struct nb_error *err)
{
	const struct nb_owner *all = plan->snapshot->owners.items;
	__u32 end = last > first ? all[last - 1].key.index + 1 : 0;
	int rc;

	owners->live.n = 0;
	for (size_t i = first; i < last; i++) {
		rc = keep_owner(plan, owners, &all[i], err);
		if (rc)
			return rc;
	}
	rc = add_owners(plan, owners, end, item, err);
	if (rc)
		return rc;
	plan->ledger.services += owners->live.n > 0;
	if (!plan->snapshot->whole)
		plan->ledger.services -= last > first;
	rc = drop_dead(plan, owners, first, last, err);
	if (rc)
		return rc;
	return close_gaps(plan, owners, err);
}

static void name_owners_free(struct name_owners *owners)
{
	nb_vec_free(&owners->live);
}

int nb_plan_names(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_snapshot *snapshot = plan->snapshot;
	nb_cleanup(name_owners_free) struct name_owners owners = { 0 };
	size_t first = 0, item = 0;
	int rc;

	/* Both are sorted by name: a merge. plan_name() takes all that bear the lesser name. */
	for (;;) {
		const char *owner_name =
			first < snapshot->owners.n ? snapshot->owners.items[first].key.name : NULL;
		const char *item_name = item < plan->items.n ? plan->items.items[item].service->name : NULL;
		size_t last = first;

		if (!owner_name && !item_name)
			return 0;
		owners.name = !item_name || (owner_name && strcmp(owner_name, item_name) < 0) ? owner_name
											      : item_name;
		while (last < snapshot->owners.n &&
		       !strcmp(snapshot->owners.items[last].key.name, owners.name))
			last++;
		rc = plan_name(plan, &owners, first, last, &item, err);
		if (rc)
			return rc;
		first = last;
	}
}
