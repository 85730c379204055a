/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_H
#define NATBRIDGE_PLUGIN_NETDEV_H

/*
 * The wiring of a pod, as steps: bridge, veth pair, addresses and routes, gateway. Each ensure step creates,
 * tolerates "exists", fetches again and verifies.
 *
 * What is ours is known without any state of our own. The host end of a pod's veth pair bears a name and a
 * MAC derived from the attachment, both there from the moment of its creation, and an alias with the
 * attachment spelled out: so DEL finds it after a crash at any point, and a link that only happens to have
 * the name is never touched.
 *
 * The bridge and its gateway addresses belong to the network, not to a pod: other ADDs may be about to use
 * them, so neither a failed ADD nor a DEL removes them (the reference plugin keeps them as well).
 *
 * Order in ADD: nb_netdev_open, ensure_bridge, check_free, add_veth, prepare_pod, (nb_netdev_plan_gateways),
 * configure_pod, ensure_gateway, (rules and datapath), port_up, settle_pod, wait_port, then nb_netdev_refetch
 * for the result. Undo: nb_netdev_delete. Up to port_up no frame passes between the pod and the bridge.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/net/vlan.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "result.h"

/* The sockets of one invocation. Zero-initialise with NB_NETDEV_INIT. */
struct nb_netdev {
	struct nb_netlink host;
	struct nb_netlink pod; /* opened when first needed */
	int netns_fd;          /* of the pod, not owned; -1: none (DEL without a namespace) */
};

#define NB_NETDEV_INIT                                                                                       \
	{                                                                                                    \
		.netns_fd = -1                                                                               \
	}

/* netns_fd (-1: none) must stay open until nb_netdev_close(). */
int nb_netdev_open(struct nb_netdev *wire, int netns_fd, struct nb_error *err);
void nb_netdev_close(struct nb_netdev *wire); /* for nb_cleanup() */

/* ---- bridge (netdev_bridge.c) ---- */

struct nb_netdev_bridge_spec {
	const char *name;
	unsigned int mtu; /* used at creation only; 0: the kernel's default */
	bool promisc;
	bool vlan_filtering; /* used at creation only */
};

/*
 * The bridge, up. A new one gets a MAC of its own that stays; one that is there already keeps all it has. A
 * link of that name that is no bridge is an error.
 */
int nb_netdev_ensure_bridge(struct nb_netdev *wire, const struct nb_netdev_bridge_spec *spec,
			    struct nb_link *bridge, struct nb_error *err);

/*
 * Fills in what isGateway and isDefaultGateway imply (is_default_gateway implies is_gateway): each IP without
 * gateway gets the first address of its subnet, each family without a default route via a gateway gets one.
 * Sets the interface of each IP to 2, the container's place in the result. Touches nothing but *result.
 */
int nb_netdev_plan_gateways(struct nb_result *result, bool is_gateway, bool is_default_gateway,
			    struct nb_error *err);

/*
 * Fixes the MAC of the bridge at what it is: a bridge that someone else made may take over that of a port
 * that joins. The kernel forgets the bridge's neighbours over it, so this is for once and not for every ADD.
 */
int nb_netdev_fix_mac(struct nb_netdev *wire, struct nb_link *bridge, struct nb_error *err);

/*
 * Gives the bridge the gateway address of each of result->ips (with the pod's prefix length) and switches on
 * forwarding for each family in use. Another IPv4 address, or an IPv6 one whose subnet overlaps, is an error,
 * or with force_address is removed. Where an address came, the MAC is fixed at that of *bridge, which must be
 * from before the pod's port joined, and *bridge is fetched anew.
 */
int nb_netdev_ensure_gateway(struct nb_netdev *wire, struct nb_link *bridge, const struct nb_result *result,
			     bool force_address, struct nb_error *err);

/* ---- VLANs (netdev_vlan.c) ---- */

struct nb_netdev_vlan_spec {
	const struct nb_link *bridge;
	unsigned int vlan; /* 1 .. 4094 */
	bool preserve_default;
};

/*
 * Where the host is reached in a VLAN of the bridge, up: the link "BRIDGE.VLAN", whatever it is, or else a
 * new veth pair of that name whose other end is a port in that VLAN. Belongs to the network, as the bridge
 * does.
 */
int nb_netdev_ensure_vlan_host(struct nb_netdev *wire, const struct nb_netdev_vlan_spec *spec,
			       struct nb_link *host, struct nb_error *err);

/* The same, if it is there: -ENODEV if not. */
int nb_netdev_find_vlan_host(struct nb_netdev *wire, const char *bridge, unsigned int vlan,
			     struct nb_link *host, struct nb_error *err);

/* Whether a link is such a pair's host end, and of which VLAN. links[n]: all of the namespace. */
bool nb_netdev_is_vlan_host(const struct nb_link *link, const struct nb_link *bridge,
			    const struct nb_link *links, unsigned int n, unsigned int *vlan);

/* Gives a port its VLANs, and takes the bridge's default one from it unless that is to be preserved. No
 * VLANs: it keeps what it has. */
int nb_netdev_set_vlans(struct nb_netdev *wire, const struct nb_link *host, const struct nb_port_vlans *vlans,
			bool preserve_default, struct nb_error *err);

/* NB_ERR_CHECK if the port has others, or not all. */
int nb_netdev_check_vlans(struct nb_netdev *wire, const struct nb_link *host,
			  const struct nb_port_vlans *want, bool preserve_default, struct nb_error *err);

/* ---- veth pair (netdev_veth.c) ---- */

struct nb_netdev_veth_spec {
	const struct nb_cni_id *id;
	const struct nb_link *bridge;
	unsigned int mtu;         /* of both ends; 0: the kernel's default */
	const unsigned char *mac; /* of the pod's end; NULL: the kernel's choice */
	bool hairpin;
	bool isolated;
	struct nb_port_vlans vlans;
	bool preserve_default_vlan;
};

struct nb_netdev_veth {
	struct nb_link host; /* attached to the bridge, port flags set, still down */
	struct nb_link pod;  /* in the pod's namespace, down; its MAC has a static FDB entry at host */
	bool shaped;         /* in CHECK: somebody has put a qdisc on host */
};

/* -EEXIST if the pod has an interface of that name. */
int nb_netdev_check_free(struct nb_netdev *wire, const char *ifname, struct nb_error *err);

/*
 * Makes the veth pair. id->ifname must not exist in the pod's namespace yet. A host end that an earlier ADD
 * of the same attachment left (its namespace is gone or going) is replaced. On failure nothing is left;
 * -EEXIST if the pod has an interface of that name after all.
 */
int nb_netdev_add_veth(struct nb_netdev *wire, const struct nb_netdev_veth_spec *spec,
		       struct nb_netdev_veth *veth, struct nb_error *err);

/* Brings the port up: from now on the pod can be reached. */
int nb_netdev_port_up(struct nb_netdev *wire, const struct nb_netdev_veth *veth, struct nb_error *err);

/*
 * Waits until both ends' link is operationally up (2.5 s at most), then lets the pod's end announce its
 * addresses (gratuitous ARP, unsolicited neighbour advertisement). Not for disableContainerInterface.
 */
int nb_netdev_wait_port(struct nb_netdev *wire, const struct nb_netdev_veth *veth, struct nb_error *err);

/* Fetches *link anew by its index (MAC and state may have changed since). */
int nb_netdev_refetch(struct nb_netdev *wire, struct nb_link *link, struct nb_error *err);

/* ---- pod (netdev_pod.c) ---- */

/* What can be set at the pod's end before its addresses are known. */
int nb_netdev_prepare_pod(struct nb_netdev *wire, const struct nb_netdev_veth *veth, bool enable_dad,
			  struct nb_error *err);

/*
 * Gives the pod's end the addresses and routes of *result, and sets it up; its link is there once the port is
 * up. A route without gateway gets the first gateway of its family among the IPs. Without enable_dad IPv6
 * duplicate address detection is off.
 */
int nb_netdev_configure_pod(struct nb_netdev *wire, const struct nb_netdev_veth *veth,
			    const struct nb_result *result, bool enable_dad, struct nb_error *err);

/*
 * Waits up to 30 s until duplicate address detection, which begins when the port comes up, has settled all
 * IPv6 addresses. A duplicate is an error.
 */
int nb_netdev_settle_pod(struct nb_netdev *wire, const struct nb_netdev_veth *veth,
			 const struct nb_result *result, struct nb_error *err);

/* ---- find, delete, garbage (netdev_delete.c) ---- */

/* The host end of the attachment's veth pair. -ENODEV if there is none. */
int nb_netdev_find(struct nb_netdev *wire, const struct nb_cni_id *id, struct nb_link *host,
		   struct nb_error *err);

struct nb_netdev_delete_spec {
	const struct nb_cni_id *id;
	const char *bridge;      /* name in the config, "": none */
	const char *prev_ifname; /* host end according to prevResult, NULL: unknown */
};

/*
 * Deletes the pod's veth pair. All that is absent is fine. Without a host end of ours, the link id->ifname in
 * the pod's namespace is deleted if it is the peer of a veth port of that bridge which bears no alias and is
 * the one that prevResult names: so it was made by the reference plugin for this attachment. Anything else of
 * that name is foreign and stays.
 */
int nb_netdev_delete(struct nb_netdev *wire, const struct nb_netdev_delete_spec *spec, struct nb_error *err);

/*
 * Deletes all host ends of the network that belong to none of valid[n] (their network member is ignored: it
 * is *network). Goes on after errors and reports the first. *removed may be NULL.
 */
int nb_netdev_keep_only(struct nb_netdev *wire, const char *network, const struct nb_cni_id *valid, size_t n,
			unsigned int *removed, struct nb_error *err);

/*
 * Addresses that the container has beside those of the attachment, once its pair is deleted: all that are in
 * the namespace, and those of the container's other interfaces in the network, wherever they are. The caller
 * frees *addrs.
 */
struct nb_ifaddr;
int nb_netdev_other_addresses(struct nb_netdev *wire, const struct nb_cni_id *id, struct nb_ifaddr **addrs,
			      size_t *n, struct nb_error *err);

/* Whether the network has a host end, of whatever pod. */
int nb_netdev_has_pods(struct nb_netdev *wire, const char *network, bool *has, struct nb_error *err);

/* ---- STATUS (netdev_probe.c) ---- */

struct nb_netdev_probe_spec {
	const char *network, *bridge;
	bool vlan_filtering, is_gateway;
	unsigned int gateway_vlan; /* 0: none */
};

/*
 * Whether the steps above can work, as far as is known before there is a pod. Changes nothing. NB_ERR_LIMITED
 * if what is wrong is felt by pods that the network has.
 */
int nb_netdev_probe(struct nb_netdev *wire, const struct nb_netdev_probe_spec *spec, struct nb_error *err);

/* ---- CHECK (netdev_check.c) ---- */

struct nb_netdev_check_spec {
	const struct nb_cni_id *id;
	const char *bridge;
	bool promisc, hairpin, isolated;
	struct nb_port_vlans vlans;
	bool preserve_default_vlan;
	bool is_gateway, force_address;
	unsigned int gateway_vlan;      /* the host is reached in this one; 0: at the bridge itself */
	bool container_interface;       /* false: disableContainerInterface */
	const struct nb_result *result; /* prevResult */
};

/*
 * 0 if everything stands as spec->result says; else NB_ERR_CHECK and *err names what is missing or different:
 * bridge, pod's interface, host end, port and its flags, addresses, routes, gateway addresses, FDB entry. A
 * pair that the reference plugin made is accepted (it has no FDB entry, alias or derived name). On success
 * *bridge and *veth are what is there.
 */
int nb_netdev_check(struct nb_netdev *wire, const struct nb_netdev_check_spec *spec, struct nb_link *bridge,
		    struct nb_netdev_veth *veth, struct nb_error *err);

#endif
