// SPDX-License-Identifier: GPL-2.0-or-later
/* Looks for the signs of a kube-proxy in each place where one may put rules. */
#include "kube_find.h"

#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/process.h"

#include "iptables.h"
#include "kube_chains.h"
#include "nft_chain.h"

#define IPVS_DEVICE "kube-ipvs0"

enum { TIMEOUT_MS = 10000 };

const struct nb_kube_family nb_kube_families[NB_KUBE_FAMILIES] = {
	{ "ip", "/proc/self/net/ip_tables_names", "iptables-legacy", "iptables-legacy-save",
	  "iptables-legacy-restore" },
	{ "ip6", "/proc/self/net/ip6_tables_names", "ip6tables-legacy", "ip6tables-legacy-save",
	  "ip6tables-legacy-restore" },
};

bool nb_kube_has_legacy(const struct nb_kube_family *family, const char *table)
{
	nb_autofclose FILE *names = fopen(family->legacy_names, "re");
	char name[64];

	while (names && fgets(name, sizeof(name), names)) {
		name[strcspn(name, "\n")] = '\0';
		if (!strcmp(name, table))
			return true;
	}
	return false;
}

static void note(struct nb_kube_found *found, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void note(struct nb_kube_found *found, const char *fmt, ...)
{
	const size_t used = strlen(found->text);
	va_list args;

	va_start(args, fmt);
	snprintf(found->text + used, sizeof(found->text) - used, "%s", used ? ", " : "");
	vsnprintf(found->text + strlen(found->text), sizeof(found->text) - strlen(found->text), fmt, args);
	va_end(args);
}

/* ---- nftables, and iptables-nft ---- */

static int find_nft(const struct nb_kube_family *family, struct nb_kube_found *found, struct nb_error *err)
{
	char table[64];
	bool has = false;
	int rc;

	snprintf(table, sizeof(table), "%s " NB_KUBE_NFT_TABLE, family->name);
	rc = nb_nft_has_table(table, &has, err);
	if (!rc && has)
		note(found, "nftables table %s", table);
	for (size_t i = 0; i < NB_KUBE_SIGNS && !rc; i++) {
		const struct nb_kube_sign *sign = &nb_kube_signs[i];

		snprintf(table, sizeof(table), "%s %s", family->name, sign->table);
		rc = nb_nft_has_chain(table, sign->chain, &has, err);
		if (!rc && has)
			note(found, "iptables chain %s in table %s", sign->chain, table);
	}
	return rc;
}

/* ---- iptables-legacy ---- */

/* Lists one rule of the chain, which may have many. 0: *has tells whether there is the chain. */
static int ask_legacy(const struct nb_kube_family *family, const struct nb_kube_sign *sign, bool *has,
		      struct nb_error *err)
{
	const char *const args[] = { "-w", "-t", sign->table, "-S", sign->chain, "1", NULL };
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	struct nb_process program = { .args = args, .timeout_ms = TIMEOUT_MS, .take_errors = true };
	nb_autofree char *path = NULL;
	int rc = nb_iptables_find(family->legacy, &path, err);

	program.path = path;
	rc = rc ? rc : nb_process_run(&program, &out, err);
	if (rc)
		return rc;
	if (out.status > 1)
		return nb_fail(err, NB_ERR_SYSTEM, 0, "%.*s", out.text ? (int)strcspn(out.text, "\n") : 0,
			       out.text ? out.text : "");
	*has = !out.status;
	return 0;
}

static void find_legacy(const struct nb_kube_family *family, struct nb_kube_found *found)
{
	for (size_t i = 0; i < NB_KUBE_SIGNS; i++) {
		const struct nb_kube_sign *sign = &nb_kube_signs[i];
		bool has = false;

		if (nb_kube_has_legacy(family, sign->table) &&
		    !ask_legacy(family, sign, &has, &found->unseen) && has)
			note(found, "%s chain %s in table %s", family->legacy, sign->chain, sign->table);
	}
}

int nb_kube_find(struct nb_kube_found *found, struct nb_error *err)
{
	*found = (struct nb_kube_found){ .is_ipvs = if_nametoindex(IPVS_DEVICE) };
	if (found->is_ipvs)
		note(found, "device " IPVS_DEVICE);
	for (size_t i = 0; i < NB_KUBE_FAMILIES; i++) {
		int rc = find_nft(&nb_kube_families[i], found, err);

		if (rc)
			return rc;
		find_legacy(&nb_kube_families[i], found);
	}
	return 0;
}
