/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_ENDPOINT_H
#define NATBRIDGE_LIB_MAPS_ENDPOINT_H

/*
 * Pods in the maps: ports[] by slot, links[] by ifindex and endpoints[] by address. All calls that write need
 * the lock of the datapath.
 */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

enum { NB_ENDPOINT_ADDRS = 32 };

struct nb_endpoint_spec {
	const char *container_id;
	const char *ifname;   /* inside the pod */
	unsigned int ifindex; /* of the host-side veth */
	unsigned char mac[6]; /* of the pod's end */
	__u16 flags;          /* enum nb_port_flags */
	bool unconnected;     /* its port is not up yet: cut off until nb_port_connected() */
	unsigned int n_addrs;
	struct {
		struct nb_addr addr;
		struct nb_addr gateway; /* all zero: none */
	} addrs[NB_ENDPOINT_ADDRS];
};

/* Enters a pod. An older entry of the same container and interface, or of one of its addresses, is removed
 * first. */
int nb_endpoint_add(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec, struct nb_error *err);

/*
 * Removes the pod of that container and interface, if there is one: its addresses, its link and its slot,
 * whose generation moves on, so that every connection to it is dead at its next packet. Nothing there: 0.
 */
int nb_endpoint_delete(const struct nb_datapath *dp, const char *container_id, const char *ifname,
		       struct nb_error *err);

/* 0 if the maps hold the pod as *spec says; else -ENOENT and *err names what is missing or different. */
int nb_endpoint_check(const struct nb_datapath *dp, const struct nb_endpoint_spec *spec,
		      struct nb_error *err);

/* The ports in use, in an array that the caller frees. */
int nb_endpoint_ports(const struct nb_datapath *dp, struct nb_port **ports, unsigned int *n,
		      struct nb_error *err);

/* The generation of every slot, without NB_GEN_CUT. */
int nb_endpoint_generations(const struct nb_datapath *dp, __u32 generations[NB_MAX_PORTS],
			    struct nb_error *err);

/* How many pods' interfaces the network has, in its maps. */
int nb_endpoint_count(const struct nb_datapath *dp, unsigned int *n, struct nb_error *err);

struct nb_endpoint_info {
	struct nb_addr addr;
	struct nb_endpoint endpoint;
	struct nb_port port;
};

/* Calls fn for each pod address, sorted by address, until fn returns not 0; returns that. */
int nb_endpoint_each(const struct nb_datapath *dp, int (*fn)(const struct nb_endpoint_info *info, void *arg),
		     void *arg, struct nb_error *err);

/* The value of nb_port.owner for a container id and interface name: FNV-1a over both with a NUL between. */
__u64 nb_endpoint_owner(const char *container_id, const char *ifname);

/*
 * Removes every pod whose owner is not in owners[n] (GC). Goes on after errors and reports the first.
 * *removed may be NULL; else the number removed.
 */
int nb_endpoint_keep_only(const struct nb_datapath *dp, const __u64 *owners, unsigned int n,
			  unsigned int *removed, struct nb_error *err);

#endif
