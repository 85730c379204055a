// SPDX-License-Identifier: GPL-2.0-or-later
/* HTTP for whoever watches the agent. */
#include "web.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/sockaddr.h"
#include "lib/util/strbuf.h"

#include "log.h"
#include "loop.h"

/* MEMORY: for the head of a request and that of its answer, in bytes. */
enum { MEMORY = 8 << 10, BACKLOG = 1024, TEXT_MAX = 256 };

const struct nb_web_limits nb_web_limits = { .max_connections = 64, .max_ms = 10000, .busy_ms = 1000 };

/* An open connection. The oldest is the first of the list. */
struct connection {
	int fd; /* of libmicrohttpd */
	int64_t since_ms;
	bool cut;
	struct connection *next, *before;
};

struct nb_web {
	struct nb_loop *loop;
	const struct nb_web_route *routes;
	const struct nb_web_limits *limits;
	struct MHD_Daemon *daemon;
	struct nb_loop_fd events; /* its epoll descriptor */
	struct nb_timer timer;
	struct connection *oldest, *newest;
	unsigned int n_connections;
};

/* Well-known ports of kube-proxy, which may be running on this node. */
static const struct {
	unsigned int port;
	const char *what;
} ports[] = {
	{ 10249, "metrics" },
	{ 10256, "health" },
};

static void on_log(void *arg, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];

	(void)arg;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	nb_log_info(4, "HTTP server", NB_TEXT("what", text));
}

static void connection_begin(struct nb_web *web, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *new = info ? calloc(1, sizeof(*new)) : NULL;

	*context = new;
	/* One that nobody times ends at once. */
	if (!new) {
		if (info)
			shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	*new = (struct connection){ .fd = info->connect_fd,
				    .since_ms = nb_loop_now(),
				    .before = web->newest };
	*(web->newest ? &web->newest->next : &web->oldest) = new;
	web->newest = new;
	web->n_connections++;
}

static void connection_end(struct nb_web *web, struct connection *old)
{
	if (!old)
		return;
	*(old->before ? &old->before->next : &web->oldest) = old->next;
	*(old->next ? &old->next->before : &web->newest) = old->before;
	web->n_connections--;
	free(old);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		connection_begin(arg, connection, context);
	else
		connection_end(arg, *context);
}

static unsigned int time_of_each(const struct nb_web *web)
{
	const struct nb_web_limits *limits = web->limits;

	return web->n_connections < limits->max_connections ? limits->max_ms : limits->busy_ms;
}

/* libmicrohttpd sees the end of a connection that is cut here, and closes it. */
static void cut_late(struct nb_web *web)
{
	const int64_t now = nb_loop_now();

	for (struct connection *at = web->oldest; at && now - at->since_ms >= time_of_each(web);
	     at = at->next) {
		if (!at->cut)
			shutdown(at->fd, SHUT_RDWR);
		at->cut = true;
	}
}

/* When libmicrohttpd must run, or the next connection is late. */
static void set_timer(struct nb_web *web)
{
	MHD_UNSIGNED_LONG_LONG asked;
	int64_t wait = INT64_MAX;
	const struct connection *at = web->oldest;

	if (MHD_get_timeout(web->daemon, &asked) == MHD_YES)
		wait = (int64_t)asked;
	while (at && at->cut)
		at = at->next;
	if (at) {
		int64_t left = at->since_ms + time_of_each(web) - nb_loop_now();

		wait = left < wait ? left : wait;
	}
	if (wait == INT64_MAX)
		nb_timer_stop(&web->timer);
	else
		nb_timer_set(web->loop, &web->timer, wait > 0 ? wait : 0);
}

/*
 * libmicrohttpd takes its listener out of its epoll set while it has all connections that it may
 * have, and looks again only when it runs.
 */
static void run(struct nb_web *web)
{
	unsigned int before;

	cut_late(web);
	do {
		before = web->n_connections;
		MHD_run(web->daemon);
	} while (before == web->limits->max_connections && web->n_connections < before);
	set_timer(web);
}

static void on_timer(void *arg)
{
	run(arg);
}

static void on_event(uint32_t events, void *arg)
{
	(void)events;
	run(arg);
}

/* The bytes of the path that a route stands for; 0: it is another one's. */
static size_t match(const struct nb_web_route *route, const char *path)
{
	const size_t len = strlen(route->path);

	if (!strcmp(route->path, NB_WEB_ANY))
		return strlen(path);
	if (route->path[len - 1] == '/')
		return strncmp(route->path, path, len) ? 0 : len;
	return strcmp(route->path, path) ? 0 : len;
}

static void fill(const struct nb_web *web, const char *path, const char *method, struct nb_web_answer *answer)
{
	const struct nb_web_route *route = web->routes;
	bool any;

	while (route->path && !match(route, path))
		route++;
	any = route->path && !strcmp(route->path, NB_WEB_ANY);
	answer->rest = route->path ? path + match(route, path) : "";
	if (!route->path) {
		answer->code = MHD_HTTP_NOT_FOUND;
		nb_strbuf_put(&answer->body, "404 page not found\n");
	} else if (!any && strcmp(method, "GET") && strcmp(method, "HEAD")) {
		answer->code = MHD_HTTP_METHOD_NOT_ALLOWED;
		nb_strbuf_put(&answer->body, "405 method not allowed\n");
	} else {
		route->fn(answer, route->arg);
	}
	if (!answer->body.failed)
		return;
	nb_strbuf_free(&answer->body);
	*answer = (struct nb_web_answer){ .code = MHD_HTTP_INTERNAL_SERVER_ERROR };
}

static void add_header(struct MHD_Response *response, const char *name, const char *value, bool *failed)
{
	if (MHD_add_response_header(response, name, value) != MHD_YES)
		*failed = true;
}

/* Hands over the body. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, struct nb_web_answer *answer)
{
	const unsigned int code = answer->code ? answer->code : MHD_HTTP_OK;
	const size_t len = answer->body.len;
	char *body = answer->body.buf;
	struct MHD_Response *response = MHD_create_response_from_buffer(
		len, body ? body : (char[1]){ "" }, body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;
	bool failed = false;

	if (!response) {
		free(body);
		return MHD_NO;
	}
	add_header(response, "Content-Type", answer->type ? answer->type : "text/plain; charset=utf-8",
		   &failed);
	add_header(response, "X-Content-Type-Options", "nosniff", &failed);
	add_header(response, "Connection", "close", &failed);
	if (answer->extra)
		add_header(response, answer->extra, answer->extra_value, &failed);
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		add_header(response, "Allow", "GET, HEAD", &failed);
	result = failed ? MHD_NO : MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

/* MHD_NO closes the connection. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **context)
{
	struct nb_web_answer answer = { 0 };

	(void)version;
	(void)upload;
	(void)upload_len;
	(void)context;
	fill(arg, path, method, &answer);
	return send_answer(connection, &answer);
}

static int fail_to_listen(const char *address, __be16 port, int errnum, struct nb_error *err)
{
	for (size_t i = 0; errnum == EADDRINUSE && i < sizeof(ports) / sizeof(ports[0]); i++)
		if (ports[i].port == ntohs(port))
			return nb_fail(err, NB_ERR_SYSTEM, errnum,
				       "cannot listen at %s, where kube-proxy serves its %s; is it running?",
				       address, ports[i].what);
	return nb_fail(err, NB_ERR_SYSTEM, errnum, "cannot listen at %s", address);
}

static int open_socket(const char *address, int *out, struct nb_error *err)
{
	nb_autoclose int fd = -1;
	struct sockaddr_storage to;
	struct nb_addr addr;
	socklen_t len;
	__be16 port;
	int on = 1, v6_only;

	if (!nb_addr_port_parse(address, &addr, &port))
		return nb_fail(err, NB_ERR_CONFIG, 0, "cannot listen at \"%s\": it is not ADDRESS:PORT",
			       address);
	len = nb_sockaddr_fill(&addr, port, &to);
	v6_only = !nb_addr_is_zero(&addr);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (to.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only))) ||
	    bind(fd, (struct sockaddr *)&to, len) || listen(fd, BACKLOG))
		return fail_to_listen(address, port, errno, err);
	*out = NB_TAKE_FD(fd);
	return 0;
}

/* fd becomes libmicrohttpd's. */
static int start(struct nb_web *web, int fd, struct nb_error *err)
{
	const union MHD_DaemonInfo *info;

	web->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, web, MHD_OPTION_EXTERNAL_LOGGER,
		on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, web,
		MHD_OPTION_CONNECTION_LIMIT, web->limits->max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!web->daemon)
		return nb_fail(err, NB_ERR_SYSTEM, 0, "cannot start an HTTP server");
	info = MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return nb_fail(err, NB_ERR_SYSTEM, 0, "libmicrohttpd has no epoll");
	web->events = (struct nb_loop_fd){ .fd = info->epoll_fd, .fn = on_event, .arg = web };
	return nb_loop_fd_add(web->loop, &web->events, EPOLLIN, err);
}

int nb_web_open(struct nb_loop *loop, const char *address, const struct nb_web_route *routes,
		const struct nb_web_limits *limits, struct nb_web **web, struct nb_error *err)
{
	nb_cleanup(nb_web_close) struct nb_web *new = NULL;
	int fd = -1, rc;

	if (!*address) {
		*web = NULL;
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	new = calloc(1, sizeof(*new));
	if (!new)
		return nb_fail_nomem(err);
	*new = (struct nb_web){ .loop = loop, .routes = routes, .limits = limits };
	new->timer = (struct nb_timer){ .fn = on_timer, .arg = new };
	rc = open_socket(address, &fd, err);
	if (rc)
		return rc;
	rc = start(new, fd, err);
	if (rc)
		return nb_wrap(err, "cannot listen at %s", address);
	run(new);
	*web = NB_TAKE_PTR(new);
	return 0;
}

void nb_web_close(struct nb_web **web)
{
	struct nb_web *old = *web;

	*web = NULL;
	if (!old)
		return;
	nb_timer_stop(&old->timer);
	nb_loop_fd_remove(old->loop, &old->events);
	if (old->daemon)
		MHD_stop_daemon(old->daemon);
	free(old);
}
