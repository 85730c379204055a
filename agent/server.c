// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the address of an API server by libcurl's parser, so that both mean the same. */
#include "server.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

static void free_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void free_part(char **part)
{
	curl_free(*part);
}

/* Copies a part of the URL; false: it has none (buf is "" then), or it is too long. */
static bool copy_part(CURLU *url, CURLUPart part, unsigned int flags, char *buf, size_t size)
{
	nb_cleanup(free_part) char *text = NULL;

	buf[0] = '\0';
	if (curl_url_get(url, part, &text, flags) || strlen(text) >= size)
		return false;
	snprintf(buf, size, "%s", text);
	return true;
}

static bool has_part(CURLU *url, CURLUPart part)
{
	nb_cleanup(free_part) char *text = NULL;

	return curl_url_get(url, part, &text, 0) == CURLUE_OK;
}

/* Whether text can be a host's name or address: nothing that has a meaning in a URL. */
static bool is_host(const char *text)
{
	if (!*text || strlen(text) >= NB_SERVER_HOST_MAX)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(".-_:[]", *text))
			return false;
	return true;
}

static int read_tls_name(const char *name, struct nb_server *server, struct nb_error *err)
{
	struct nb_addr addr;

	if (!is_host(name))
		return nb_fail(err, NB_ERR_CONFIG, 0, "the TLS name is neither a host name nor an address");
	if (nb_addr_parse(name, &addr) && !nb_addr_is_v4(&addr))
		snprintf(server->tls_name, sizeof(server->tls_name), "[%.*s]", NB_SERVER_HOST_MAX - 3, name);
	else
		snprintf(server->tls_name, sizeof(server->tls_name), "%s", name);
	return 0;
}

int nb_server_parse(const char *url, const char *tls_name, struct nb_server *server, struct nb_error *err)
{
	nb_cleanup(free_url) CURLU *parsed = curl_url();
	struct nb_server is = { 0 };
	unsigned long long port;
	char scheme[8], digits[8];
	size_t len;
	int rc;

	if (!parsed)
		return nb_fail_nomem(err);
	if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME))
		return nb_fail(err, NB_ERR_CONFIG, 0, "not a URL");
	copy_part(parsed, CURLUPART_SCHEME, 0, scheme, sizeof(scheme));
	is.tls = !strcmp(scheme, "https");
	if (!is.tls && strcmp(scheme, "http") != 0)
		return nb_fail(err, NB_ERR_CONFIG, 0, "neither an https:// nor an http:// URL");
	if (has_part(parsed, CURLUPART_USER) || has_part(parsed, CURLUPART_QUERY) ||
	    has_part(parsed, CURLUPART_FRAGMENT) || has_part(parsed, CURLUPART_ZONEID))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "a URL with a user, a query, a fragment or a zone is not supported");
	if (!copy_part(parsed, CURLUPART_HOST, 0, is.host, sizeof(is.host)) || !is_host(is.host) ||
	    !copy_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT, digits, sizeof(digits)) ||
	    !nb_uint_parse(digits, 1, 65535, &port))
		return nb_fail(err, NB_ERR_CONFIG, 0, "a URL without a usable host and port");
	is.port = port;
	if (!copy_part(parsed, CURLUPART_PATH, 0, is.prefix, sizeof(is.prefix)))
		return nb_fail(err, NB_ERR_CONFIG, 0, "a URL with a path that is too long");
	for (len = strlen(is.prefix); len && is.prefix[len - 1] == '/'; len--)
		is.prefix[len - 1] = '\0';
	rc = tls_name && *tls_name ? read_tls_name(tls_name, &is, err) : 0;
	if (rc)
		return rc;
	*server = is;
	return 0;
}

bool nb_server_equal(const struct nb_server *a, const struct nb_server *b)
{
	return a->tls == b->tls && a->port == b->port && !strcmp(a->host, b->host) &&
	       !strcmp(a->prefix, b->prefix);
}

const char *nb_server_name(const struct nb_server *server, char buf[NB_SERVER_NAME_MAX])
{
	snprintf(buf, NB_SERVER_NAME_MAX, "%s:%u", server->host, server->port);
	return buf;
}
