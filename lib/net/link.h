/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_LINK_H
#define NATBRIDGE_LIB_NET_LINK_H

/* Network links: look up, create, change, delete. Names and indices are those of the socket's namespace. */

#include <net/if.h>
#include <stdbool.h>

#include "lib/util/error.h"

#include "netlink.h"

enum {
	NB_MAC_LEN = 6,
	NB_LINK_KIND_MAX = 16,
	NB_LINK_ALIAS_MAX = 256, /* IFALIASZ of the kernel, with the NUL */
};

struct nb_link {
	unsigned int index;
	char name[IFNAMSIZ];
	char kind[NB_LINK_KIND_MAX];   /* "bridge", "veth", ...; "" if the kernel names none */
	char alias[NB_LINK_ALIAS_MAX]; /* "" if there is none */
	bool has_mac;                  /* an Ethernet address of six bytes */
	unsigned char mac[NB_MAC_LEN];
	unsigned int mtu;
	unsigned int flags;       /* IFF_* */
	unsigned char operstate;  /* IF_OPER_* of linux/if.h */
	unsigned int master;      /* ifindex, 0: none */
	unsigned int peer;        /* veth: ifindex of the other end in its namespace, 0: unknown */
	bool peer_elsewhere;      /* the other end is in another namespace, */
	unsigned int peer_nsid;   /* which has this id here */
	bool has_port;            /* attached to a bridge: the next three are known */
	unsigned char port_state; /* BR_STATE_* of linux/if_bridge.h */
	bool hairpin, isolated;   /* IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED */
	bool vlan_filtering;      /* of a bridge */
};

/*
 * Whether the kernel takes name for a link: 1 to 15 bytes, none of them '/', ':' or white space, not "." or
 * "..". Refused as well: "all" and "default", which mean something else below /proc/sys/net, and bytes that
 * are not printable ASCII.
 */
bool nb_ifname_valid(const char *name);

/* -ENODEV if there is none. */
int nb_link_get(struct nb_netlink *nl, const char *name, struct nb_link *link, struct nb_error *err);
int nb_link_get_index(struct nb_netlink *nl, unsigned int index, struct nb_link *link, struct nb_error *err);

/* The same in the namespace that has that id (nb_link.peer_nsid) in ours; IFLA_TARGET_NETNSID. */
int nb_link_get_elsewhere(struct nb_netlink *nl, unsigned int nsid, unsigned int index, struct nb_link *link,
			  struct nb_error *err);

/* All links, or those of one kind (NULL: all), or of one master (0: all). The caller frees *links. */
int nb_link_list(struct nb_netlink *nl, const char *kind, unsigned int master, struct nb_link **links,
		 unsigned int *n, struct nb_error *err);

/*
 * Creates a bridge that keeps the given MAC for good (without one, the kernel changes it as ports join). mtu
 * 0: the kernel's default. -EEXIST if the name is taken.
 */
int nb_link_create_bridge(struct nb_netlink *nl, const char *name, const unsigned char mac[NB_MAC_LEN],
			  unsigned int mtu, bool vlan_filtering, struct nb_error *err);

struct nb_veth_spec {
	const char *name;         /* this end */
	const unsigned char *mac; /* of this end, NULL: random */
	const char *peer_name;
	const unsigned char *peer_mac; /* NULL: random */
	int peer_netns_fd;             /* the other end is born there; -1: here */
	unsigned int mtu;              /* of both ends, 0: the kernel's default */
	unsigned int master;           /* ifindex of the bridge that this end joins, 0: none */
};

/* Creates a veth pair, both ends down. -EEXIST if one of the names is taken. */
int nb_link_create_veth(struct nb_netlink *nl, const struct nb_veth_spec *spec, struct nb_error *err);

/* What to change; what is not named stays. Done in one request. */
struct nb_link_change {
	bool set_up, up;
	bool set_promisc, promisc;
	bool set_port, hairpin, isolated; /* of a link attached to a bridge */
	bool set_master;
	unsigned int master;      /* 0: detach */
	unsigned int mtu;         /* 0: keep */
	const unsigned char *mac; /* NULL: keep */
	const char *alias;        /* NULL: keep */
};

int nb_link_change(struct nb_netlink *nl, unsigned int index, const struct nb_link_change *change,
		   struct nb_error *err);

/* -ENODEV if there is none. Returns when the kernel has freed the link, which takes it 30 ms and more
 * (rcu_barrier() in netdev_run_todo() of net/core/dev.c). */
int nb_link_delete(struct nb_netlink *nl, unsigned int index, struct nb_error *err);

/*
 * Deletes a link of the caller's namespace, which must be that of nl as well, and returns as soon as it is
 * gone from namespaces and bridges, with its addresses and programs: a child of the caller waits until the
 * kernel has freed it. 0 if there is none.
 */
int nb_link_delete_async(struct nb_netlink *nl, unsigned int index, struct nb_error *err);

#endif
