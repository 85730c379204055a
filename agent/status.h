/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_STATUS_H
#define NATBRIDGE_AGENT_STATUS_H

/*
 * What an API server says when it does not give what it was asked for: a Status, which comes as the
 * body of an answer or in an ERROR event of a watch.
 */

#include <stddef.h>

struct nb_json;

/* What to do about it. */
enum nb_verdict {
	NB_VERDICT_OK,
	NB_VERDICT_EXPIRED,     /* 410: the resourceVersion is too old; read everything again */
	NB_VERDICT_TOO_NEW,     /* 504 of that cause: this server is behind; ask for its newest state */
	NB_VERDICT_BAD_REQUEST, /* 400, 422: it does not know what was asked */
	NB_VERDICT_LOGIN,       /* 401 */
	NB_VERDICT_BUSY,        /* 429: come back later */
	NB_VERDICT_FAILED,
};

struct nb_status {
	enum nb_verdict verdict;
	int code;                   /* of HTTP, 0: unknown */
	unsigned int retry_after_s; /* 0: not said */
	char message[256];          /* of the server, cut; may be empty */
};

/* Reads a Status object; code is that of HTTP, which counts where the object says none. */
struct nb_status nb_status_read(const struct nb_json *object, int code);

/* The same for the body of an answer, which need not be a Status, nor JSON. */
struct nb_status nb_status_parse(const char *text, size_t len, int code);

#endif
