// SPDX-License-Identifier: GPL-2.0-or-later
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
		return nb_fail(err, NB_ERR_NETNS, 0, "\"%s\" is a namespace of another kind", path);
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

/* The thread inherits the signal mask: a handler of the caller's never runs in the other namespace. */
static int start_blocked(pthread_t *thread, const pthread_attr_t *attr, struct visit *visit)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	ret = pthread_sigmask(SIG_SETMASK, &all, &old);
	if (ret)
		return ret;
	ret = pthread_create(thread, attr, visit_main, visit);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

int nb_netns_run(int fd, int (*fn)(void *arg, struct nb_error *err), void *arg, struct nb_error *err)
{
	struct visit visit = { .fd = fd, .fn = fn, .arg = arg, .err = err };
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	ret = pthread_attr_init(&attr);
	if (!ret) {
		ret = pthread_attr_setstacksize(&attr, STACK_SIZE);
		if (!ret)
			ret = start_blocked(&thread, &attr, &visit);
		pthread_attr_destroy(&attr);
	}
	if (!ret)
		ret = pthread_join(thread, NULL);
	if (ret)
		return nb_fail(err, NB_ERR_SYSTEM, ret, "cannot start a thread for the network namespace");
	return visit.result;
}
