/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_STDIN_H
#define NATBRIDGE_PLUGIN_STDIN_H

#include <stddef.h>

#include "lib/util/error.h"

/* Largest configuration that is read. */
enum { NB_INPUT_MAX = 4 << 20 };

/*
 * Reads fd up to its end. Waits at most 0.9 s for its writer, all waits together; time in which this process
 * was not scheduled does not count, so that a starved node fails no ADD. Larger than NB_INPUT_MAX, or not
 * ended in time: NB_ERR_DECODE. The caller frees *text (NUL-terminated).
 */
int nb_stdin_read(int fd, char **text, size_t *len, struct nb_error *err);

#endif
