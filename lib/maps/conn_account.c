// SPDX-License-Identifier: GPL-2.0-or-later
/* accounts[] in mapped memory. */
#include "conn_account.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <natbridge/conn_account.h>

#include "lib/util/error.h"

#include "map.h"

static int half_of(const struct nb_datapath *dp, __u32 *half, struct nb_error *err)
{
	struct nb_map_sizes sizes;
	int rc;

	*half = 0;
	if (dp->map_fd[NB_MAP_ACCOUNTS] < 0)
		return 0;
	rc = nb_map_sizes(dp, NB_MAP_ACCOUNTS, &sizes, err);
	if (rc)
		return rc;
	*half = sizes.max / 2;
	return 0;
}

int nb_conn_accounts_half(const struct nb_datapath *dp, __u32 *pairs, struct nb_error *err)
{
	__u32 half;
	int rc = half_of(dp, &half, err);

	if (rc)
		return rc;
	*pairs = half / 2; /* as many entries */
	return 0;
}

int nb_conn_accounts_open(const struct nb_datapath *dp, __u32 first, __u32 n,
			  struct nb_conn_accounts *accounts, struct nb_error *err)
{
	struct nb_conn_accounts opened = { 0 };
	void *at;
	int rc = half_of(dp, &opened.half, err);

	*accounts = (struct nb_conn_accounts){ 0 };
	if (rc || !opened.half)
		return rc;
	/* Elements of the other half lie between those of this one. */
	opened.first_id = nb_account_id(2 * first, opened.half) / 2 * 2;
	opened.len = (size_t)n * 2 * 2 * sizeof(*opened.at);
	at = mmap(NULL, opened.len, PROT_READ, MAP_SHARED, dp->map_fd[NB_MAP_ACCOUNTS],
		  (off_t)(opened.first_id * sizeof(*opened.at)));
	if (at == MAP_FAILED)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot map %s into memory",
			       nb_map_name(NB_MAP_ACCOUNTS));
	opened.at = at;
	*accounts = opened;
	return 0;
}

void nb_conn_accounts_close(struct nb_conn_accounts *accounts)
{
	if (accounts->at)
		munmap((void *)accounts->at, accounts->len);
	*accounts = (struct nb_conn_accounts){ 0 };
}

void nb_conn_accounts_get(const struct nb_conn_accounts *accounts, __u32 pair_id, struct nb_account copy[2])
{
	memset(copy, 0, 2 * sizeof(*copy));
	for (__u32 dir = 0; accounts->at && dir < 2; dir++) {
		const __u32 id = nb_account_id(2 * pair_id + dir, accounts->half) - accounts->first_id;
		const struct nb_account *from = &accounts->at[id];

		if (id >= accounts->len / sizeof(*from))
			return;
		copy[dir] = (struct nb_account){
			.packets = __atomic_load_n(&from->packets, __ATOMIC_RELAXED),
			.bytes = __atomic_load_n(&from->bytes, __ATOMIC_RELAXED),
			.packets_before = __atomic_load_n(&from->packets_before, __ATOMIC_RELAXED),
			.bytes_before = __atomic_load_n(&from->bytes_before, __ATOMIC_RELAXED),
		};
	}
}

/* A connection that began while the words were read may seem to have carried less than nothing. */
static __u64 since(__u64 now, __u64 before)
{
	return now > before ? now - before : 0;
}

__u64 nb_account_packets(const struct nb_account *account)
{
	return since(account->packets, account->packets_before);
}

__u64 nb_account_bytes(const struct nb_account *account)
{
	return since(account->bytes, account->bytes_before);
}
