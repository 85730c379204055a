/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_REPORT_H
#define NATBRIDGE_PLUGIN_REPORT_H

/* The only place that writes to stdout and stderr: one JSON value on stdout, log lines on stderr. */

#include "lib/util/error.h"

#include "args.h"

struct cJSON;

/*
 * Makes sure that file descriptors 0 to 2 are open (/dev/null if not), so that no socket or map ever becomes
 * "stdout", and that writing to a closed pipe is an error instead of a signal. A closed stdout is an error:
 * nobody would learn of the result.
 */
int nb_report_prepare(struct nb_error *err);

/* Writes a result to stdout, and sees to it that a full disk shows. NB_ERR_IO. */
int nb_report_result(const struct cJSON *json, struct nb_error *err);

/* Writes {cniVersion, code, msg, details} to stdout, and the message to stderr. args may be NULL. */
void nb_report_error(const char *cni_version, const struct nb_args *args, const struct nb_error *error);

/* One line on stderr, behind "natbridge: ". */
void nb_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
