// SPDX-License-Identifier: GPL-2.0-or-later
/* A tree of addresses and ports (tsearch()), each with its claimants, the winner first. */
#include "claims.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "frontends.h"

struct claimant {
	const char *name;
	enum nb_frontend_kind kind;
};

struct claim {
	struct nb_frontend_key key;
	NB_VEC(struct claimant) claimants; /* the winner first */
};

struct nb_claims {
	void *tree;
};

static int compare_claims(const void *a, const void *b)
{
	return nb_frontend_compare_place(&((const struct claim *)a)->key, &((const struct claim *)b)->key);
}

static int compare_keys(const void *a, const void *b)
{
	return nb_frontend_compare_place(a, b);
}

struct nb_claims *nb_claims_new(struct nb_error *err)
{
	struct nb_claims *claims = calloc(1, sizeof(*claims));

	if (!claims)
		nb_fail_nomem(err);
	return claims;
}

static void free_claim(void *at)
{
	struct claim *claim = at;

	nb_vec_free(&claim->claimants);
	free(claim);
}

void nb_claims_free(struct nb_claims **claims)
{
	if (!*claims)
		return;
	tdestroy((*claims)->tree, free_claim);
	free(*claims);
	*claims = NULL;
}

void nb_claim_keys_free(struct nb_claim_keys *keys)
{
	nb_vec_free(&keys->keys);
	*keys = (struct nb_claim_keys){ 0 };
}

static struct claim *find(const struct nb_claims *claims, const struct nb_frontend_key *key)
{
	const struct claim wanted = { .key = *key };
	struct claim **found = tfind(&wanted, &claims->tree, compare_claims);

	return found ? *found : NULL;
}

static struct claim *find_or_add(struct nb_claims *claims, const struct nb_frontend_key *key)
{
	struct claim *claim = find(claims, key);

	if (claim)
		return claim;
	claim = calloc(1, sizeof(*claim));
	if (!claim)
		return NULL;
	claim->key = *key;
	if (tsearch(claim, &claims->tree, compare_claims))
		return claim;
	free(claim);
	return NULL;
}

static void remove_if_unclaimed(struct nb_claims *claims, struct claim *claim)
{
	if (claim->claimants.n)
		return;
	tdelete(claim, &claims->tree, compare_claims);
	free_claim(claim);
}

/* As nb_kube_frontend_beats(). */
static bool beats(const struct claimant *one, const struct claimant *other)
{
	const unsigned int one_rank = nb_kube_kind_rank(one->kind),
			   other_rank = nb_kube_kind_rank(other->kind);

	return one_rank != other_rank ? one_rank < other_rank : strcmp(one->name, other->name) < 0;
}

static int add_claimant(struct claim *claim, const struct claimant *claimant, struct nb_error *err)
{
	size_t at = 0;
	int rc = nb_vec_push(&claim->claimants, *claimant, err);

	if (rc)
		return rc;
	while (beats(&claim->claimants.items[at], claimant))
		at++;
	memmove(&claim->claimants.items[at + 1], &claim->claimants.items[at],
		(claim->claimants.n - 1 - at) * sizeof(*claimant));
	claim->claimants.items[at] = *claimant;
	nb_vec_trim(&claim->claimants); /* mostly there is one */
	return 0;
}

static void remove_claimant(struct claim *claim, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < claim->claimants.n; i++)
		if (strcmp(claim->claimants.items[i].name, name))
			claim->claimants.items[n++] = claim->claimants.items[i];
	claim->claimants.n = n;
}

const char *nb_claims_winner(const struct nb_claims *claims, const struct nb_frontend_key *key)
{
	const struct claim *claim = find(claims, key);

	return claim && claim->claimants.n ? claim->claimants.items[0].name : NULL;
}

struct change {
	struct nb_claims *claims;
	const char *name;
	int (*fn)(const char *name, void *arg);
	void *arg;
	struct nb_error *err;
};

/* Tells the winner of before and of after, if they differ, but for the Service itself. */
static int tell(const struct change *change, const char *before, const char *after)
{
	if (before == after || (before && after && !strcmp(before, after)))
		return 0;
	if (before && strcmp(before, change->name)) {
		int rc = change->fn(before, change->arg);

		if (rc)
			return rc;
	}
	return after && strcmp(after, change->name) ? change->fn(after, change->arg) : 0;
}

static int drop_key(const struct change *change, const struct nb_frontend_key *key)
{
	struct claim *claim = find(change->claims, key);
	const char *before, *after;

	if (!claim)
		return 0;
	before = claim->claimants.n ? claim->claimants.items[0].name : NULL;
	remove_claimant(claim, change->name);
	after = claim->claimants.n ? claim->claimants.items[0].name : NULL;
	remove_if_unclaimed(change->claims, claim);
	return tell(change, before, after);
}

/* The kind of address may have changed, too. */
static int set_key(const struct change *change, const struct nb_service *frontend)
{
	const struct claimant claimant = { change->name, frontend->kind };
	struct claim *claim = find_or_add(change->claims, &frontend->key);
	const char *before;
	int rc;

	if (!claim)
		return nb_fail_nomem(change->err);
	before = claim->claimants.n ? claim->claimants.items[0].name : NULL;
	remove_claimant(claim, change->name);
	rc = add_claimant(claim, &claimant, change->err);
	if (rc) {
		remove_if_unclaimed(change->claims, claim);
		return rc;
	}
	return tell(change, before, claim->claimants.items[0].name);
}

int nb_claims_set(struct nb_claims *claims, const char *name, struct nb_claim_keys *had,
		  const struct nb_service *frontends, size_t n, int (*fn)(const char *name, void *arg),
		  void *arg, struct nb_error *err)
{
	const struct change change = { claims, name, fn, arg, err };
	nb_cleanup(nb_claim_keys_free) struct nb_claim_keys has = { 0 };

	for (size_t i = 0; i < n; i++) {
		int rc;

		if (frontends[i].key.side != NB_SIDE_INSIDE)
			continue;
		rc = nb_vec_push(&has.keys, frontends[i].key, err);
		rc = rc ? rc : set_key(&change, &frontends[i]);
		if (rc)
			return rc;
	}
	if (has.keys.n)
		qsort(has.keys.items, has.keys.n, sizeof(*has.keys.items), compare_keys);
	for (size_t i = 0; i < had->keys.n; i++) {
		const struct nb_frontend_key *key = &had->keys.items[i];
		int rc = has.keys.n && bsearch(key, has.keys.items, has.keys.n, sizeof(*key), compare_keys)
				 ? 0
				 : drop_key(&change, key);

		if (rc)
			return rc;
	}
	nb_vec_trim(&has.keys);
	nb_claim_keys_free(had);
	*had = has;
	has = (struct nb_claim_keys){ 0 };
	return 0;
}
