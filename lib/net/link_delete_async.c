// SPDX-License-Identifier: GPL-2.0-or-later
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

/* It outlives us by some 30 ms: whoever reads our output to its end must not wait for it, and our locks are
 * not its own. */
static _Noreturn void delete_in_child(unsigned int index)
{
	struct nb_netlink nl = { 0 };

	if (close_range(0, ~0U, 0) || nb_netlink_open(&nl, NULL))
		_exit(1);
	_exit(nb_link_delete(&nl, index, NULL) != 0);
}

/* Whether the child has ended within that time. */
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
	int ret = 0, pause = 0;
	pid_t child = fork();

	if (child == 0)
		delete_in_child(index);
	if (child > 0)
		pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	/* While the child deletes, the answer waits for the rtnl lock. */
	while (pidfd >= 0 && !ret && !ended(child, pidfd, pause)) {
		ret = nb_link_get_index(nl, index, &link, err);
		pause = pause ? pause * 2 : PAUSE_FIRST_MS;
		if (pause > PAUSE_MAX_MS)
			pause = PAUSE_MAX_MS;
	}
	if (ret == -ENODEV)
		return 0;
	/* What it could not, we try ourselves, and tell of. */
	ret = nb_link_delete(nl, index, err);
	return ret == -ENODEV ? 0 : ret;
}
