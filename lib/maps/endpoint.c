// SPDX-License-Identifier: GPL-2.0-or-later
/* Slots of ports[] given to pods and freed, in an order that packets and kills may interrupt. */
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
#include "lib/util/vec.h"

#include "layout.h"
#include "map.h"
#include "port_map.h"
#include "seal.h"

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

/* From the map's memory, in a tenth of the time. Maps of older layouts cannot be mapped. */
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

/* The slot of a pod; 0: it has none. */
static __u32 find_owner(const struct port_table *table, __u64 owner)
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

	for (__u32 i = 0; i < n; i++) {
		int rc = endpoint[i].slot == of->slot
				 ? nb_map_remove(of->dp, NB_MAP_ENDPOINTS, &addr[i], 1, NULL, of->err)
				 : 0;

		if (rc)
			return rc;
	}
	return 0;
}

/* own_ports[] is a cache of links[] that only mode ebpf has: two links may share an index, and the last one
 * that was added has it. */
static int add_own_port(const struct nb_datapath *dp, __u32 ifindex, struct nb_error *err)
{
	__u32 index = ifindex % NB_OWN_PORTS;

	if (dp->map_fd[NB_MAP_OWN_PORTS] < 0)
		return 0;
	return nb_map_write(dp, NB_MAP_OWN_PORTS, &index, &ifindex, 1, NULL, err);
}

static int remove_own_port(const struct nb_datapath *dp, __u32 ifindex, struct nb_error *err)
{
	__u32 index = ifindex % NB_OWN_PORTS, found = 0, none = 0;
	int rc;

	if (dp->map_fd[NB_MAP_OWN_PORTS] < 0)
		return 0;
	rc = nb_map_get(dp, NB_MAP_OWN_PORTS, &index, &found, err);
	if (rc < 0)
		return rc;
	if (found != ifindex)
		return 0;
	return nb_map_write(dp, NB_MAP_OWN_PORTS, &index, &none, 1, NULL, err);
}

/* Not 0, which in an endpoint means that it is not known. */
static __u32 next_gen(__u32 gen)
{
	gen = (gen + 1) & ~NB_GEN_CUT;
	return gen ? gen : 1;
}

/*
 * Frees a slot. First its generation moves on: from then on no packet uses a connection that leads there,
 * however far the rest gets. Owner and link stay in the slot until everything else is removed, so that after
 * a kill or an error the next DEL finds it. Then the generation moves on once more, because programs may have
 * entered connections meanwhile.
 */
static int free_slot(const struct nb_datapath *dp, struct port_table *table, __u32 slot, struct nb_error *err)
{
	nb_cleanup(nb_port_map_close) struct nb_port_map map = { 0 };
	struct slot_addrs of = { .dp = dp, .err = err, .slot = slot };
	struct nb_port going = table->port[slot], freed;
	int rc = nb_port_map_open(dp, &map, err);

	if (rc)
		return rc;
	going.gen = next_gen(going.gen);
	freed = (struct nb_port){ .gen = next_gen(going.gen) };
	nb_port_map_write_id(&map, slot, &going);
	rc = remove_own_port(dp, going.ifindex, err);
	if (rc)
		return rc;
	rc = nb_map_remove(dp, NB_MAP_LINKS, &going.ifindex, 1, NULL, err);
	if (rc)
		return rc;
	rc = nb_map_walk(dp, NB_MAP_ENDPOINTS, remove_addrs, &of, err);
	if (rc)
		return rc;
	nb_port_map_write(&map, slot, &freed);
	table->port[slot] = freed;
	return 0;
}

static int free_owner(const struct nb_datapath *dp, struct port_table *table, __u64 owner,
		      struct nb_error *err)
{
	__u32 slot = find_owner(table, owner);

	return slot ? free_slot(dp, table, slot, err) : 0;
}

/* Frees the slot of the pod that the maps give an address to, or removes a left-over address. */
static int free_addr(const struct nb_datapath *dp, struct port_table *table, const struct nb_addr *addr,
		     struct nb_error *err)
{
	struct nb_endpoint endpoint;
	int found = nb_map_get(dp, NB_MAP_ENDPOINTS, addr, &endpoint, err);

	if (found <= 0)
		return found;
	if (endpoint.slot && endpoint.slot < NB_MAX_PORTS && table->port[endpoint.slot].ifindex)
		return free_slot(dp, table, endpoint.slot, err);
	return nb_map_remove(dp, NB_MAP_ENDPOINTS, addr, 1, NULL, err);
}

/* IPAM and the kernel assign an address or a link anew only after its pod is gone: whatever pod the maps
 * still give it to no longer exists. */
static int free_former_users(const struct nb_datapath *dp, struct port_table *table,
			     const struct nb_endpoint_spec *spec, struct nb_error *err)
{
	int rc = free_owner(dp, table, nb_endpoint_owner(spec->container_id, spec->ifname), err);

	if (rc)
		return rc;
	for (__u32 slot = 1; slot < NB_MAX_PORTS; slot++) {
		if (table->port[slot].ifindex != spec->ifindex)
			continue;
		rc = free_slot(dp, table, slot, err);
		if (rc)
			return rc;
	}
	for (unsigned int i = 0; i < spec->n_addrs; i++) {
		rc = free_addr(dp, table, &spec->addrs[i].addr, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* The slot that was freed least often, so that none is reused soon; 0: all are in use. */
static __u32 find_free_slot(const struct port_table *table)
{
	__u32 best = 0;

	for (__u32 slot = 1; slot < NB_MAX_PORTS; slot++)
		if (!table->port[slot].ifindex && (!best || table->port[slot].gen < table->port[best].gen))
			best = slot;
	return best;
}

/* The port before what leads to it. */
static int write_pod(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec, __u32 slot,
		     const struct nb_port *port, struct nb_error *err)
{
	nb_cleanup(nb_port_map_close) struct nb_port_map map = { 0 };
	int rc = nb_port_map_open(dp, &map, err);

	if (rc)
		return rc;
	nb_port_map_write(&map, slot, port);
	rc = nb_map_write(dp, NB_MAP_LINKS, &spec->ifindex, &slot, 1, NULL, err);
	if (rc)
		return rc;
	rc = add_own_port(dp, spec->ifindex, err);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < spec->n_addrs; i++) {
		struct nb_endpoint endpoint = { .slot = slot,
						.gateway = spec->addrs[i].gateway,
						.gen = port->gen & ~NB_GEN_CUT };

		nb_seal(NB_MAP_ENDPOINTS, &spec->addrs[i].addr, &endpoint);
		rc = nb_map_write(dp, NB_MAP_ENDPOINTS, &spec->addrs[i].addr, &endpoint, 1, NULL, err);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_endpoint_add(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec, struct nb_error *err)
{
	nb_autofree struct port_table *table = malloc(sizeof(*table));
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
	if (rc)
		return rc;
	rc = free_former_users(dp, table, spec, err);
	if (rc)
		return rc;
	slot = find_free_slot(table);
	if (!slot)
		return nb_fail(err, NB_ERR_DATAPATH, ENOSPC, "the network already has %d pods, its maximum",
			       NB_MAX_PORTS - 1);
	port.gen = next_gen(table->port[slot].gen);
	port.gen |= spec->unconnected ? NB_GEN_CUT : 0;
	memcpy(port.mac, spec->mac, sizeof(port.mac));
	table->port[slot] = port;
	rc = write_pod(dp, spec, slot, &port, err);
	if (rc)
		free_slot(dp, table, slot, NULL);
	return rc;
}

int nb_endpoint_delete(const struct nb_datapath *dp, const char *container_id, const char *ifname,
		       struct nb_error *err)
{
	nb_autofree struct port_table *table = malloc(sizeof(*table));
	int rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	if (rc)
		return rc;
	return free_owner(dp, table, nb_endpoint_owner(container_id, ifname), err);
}

int nb_endpoint_ports(const struct nb_datapath *dp, struct nb_port **ports, unsigned int *n,
		      struct nb_error *err)
{
	nb_autofree struct port_table *table = malloc(sizeof(*table));
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
	nb_autofree struct port_table *table = malloc(sizeof(*table));
	int rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	if (rc)
		return rc;
	for (__u32 slot = 0; slot < NB_MAX_PORTS; slot++)
		generations[slot] = table->port[slot].gen & ~NB_GEN_CUT;
	return 0;
}

int nb_endpoint_count(const struct nb_datapath *dp, unsigned int *n, struct nb_error *err)
{
	nb_autofree struct nb_port *ports = NULL;

	return nb_endpoint_ports(dp, &ports, n, err);
}

int nb_endpoint_keep_only(const struct nb_datapath *dp, const __u64 *owners, unsigned int n,
			  unsigned int *removed, struct nb_error *err)
{
	nb_autofree struct port_table *table = malloc(sizeof(*table));
	unsigned int freed = 0;
	int first = 0, rc;

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
		rc = free_slot(dp, table, slot, first ? NULL : err);
		freed += !rc;
		if (!first)
			first = rc;
	}
	if (removed)
		*removed = freed;
	return first;
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
		return nb_fail(err, NB_ERR_CHECK, ENOENT, "map endpoints has no address %s", text);
	if (endpoint.slot != slot)
		return nb_fail(err, NB_ERR_CHECK, ENOENT, "map endpoints gives address %s to another pod",
			       text);
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
		return nb_fail(err, NB_ERR_CHECK, ENOENT, "map ports has no link %u of container \"%s\"",
			       spec->ifindex, spec->container_id);
	if (spec->flags & ~port.flags & NB_PORT_NO_FAST_PATH)
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "the traffic of link %u is shaped, but the fast path bypasses the shaper",
			       spec->ifindex);
	if ((port.flags ^ spec->flags) >> NB_PORT_VLAN_SHIFT)
		return nb_fail(err, NB_ERR_CHECK, ENOENT, "link %u has VLAN %u in the port map instead of %u",
			       spec->ifindex, port.flags >> NB_PORT_VLAN_SHIFT,
			       spec->flags >> NB_PORT_VLAN_SHIFT);
	flags = spec->flags | (port.flags & NB_PORT_NO_FAST_PATH); /* qdisc.bpf.c sets it */
	if (port.flags != flags)
		return nb_fail(err, NB_ERR_CHECK, ENOENT,
			       "map ports gives link %u flags 0x%x instead of 0x%x", spec->ifindex,
			       port.flags, flags);
	for (unsigned int i = 0; i < spec->n_addrs; i++) {
		int rc = check_addr(dp, spec, i, slot, err);

		if (rc)
			return rc;
	}
	return 0;
}

struct listing {
	NB_VEC(struct nb_endpoint_info) endpoints;
	struct nb_error *err;
};

static void listing_free(struct listing *list)
{
	nb_vec_free(&list->endpoints);
}

static int collect(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_addr *addr = keys;
	const struct nb_endpoint *endpoint = values;
	struct listing *list = arg;

	for (__u32 i = 0; i < n; i++) {
		struct nb_endpoint_info info = { .addr = addr[i], .endpoint = endpoint[i] };
		int rc = nb_vec_push(&list->endpoints, info, list->err);

		if (rc)
			return rc;
	}
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
	nb_autofree struct port_table *table = malloc(sizeof(*table));
	nb_cleanup(listing_free) struct listing list = { .err = err };
	int rc;

	if (!table)
		return nb_fail_nomem(err);
	rc = read_ports(dp, table, err);
	if (rc)
		return rc;
	rc = nb_map_walk(dp, NB_MAP_ENDPOINTS, collect, &list, err);
	if (rc || !list.endpoints.n)
		return rc;
	qsort(list.endpoints.items, list.endpoints.n, sizeof(*list.endpoints.items), by_addr);
	for (size_t i = 0; i < list.endpoints.n; i++) {
		struct nb_endpoint_info *info = &list.endpoints.items[i];

		if (info->endpoint.slot < NB_MAX_PORTS)
			info->port = table->port[info->endpoint.slot];
		rc = fn(info, arg);
		if (rc)
			return rc;
	}
	return 0;
}
