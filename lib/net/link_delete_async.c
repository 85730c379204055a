// SPDX-License-Identifier: GPL-2.0-or-later
/* Deletes a link in a child process, and waits only until the link is gone. */
#include "link_delete_async.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "link.h"
#include "netlink.h"

enum { PAUSE_FIRST_MS = 1, PAUSE_MAX_MS = 16 };

/*
 * The child outlives its parent by some 30 ms. It closes all files: a reader of the parent's output
 * must not wait for the child, and the child must not hold the parent's locks.
 */
static _Noreturn void delete_in_child(unsigned int index)
{
	struct nb_netlink nl = { 0 };

	if (close_range(0, ~0U, 0) || nb_netlink_open(&nl, NULL))
		_exit(1);
	_exit(nb_link_delete(&nl, index, NULL) != 0);
}

/* Whether the child ends within that time. */
static bool ended(pid_t child, int pidfd, int ms)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
	int status;

	return poll(&poll_fd, 1, ms) > 0 && waitpid(child, &status, WNOHANG) == child;
}

int nb_link_delete_async(struct nb_netlink *nl, unsigned int index, struct nb_error *err)
{
	nb_autoclose int pidfd = -1;
	struct nb_link link;
	int rc = 0, pause = 0;
	pid_t child = fork();

	if (child == 0)
		delete_in_child(index);
	if (child > 0)
		pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	/*
	 * While the child deletes the link, the kernel answers only when it can take the rtnl lock.
	 */
	while (pidfd >= 0 && !rc && !ended(child, pidfd, pause)) {
		rc = nb_link_get_index(nl, index, &link, err);
		pause = pause ? pause * 2 : PAUSE_FIRST_MS;
		if (pause > PAUSE_MAX_MS)
			pause = PAUSE_MAX_MS;
	}
	if (rc == -ENODEV)
		return 0;
	/*
	 * The child may have failed to delete the link: try here, where the error can be reported.
	 */
	rc = nb_link_delete(nl, index, err);
	return rc == -ENODEV ? 0 : rc;
}
