/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_QUERY_H
#define NATBRIDGE_AGENT_QUERY_H

/* The query of a URL. */

struct nb_strbuf;

/* Appends "?KEY=VALUE" or "&KEY=VALUE" to a path; the value is escaped (RFC 3986, section 2.1). */
void nb_query_add(struct nb_strbuf *path, const char *key, const char *value);
void nb_query_add_number(struct nb_strbuf *path, const char *key, unsigned int value);

#endif
