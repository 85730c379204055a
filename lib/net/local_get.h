/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_LOCAL_GET_H
#define NATBRIDGE_LIB_NET_LOCAL_GET_H

/*
 * One GET by plain HTTP/1.0, for servers of this machine that say how they are. No redirects, no encodings:
 * what goes over a network is the agent's, by libcurl.
 */

#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

enum { NB_LOCAL_GET_MAX = 1 << 20 /* bytes of an answer */ };

struct nb_local_answer {
	int status; /* of HTTP, 100 .. 599 */
	char *body; /* owned, NUL-terminated */
};

/*
 * Connects, asks for path, and reads the answer to its end. -ETIMEDOUT: that takes more than ms milliseconds
 * in all. -EBADMSG: no answer of HTTP. -EFBIG: a longer one than NB_LOCAL_GET_MAX. The caller frees *answer.
 */
int nb_local_get(const struct nb_addr *addr, unsigned int port, const char *path, unsigned int ms,
		 struct nb_local_answer *answer, struct nb_error *err);
void nb_local_answer_free(struct nb_local_answer *answer); /* for nb_cleanup() */

/* Whether a TCP connection can be made; 0, or the error of connect(). */
int nb_local_connect(const struct nb_addr *addr, unsigned int port, unsigned int ms, struct nb_error *err);

#endif
