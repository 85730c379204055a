/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_REPORT_H
#define NATBRIDGE_PLUGIN_REPORT_H

/* The only place that writes to stdout and stderr: one JSON value on stdout, log lines on stderr. */

#include "lib/util/error.h"

#include "args.h"

struct cJSON;

/*
 * Opens /dev/null for those of the file descriptors 0 to 2 that are closed, so that no socket or
 * map becomes "stdout", and makes writing to a closed pipe an error instead of a signal. A closed
 * stdout is an error: nobody could read the result.
 */
int nb_report_prepare(struct nb_error *err);

/* Writes a result to stdout. NB_ERR_IO also if a file there cannot store it. */
int nb_report_result(const struct cJSON *json, struct nb_error *err);

/* Writes {cniVersion, code, msg, details} to stdout, and the message to stderr. args may be NULL. */
void nb_report_error(const char *cni_version, const struct nb_args *args, const struct nb_error *error);

/* Writes one line to stderr, after "natbridge: ". */
void nb_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
