// SPDX-License-Identifier: GPL-2.0-or-later
/* Counts notes and passes on the first ones of each kind. */
#include "notes.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/util/error.h"

enum { NOTES_PER_KIND = 5 };

/* Follows the number of further notes of a kind. */
static const char *const further[NB_KUBE_NOTE_KINDS] = {
	[NB_KUBE_SKIPPED_OBJECT] = "more objects skipped, not named here",
	[NB_KUBE_SKIPPED_ENDPOINT] = "more endpoints skipped",
	[NB_KUBE_UNLABELLED_SLICE] = "more EndpointSlices without the label kubernetes.io/service-name",
	[NB_KUBE_SLICE_WITHOUT_SERVICE] = "more EndpointSlices whose Service is not in the input",
	[NB_KUBE_SERVICE_WITHOUT_SLICE] = "more Services without an EndpointSlice in the input",
	[NB_KUBE_PORT_WITHOUT_SLICE] = "more ports of Services that their EndpointSlices do not have",
	[NB_KUBE_LOCAL_POLICY] = "more Services whose internalTrafficPolicy Local counts as Cluster",
	[NB_KUBE_SKIPPED_ADDRESS] = "more addresses left out, which no Service can have",
	[NB_KUBE_CONFLICT] = "more addresses and ports left out, which belong to other Services",
};

static void vpass_on(const struct nb_kube_notes *notes, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void vpass_on(const struct nb_kube_notes *notes, const char *fmt, va_list ap)
{
	char text[NB_ERROR_MSG_MAX + 64];

	if (!notes->note.fn)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	notes->note.fn(text, notes->note.arg);
}

static void pass_on(const struct nb_kube_notes *notes, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void pass_on(const struct nb_kube_notes *notes, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpass_on(notes, fmt, ap);
	va_end(ap);
}

void nb_kube_notes_add(struct nb_kube_notes *notes, enum nb_kube_note_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (notes->counts[kind]++ >= NOTES_PER_KIND)
		return;
	va_start(ap, fmt);
	vpass_on(notes, fmt, ap);
	va_end(ap);
}

void nb_kube_notes_finish(struct nb_kube_notes *notes)
{
	const size_t skipped = notes->counts[NB_KUBE_SKIPPED_OBJECT];

	for (unsigned int i = 0; i < NB_KUBE_NOTE_KINDS; i++)
		if (notes->counts[i] > NOTES_PER_KIND)
			pass_on(notes, "%zu %s", notes->counts[i] - NOTES_PER_KIND, further[i]);
	if (skipped == 1)
		pass_on(notes, "1 object skipped; its Service stays in the table as it was");
	else if (skipped)
		pass_on(notes, "%zu objects skipped; their Services stay in the table as they were", skipped);
	if (notes->other_kinds)
		pass_on(notes, "%zu object%s of other kinds ignored", notes->other_kinds,
			notes->other_kinds == 1 ? "" : "s");
}

bool nb_kube_skip(struct nb_kube_notes *notes, enum nb_kube_note_kind kind, const char *service,
		  struct nb_error *err)
{
	if (!notes->lenient || err->code != NB_ERR_CONFIG)
		return false;
	nb_kube_notes_add(notes, kind, "%s: skipped", err->msg);
	*err = (struct nb_error){ 0 };
	return !*service || !nb_service_names_add(&notes->incomplete, service, err);
}
