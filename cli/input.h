/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_INPUT_H
#define NATBRIDGE_CLI_INPUT_H

#include <stddef.h>

#include "lib/kube/kube.h"
#include "lib/util/error.h"

/* Reads a file, or standard input for "-", whole; the caller frees *text. Refuses more than 1 GiB. */
int nb_read_input(const char *path, char **text, size_t *len, struct nb_error *err);

/*
 * Reads the objects of all files as one input; what is told on the way goes to stderr. An error of one file
 * begins with its name.
 */
int nb_read_objects(const char *const *paths, size_t n, struct nb_kube_input *input, struct nb_error *err);

#endif
