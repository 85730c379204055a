// SPDX-License-Identifier: GPL-2.0-or-later
/* States of ports by netlink, and NB_GEN_CUT changed by compare and swap in the mapped ports[]. */
#include "port_state.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_bridge.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/port_map.h"
#include "lib/maps/settings.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "datapath.h"
#include "pin_path.h"

static const char *const names[NB_PORT_STATES] = {
	[NB_PORT_STATE_FORWARDING] = "forwarding",         [NB_PORT_STATE_GONE] = "gone",
	[NB_PORT_STATE_OFF_BRIDGE] = "off-bridge",         [NB_PORT_STATE_DOWN] = "down",
	[NB_PORT_STATE_NOT_FORWARDING] = "not-forwarding", [NB_PORT_STATE_BRIDGE_DOWN] = "bridge-down",
};

const char *nb_port_state_name(enum nb_port_state state)
{
	return (unsigned int)state < NB_PORT_STATES ? names[state] : "unknown";
}

void nb_port_links_free(struct nb_port_links *links)
{
	free(links->all);
	*links = (struct nb_port_links){ 0 };
}

static const struct nb_link *find(const struct nb_port_links *links, unsigned int index)
{
	for (unsigned int i = 0; i < links->n; i++)
		if (links->all[i].index == index)
			return &links->all[i];
	return NULL;
}

/*
 * The bridge of the link where pods reach the host: itself, what a VLAN device is on, or what the other end
 * of the veth pair BRIDGE.VLAN is a port of. NULL: not in this network namespace.
 */
static const struct nb_link *bridge_of(const struct nb_port_links *links, const struct nb_link *host)
{
	const struct nb_link *port;

	if (!strcmp(host->kind, "vlan"))
		return find(links, host->peer);
	if (strcmp(host->kind, "veth") != 0)
		return host;
	port = find(links, host->peer);
	return port ? find(links, port->master) : NULL;
}

int nb_port_links_read(const struct nb_datapath *dp, struct nb_netlink *nl, struct nb_port_links *links,
		       struct nb_error *err)
{
	const struct nb_link *host, *bridge;
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	*links = (struct nb_port_links){ 0 };
	if (rc || !settings.bridge_ifindex)
		return rc;
	rc = nb_link_list(nl, NULL, 0, &links->all, &links->n, err);
	if (rc)
		return rc;
	host = find(links, settings.bridge_ifindex);
	if (!host || !host->has_mac || memcmp(host->mac, settings.bridge_mac, sizeof(host->mac)) != 0)
		return 0;
	bridge = bridge_of(links, host);
	if (!bridge || strcmp(bridge->kind, "bridge"))
		return 0;
	links->bridge = *bridge;
	links->known = true;
	return 0;
}

enum nb_port_state nb_port_state_of(const struct nb_port_links *links, unsigned int ifindex)
{
	const struct nb_link *port = find(links, ifindex);

	if (!port)
		return NB_PORT_STATE_GONE;
	if (port->master != links->bridge.index)
		return NB_PORT_STATE_OFF_BRIDGE;
	if (!(links->bridge.flags & IFF_UP))
		return NB_PORT_STATE_BRIDGE_DOWN;
	if (!(port->flags & IFF_UP))
		return NB_PORT_STATE_DOWN;
	/* Without a carrier, the bridge itself disables the port, and enables it once the pod's end is up. */
	if (!port->has_port || !(port->flags & IFF_RUNNING))
		return NB_PORT_STATE_FORWARDING;
	if (port->port_state == BR_STATE_DISABLED || port->port_state == BR_STATE_BLOCKING)
		return NB_PORT_STATE_NOT_FORWARDING;
	return NB_PORT_STATE_FORWARDING;
}

int nb_port_connected(const struct nb_datapath *dp, unsigned int ifindex, struct nb_error *err)
{
	nb_cleanup(nb_port_map_close) struct nb_port_map map = { 0 };
	int rc = nb_port_map_open(dp, &map, err);

	if (rc)
		return rc;
	for (unsigned int slot = 1; slot < NB_MAX_PORTS; slot++)
		if (__atomic_load_n(&map.ports[slot].ifindex, __ATOMIC_SEQ_CST) == ifindex)
			__atomic_fetch_and(&map.ports[slot].gen, ~NB_GEN_CUT, __ATOMIC_SEQ_CST);
	return 0;
}

int nb_port_set_vlan(const struct nb_datapath *dp, unsigned int ifindex, unsigned int vlan,
		     struct nb_error *err)
{
	const __u16 mask = (__u16)(~0U << NB_PORT_VLAN_SHIFT);
	nb_cleanup(nb_port_map_close) struct nb_port_map map = { 0 };
	int rc = nb_port_map_open(dp, &map, err);

	for (unsigned int slot = 1; slot < NB_MAX_PORTS && !rc; slot++) {
		__u16 *flags = &map.ports[slot].flags, was, now;

		if (map.ports[slot].ifindex != ifindex)
			continue;
		/* qdisc.bpf.c may set a bit meanwhile. Should it undo this, the next ADD does it again. */
		was = __atomic_load_n(flags, __ATOMIC_SEQ_CST);
		do
			now = (__u16)((was & ~mask) | vlan << NB_PORT_VLAN_SHIFT);
		while (!__atomic_compare_exchange_n(flags, &was, now, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST));
	}
	return rc;
}

/* A port as it was before the links were read. */
struct before {
	__u32 ifindex, gen;
};

static bool shall_be_cut(const struct nb_port_links *links, unsigned int ifindex)
{
	enum nb_port_state state = nb_port_state_of(links, ifindex);

	/* The kernel delivers nothing to a link that is gone. */
	return state != NB_PORT_STATE_FORWARDING && state != NB_PORT_STATE_GONE;
}

/*
 * Another process may do the same, and an ADD may connect its port: the compare and swap changes a word only
 * if it is as it was before the links were read. A slot freed meanwhile has another generation.
 */
static void write_bits(const struct nb_port_map *map, const struct before *before,
		       const struct nb_port_links *links)
{
	for (unsigned int slot = 1; slot < NB_MAX_PORTS; slot++) {
		__u32 was = before[slot].gen, gen = was & ~NB_GEN_CUT;

		if (!before[slot].ifindex)
			continue;
		gen |= shall_be_cut(links, before[slot].ifindex) ? NB_GEN_CUT : 0;
		if (gen != was)
			__atomic_compare_exchange_n(&map->ports[slot].gen, &was, gen, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST);
	}
}

/* Whether the programs must check senders: the pod of a port that is cut off can send. A port that is down
 * cannot; neither can one that its ADD has not connected yet. */
static bool has_cut_senders(const struct nb_port_map *map, const struct nb_port_links *links)
{
	for (unsigned int slot = 1; slot < NB_MAX_PORTS; slot++) {
		__u32 ifindex = __atomic_load_n(&map->ports[slot].ifindex, __ATOMIC_SEQ_CST);

		if (ifindex && shall_be_cut(links, ifindex) &&
		    nb_port_state_of(links, ifindex) != NB_PORT_STATE_DOWN)
			return true;
	}
	return false;
}

static int set_flag(const struct nb_datapath *dp, const struct nb_port_map *map, struct nb_netlink *nl,
		    struct nb_error *err)
{
	nb_cleanup(nb_port_links_free) struct nb_port_links links = { 0 };
	int rc = nb_port_links_read(dp, nl, &links, err); /* again, now that the lock is taken */

	if (rc || !links.known)
		return rc;
	return nb_settings_change_flags(dp, NB_SETTINGS_CUT,
					has_cut_senders(map, &links) ? NB_SETTINGS_CUT : 0, err);
}

/* Settings are written under the lock only; it is taken only if the flag differs. */
static int follow_flag(const struct nb_datapath *dp, const struct nb_pin_root *root,
		       const struct nb_port_map *map, const struct nb_port_links *links,
		       struct nb_netlink *nl, struct nb_error *err)
{
	nb_autoclose int lock = -1;
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc || has_cut_senders(map, links) == !!(settings.flags & NB_SETTINGS_CUT))
		return rc;
	rc = dp->lock_fd < 0 ? nb_datapath_lock(root, &lock, err) : 0;
	if (rc)
		return rc;
	return set_flag(dp, map, nl, err);
}

int nb_ports_note_cut(const struct nb_datapath *dp, const struct nb_pin_root *root, struct nb_netlink *nl,
		      struct nb_error *err)
{
	nb_cleanup(nb_port_links_free) struct nb_port_links links = { 0 };
	nb_autofree struct before *before = calloc(NB_MAX_PORTS, sizeof(*before));
	nb_cleanup(nb_port_map_close) struct nb_port_map map = { 0 };
	int rc;

	if (!before)
		return nb_fail_nomem(err);
	rc = nb_port_map_open(dp, &map, err);
	if (rc)
		return rc;
	for (unsigned int slot = 1; slot < NB_MAX_PORTS; slot++) {
		before[slot].gen = __atomic_load_n(&map.ports[slot].gen, __ATOMIC_SEQ_CST);
		before[slot].ifindex = __atomic_load_n(&map.ports[slot].ifindex, __ATOMIC_SEQ_CST);
	}
	rc = nb_port_links_read(dp, nl, &links, err);
	if (rc || !links.known)
		return rc;
	write_bits(&map, before, &links);
	return follow_flag(dp, root, &map, &links, nl, err);
}
