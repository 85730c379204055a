// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * A tracepoint program that sees each qdisc creation, and takes the pod's port off the fast path
 * (NB_PORT_NO_FAST_PATH). The bandwidth plugin, for instance, runs after natbridge and shapes a
 * port without telling it. The kernel hits the tracepoint where it creates a qdisc and nowhere
 * else, so that packets pay nothing for it.
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

/* Inode of the ports' network namespace: a link of another one may have the same ifindex. */
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

/*
 * include/trace/events/qdisc.h:
 * TP_PROTO(const struct Qdisc_ops *ops, struct net_device *dev, u32 parent)
 */
SEC("tp_btf/qdisc_create")
int nb_qdisc_made(__u64 *ctx)
{
	const struct Qdisc_ops *ops = (const void *)ctx[0];
	const struct net_device *dev = (const void *)ctx[1];
	struct nb_port *port;
	__u32 port_slot;

	/* Every port has noqueue, and before Linux 6.6 programs are attached to clsact. */
	if (dev->nd_net.net->ns.inum != nb_netns || nb_is_kind(ops, "noqueue") || nb_is_kind(ops, "clsact"))
		return 0;
	port = nb_port_of_ifindex(dev->ifindex, &port_slot);
	if (!port)
		return 0;
	WRITE_ONCE(port->flags, port->flags | NB_PORT_NO_FAST_PATH);
	WRITE_ONCE(nb_runtime.shaped, 1);
	return 0;
}
