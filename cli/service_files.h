/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_SERVICE_FILES_H
#define NATBRIDGE_CLI_SERVICE_FILES_H

/* The files of Services and EndpointSlices that "service apply" is given. */

#include "lib/kube/kube.h"
#include "lib/util/error.h"

#include "options.h"

/*
 * Reads the objects of all files as one input into *input, which the caller frees. "-" is standard input; a
 * file of more than 1 GiB is refused. Notes on objects are printed on stderr. An error of one file begins
 * with its name.
 */
int nb_service_files_read(const struct nb_option_values *files, const char *node, struct nb_kube_input *input,
			  struct nb_error *err);

#endif
