// SPDX-License-Identifier: GPL-2.0-or-later
/* What those who give the objects are told beside the result. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "object.h"

enum { TOLD_MAX = 5 };

/* The rest of each kind, behind their number. */
static const char *const rests[NB_KUBE_REMARKS] = {
	[NB_KUBE_LEFT_OUT] = "more left out, not named here",
	[NB_KUBE_ENDPOINT_LEFT_OUT] = "more endpoints left out",
	[NB_KUBE_SLICE_UNLABELLED] = "more EndpointSlices without the label kubernetes.io/service-name",
	[NB_KUBE_SLICE_ALONE] = "more EndpointSlices whose Service is not in the input",
	[NB_KUBE_SERVICE_ALONE] = "more Services without an EndpointSlice in the input",
	[NB_KUBE_PORT_ALONE] = "more ports of Services that their EndpointSlices do not have",
	[NB_KUBE_SCTP_PORT] = "more SCTP ports, which are not translated",
	[NB_KUBE_LOCAL_POLICY] = "more Services whose internalTrafficPolicy Local is not followed",
};

static void vtell(const struct nb_kube *kube, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void vtell(const struct nb_kube *kube, const char *fmt, va_list ap)
{
	char text[NB_ERROR_MSG_MAX + 64];

	if (!kube->note.fn)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	kube->note.fn(text, kube->note.arg);
}

static void tell(const struct nb_kube *kube, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void tell(const struct nb_kube *kube, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtell(kube, fmt, ap);
	va_end(ap);
}

void nb_kube_tell(struct nb_kube *kube, enum nb_kube_remark remark, const char *fmt, ...)
{
	va_list ap;

	if (kube->remarks[remark]++ >= TOLD_MAX)
		return;
	va_start(ap, fmt);
	vtell(kube, fmt, ap);
	va_end(ap);
}

void nb_kube_tell_rest(struct nb_kube *kube)
{
	const size_t left_out = kube->remarks[NB_KUBE_LEFT_OUT];

	for (unsigned int i = 0; i < NB_KUBE_REMARKS; i++)
		if (kube->remarks[i] > TOLD_MAX)
			tell(kube, "%zu %s", kube->remarks[i] - TOLD_MAX, rests[i]);
	if (left_out == 1)
		tell(kube, "1 object left out; its Service stays in the table as it was");
	else if (left_out)
		tell(kube, "%zu objects left out; their Services stay in the table as they were", left_out);
	if (kube->other_kinds)
		tell(kube, "%zu object%s of other kinds passed over", kube->other_kinds,
		     kube->other_kinds == 1 ? "" : "s");
}

bool nb_kube_leave_out(struct nb_kube *kube, enum nb_kube_remark remark, const char *service,
		       struct nb_error *err)
{
	struct nb_kube_name name = { 0 };

	if (!kube->lenient || err->code != NB_ERR_CONFIG)
		return false;
	memcpy(name.text, service, strnlen(service, sizeof(name.text) - 1));
	nb_kube_tell(kube, remark, "%s: left out", err->msg);
	*err = (struct nb_error){ 0 };
	return !*service || !nb_vec_push(&kube->incomplete, name, err);
}
