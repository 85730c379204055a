/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_CREDENTIALS_H
#define NATBRIDGE_AGENT_CREDENTIALS_H

/*
 * What a connection needs of a kubeconfig, read from its files. The kubelet replaces the token of a
 * service account long before it expires, and the CA now and then. Requests are rare and the files
 * small: they are read for each request anew, so that no change can be missed.
 */

#include <stddef.h>

#include "lib/util/error.h"

struct nb_kubeconfig;

struct nb_credential {
	char *data; /* owned, NULL: none; with a NUL behind len bytes */
	size_t len;
};

struct nb_credentials {
	struct nb_credential ca, client_cert, client_key; /* PEM */
	struct nb_credential token;                       /* printable ASCII, without blanks */
};

/*
 * Reads them; the caller frees *credentials. An error names the file and what it should be, never
 * its content.
 */
int nb_credentials_read(const struct nb_kubeconfig *conf, struct nb_credentials *credentials,
			struct nb_error *err);

void nb_credentials_free(struct nb_credentials *credentials); /* for nb_cleanup(); wipes the secrets */

#endif
