// SPDX-License-Identifier: GPL-2.0-or-later
#include "endpoint.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <natbridge/abi.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/hash.h"

#include "layout.h"
#include "map.h"

/* The kernel keeps values of arrays at multiples of 8. */
static_assert(sizeof(struct nb_port) % 8 == 0, "the map is read from its memory");

struct port_table {
	struct nb_port port[NB_MAX_PORTS];
};

__u64 nb_endpoint_owner(const char *container_id, const char *ifname)
{
	__u64 hash = nb_fnv1a_64(NB_FNV1A_64_START, container_id, strlen(container_id) + 1);

	return nb_fnv1a_64(hash, ifname, strlen(ifname) + 1);
}

static int copy_ports(const void *keys, const void *values, __u32 n, void *arg)
{
	const __u32 *slot = keys;
	const struct nb_port *port = values;
	struct port_table *table = arg;

	for (__u32 i = 0; i < n; i++)
		if (slot[i] < NB_MAX_PORTS)
			table->port[slot[i]] = port[i];
	return 0;
}

/* From the map's memory, a tenth of the time; but maps of older pins cannot be mapped. */
static int read_ports(const struct nb_datapath *dp, struct port_table *table, struct nb_error *err)
{
	void *ports = mmap(NULL, sizeof(*table), PROT_READ, MAP_SHARED, dp->map_fd[NB_MAP_PORTS], 0);

	if (ports == MAP_FAILED) {
		memset(table, 0, sizeof(*table));
		return nb_map_walk(dp, NB_MAP_PORTS, copy_ports, table, err);
	}
	memcpy(table, ports, sizeof(*table));
	munmap(ports, sizeof(*table));
	return 0;
}

/* The slot that a pod has, or 0. */
static __u32 slot_of_owner(const struct port_table *table, __u64 owner)
{
	for (__u32 slot = 1; slot < NB_MAX_PORTS; slot++)
		if (table->port[slot].ifindex && table->port[slot].owner == owner)
			return slot;
	return 0;
}

struct slot_addrs {
	const struct nb_datapath *dp;
	struct nb_error *err;
	__u32 slot;
};

static int remove_addrs(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_addr *addr = keys;
	const struct nb_endpoint *endpoint = values;
	struct slot_addrs *of = arg;
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++)
		if (endpoint[i].slot == of->slot)
			rc = nb_map_remove(of->dp, NB_MAP_ENDPOINTS, &addr[i], 1, NULL, of->err);
	return rc;
}

/* A link's place in own_ports, which only mode ebpf has; without it, the link is found in links. */
static int note_own_port(const struct nb_datapath *dp, __u32 ifindex, bool own, struct nb_error *err)
{
	__u32 place = ifindex % NB_OWN_PORTS, found = 0, value = own ? ifindex : 0;
	int rc;

	if (dp->map_fd[NB_MAP_OWN_PORTS] < 0)
		return 0;
	rc = nb_map_get(dp, NB_MAP_OWN_PORTS, &place, &found, err);
	if (rc < 0 || (!own && found != ifindex))
		return rc < 0 ? rc : 0;
	return nb_map_write(dp, NB_MAP_OWN_PORTS, &place, &value, 1, NULL, err);
}

/*
 * Frees a slot. The generation moves on first: from then on no packet takes an entry that leads there,
 * whatever of the rest can be removed. Owner and link stay in the slot until all the rest is gone, so that
 * after a kill or an error the next DEL finds it; then the generation moves once more, for what may have been
 * entered meanwhile.
 */
static int free_slot(const struct nb_datapath *dp, struct port_table *table, __u32 slot, struct nb_error *err)
{
	struct slot_addrs of = { .dp = dp, .err = err, .slot = slot };
	struct nb_port going = table->port[slot], freed;
	int rc;

	going.gen = (going.gen + 1) & ~NB_GEN_CUT;
	freed = (struct nb_port){ .gen = (going.gen + 1) & ~NB_GEN_CUT };
	rc = nb_map_write(dp, NB_MAP_PORTS, &slot, &going, 1, NULL, err);
	if (!rc)
		rc = note_own_port(dp, going.ifindex, false, err);
	if (!rc)
		rc = nb_map_remove(dp, NB_MAP_LINKS, &going.ifindex, 1, NULL, err);
	if (!rc)
		rc = nb_map_walk(dp, NB_MAP_ENDPOINTS, remove_addrs, &of, err);
	if (!rc)
		rc = nb_map_write(dp, NB_MAP_PORTS, &slot, &freed, 1, NULL, err);
	if (!rc)
		table->port[slot] = freed;
	return rc;
}

static int free_owner(const struct nb_datapath *dp, struct port_table *table, __u64 owner,
		      struct nb_error *err)
{
	__u32 slot = slot_of_owner(table, owner);

	return slot ? free_slot(dp, table, slot, err) : 0;
}

/* An address or a link that another pod still has is that of a pod which is gone: IPAM and kernel gave it
 * anew. */
static int free_former_users(const struct nb_datapath *dp, struct port_table *table,
			     const struct nb_endpoint_spec *spec, struct nb_error *err)
{
	int rc = free_owner(dp, table, nb_endpoint_owner(spec->container_id, spec->ifname), err);

	for (__u32 slot = 1; slot < NB_MAX_PORTS && !rc; slot++)
		if (table->port[slot].ifindex == spec->ifindex)
			rc = free_slot(dp, table, slot, err);
	for (unsigned int i = 0; i < spec->n_addrs && !rc; i++) {
		struct nb_endpoint endpoint;
		int found = nb_map_get(dp, NB_MAP_ENDPOINTS, &spec->addrs[i].addr, &endpoint, err);

		if (found < 0)
			return found;
		if (!found)
			continue;
		if (endpoint.slot && endpoint.slot < NB_MAX_PORTS && table->port[endpoint.slot].ifindex)
			rc = free_slot(dp, table, endpoint.slot, err);
		else
			rc = nb_map_remove(dp, NB_MAP_ENDPOINTS, &spec->addrs[i].addr, 1, NULL, err);
	}
	return rc;
}

/* Taken in turn, so that a slot is not used again soon. */
static __u32 find_free_slot(const struct port_table *table)
{
	__u32 best = 0;

	for (__u32 slot = 1; slot < NB_MAX_PORTS; slot++)
		if (!table->port[slot].ifindex && (!best || table->port[slot].gen < table->port[best].gen))
			best = slot;
	return best;
}

int nb_endpoint_add(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec, struct nb_error *err)
{
	struct port_table *table nb_autofree = malloc(sizeof(*table));
	struct nb_port port = {
		.ifindex = spec->ifindex,
		.flags = spec->flags,
		.owner = nb_endpoint_owner(spec->container_id, spec->ifname),
	};
	__u32 slot;
	int rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	rc = rc ?: free_former_users(dp, table, spec, err);
	if (rc)
		return rc;
	slot = find_free_slot(table);
	if (!slot)
		return nb_fail(err, NB_ERR_DATAPATH, ENOSPC, "the network has %d pods already",
			       NB_MAX_PORTS - 1);
	port.gen = table->port[slot].gen & ~NB_GEN_CUT;
	port.gen |= spec->unconnected ? NB_GEN_CUT : 0;
	memcpy(port.mac, spec->mac, sizeof(port.mac));
	table->port[slot] = port;
	rc = nb_map_write(dp, NB_MAP_PORTS, &slot, &port, 1, NULL, err);
	rc = rc ?: nb_map_write(dp, NB_MAP_LINKS, &spec->ifindex, &slot, 1, NULL, err);
	rc = rc ?: note_own_port(dp, spec->ifindex, true, err);
	for (unsigned int i = 0; i < spec->n_addrs && !rc; i++) {
		struct nb_endpoint endpoint = { .slot = slot, .gateway = spec->addrs[i].gateway };

		rc = nb_map_write(dp, NB_MAP_ENDPOINTS, &spec->addrs[i].addr, &endpoint, 1, NULL, err);
	}
	if (rc)
		free_slot(dp, table, slot, NULL);
	return rc;
}

int nb_endpoint_delete(const struct nb_datapath *dp, const char *container_id, const char *ifname,
		       struct nb_error *err)
{
	struct port_table *table nb_autofree = malloc(sizeof(*table));
	int rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	return rc ?: free_owner(dp, table, nb_endpoint_owner(container_id, ifname), err);
}

int nb_endpoint_ports(const struct nb_datapath *dp, struct nb_port **ports, unsigned int *n,
		      struct nb_error *err)
{
	struct port_table *table nb_autofree = malloc(sizeof(*table));
	unsigned int used = 0;
	int rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	if (rc)
		return rc;
	for (__u32 slot = 1; slot < NB_MAX_PORTS; slot++)
		if (table->port[slot].ifindex)
			table->port[used++] = table->port[slot];
	*n = used;
	*ports = NB_TAKE_PTR(table)->port;
	return 0;
}

int nb_endpoint_generations(const struct nb_datapath *dp, __u32 generations[NB_MAX_PORTS],
			    struct nb_error *err)
{
	struct port_table *table nb_autofree = malloc(sizeof(*table));
	int rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	for (__u32 slot = 0; slot < NB_MAX_PORTS && !rc; slot++)
		generations[slot] = table->port[slot].gen & ~NB_GEN_CUT;
	return rc;
}

int nb_endpoint_count(const struct nb_datapath *dp, unsigned int *n, struct nb_error *err)
{
	struct nb_port *ports nb_autofree = NULL;

	return nb_endpoint_ports(dp, &ports, n, err);
}

int nb_endpoint_keep_only(const struct nb_datapath *dp, const __u64 *owners, unsigned int n,
			  unsigned int *removed, struct nb_error *err)
{
	struct port_table *table nb_autofree = malloc(sizeof(*table));
	unsigned int freed = 0;
	int result = 0, rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	if (rc)
		return rc;
	for (__u32 slot = 1; slot < NB_MAX_PORTS; slot++) {
		bool keep = !table->port[slot].ifindex;

		for (unsigned int i = 0; i < n && !keep; i++)
			keep = owners[i] == table->port[slot].owner;
		if (keep)
			continue;
		rc = free_slot(dp, table, slot, result ? NULL : err);
		freed += !rc;
		result = result ?: rc;
	}
	if (removed)
		*removed = freed;
	return result;
}

static int check_addr(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec, unsigned int i,
		      __u32 slot, struct nb_error *err)
{
	struct nb_endpoint endpoint;
	char text[NB_ADDR_STRLEN];
	int found = nb_map_get(dp, NB_MAP_ENDPOINTS, &spec->addrs[i].addr, &endpoint, err);

	if (found < 0)
		return found;
	nb_addr_format(&spec->addrs[i].addr, text);
	if (!found)
		return nb_fail(err, NB_ERR_CHECK, ENOENT, "the endpoint map does not hold the address %s",
			       text);
	if (endpoint.slot != slot)
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "the endpoint map gives the address %s to another pod", text);
	return 0;
}

int nb_endpoint_check(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec, struct nb_error *err)
{
	__u32 slot = 0, flags;
	struct nb_port port;
	int found = nb_map_get(dp, NB_MAP_LINKS, &spec->ifindex, &slot, err);

	if (found > 0)
		found = nb_map_get(dp, NB_MAP_PORTS, &slot, &port, err);
	if (found < 0)
		return found;
	if (!found || !slot || port.ifindex != spec->ifindex ||
	    port.owner != nb_endpoint_owner(spec->container_id, spec->ifname))
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "the port map does not hold link %u of container \"%s\"", spec->ifindex,
			       spec->container_id);
	if (spec->flags & ~port.flags & NB_PORT_NO_FAST_PATH)
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "the traffic of link %u is shaped, and takes the fast path past that",
			       spec->ifindex);
	if ((port.flags ^ spec->flags) >> NB_PORT_VLAN_SHIFT)
		return nb_fail(err, NB_ERR_CHECK, ENOENT, "link %u has VLAN %u in the port map instead of %u",
			       spec->ifindex, port.flags >> NB_PORT_VLAN_SHIFT,
			       spec->flags >> NB_PORT_VLAN_SHIFT);
	flags = spec->flags | (port.flags & NB_PORT_NO_FAST_PATH); /* qdisc.bpf.c sets it */
	if (port.flags != flags)
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "link %u has flags 0x%x in the port map instead of 0x%x", spec->ifindex,
			       port.flags, flags);
	for (unsigned int i = 0; i < spec->n_addrs; i++) {
		int rc = check_addr(dp, spec, i, slot, err);

		if (rc)
			return rc;
	}
	return 0;
}

struct listing {
	struct nb_endpoint_info *items;
	size_t n, room;
	struct nb_error *err;
};

static int collect(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_addr *addr = keys;
	const struct nb_endpoint *endpoint = values;
	struct listing *list = arg;

	if (list->n + n > list->room) {
		size_t room = 2 * list->room + n;
		struct nb_endpoint_info *grown = realloc(list->items, room * sizeof(*grown));

		if (!grown)
			return nb_fail_nomem(list->err);
		list->items = grown;
		list->room = room;
	}
	for (__u32 i = 0; i < n; i++)
		list->items[list->n++] =
			(struct nb_endpoint_info){ .addr = addr[i], .endpoint = endpoint[i] };
	return 0;
}

static int by_addr(const void *a, const void *b)
{
	return memcmp(&((const struct nb_endpoint_info *)a)->addr,
		      &((const struct nb_endpoint_info *)b)->addr, sizeof(struct nb_addr));
}

int nb_endpoint_each(const struct nb_datapath *dp, int (*fn)(const struct nb_endpoint_info *info, void *arg),
		     void *arg, struct nb_error *err)
{
	struct port_table *table nb_autofree = malloc(sizeof(*table));
	struct nb_endpoint_info *items nb_autofree = NULL;
	struct listing list = { .err = err };
	int rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	rc = rc ?: nb_map_walk(dp, NB_MAP_ENDPOINTS, collect, &list, err);
	items = list.items;
	if (rc || !list.n)
		return rc;
	qsort(items, list.n, sizeof(*items), by_addr);
	for (size_t i = 0; i < list.n && !rc; i++) {
		if (items[i].endpoint.slot < NB_MAX_PORTS)
			items[i].port = table->port[items[i].endpoint.slot];
		rc = fn(&items[i], arg);
	}
	return rc;
}
