// SPDX-License-Identifier: GPL-2.0-or-later
/* lib/maps/conn_table.c on memory of a scenario. */
#include "user.h"

#include <string.h>

#include "lib/maps/conn_table.c" /* NOLINT(bugprone-suspicious-include) */
#include "test/interleave/engine.h"

static struct nb_conn_table user;

void user_memory(unsigned int actor)
{
	il_private(actor, &user, sizeof(user));
}

void user_setup(const struct user_table *table)
{
	user = (struct nb_conn_table){
		.pairs = table->pairs, .sets = table->sets, .n_pairs = table->n_pairs, .n_sets = table->n_sets
	};
	memcpy(user.seed, table->seed, sizeof(user.seed));
}

bool user_get(__u32 pair_id, struct nb_pair *pair)
{
	return nb_conn_table_get(&user, pair_id, pair);
}

bool user_end(__u32 pair_id)
{
	return nb_conn_table_end(&user, pair_id);
}

int user_add(const struct nb_pair *pair)
{
	return nb_conn_table_add(&user, pair);
}
