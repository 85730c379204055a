/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_BASE64_H
#define NATBRIDGE_AGENT_BASE64_H

/* Base64 as kubeconfigs have it (RFC 4648, section 4). */

#include <stddef.h>

#include "lib/util/error.h"

/*
 * Decodes text, in which line breaks are ignored. Frees *data and makes it the result, with a NUL
 * behind its *len bytes, which the caller frees. NB_ERR_DECODE: not base64, with its padding.
 */
int nb_base64_decode(const char *text, char **data, size_t *len, struct nb_error *err);

#endif
