/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_FILE_H
#define NATBRIDGE_AGENT_FILE_H

/* Small files, read and replaced whole. */

#include <stddef.h>

#include "lib/util/error.h"

/*
 * Reads a regular file of at most max bytes, which symbolic links may lead to. *text gets a NUL
 * behind its *len bytes; the caller frees it. Errors name the path, never the content.
 */
int nb_file_read(const char *path, size_t max, char **text, size_t *len, struct nb_error *err);

/*
 * Replaces the file: whoever opens it, also after a crash, finds the old or the new content, whole.
 * Mode 0600. Writes to PATH.new first.
 */
int nb_file_replace(const char *path, const char *text, size_t len, struct nb_error *err);

#endif
