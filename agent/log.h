/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_LOG_H
#define NATBRIDGE_AGENT_LOG_H

/*
 * Log lines on stderr in the two formats of Kubernetes' components: a message, which is constant
 * text, and pairs of key and value.
 *
 *   text  I1129 17:24:33.123456    4711 watch.c:42] "Watch is up" resource="services" count=3
 *   json  {"ts":1764437073123.456,"caller":"watch.c:42","msg":"Watch is up","v":0,"resource":...}
 *
 * Values may come from outside: what is not printable is escaped, and long ones are cut. Each line
 * is one write().
 */

#include <stdbool.h>

enum nb_log_severity { NB_LOG_INFO, NB_LOG_WARNING, NB_LOG_ERROR };

struct nb_log_pair {
	const char *key;
	const char *text; /* NULL: the value is number */
	long long number;
};

/* For the whole process; before that: text, level 0. */
void nb_log_init(bool json, unsigned int level);

/* A pair: nb_log_info(0, "Watch is up", NB_TEXT("resource", name), NB_NUMBER("count", n)). */
#define NB_TEXT(k, value)   ((struct nb_log_pair){ .key = (k), .text = nb_log_text_(value) })
#define NB_NUMBER(k, value) ((struct nb_log_pair){ .key = (k), .number = (value) })

/* A message and any number of pairs. Information has a level (-v); that of 0 is always logged. */
#define nb_log_info(level, ...) nb_log_(NB_LOG_INFO, level, __VA_ARGS__)
#define nb_log_warning(...)     nb_log_(NB_LOG_WARNING, 0, __VA_ARGS__)
#define nb_log_error(...)       nb_log_(NB_LOG_ERROR, 0, __VA_ARGS__)

#define nb_log_(severity, level, msg, ...)                                                                   \
	nb_log_write(severity, level, __FILE__, __LINE__, msg,                                               \
		     (const struct nb_log_pair[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } })

static inline const char *nb_log_text_(const char *text)
{
	return text ? text : "";
}

/* pairs[] ends with one whose key is NULL. */
void nb_log_write(enum nb_log_severity severity, unsigned int level, const char *file, int line,
		  const char *msg, const struct nb_log_pair *pairs);

#endif
