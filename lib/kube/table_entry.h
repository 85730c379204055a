/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_TABLE_ENTRY_H
#define NATBRIDGE_LIB_KUBE_TABLE_ENTRY_H

/* The inside of struct nb_kube_table, for table*.c alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <natbridge/abi.h>

#include "lib/service/keep.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "claims.h"
#include "notes.h"
#include "service.h"
#include "slice.h"
#include "table.h"

struct nb_table_slice {
	struct nb_kube_slice object;
	struct nb_table_entry *entry; /* of the Service that its label names */
};

/* What is known under the name of a Service: the Service, its slices, or one of them alone. */
struct nb_table_entry {
	char name[NB_NAME_MAX];
	bool has_service;
	bool dirty;    /* in nb_kube_table.dirty */
	bool in_batch; /* in the batch that is being made */
	struct nb_kube_service service;
	NB_VEC(const struct nb_kube_slice *) slices;
	struct nb_claim_keys claims;
	NB_VEC(int64_t) triggers;    /* of changes that wait to be written */
	unsigned int no_local[2][2]; /* its part of nb_kube_table_size.no_local */
};

/* A set that has begun: objects of one kind in the order in which they came, and names to keep. */
struct nb_table_set {
	bool begun;
	NB_VEC(struct nb_kube_service) services;
	NB_VEC(struct nb_kube_slice) slices;
	struct nb_service_names kept;
};

struct nb_kube_table {
	struct nb_kube_notes notes;
	struct nb_kube_view view;
	NB_VEC(struct nb_table_entry *) entries; /* sorted by name */
	NB_VEC(struct nb_table_slice *) slices;  /* sorted by name */
	NB_VEC(struct nb_table_entry *) dirty;
	struct nb_claims *claims;
	struct nb_table_set sets[2]; /* of Services, of slices */
	struct nb_kube_table_size size;
};

/* ---- table_entry.c ---- */

/* The index of the first entry whose name is not less; the entry of a name, NULL: there is none. */
size_t nb_table_lower_entry(const struct nb_kube_table *table, const char *name);
struct nb_table_entry *nb_table_find_entry(const struct nb_kube_table *table, const char *name);

void nb_table_entry_free(struct nb_table_entry *entry);
void nb_table_slice_free(struct nb_table_slice *slice);

int nb_table_make_dirty(struct nb_kube_table *table, struct nb_table_entry *entry, struct nb_error *err);

/* Frees an entry that says nothing any more. */
void nb_table_remove_if_empty(struct nb_kube_table *table, struct nb_table_entry *entry);

/* Adds or replaces an object, which is moved into the table; or removes one, which need not be there. */
int nb_table_put_service(struct nb_kube_table *table, struct nb_kube_service *service, struct nb_error *err);
int nb_table_put_slice(struct nb_kube_table *table, struct nb_kube_slice *slice, struct nb_error *err);
int nb_table_remove_service(struct nb_kube_table *table, const char *name, struct nb_error *err);
int nb_table_remove_slice(struct nb_kube_table *table, const char *name, struct nb_error *err);

/* ---- table_set.c ---- */

struct nb_table_set *nb_table_set_of(struct nb_kube_table *table, enum nb_kube_kind kind);
void nb_table_set_clear(struct nb_table_set *set);

/* Takes an object back. */
void nb_table_set_remove(struct nb_table_set *set, const char *name);

#endif
