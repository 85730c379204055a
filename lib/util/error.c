// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fills and wraps struct nb_error. NB_ERROR_C: error.h's macros for the analyzer are not wanted
 * here.
 */
#define NB_ERROR_C
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int nb_fail(struct nb_error *err, enum nb_code code, int errnum, const char *fmt, ...)
{
	const int rc = errnum ? -errnum : -EINVAL;
	va_list ap;
	size_t used;

	if (!err)
		return rc;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	if (errnum)
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(errnum));
	if (code == NB_ERR_SYSTEM && (errnum == EPERM || errnum == EACCES))
		code = NB_ERR_PRIVILEGE;
	err->code = code;
	err->errnum = errnum;
	return rc;
}

int nb_wrap(struct nb_error *err, const char *fmt, ...)
{
	char context[NB_ERROR_MSG_MAX];
	char whole[2 * NB_ERROR_MSG_MAX + 2];
	va_list ap;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	snprintf(whole, sizeof(whole), "%s: %s", context, err->msg);
	snprintf(err->msg, sizeof(err->msg), "%.*s", NB_ERROR_MSG_MAX - 1, whole);
	return err->errnum ? -err->errnum : -EINVAL;
}

int nb_fail_nomem(struct nb_error *err)
{
	return nb_fail(err, NB_ERR_SYSTEM, ENOMEM, "out of memory");
}
