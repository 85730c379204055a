/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_STDIN_H
#define NATBRIDGE_PLUGIN_STDIN_H

/* The configuration as the runtime writes it to stdin: bytes, bounded in size and time. */

#include <stddef.h>

#include "lib/util/error.h"

/* Bytes of the largest configuration that is read. */
enum { NB_STDIN_MAX = 4 << 20 };

/*
 * Reads fd up to its end. Waits 0.9 s for its writer at most, all waits together. Time in
 * which this process was not scheduled does not count, so that an overloaded node fails no
 * ADD. NB_ERR_DECODE: larger than NB_STDIN_MAX, or not ended in time. The caller frees *text,
 * which is NUL-terminated.
 */
int nb_stdin_read(int fd, char **text, size_t *len, struct nb_error *err);

#endif
