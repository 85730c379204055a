// SPDX-License-Identifier: GPL-2.0-or-later
#include "masq.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/firewall/masq_iptables.h"
#include "lib/firewall/masq_nft.h"
#include "lib/net/ifaddr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "conf.h"
#include "report.h"
#include "result.h"

static bool uses_iptables(enum nb_masq_backend backend)
{
	return backend == NB_MASQ_IPTABLES || (backend == NB_MASQ_ANY && nb_masq_iptables_there());
}

/* The addresses as lib/firewall has them; the caller frees them. */
static int addrs_of(const struct nb_result_ip *ips, size_t n, struct nb_ifaddr **addrs, struct nb_error *err)
{
	struct nb_ifaddr *made = calloc(n + 1, sizeof(*made));

	if (!made)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < n; i++)
		made[i] = (struct nb_ifaddr){ .addr = ips[i].addr, .prefix_len = ips[i].prefix_len };
	*addrs = made;
	return 0;
}

int nb_masq_probe(enum nb_masq_backend backend, struct nb_error *err)
{
	int ret = uses_iptables(backend) ? nb_masq_iptables_probe(err) : nb_masq_nft_probe(err);

	return ret ? nb_wrap(err, "ipMasq") : 0;
}

static int replace_iptables(const struct nb_masq_spec *spec, const struct nb_ifaddr *own, size_t n,
			    struct nb_error *err)
{
	const struct nb_masq_addrs addrs = {
		.own = own,
		.n_own = n,
		.others = spec->others,
		.n_others = spec->n_others,
		.legacy = spec->ip_masq && uses_iptables(spec->backend),
	};

	return nb_masq_iptables_replace(spec->id, &addrs, err);
}

/* What there is of the backend that the config does not mean. */
static void forget_other(const struct nb_masq_spec *spec, bool iptables)
{
	struct nb_error err = { 0 };
	int ret = 0;

	if (iptables)
		ret = nb_masq_nft_delete(spec->id, &err);
	else if (nb_masq_iptables_there())
		ret = replace_iptables(spec, NULL, 0, &err);
	if (ret && ret != -ENOSYS)
		nb_log("%s", err.msg);
}

static int replace(const struct nb_masq_spec *spec, bool iptables, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	int ret = addrs_of(spec->ips, spec->n, &addrs, err);

	if (ret)
		return ret;
	if (iptables)
		return replace_iptables(spec, addrs, spec->n, err);
	if (!spec->n)
		return nb_masq_nft_delete(spec->id, err);
	return nb_masq_nft_add(spec->id, addrs, spec->n, err);
}

int nb_masq_replace(const struct nb_masq_spec *spec, struct nb_error *err)
{
	const bool iptables = uses_iptables(spec->backend);
	struct nb_error old_err = { 0 };
	int ret;

	forget_other(spec, iptables);
	ret = replace(spec, iptables, &old_err);
	if (!ret)
		return 0;
	if (spec->ip_masq) {
		if (err)
			*err = old_err;
		return ret;
	}
	if (ret != -ENOSYS)
		nb_log("%s", old_err.msg);
	return 0;
}

/* What is not installed has made no rules. */
int nb_masq_delete(const struct nb_cni_id *id, const struct nb_ifaddr *others, size_t n_others,
		   struct nb_error *err)
{
	const struct nb_masq_addrs addrs = { .others = others, .n_others = n_others, .legacy = true };
	int ret = 0, ret_nft;

	if (nb_masq_iptables_there())
		ret = n_others ? nb_masq_iptables_replace(id, &addrs, err) : nb_masq_iptables_delete(id, err);
	ret_nft = nb_masq_nft_delete(id, ret ? NULL : err);

	return ret || ret_nft == -ENOSYS ? ret : ret_nft;
}

int nb_masq_may_share(const struct nb_cni_id *id, bool *may, struct nb_error *err)
{
	*may = false;
	return nb_masq_iptables_there() ? nb_masq_iptables_may_have(id, may, err) : 0;
}

/* Without a word in the config either backend's rules will do: iptables may have been installed since. */
int nb_masq_check(enum nb_masq_backend backend, const struct nb_cni_id *id, const struct nb_result_ip *ips,
		  size_t n, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	int ret = addrs_of(ips, n, &addrs, err);

	if (ret)
		return ret;
	if (backend == NB_MASQ_ANY && uses_iptables(backend) && !nb_masq_nft_check(id, addrs, n, NULL))
		return 0;
	if (!uses_iptables(backend))
		return nb_masq_nft_check(id, addrs, n, err);
	return nb_masq_iptables_check(id, addrs, n, err);
}

int nb_masq_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
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
