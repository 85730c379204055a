// SPDX-License-Identifier: GPL-2.0-or-later
/* The ports of a process, made such that they can be connected to. */
#include "agent_ports.h"

#include "lib/net/local_get.h"
#include "lib/util/addr.h"

/* Where it listens at any address, it is asked at that of the loopback device. */
static void to_loopback(struct nb_listener *at)
{
	struct nb_addr any4;

	nb_addr_parse("0.0.0.0", &any4);
	if (nb_addr_is_zero(&at->addr))
		nb_addr_parse("::1", &at->addr);
	else if (nb_addr_equal(&at->addr, &any4))
		nb_addr_parse("127.0.0.1", &at->addr);
}

static int default_ports(struct nb_listeners *listeners, struct nb_error *err)
{
	/* natbridge-agent(8), and examples/agent.yaml: beside kube-proxy. */
	static const unsigned int ports[] = { 10256, 10249, 10266, 10269 };
	int rc = 0;

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]) && !rc; i++) {
		struct nb_listener at = { .port = ports[i] };

		nb_addr_parse("127.0.0.1", &at.addr);
		if (!nb_local_connect(&at.addr, at.port, NB_AGENT_ANSWER_MS, NULL))
			rc = nb_vec_push(&listeners->all, at, err);
	}
	return rc;
}

int nb_agent_ports(pid_t pid, struct nb_listeners *listeners, struct nb_error *err)
{
	int rc = 0;

	if (pid < 0)
		return default_ports(listeners, err);
	if (pid)
		rc = nb_listeners_read(pid, listeners, err);
	for (size_t i = 0; i < listeners->all.n; i++)
		to_loopback(&listeners->all.items[i]);
	return rc;
}
