// SPDX-License-Identifier: GPL-2.0-or-later
/* Opens network namespaces, and runs functions in them on a thread of their own. */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>
#include <linux/nsfs.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

enum { STACK_SIZE = 256 * 1024 };

int nb_netns_open(const char *path, int *fd, struct nb_error *err)
{
	struct statfs fs;
	nb_autoclose int found = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int type;

	if (found < 0)
		return nb_fail(err, NB_ERR_NETNS, errno, "cannot open network namespace \"%s\"", path);
	if (fstatfs(found, &fs) < 0)
		return nb_fail(err, NB_ERR_NETNS, errno, "cannot examine network namespace \"%s\"", path);
	if (fs.f_type != NSFS_MAGIC) {
		nb_fail(err, NB_ERR_NETNS, 0, "\"%s\" is not a network namespace", path);
		if (err)
			err->errnum = ENOENT;
		return -ENOENT;
	}
	type = ioctl(found, NS_GET_NSTYPE);
	if (type < 0)
		return nb_fail(err, NB_ERR_NETNS, errno, "cannot examine network namespace \"%s\"", path);
	if (type != CLONE_NEWNET)
		return nb_fail(err, NB_ERR_NETNS, 0, "\"%s\" is not a network namespace", path);
	*fd = NB_TAKE_FD(found);
	return 0;
}

int nb_netns_is_own(int fd, bool *own, struct nb_error *err)
{
	struct stat theirs, ours;

	if (fstat(fd, &theirs) < 0)
		return nb_fail(err, NB_ERR_NETNS, errno, "cannot examine the network namespace");
	if (stat("/proc/thread-self/ns/net", &ours) < 0)
		return nb_fail(err, NB_ERR_NETNS, errno, "cannot examine /proc/thread-self/ns/net");
	*own = theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
	return 0;
}

struct visit {
	int fd;
	int (*fn)(void *arg, struct nb_error *err);
	void *arg;
	struct nb_error *err;
	int result;
};

static void *visit_main(void *arg)
{
	struct visit *visit = arg;

	if (setns(visit->fd, CLONE_NEWNET) < 0)
		visit->result =
			nb_fail(visit->err, NB_ERR_SYSTEM, errno, "cannot enter the network namespace");
	else
		visit->result = visit->fn(visit->arg, visit->err);
	return NULL;
}

/* The thread inherits the signal mask, so that no signal handler runs in the other namespace. */
static int start_blocked(pthread_t *thread, const pthread_attr_t *attr, struct visit *visit)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	rc = pthread_sigmask(SIG_SETMASK, &all, &old);
	if (rc)
		return rc;
	rc = pthread_create(thread, attr, visit_main, visit);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static int start_thread(pthread_t *thread, struct visit *visit)
{
	pthread_attr_t attr;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return rc;
	rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (!rc)
		rc = start_blocked(thread, &attr, visit);
	pthread_attr_destroy(&attr);
	return rc;
}

int nb_netns_run(int fd, int (*fn)(void *arg, struct nb_error *err), void *arg, struct nb_error *err)
{
	struct visit visit = { .fd = fd, .fn = fn, .arg = arg, .err = err };
	pthread_t thread;
	int rc = start_thread(&thread, &visit);

	if (rc)
		return nb_fail(err, NB_ERR_SYSTEM, rc, "cannot start a thread for the network namespace");
	rc = pthread_join(thread, NULL);
	if (rc)
		return nb_fail(err, NB_ERR_SYSTEM, rc, "cannot wait for the thread in the network namespace");
	return visit.result;
}
