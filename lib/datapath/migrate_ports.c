// SPDX-License-Identifier: GPL-2.0-or-later
/* Walks the old ports, and looks each one's link up in the new maps. */
#include "migrate_ports.h"

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "btf_convert.h"

struct search {
	const struct nb_datapath *to;
	struct nb_btf_conversion values; /* of the old map */
	__u32 value_size;
	struct nb_new_ports *ports;
	struct nb_error *err;
};

static void search_free(struct search *search)
{
	nb_btf_conversion_free(&search->values);
}

static int find_port(const struct search *search, __u32 old_slot, const struct nb_port *old)
{
	struct nb_port new;
	__u32 slot;
	int rc = old->ifindex ? nb_map_get(search->to, NB_MAP_LINKS, &old->ifindex, &slot, search->err) : 0;

	if (rc > 0)
		rc = nb_map_get(search->to, NB_MAP_PORTS, &slot, &new, search->err);
	if (rc > 0 && new.ifindex == old->ifindex)
		search->ports->of_old_slot[old_slot] = (struct nb_new_port){
			.old_gen = old->gen & ~NB_GEN_CUT,
			.gen = new.gen & ~NB_GEN_CUT,
			.slot = (__u16)slot,
		};
	return rc < 0 ? rc : 0;
}

static int find_ports(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct search *search = arg;
	const __u32 *slots = keys;
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++) {
		const char *value = (const char *)values + (size_t)i * search->value_size;
		struct nb_port old = { 0 };

		if (slots[i] < NB_MAX_PORTS && nb_btf_conversion_run(&search->values, value, &old))
			rc = find_port(search, slots[i], &old);
	}
	return rc;
}

static int prepare(struct search *search, const struct nb_datapath *from)
{
	nb_cleanup(nb_map_types_free) struct nb_map_types old = { 0 };
	nb_cleanup(nb_map_types_free) struct nb_map_types new = { 0 };
	int rc = nb_map_types_read(&old, from->map_fd[NB_MAP_PORTS], search->err);

	if (rc)
		return rc;
	rc = nb_map_types_read(&new, search->to->map_fd[NB_MAP_PORTS], search->err);
	if (rc)
		return rc;
	search->value_size = old.info.value_size;
	return nb_btf_conversion_make(&search->values, old.btf, old.info.btf_value_type_id, new.btf,
				      new.info.btf_value_type_id, search->err);
}

int nb_new_ports_find(const struct nb_datapath *from, const struct nb_datapath *to,
		      struct nb_new_ports *ports, struct nb_error *err)
{
	nb_cleanup(search_free) struct search search = { .to = to, .ports = ports, .err = err };
	int rc = prepare(&search, from);

	if (rc)
		return rc;
	return nb_map_walk(from, NB_MAP_PORTS, find_ports, &search, err);
}

void nb_new_ports_follow(const struct nb_new_ports *ports, struct nb_conn *conn)
{
	const struct nb_new_port *port = &ports->of_old_slot[conn->out_slot % NB_MAX_PORTS];

	if (conn->out_slot == NB_SLOT_HOST || !port->slot || port->old_gen != conn->out_gen)
		return;
	conn->out_slot = port->slot;
	conn->out_gen = port->gen;
}
