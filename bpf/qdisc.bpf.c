// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * A queueing discipline that somebody puts on a pod's port (the bandwidth plugin, which runs behind natbridge
 * and tells it nothing): from then on packets of the pod do not go past it. In: the kernel's tracepoint, hit
 * where a qdisc is made and nowhere else, so that packets pay nothing for it. Out: the port's flag.
 */
#include <stdbool.h>

#include "bpf/lib/maps.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct net {
	struct ns_common ns;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} __attribute__((preserve_access_index)) possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
} __attribute__((preserve_access_index));

struct Qdisc_ops {
	char id[16];
} __attribute__((preserve_access_index));

/* Inode of the network namespace of the ports: another one may have a link of the same number. */
const volatile __u32 nb_netns SEC(".rodata.netns");

static __always_inline bool nb_is_kind(const struct Qdisc_ops *ops, const char *kind)
{
	for (int i = 0; i < (int)sizeof("noqueue"); i++) {
		if (ops->id[i] != kind[i])
			return false;
		if (!kind[i])
			break;
	}
	return true;
}

/* SEC: TP_PROTO(const struct Qdisc_ops *ops, struct net_device *dev, u32 parent),
 * include/trace/events/qdisc.h */
SEC("tp_btf/qdisc_create")
int nb_qdisc_made(__u64 *ctx)
{
	const struct Qdisc_ops *ops = (const void *)ctx[0];
	const struct net_device *dev = (const void *)ctx[1];
	__u32 ifindex = dev->ifindex, *slot;
	struct nb_port *port;

	/* What every port has by itself, and what programs are attached by before Linux 6.6. */
	if (dev->nd_net.net->ns.inum != nb_netns || nb_is_kind(ops, "noqueue") || nb_is_kind(ops, "clsact"))
		return 0;
	slot = bpf_map_lookup_elem(&links, &ifindex);
	port = slot ? nb_port_of_slot(*slot) : NULL;
	if (!port || port->ifindex != ifindex)
		return 0;
	port->flags |= NB_PORT_NO_FAST_PATH;
	nb_runtime.shaped = 1;
	return 0;
}
