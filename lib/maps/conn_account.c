// SPDX-License-Identifier: GPL-2.0-or-later
/* accounts[] in mapped memory. */
#include "conn_account.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <natbridge/conn_account.h>

#include "lib/util/error.h"

#include "map.h"

int nb_conn_accounts_open(const struct nb_datapath *dp, struct nb_conn_accounts *accounts,
			  struct nb_error *err)
{
	struct nb_map_sizes sizes;
	size_t len;
	void *at;
	int rc;

	*accounts = (struct nb_conn_accounts){ 0 };
	if (dp->map_fd[NB_MAP_ACCOUNTS] < 0)
		return 0;
	rc = nb_map_sizes(dp, NB_MAP_ACCOUNTS, &sizes, err);
	if (rc)
		return rc;
	len = sizes.max * sizeof(*accounts->at);
	at = mmap(NULL, len, PROT_READ, MAP_SHARED, dp->map_fd[NB_MAP_ACCOUNTS], 0);
	if (at == MAP_FAILED)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot map %s into memory",
			       nb_map_name(NB_MAP_ACCOUNTS));
	*accounts = (struct nb_conn_accounts){ .at = at, .len = len, .n_pairs = sizes.max / 2 };
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
	if (!accounts->at || pair_id >= accounts->n_pairs)
		return;
	for (__u32 dir = 0; dir < 2; dir++) {
		const struct nb_account *from =
			&accounts->at[nb_account_id(2 * pair_id + dir, accounts->n_pairs)];

		copy[dir] = (struct nb_account){
			.packets = __atomic_load_n(&from->packets, __ATOMIC_RELAXED),
			.bytes = __atomic_load_n(&from->bytes, __ATOMIC_RELAXED),
			.packets_before = __atomic_load_n(&from->packets_before, __ATOMIC_RELAXED),
			.bytes_before = __atomic_load_n(&from->bytes_before, __ATOMIC_RELAXED),
		};
	}
}

void nb_conn_accounts_forget(const struct nb_conn_accounts *accounts)
{
	if (accounts->at)
		madvise((void *)accounts->at, accounts->len, MADV_DONTNEED);
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
