/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_KUBECONFIG_H
#define NATBRIDGE_AGENT_KUBECONFIG_H

/*
 * Where the API server is and who the agent is there: from a kubeconfig, or from what each pod has
 * of its service account.
 *
 * Of a kubeconfig, the current context counts: its cluster (server, certificate-authority,
 * tls-server-name, proxy-url) and its user (client-certificate, client-key, token, tokenFile),
 * files or data. What would weaken the connection or needs another program is refused by name:
 * insecure-skip-tls-verify, exec, auth-provider, username, password, as and its relatives. Other
 * contexts, clusters and users may have what they like.
 */

#include <stddef.h>

#include "lib/util/error.h"

/* A certificate, key or token. The data counts, else the file; both NULL: there is none. */
struct nb_kubeconfig_item {
	char *path; /* owned; read whenever the item is used, since files are replaced */
	char *data; /* owned, with a NUL behind len bytes */
	size_t len;
};

struct nb_kubeconfig {
	char *server;          /* owned, as all of these: a URL */
	char *tls_server_name; /* NULL: none */
	char *proxy_url;       /* NULL: none. It may hold a password */
	struct nb_kubeconfig_item ca, client_cert, client_key, token;
};

/*
 * Reads the file into *conf, which the caller frees. Errors name the file and the key, and do not
 * show values that may be secret.
 */
int nb_kubeconfig_read(const char *path, struct nb_kubeconfig *conf, struct nb_error *err);

/* Where the kubelet puts a pod's service account. */
#define NB_SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/*
 * The service account of this pod: dir has its token and ca.crt, the environment the server
 * (KUBERNETES_SERVICE_HOST and _PORT).
 */
int nb_kubeconfig_in_cluster(const char *dir, struct nb_kubeconfig *conf, struct nb_error *err);

void nb_kubeconfig_free(struct nb_kubeconfig *conf); /* for nb_cleanup() */

#endif
