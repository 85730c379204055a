// SPDX-License-Identifier: GPL-2.0-or-later
/* HTTP requests by libcurl on the event loop. */
#include "http.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <natbridge/version.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "credentials.h"
#include "http_stats.h"
#include "loop.h"
#include "server.h"

/* KEPT_MAX: bytes of an answer other than 200. A Status of Kubernetes is shorter. */
enum { KEPT_MAX = 16384, KEEPALIVE_IDLE_S = 15, KEEPALIVE_INTERVAL_S = 5, CONNECTIONS_MAX = 8 };

const struct nb_http_times nb_http_times = {
	.connect_ms = 10 * 1000,
	.idle_ms = 120 * 1000,
	.user_timeout_ms = 30 * 1000,
};

struct nb_http {
	struct nb_loop *loop;
	struct nb_http_times times;
	CURLM *multi;
	struct nb_timer timer; /* of the multi handle */
	struct nb_http_stats stats;
};

/* A socket of libcurl's in the loop. */
struct transport {
	struct nb_http *http;
	struct nb_loop_fd watched;
};

struct nb_http_request {
	struct nb_http *http;
	struct nb_http_get get; /* only its callbacks and arg */
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	char server[NB_SERVER_NAME_MAX];
	char curl_error[CURL_ERROR_SIZE];
	struct nb_timer idle;
	int64_t started_ms;
	int status; /* 0: no head yet */
	char kept[KEPT_MAX];
	size_t kept_len;
};

static void finish(struct nb_http_request *request, const struct nb_error *error);

/* --- libcurl on the loop --- */

/* Ends the requests that libcurl has done. */
static void reap(struct nb_http *http)
{
	struct CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct nb_http_request *request = NULL;
		struct nb_error error = { 0 };

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		if (message->data.result != CURLE_OK)
			nb_fail(&error, NB_ERR_IO, 0, "%s: %s", request->server,
				*request->curl_error ? request->curl_error
						     : curl_easy_strerror(message->data.result));
		finish(request, &error);
	}
}

static void on_ready(uint32_t events, void *arg)
{
	struct transport *transport = arg;
	struct nb_http *http = transport->http;
	const int mask = (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
			 (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			 (events & EPOLLERR ? CURL_CSELECT_ERR : 0);
	int running;

	/* This may free the transport. */
	curl_multi_socket_action(http->multi, transport->watched.fd, mask, &running);
	reap(http);
}

static void on_timer(void *arg)
{
	struct nb_http *http = arg;
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(http);
}

static int want_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct nb_http *http = arg;

	(void)multi;
	if (timeout_ms < 0)
		nb_timer_stop(&http->timer);
	else
		nb_timer_set(http->loop, &http->timer, timeout_ms);
	return 0;
}

static int want_events(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	const uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	struct transport *transport = socket_arg;
	struct nb_http *http = arg;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (transport)
			nb_loop_fd_remove(http->loop, &transport->watched);
		free(transport);
		curl_multi_assign(http->multi, fd, NULL);
		return 0;
	}
	if (transport)
		return nb_loop_fd_change(http->loop, &transport->watched, events, NULL) ? -1 : 0;
	transport = calloc(1, sizeof(*transport));
	if (!transport)
		return -1;
	transport->http = http;
	transport->watched = (struct nb_loop_fd){ .fd = fd, .fn = on_ready, .arg = transport };
	if (nb_loop_fd_add(http->loop, &transport->watched, events, NULL)) {
		free(transport);
		return -1;
	}
	curl_multi_assign(http->multi, fd, transport);
	return 0;
}

struct nb_http *nb_http_new(struct nb_loop *loop, const struct nb_http_times *times, struct nb_error *err)
{
	nb_cleanup(nb_http_free) struct nb_http *http = calloc(1, sizeof(*http));

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		nb_fail_nomem(err);
		return NULL;
	}
	/* libcurl leaves it to programs that it may not disturb (CURLOPT_NOSIGNAL). */
	signal(SIGPIPE, SIG_IGN);
	http->loop = loop;
	http->times = *times;
	http->timer = (struct nb_timer){ .fn = on_timer, .arg = http };
	http->multi = curl_multi_init();
	if (!http->multi || curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, want_events) ||
	    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, want_timer) ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) ||
	    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX)) {
		nb_fail_nomem(err);
		return NULL;
	}
	return NB_TAKE_PTR(http);
}

void nb_http_free(struct nb_http **http)
{
	if (!*http)
		return;
	if ((*http)->multi)
		curl_multi_cleanup((*http)->multi);
	nb_timer_stop(&(*http)->timer);
	free(*http);
	*http = NULL;
	curl_global_cleanup();
}

/* --- a request --- */

static void free_request(struct nb_http_request *request)
{
	nb_timer_stop(&request->idle);
	if (request->easy)
		curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->connect_to);
	free(request);
}

static void free_new_request(struct nb_http_request **request)
{
	if (*request)
		free_request(*request);
}

static void finish(struct nb_http_request *request, const struct nb_error *error)
{
	struct nb_http_answer answer = { .status = request->status, .error = *error };
	curl_off_t retry_after = 0;

	curl_multi_remove_handle(request->http->multi, request->easy);
	nb_timer_stop(&request->idle);
	curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after);
	answer.retry_after_s = retry_after > UINT16_MAX ? UINT16_MAX : retry_after;
	answer.text = request->kept;
	answer.len = request->kept_len;
	nb_http_stats_end(&request->http->stats, request->server, request->status);
	request->get.on_end(&answer, request->get.arg);
	free_request(request);
}

void nb_http_cancel(struct nb_http_request *request)
{
	curl_multi_remove_handle(request->http->multi, request->easy);
	free_request(request);
}

static void on_idle(void *arg)
{
	struct nb_http_request *request = arg;
	struct nb_error error = { 0 };

	nb_fail(&error, NB_ERR_IO, 0, "%s: no byte for %u ms", request->server, request->http->times.idle_ms);
	finish(request, &error);
}

static void not_idle(struct nb_http_request *request)
{
	nb_timer_set(request->http->loop, &request->idle, request->http->times.idle_ms);
}

/* Notes what time the server says that it is: "Date: Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 6.6.1). */
static void take_date(struct nb_http_request *request, const char *line, size_t len)
{
	static const char name[] = "Date:";
	char text[64];
	time_t date;

	if (len <= sizeof(name) || len - sizeof(name) >= sizeof(text) ||
	    strncasecmp(line, name, strlen(name)) != 0)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)(len - strlen(name)), line + strlen(name));
	date = curl_getdate(text, NULL);
	if (date >= 0)
		nb_http_stats_clock(&request->http->stats, request->server, date, time(NULL));
}

/* A line of the head. The last one is empty; an interim answer (1xx) has a head of its own. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct nb_http_request *request = arg;
	struct nb_http *http = request->http;
	long status = 0;

	not_idle(request);
	if (*line != '\r' && *line != '\n') {
		take_date(request, line, size * n);
		return size * n;
	}
	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return size * n;
	request->status = (int)status;
	nb_http_stats_head(&http->stats, request->server, nb_loop_now() - request->started_ms);
	if (status == 200)
		request->get.on_head(request->get.arg);
	return size * n;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct nb_http_request *request = arg;
	const size_t len = size * n;
	size_t kept = sizeof(request->kept) - request->kept_len;

	not_idle(request);
	if (request->status == 200)
		return request->get.on_body(bytes, len, request->get.arg) ? 0 : len;
	kept = len < kept ? len : kept;
	memcpy(request->kept + request->kept_len, bytes, kept);
	request->kept_len += kept;
	return request->kept_len < sizeof(request->kept) ? len : 0;
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const unsigned int timeout = ((struct nb_http *)arg)->times.user_timeout_ms;

	(void)purpose;
	if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout)))
		return CURL_SOCKOPT_ERROR;
	return CURL_SOCKOPT_OK;
}

/* --- its options --- */

/* Adds a header; false: out of memory. */
static bool add_header(struct nb_http_request *request, const char *name, const char *value)
{
	nb_autofree char *header = NULL;
	struct curl_slist *more = NULL;

	if (asprintf(&header, "%s: %s", name, value) >= 0)
		more = curl_slist_append(request->headers, header);
	if (more)
		request->headers = more;
	if (header)
		explicit_bzero(header, strlen(header));
	return more;
}

static CURLcode set_blob(CURL *easy, CURLoption option, const struct nb_credential *credential)
{
	struct curl_blob blob = { credential->data, credential->len, CURL_BLOB_COPY };

	return credential->data ? curl_easy_setopt(easy, option, &blob) : CURLE_OK;
}

/*
 * The URL has the name that the certificate must be for; if the server is at another address,
 * libcurl is told to connect there.
 */
static CURLcode set_url(struct nb_http_request *request, const struct nb_http_get *get)
{
	const struct nb_server *server = get->server;
	const char *name = *server->tls_name ? server->tls_name : server->host;
	nb_cleanup(nb_strbuf_free) struct nb_strbuf url = { 0 };
	char connect_to[2 * NB_SERVER_NAME_MAX];

	nb_strbuf_append(&url, "%s://%s:%u", server->tls ? "https" : "http", name, server->port);
	nb_strbuf_put(&url, server->prefix);
	nb_strbuf_put(&url, get->path);
	if (url.failed)
		return CURLE_OUT_OF_MEMORY;
	if (*server->tls_name) {
		snprintf(connect_to, sizeof(connect_to), "::%s:%u", server->host, server->port);
		request->connect_to = curl_slist_append(NULL, connect_to);
		if (!request->connect_to ||
		    curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, request->connect_to))
			return CURLE_OUT_OF_MEMORY;
	}
	return curl_easy_setopt(request->easy, CURLOPT_URL, url.buf);
}

static CURLcode set_numbers(CURL *easy, const struct nb_http_times *times)
{
	const struct {
		CURLoption option;
		long value;
	} options[] = {
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
		{ CURLOPT_CONNECTTIMEOUT_MS, times->connect_ms },
		{ CURLOPT_TCP_KEEPALIVE, 1 },
		{ CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_CA_CACHE_TIMEOUT, 0 },
	};
	CURLcode code = CURLE_OK;

	for (size_t i = 0; !code && i < sizeof(options) / sizeof(options[0]); i++)
		code = curl_easy_setopt(easy, options[i].option, options[i].value);
	return code;
}

static CURLcode set_callbacks(struct nb_http_request *request)
{
	CURL *easy = request->easy;
	CURLcode code = curl_easy_setopt(easy, CURLOPT_PRIVATE, request);

	code = code ? code : curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error);
	code = code ? code : curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	code = code ? code : curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	code = code ? code : curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
	return code ? code : curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, request->http);
}

static CURLcode set_tls(CURL *easy, const struct nb_credentials *credentials)
{
	CURLcode code = set_blob(easy, CURLOPT_CAINFO_BLOB, &credentials->ca);

	/* Else the system's directory of CAs would be trusted as well. */
	if (!code && credentials->ca.data)
		code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	code = code ? code : set_blob(easy, CURLOPT_SSLCERT_BLOB, &credentials->client_cert);
	return code ? code : set_blob(easy, CURLOPT_SSLKEY_BLOB, &credentials->client_key);
}

static CURLcode set_headers(struct nb_http_request *request, const struct nb_http_get *get)
{
	const struct nb_credential *token = &get->credentials->token;
	nb_autofree char *bearer = NULL;
	bool added = add_header(request, "Accept", "application/json");

	if (token->data) {
		added = asprintf(&bearer, "Bearer %s", token->data) >= 0 && added;
		added = added && add_header(request, "Authorization", bearer);
		if (bearer)
			explicit_bzero(bearer, strlen(bearer));
	}
	if (!added)
		return CURLE_OUT_OF_MEMORY;
	return curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
}

static CURLcode set_options(struct nb_http_request *request, const struct nb_http_get *get)
{
	CURL *easy = request->easy;
	CURLcode code = set_numbers(easy, &request->http->times);

	code = code ? code : set_callbacks(request);
	code = code ? code : set_tls(easy, get->credentials);
	code = code ? code : set_headers(request, get);
	code = code ? code : set_url(request, get);
	code = code ? code : curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	code = code ? code : curl_easy_setopt(easy, CURLOPT_USERAGENT, "natbridge-agent/" NB_VERSION);
	code = code ? code : curl_easy_setopt(easy, CURLOPT_PROXY, get->proxy_url ? get->proxy_url : "");
	if (!code && get->gzip)
		code = curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	return code;
}

int nb_http_get(struct nb_http *http, const struct nb_http_get *get, struct nb_http_request **started,
		struct nb_error *err)
{
	nb_cleanup(free_new_request) struct nb_http_request *request = calloc(1, sizeof(*request));
	CURLcode code;

	if (!request)
		return nb_fail_nomem(err);
	request->http = http;
	request->get = *get;
	request->easy = curl_easy_init();
	request->idle = (struct nb_timer){ .fn = on_idle, .arg = request };
	request->started_ms = nb_loop_now();
	nb_server_name(get->server, request->server);
	if (!request->easy)
		return nb_fail_nomem(err);
	code = set_options(request, get);
	if (code)
		return nb_fail(err, NB_ERR_SYSTEM, 0, "cannot make a request: %s", curl_easy_strerror(code));
	if (curl_multi_add_handle(http->multi, request->easy))
		return nb_fail(err, NB_ERR_SYSTEM, 0, "cannot start a request");
	not_idle(request);
	*started = NB_TAKE_PTR(request);
	return 0;
}

const struct nb_http_stats *nb_http_stats(const struct nb_http *http)
{
	return &http->stats;
}
