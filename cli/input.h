/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_INPUT_H
#define NATBRIDGE_CLI_INPUT_H

#include <natbridge/error.h>

#include <stddef.h>

/* Reads a file, or standard input for "-", whole; the caller frees *text. Refuses more than 1 GiB. */
int nb_read_input(const char *path, char **text, size_t *len, struct nb_error *err);

#endif
