/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_SCAN_H
#define NATBRIDGE_LIB_JSON_SCAN_H

#include <natbridge/json.h>

/*
 * Checks the grammar of a whole document (RFC 8259, see nb_json_parse()) without allocating. NB_ERR_DECODE
 * with line and column of what is wrong. Duplicate keys are not looked for here.
 */
int nb_json_scan(const char *text, size_t len, const struct nb_json_limits *limits, struct nb_error *err);

#endif
