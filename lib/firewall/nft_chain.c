// SPDX-License-Identifier: GPL-2.0-or-later
/* Asks the kernel for one table or chain, by NFT_MSG_GETTABLE or NFT_MSG_GETCHAIN. */
#include "nft_chain.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

static const struct {
	const char *name; /* nft's name and a blank */
	uint8_t number;
} FAMILIES[] = {
	{ "inet ", NFPROTO_INET },
	{ "ip ", NFPROTO_IPV4 },
	{ "ip6 ", NFPROTO_IPV6 },
	{ "bridge ", NFPROTO_BRIDGE },
};

/* Splits "FAMILY NAME". */
static uint8_t family_of(const char *table, const char **name)
{
	for (size_t i = 0; i < sizeof(FAMILIES) / sizeof(*FAMILIES); i++) {
		size_t len = strlen(FAMILIES[i].name);

		*name = table + len;
		if (!strncmp(table, FAMILIES[i].name, len))
			return FAMILIES[i].number;
	}
	*name = table;
	return NFPROTO_UNSPEC;
}

/*
 * The errors that say "no such table" or "no such chain": also of a kernel without nf_tables, or without that
 * family.
 */
static bool is_no(int rc)
{
	return rc == -ENOENT || rc == -EINVAL || rc == -EOPNOTSUPP || rc == -EAFNOSUPPORT ||
	       rc == -EPROTONOSUPPORT || rc == -ERANGE;
}

/* chain NULL: whether there is the table. */
static int ask(const char *table, const char *chain, bool *has, struct nb_error *err)
{
	const uint16_t type = chain ? NFT_MSG_GETCHAIN : NFT_MSG_GETTABLE;
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	struct nb_request req;
	struct nfgenmsg *header;
	void *extra;
	const char *name;
	struct nlmsghdr *nlh =
		nb_request_start(&req, (NFNL_SUBSYS_NFTABLES << 8) | type, 0, &extra, sizeof(*header));
	int rc;

	header = extra;
	header->nfgen_family = family_of(table, &name);
	mnl_attr_put_strz(nlh, chain ? NFTA_CHAIN_TABLE : NFTA_TABLE_NAME, name);
	if (chain)
		mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain);
	/* A kernel without nfnetlink fails already here. */
	rc = nb_netlink_open_netfilter(&nl, err);
	if (!rc)
		rc = nb_netlink_request(&nl, nlh, NULL, NULL, err);
	if (rc && !is_no(rc))
		return rc;
	*has = !rc;
	return 0;
}

int nb_nft_has_chain(const char *table, const char *chain, bool *has, struct nb_error *err)
{
	int rc = ask(table, chain, has, err);

	return rc ? nb_wrap(err, "cannot look up chain \"%s\" of nftables table \"%s\"", chain, table) : 0;
}

int nb_nft_has_table(const char *table, bool *has, struct nb_error *err)
{
	int rc = ask(table, NULL, has, err);

	return rc ? nb_wrap(err, "cannot look up nftables table \"%s\"", table) : 0;
}
