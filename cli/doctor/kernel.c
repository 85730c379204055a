// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether this process may look, and whether the kernel can do what the networks need. */
#include <errno.h>
#include <string.h>

#include "lib/datapath/kernel_probe.h"
#include "lib/net/sysctl.h"
#include "lib/util/addr.h"
#include "lib/util/privilege.h"

#include "checks.h"

enum { NEARLY_FULL = 90 /* percent */ };

int nb_check_rights(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	struct nb_error why = { 0 };

	(void)network;
	(void)err;
	/* Loading takes rights that looking does not, but for a user namespace, which has none of both. */
	if (nb_privilege_check(NB_TO_WIRE, &why) || nb_kernel_allows_ebpf(&why))
		nb_found(doctor, "natbridgectl", nb_doctor_text(doctor, "%s", why.msg),
			 "run it as root, in the network namespace of the node");
	return 0;
}

int nb_check_kernel(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	const enum nb_mode mode = network->is_node ? NB_MODE_NODE : network->mode;
	struct nb_error why = { 0 };

	(void)err;
	if (mode == NB_MODE_OFF || network->usable || !nb_kernel_check(mode, &why))
		return 0;
	nb_found(doctor, network->name, nb_doctor_text(doctor, "%s", why.msg),
		 "boot a kernel that has it, or use \"serviceProxy\": {\"mode\": \"off\"}");
	return 0;
}

/* 0: *value is a number. -ENOENT: there is no such parameter, as in a namespace without its module. */
static int read_number(const char *name, unsigned long long *value, struct nb_error *err)
{
	char text[64];
	int rc = nb_sysctl_read(name, text, sizeof(text), err);

	if (rc)
		return rc;
	if (!nb_uint_parse(text, 0, ~0ULL, value))
		return nb_fail(err, NB_ERR_SYSTEM, 0, "%s is not a number: \"%s\"", name, text);
	return 0;
}

int nb_check_jit(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	unsigned long long value = 1;
	int rc = read_number("net/core/bpf_jit_enable", &value, err);

	(void)network;
	if (rc == -ENOENT)
		return 0;
	if (!rc && !value)
		nb_found(doctor, "net.core.bpf_jit_enable", "the kernel interprets eBPF programs",
			 "sysctl -w net.core.bpf_jit_enable=1");
	return rc;
}

int nb_check_conntrack(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       struct nb_error *err)
{
	unsigned long long count = 0, max = 0;
	int rc = read_number("net/netfilter/nf_conntrack_count", &count, err);

	(void)network;
	rc = rc ? rc : read_number("net/netfilter/nf_conntrack_max", &max, err);
	if (rc == -ENOENT)
		return 0;
	if (!rc && max && count * 100 >= max * NEARLY_FULL)
		nb_found(doctor, "nf_conntrack",
			 nb_doctor_text(doctor, "the host's conntrack holds %llu of %llu connections", count,
					max),
			 nb_doctor_text(doctor, "sysctl -w net.netfilter.nf_conntrack_max=%llu", 2 * max));
	return rc;
}
