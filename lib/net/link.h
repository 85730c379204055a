/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_LINK_H
#define NATBRIDGE_LIB_NET_LINK_H

/*
 * Network links: look up, create, change, delete. Names and indices are of the socket's namespace.
 */

#include <net/if.h>
#include <stdbool.h>

#include "lib/util/error.h"

#include "netlink.h"

enum {
	NB_MAC_LEN = 6,
	NB_LINK_KIND_MAX = 16,
	NB_LINK_ALIAS_MAX = 256, /* with the NUL; the kernel's IFALIASZ */
};

struct nb_link {
	unsigned int index;
	unsigned int type; /* ARPHRD_* of net/if_arp.h */
	char name[IFNAMSIZ];
	char kind[NB_LINK_KIND_MAX];   /* "bridge", "veth", ...; "": a physical device, lo */
	char alias[NB_LINK_ALIAS_MAX]; /* "": none */
	bool has_mac;                  /* mac is valid: the address has six bytes */
	unsigned char mac[NB_MAC_LEN];
	unsigned int mtu;
	unsigned int flags;          /* IFF_* */
	unsigned char operstate;     /* IF_OPER_* of linux/if.h */
	unsigned int master;         /* ifindex, 0: none */
	unsigned int peer;           /* veth: ifindex of the other end in its namespace, 0: unknown */
	bool peer_elsewhere;         /* the other end is in another namespace */
	unsigned int peer_nsid;      /* the id of that namespace in the socket's namespace */
	bool has_port;               /* a bridge's port: the next three are valid */
	unsigned char port_state;    /* BR_STATE_* of linux/if_bridge.h */
	bool hairpin, isolated;      /* IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED */
	bool vlan_filtering;         /* of a bridge */
	bool has_ipv6;               /* the link takes part in IPv6: the next one is valid */
	unsigned char addr_gen_mode; /* IN6_ADDR_GEN_MODE_* of linux/if_link.h */
	bool accept_local;           /* net.ipv4.conf.<name>.accept_local */
};

/*
 * Whether name can be a link's name. The kernel's rule: 1 to 15 bytes, no '/', ':' or white space,
 * not "." or "..". Also refused: "all" and "default", which have another meaning below
 * /proc/sys/net, and bytes that are not printable ASCII.
 */
bool nb_ifname_valid(const char *name);

/* Looks up a link by name or by index. -ENODEV: there is none. */
int nb_link_get(struct nb_netlink *nl, const char *name, struct nb_link *link, struct nb_error *err);
int nb_link_get_index(struct nb_netlink *nl, unsigned int index, struct nb_link *link, struct nb_error *err);

/*
 * Looks up a link in another namespace, which has the id nsid in the socket's namespace (struct
 * nb_link, peer_nsid), by IFLA_TARGET_NETNSID. -ENODEV: there is none.
 */
int nb_link_get_elsewhere(struct nb_netlink *nl, unsigned int nsid, unsigned int index, struct nb_link *link,
			  struct nb_error *err);

/* Lists the links of a kind (NULL: any) and a master (0: any). The caller frees *links. */
int nb_link_list(struct nb_netlink *nl, const char *kind, unsigned int master, struct nb_link **links,
		 unsigned int *n, struct nb_error *err);

/*
 * Creates a bridge, which is down. It keeps the given MAC; without one, the kernel would change the
 * bridge's MAC as ports join. mtu 0: the kernel's default. -EEXIST: the name is taken.
 */
int nb_link_create_bridge(struct nb_netlink *nl, const char *name, const unsigned char mac[NB_MAC_LEN],
			  unsigned int mtu, bool vlan_filtering, struct nb_error *err);

struct nb_veth_spec {
	const char *name;         /* this end */
	const unsigned char *mac; /* of this end, NULL: random */
	const char *peer_name;
	const unsigned char *peer_mac; /* NULL: random */
	int peer_netns_fd;             /* the namespace of the other end; -1: the socket's */
	unsigned int mtu;              /* of both ends, 0: the kernel's default */
	unsigned int master;           /* ifindex of the bridge that this end joins, 0: none */
	bool noarp;                    /* both ends are IFF_NOARP */
};

/* Creates a veth pair, both ends down. -EEXIST: one of the names is taken. */
int nb_link_create_veth(struct nb_netlink *nl, const struct nb_veth_spec *spec, struct nb_error *err);

/*
 * Creates a dummy, which is down and IFF_NOARP. -EEXIST: the name is taken. -EOPNOTSUPP: the kernel
 * has no dummies.
 */
int nb_link_create_dummy(struct nb_netlink *nl, const char *name, const unsigned char mac[NB_MAC_LEN],
			 unsigned int mtu, struct nb_error *err);

/*
 * What to change. Zeroed: nothing. up, promisc, noarp, hairpin, isolated, master, accept_local and
 * addr_gen_mode count only with their set_. The kernel changes addr_gen_mode after up: one request for both
 * brings the link up in the old mode.
 */
struct nb_link_change {
	bool set_up, up;
	bool set_promisc, promisc;
	bool set_noarp, noarp;
	bool set_port, hairpin, isolated; /* of a bridge's port */
	bool set_master;
	unsigned int master;      /* ifindex; 0: detach */
	unsigned int mtu;         /* 0: keep */
	const unsigned char *mac; /* NULL: keep */
	const char *alias;        /* NULL: keep */
	bool set_accept_local, accept_local;
	bool set_addr_gen_mode;
	unsigned char addr_gen_mode; /* IN6_ADDR_GEN_MODE_* of linux/if_link.h */
};

/* Changes a link in one request. */
int nb_link_change(struct nb_netlink *nl, unsigned int index, const struct nb_link_change *change,
		   struct nb_error *err);

/*
 * Deletes a link. Returns when the kernel has freed its memory, which takes 30 ms or more
 * (rcu_barrier() in netdev_run_todo() of net/core/dev.c). -ENODEV: there is none.
 */
int nb_link_delete(struct nb_netlink *nl, unsigned int index, struct nb_error *err);

#endif
