// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads certificates, keys and tokens. */
#include "credentials.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "file.h"
#include "kubeconfig.h"

enum { CREDENTIAL_MAX = 1 << 20, TOKEN_MAX = 1 << 16 };

static void free_credential(struct nb_credential *credential)
{
	if (credential->data)
		explicit_bzero(credential->data, credential->len);
	free(credential->data);
	*credential = (struct nb_credential){ 0 };
}

void nb_credentials_free(struct nb_credentials *credentials)
{
	free_credential(&credentials->ca);
	free_credential(&credentials->client_cert);
	free_credential(&credentials->client_key);
	free_credential(&credentials->token);
}

/* From the data of the kubeconfig or from the file; nothing, if there is neither. */
static int read_item(const struct nb_kubeconfig_item *item, struct nb_credential *credential,
		     struct nb_error *err)
{
	if (!item->data && item->path)
		return nb_file_read(item->path, CREDENTIAL_MAX, &credential->data, &credential->len, err);
	if (!item->data)
		return 0;
	credential->data = malloc(item->len + 1);
	if (!credential->data)
		return nb_fail_nomem(err);
	memcpy(credential->data, item->data, item->len + 1);
	credential->len = item->len;
	return 0;
}

static int read_pem(const struct nb_kubeconfig_item *item, const char *what, struct nb_credential *credential,
		    struct nb_error *err)
{
	int rc = read_item(item, credential, err);

	if (rc)
		return nb_wrap(err, "%s", what);
	if (!credential->data || strstr(credential->data, "-----BEGIN "))
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0, "%s: %s is not PEM", what,
		       item->data ? "the data in the kubeconfig" : item->path);
}

/* A header carries the token: a line break or blank in it must not begin something else. */
static int read_token(const struct nb_kubeconfig_item *item, struct nb_credential *token,
		      struct nb_error *err)
{
	int rc = read_item(item, token, err);
	bool wrong;

	if (rc)
		return nb_wrap(err, "token");
	if (!token->data)
		return 0;
	while (token->len && strchr(" \t\r\n", token->data[token->len - 1]))
		token->data[--token->len] = '\0';
	wrong = !token->len || token->len > TOKEN_MAX;
	for (size_t i = 0; i < token->len; i++)
		wrong |= token->data[i] <= ' ' || token->data[i] >= 0x7f;
	if (!wrong)
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0, "token: %s is not a token",
		       item->data ? "that of the kubeconfig" : item->path);
}

int nb_credentials_read(const struct nb_kubeconfig *conf, struct nb_credentials *credentials,
			struct nb_error *err)
{
	nb_cleanup(nb_credentials_free) struct nb_credentials is = { 0 };

	int rc = read_pem(&conf->ca, "certificate-authority", &is.ca, err);
	if (!rc)
		rc = read_pem(&conf->client_cert, "client-certificate", &is.client_cert, err);
	if (!rc)
		rc = read_pem(&conf->client_key, "client-key", &is.client_key, err);
	if (!rc)
		rc = read_token(&conf->token, &is.token, err);
	if (rc)
		return rc;
	*credentials = is;
	is = (struct nb_credentials){ 0 };
	return 0;
}
