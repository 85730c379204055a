/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_NOTES_H
#define NATBRIDGE_LIB_KUBE_NOTES_H

/*
 * How objects are read: where notes go, what is skipped, for which node. Notes are about objects that are
 * skipped, ignored or only partly supported. They go to the function in struct nb_kube_note: the first five
 * of each kind as they come, the number of the others at the end.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/service/service.h"
#include "lib/util/error.h"

#include "kube.h"

enum nb_kube_note_kind {
	NB_KUBE_SKIPPED_OBJECT,
	NB_KUBE_SKIPPED_ENDPOINT,
	NB_KUBE_UNLABELLED_SLICE,
	NB_KUBE_SLICE_WITHOUT_SERVICE,
	NB_KUBE_SERVICE_WITHOUT_SLICE,
	NB_KUBE_PORT_WITHOUT_SLICE,
	NB_KUBE_LOCAL_POLICY,
	NB_KUBE_SKIPPED_ADDRESS,
	NB_KUBE_CONFLICT,
	NB_KUBE_NOTE_KINDS,
};

struct nb_kube_notes {
	struct nb_kube_note note;
	size_t counts[NB_KUBE_NOTE_KINDS]; /* of all notes, whether passed on or not */
	size_t other_kinds;                /* objects ignored for their kind */
	bool lenient;                      /* the current object is one of several items of a list */
	const char *node;                  /* name of this node; NULL: not known */
	/* Services of which an object was skipped. The owner of this struct frees them. */
	struct nb_service_names incomplete;
};

/* Adds a note. */
void nb_kube_notes_add(struct nb_kube_notes *notes, enum nb_kube_note_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Passes on how many further notes of each kind there are, and how many objects were skipped or
 * ignored.
 */
void nb_kube_notes_finish(struct nb_kube_notes *notes);

/*
 * Whether the error *err may be skipped, since it concerns one of several items of a list. If so,
 * it becomes a note, *err is zeroed, and service, unless it is "", is noted as incomplete.
 */
bool nb_kube_skip(struct nb_kube_notes *notes, enum nb_kube_note_kind kind, const char *service,
		  struct nb_error *err);

#endif
