/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_CLAIMS_H
#define NATBRIDGE_LIB_KUBE_CLAIMS_H

/*
 * Who claims which address and port. Two Services may claim the same one, as an external address for
 * instance: one has it (nb_kube_frontend_beats()), and if it lets go, the next one gets it. Who has it has it
 * on both sides: a claim is that of the frontend inside, since each one outside has one there.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/service/service.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

struct nb_claims;

/* The claims of one Service, kept with it. Zeroed: none. */
struct nb_claim_keys {
	NB_VEC(struct nb_frontend_key) keys; /* sorted */
};

struct nb_claims *nb_claims_new(struct nb_error *err);
void nb_claims_free(struct nb_claims **claims);

/*
 * Makes the keys of frontends[n] (one Service's, with names that outlive the claims) the claims of that
 * Service in place of *had. Calls fn for the name of each other Service that wins or loses an address and
 * port by that.
 */
int nb_claims_set(struct nb_claims *claims, const char *name, struct nb_claim_keys *had,
		  const struct nb_service *frontends, size_t n, int (*fn)(const char *name, void *arg),
		  void *arg, struct nb_error *err);

/* Who has a frontend's address and port, on either side; NULL: nobody claims it. */
const char *nb_claims_winner(const struct nb_claims *claims, const struct nb_frontend_key *key);

void nb_claim_keys_free(struct nb_claim_keys *keys);

#endif
