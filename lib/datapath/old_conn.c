// SPDX-License-Identifier: GPL-2.0-or-later
/* Describes the old fields in BTF, so that they are converted as all others are: by name. */
#include "old_conn.h"

#include <bpf/btf.h>
#include <stddef.h>

#include <natbridge/abi.h>
#include <natbridge/conn_life.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "btf_convert.h"

/* Bits of "flags" up to layout 8. */
enum { OLD_SEEN_REPLY = 1 << 1, OLD_ASSURED = 1 << 2, OLD_STEADY = 1 << 7 };

static const char *const fields[] = {
	"flags", "expires", "created", "use", "epoch", "state", "retrans", "seq_end", "ack",
};

enum { FIELDS = sizeof(fields) / sizeof(*fields) };

_Static_assert(sizeof(struct nb_old_conn) == FIELDS * sizeof(__u32), "one name for each field");

/* struct nb_old_conn. Its id, or negative. */
static int add_conn(struct btf *btf)
{
	int number = btf__add_int(btf, "unsigned int", sizeof(__u32), 0);
	int id = btf__add_struct(btf, "nb_old_conn", sizeof(struct nb_old_conn));

	for (int i = 0; i < FIELDS; i++)
		if (btf__add_field(btf, fields[i], number, i * 32, 0))
			return -1;
	return id;
}

/* struct nb_old_pair around it. */
static int add_pair(struct btf *btf, int conn)
{
	int index = btf__add_int(btf, "int", sizeof(int), BTF_INT_SIGNED);
	int entry = btf__add_struct(btf, "nb_old_entry", sizeof(struct nb_old_conn));
	int array, id;

	if (btf__add_field(btf, "conn", conn, 0, 0))
		return -1;
	array = btf__add_array(btf, index, entry, 2);
	id = btf__add_struct(btf, "nb_old_pair", sizeof(struct nb_old_pair));
	return btf__add_field(btf, "dir", array, 0, 0) ? -1 : id;
}

static void free_btf(struct btf **btf)
{
	btf__free(*btf);
}

int nb_old_conversion_make(struct nb_btf_conversion *plan, const struct nb_map_types *from, bool pair,
			   struct nb_error *err)
{
	nb_cleanup(free_btf) struct btf *btf = btf__new_empty();
	int id = btf ? add_conn(btf) : -1;

	if (id > 0 && pair)
		id = add_pair(btf, id);
	if (id <= 0)
		return nb_fail_nomem(err);
	return nb_btf_conversion_make(plan, from->btf, from->info.btf_value_type_id, btf, id, err);
}

/* A one's complement sum in 16 bits, 0 only if it was 0. */
static __u32 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

void nb_old_conn_take(const struct nb_old_conn *old, struct nb_conn *conn)
{
	__u32 flags = 0, retrans = old->retrans < NB_RETRANS_MAX ? old->retrans : NB_RETRANS_MAX;
	/* The hash map had no use: it only held what was taken. */
	__u64 use = nb_life_with_use(0, old->use ? old->use : NB_USE_TAKEN);

	if (old->flags & OLD_SEEN_REPLY)
		flags |= NB_LIFE_SEEN_REPLY;
	if (old->flags & OLD_ASSURED)
		flags |= NB_LIFE_ASSURED;
	if (old->flags & OLD_STEADY)
		flags |= NB_LIFE_STEADY;
	conn->flags &= ~(OLD_SEEN_REPLY | OLD_ASSURED | OLD_STEADY);
	conn->csum_addr = fold(conn->csum_addr);
	conn->csum_port = fold(conn->csum_port);
	conn->life = nb_life_with(use, old->state, flags, old->expires);
	conn->seq = nb_tag(0, retrans, old->seq_end);
	conn->acked = nb_tag(0, 0, old->ack);
	conn->checked = nb_tag(0, old->created & NB_SMALL_MASK, old->epoch);
}
