// SPDX-License-Identifier: GPL-2.0-or-later
/* ipMasq by whichever of iptables and nftables the config and the node ask for. */
#include "masq.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/firewall/masq_iptables.h"
#include "lib/firewall/masq_nft.h"
#include "lib/net/ifaddr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "report.h"
#include "result.h"

static bool uses_iptables(enum nb_masq_backend backend)
{
	return backend == NB_MASQ_IPTABLES || (backend == NB_MASQ_ANY && nb_masq_iptables_there());
}

/* The addresses in the form that lib/firewall takes. The caller frees them. */
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
	int rc = uses_iptables(backend) ? nb_masq_iptables_probe(err) : nb_masq_nft_probe(err);

	return rc ? nb_wrap(err, "ipMasq") : 0;
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

/* Removes the rules of the backend that the config does not ask for. */
static void delete_other_backend(const struct nb_masq_spec *spec, bool iptables)
{
	struct nb_error err = { 0 };
	int rc = 0;

	if (iptables)
		rc = nb_masq_nft_delete(spec->id, &err);
	else if (nb_masq_iptables_there())
		rc = replace_iptables(spec, NULL, 0, &err);
	if (rc && rc != -ENOSYS)
		nb_log("%s", err.msg);
}

static int replace(const struct nb_masq_spec *spec, bool iptables, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	int rc = addrs_of(spec->ips, spec->n, &addrs, err);

	if (rc)
		return rc;
	if (iptables)
		return replace_iptables(spec, addrs, spec->n, err);
	if (!spec->n)
		return nb_masq_nft_delete(spec->id, err);
	return nb_masq_nft_add(spec->id, addrs, spec->n, err);
}

int nb_masq_replace(const struct nb_masq_spec *spec, struct nb_error *err)
{
	const bool iptables = uses_iptables(spec->backend);
	struct nb_error stale_err = { 0 };
	int rc;

	delete_other_backend(spec, iptables);
	if (spec->ip_masq)
		return replace(spec, iptables, err);
	rc = replace(spec, iptables, &stale_err);
	if (rc && rc != -ENOSYS)
		nb_log("%s", stale_err.msg);
	return 0;
}

/* Tries both backends, and reports the first error. One that is not installed has made no rules. */
int nb_masq_delete(const struct nb_cni_id *id, const struct nb_ifaddr *others, size_t n_others,
		   struct nb_error *err)
{
	const struct nb_masq_addrs addrs = { .others = others, .n_others = n_others, .legacy = true };
	int first = 0, rc;

	if (nb_masq_iptables_there())
		first = n_others ? nb_masq_iptables_replace(id, &addrs, err)
				 : nb_masq_iptables_delete(id, err);
	rc = nb_masq_nft_delete(id, first ? NULL : err);
	if (first)
		return first;
	return rc == -ENOSYS ? 0 : rc;
}

int nb_masq_may_share(const struct nb_cni_id *id, bool *may, struct nb_error *err)
{
	*may = false;
	return nb_masq_iptables_there() ? nb_masq_iptables_may_have(id, may, err) : 0;
}

/* If the config names no backend, rules of either do: iptables may have been installed since the ADD. */
int nb_masq_check(enum nb_masq_backend backend, const struct nb_cni_id *id, const struct nb_result_ip *ips,
		  size_t n, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	int rc = addrs_of(ips, n, &addrs, err);

	if (rc)
		return rc;
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
	int first = nb_masq_nft_keep_only(network, valid, n, &by_nft, err), rc = 0;

	if (first == -ENOSYS)
		first = 0;
	if (nb_masq_iptables_there())
		rc = nb_masq_iptables_keep_only(network, valid, n, &by_iptables, first ? NULL : err);
	*removed = by_nft + by_iptables;
	return first ? first : rc;
}
