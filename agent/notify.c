// SPDX-License-Identifier: GPL-2.0-or-later
/* Tells systemd how the agent is. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "log.h"
#include "loop.h"

enum { DATAGRAM_MAX = 1024, USEC_PER_MSEC = 1000 };

struct nb_notify {
	struct nb_loop *loop;
	int fd; /* connected to NOTIFY_SOCKET */
	struct nb_timer watchdog;
	int64_t watchdog_ms; /* 0: not asked for */
};

static const char *const states[] = {
	[NB_NOTIFY_READY] = "READY=1\n",
	[NB_NOTIFY_RELOADING] = "RELOADING=1\n",
	[NB_NOTIFY_STOPPING] = "STOPPING=1\n",
	[NB_NOTIFY_STATUS] = "",
};

static void send_text(const struct nb_notify *notify, const char *text)
{
	if (send(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		nb_log_info(2, "Cannot notify systemd", NB_TEXT("error", strerror(errno)));
}

static void on_watchdog(void *arg)
{
	struct nb_notify *notify = arg;

	send_text(notify, "WATCHDOG=1\n");
	nb_timer_set(notify->loop, &notify->watchdog, notify->watchdog_ms);
}

/* A path, or, with '@' for the NUL before it, an abstract name. */
static int connect_to(const char *name, int *out, struct nb_error *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const size_t len = strlen(name);
	nb_autoclose int fd = -1;

	if ((*name != '/' && *name != '@') || len < 2 || len >= sizeof(to.sun_path))
		return nb_fail(err, NB_ERR_CONFIG, 0, "NOTIFY_SOCKET \"%s\" is no name of a socket", name);
	memcpy(to.sun_path, name, len);
	if (*name == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to,
			      offsetof(struct sockaddr_un, sun_path) + len + (*name == '/')))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot connect to NOTIFY_SOCKET %s", name);
	*out = NB_TAKE_FD(fd);
	return 0;
}

/* Half of WATCHDOG_USEC; 0: not asked for, or of another process. */
static int64_t watchdog_time(void)
{
	const char *usec_text = getenv("WATCHDOG_USEC"), *pid_text = getenv("WATCHDOG_PID");
	unsigned long long usec, pid;

	if (!usec_text || !nb_uint_parse(usec_text, 1, INT64_MAX, &usec))
		return 0;
	if (pid_text && (!nb_uint_parse(pid_text, 1, INT32_MAX, &pid) || pid != (unsigned long long)getpid()))
		return 0;
	usec /= 2ULL * USEC_PER_MSEC;
	return usec ? (int64_t)usec : 1;
}

int nb_notify_open(struct nb_loop *loop, struct nb_notify **notify, struct nb_error *err)
{
	const char *name = getenv("NOTIFY_SOCKET");
	nb_cleanup(nb_notify_close) struct nb_notify *new = NULL;
	int rc;

	if (!name || !*name) {
		*notify = NULL;
		return 0;
	}
	new = calloc(1, sizeof(*new));
	if (!new)
		return nb_fail_nomem(err);
	*new = (struct nb_notify){ .loop = loop, .fd = -1, .watchdog_ms = watchdog_time() };
	new->watchdog = (struct nb_timer){ .fn = on_watchdog, .arg = new };
	rc = connect_to(name, &new->fd, err);
	if (rc)
		return rc;
	if (new->watchdog_ms)
		nb_timer_set(loop, &new->watchdog, 0);
	*notify = NB_TAKE_PTR(new);
	return 0;
}

void nb_notify_close(struct nb_notify **notify)
{
	struct nb_notify *old = *notify;

	*notify = NULL;
	if (!old)
		return;
	nb_timer_stop(&old->watchdog);
	if (old->fd >= 0)
		close(old->fd);
	free(old);
}

/* A line of the text: what follows a line's end would be a state of its own. */
void nb_notify(struct nb_notify *notify, enum nb_notify_state state, const char *text)
{
	char datagram[DATAGRAM_MAX], since[64] = "";
	struct timespec now;

	if (!notify)
		return;
	if (state == NB_NOTIFY_RELOADING) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		snprintf(since, sizeof(since), "MONOTONIC_USEC=%lld\n",
			 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	}
	snprintf(datagram, sizeof(datagram), "%s%s%s%.*s%s", states[state], since, text ? "STATUS=" : "",
		 text ? (int)strcspn(text, "\n") : 0, text ? text : "", text ? "\n" : "");
	send_text(notify, datagram);
}
