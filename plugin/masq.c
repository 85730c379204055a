// SPDX-License-Identifier: GPL-2.0-or-later
#include "masq.h"

#include <natbridge/cleanup.h>
#include <natbridge/masq_iptables.h>

#include <errno.h>
#include <stdlib.h>

#include "masq_backend.h"

static bool uses_iptables(enum nb_masq_backend backend)
{
	return backend == NB_MASQ_IPTABLES || (backend == NB_MASQ_ANY && nb_masq_iptables_there());
}

/* Calls fn, one of natbridge/masq_iptables.h, with the addresses as it takes them. */
static int with_addrs(int (*fn)(const struct nb_attachment *id, const struct nb_ifaddr *addrs, size_t n,
				struct nb_error *err),
		      const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
		      struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = calloc(n + 1, sizeof(*addrs));

	if (!addrs)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < n; i++)
		addrs[i] = (struct nb_ifaddr){ .addr = ips[i].addr, .prefix_len = ips[i].prefix_len };
	return fn(id, addrs, n, err);
}

int nb_masq_probe(enum nb_masq_backend backend, struct nb_error *err)
{
	int ret = uses_iptables(backend) ? nb_masq_iptables_probe(err) : nb_masq_nft_probe(err);

	return ret ? nb_wrap(err, "ipMasq") : 0;
}

int nb_masq_add(enum nb_masq_backend backend, const struct nb_attachment *id, const struct nb_result_ip *ips,
		size_t n, struct nb_error *err)
{
	return uses_iptables(backend) ? with_addrs(nb_masq_iptables_add, id, ips, n, err)
				      : nb_masq_nft_add(id, ips, n, err);
}

/* What is not installed has made no rules. */
int nb_masq_delete(const struct nb_attachment *id, struct nb_error *err)
{
	int ret = nb_masq_iptables_there() ? nb_masq_iptables_delete(id, err) : 0;
	int ret_nft = nb_masq_nft_delete(id, ret ? NULL : err);

	return ret || ret_nft == -ENOSYS ? ret : ret_nft;
}

/* Without a word in the config either backend's rules will do: iptables may have been installed since. */
int nb_masq_check(enum nb_masq_backend backend, const struct nb_attachment *id,
		  const struct nb_result_ip *ips, size_t n, struct nb_error *err)
{
	int ret;

	if (backend == NB_MASQ_ANY && uses_iptables(backend) && !nb_masq_nft_check(id, ips, n, NULL))
		return 0;
	ret = uses_iptables(backend) ? with_addrs(nb_masq_iptables_check, id, ips, n, err)
				     : nb_masq_nft_check(id, ips, n, err);
	return ret;
}

int nb_masq_keep_only(const char *network, const struct nb_attachment *valid, size_t n, unsigned int *removed,
		      struct nb_error *err)
{
	unsigned int by_nft = 0, by_iptables = 0;
	int ret = nb_masq_nft_keep_only(network, valid, n, &by_nft, err), ret_iptables = 0;

	if (ret == -ENOSYS)
		ret = 0;
	if (nb_masq_iptables_there())
		ret_iptables = nb_masq_iptables_keep_only(network, valid, n, &by_iptables, ret ? NULL : err);
	*removed = by_nft + by_iptables;
	return ret ? ret : ret_iptables;
}
