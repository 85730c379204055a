// SPDX-License-Identifier: GPL-2.0-or-later
/* An event loop of one thread on epoll. */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "lib/util/error.h"

/* Descriptors that one call of epoll_wait() reports. */
enum { EVENTS_MAX = 16 };

int nb_loop_open(struct nb_loop *loop, struct nb_error *err)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot make an epoll descriptor");
	*loop = (struct nb_loop){ .epoll_fd = fd };
	return 0;
}

void nb_loop_close(struct nb_loop *loop)
{
	while (loop->timers)
		nb_timer_stop(loop->timers);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

int64_t nb_loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int control(struct nb_loop *loop, int op, struct nb_loop_fd *watched, uint32_t events,
		   struct nb_error *err)
{
	struct epoll_event event = { .events = events, .data.ptr = watched };

	if (epoll_ctl(loop->epoll_fd, op, watched->fd, &event))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot wait for descriptor %d", watched->fd);
	watched->added = true;
	return 0;
}

int nb_loop_fd_add(struct nb_loop *loop, struct nb_loop_fd *watched, uint32_t events, struct nb_error *err)
{
	return control(loop, EPOLL_CTL_ADD, watched, events, err);
}

int nb_loop_fd_change(struct nb_loop *loop, struct nb_loop_fd *watched, uint32_t events, struct nb_error *err)
{
	return control(loop, EPOLL_CTL_MOD, watched, events, err);
}

void nb_loop_fd_remove(struct nb_loop *loop, struct nb_loop_fd *watched)
{
	if (!watched->added)
		return;
	watched->added = false;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watched->fd, NULL);
	/* Its event may be among those that the loop has yet to deliver. */
	for (int i = 0; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == watched)
			loop->events[i].data.ptr = NULL;
}

void nb_timer_set(struct nb_loop *loop, struct nb_timer *timer, int64_t delay_ms)
{
	struct nb_timer **at = &loop->timers;

	nb_timer_stop(timer);
	timer->at_ms = nb_loop_now() + delay_ms;
	while (*at && (*at)->at_ms <= timer->at_ms)
		at = &(*at)->next;
	timer->next = *at;
	timer->at = at;
	if (timer->next)
		timer->next->at = &timer->next;
	*at = timer;
}

void nb_timer_stop(struct nb_timer *timer)
{
	if (!timer->at)
		return;
	*timer->at = timer->next;
	if (timer->next)
		timer->next->at = timer->at;
	timer->next = NULL;
	timer->at = NULL;
}

/* Calls the timers that were due when it began. */
static void run_timers(struct nb_loop *loop)
{
	const int64_t now = nb_loop_now();

	while (loop->timers && loop->timers->at_ms <= now && !loop->stopped) {
		struct nb_timer *timer = loop->timers;

		nb_timer_stop(timer);
		timer->fn(timer->arg);
	}
}

/* Until the next timer, for epoll_wait(): -1 is forever. */
static int time_to_wait(const struct nb_loop *loop)
{
	int64_t wait;

	if (!loop->timers)
		return -1;
	wait = loop->timers->at_ms - nb_loop_now();
	if (wait < 0)
		return 0;
	return wait < INT_MAX ? (int)wait : INT_MAX;
}

static int turn(struct nb_loop *loop, struct nb_error *err)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, time_to_wait(loop));

	if (n < 0 && errno != EINTR)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot wait for events");
	loop->events = events;
	loop->n_events = n > 0 ? n : 0;
	for (int i = 0; i < loop->n_events && !loop->stopped; i++) {
		struct nb_loop_fd *watched = events[i].data.ptr;

		if (watched)
			watched->fn(events[i].events, watched->arg);
	}
	loop->events = NULL;
	loop->n_events = 0;
	if (!loop->stopped)
		run_timers(loop);
	return 0;
}

int nb_loop_run(struct nb_loop *loop, struct nb_error *err)
{
	loop->stopped = false;
	while (!loop->stopped) {
		int rc = turn(loop, err);

		if (rc)
			return rc;
	}
	return 0;
}

void nb_loop_stop(struct nb_loop *loop)
{
	loop->stopped = true;
}
