// SPDX-License-Identifier: GPL-2.0-or-later

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"

enum { ARGS_MAX = 8, BUSY_TRIES = 10, BUSY_PAUSE_MS = 100, CHILD_STACK = 16384 };

/* What is run, ready for execve(). */
struct program {
	char **argv, **env;
	int in, out;
	bool take_errors;
	pid_t parent;
	int errnum; /* why it did not start; written by the child */
};

int nb_process_find(const char *name, const char *cni_path, char **found, struct nb_error *err)
{
	nb_autofree char *dirs = strdup(cni_path);
	char *rest = dirs, *dir;

	if (!dirs)
		return nb_fail_nomem(err);
	while ((dir = strsep(&rest, ":"))) {
		nb_autofree char *path = NULL;
		struct stat st;

		if (!*dir)
			continue;
		if (asprintf(&path, "%s/%s", dir, name) < 0) {
			path = NULL;
			return nb_fail_nomem(err);
		}
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			*found = NB_TAKE_PTR(path);
			return 0;
		}
	}
	return nb_fail(err, NB_ERR_IPAM, ENOENT, "no plugin \"%s\" in CNI_PATH \"%.300s\"", name, cni_path);
}

void nb_process_output_free(struct nb_process_output *out)
{
	free(out->text);
	*out = (struct nb_process_output){ 0 };
}

/* The input as a file in memory, at its start: unlike a pipe it never blocks whoever writes it. */
static int input_file(const struct nb_process *delegate, int *fd, struct nb_error *err)
{
	nb_autoclose int file = memfd_create("natbridge-config", MFD_CLOEXEC);
	size_t done = 0;

	if (file < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "memfd_create");
	while (done < delegate->input_len) {
		ssize_t n = write(file, delegate->input + done, delegate->input_len - done);

		if (n < 0 && errno != EINTR)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "copying the configuration");
		done += n > 0 ? (size_t)n : 0;
	}
	if (lseek(file, 0, SEEK_SET) < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "lseek");
	*fd = NB_TAKE_FD(file);
	return 0;
}

/* Our environment with another CNI_COMMAND, or none. The strings belong to environ and to command_var. */
static char **make_environment(char *command_var)
{
	size_t n = 0, used = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "CNI_COMMAND=", strlen("CNI_COMMAND=")) != 0)
			env[used++] = environ[i];
	env[used] = command_var;
	return env;
}

/* What a child becomes. An IPAM plugin that outlives us could give an address after the DEL that follows our
 * end, so it ends with us. */
static int become(void *arg)
{
	struct program *program = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != program->parent) /* it was killed before that */
		_exit(1);
	signal(SIGPIPE, SIG_DFL); /* ignored by us */
	if (dup2(program->in, STDIN_FILENO) >= 0 && dup2(program->out, STDOUT_FILENO) >= 0 &&
	    (!program->take_errors || dup2(program->out, STDERR_FILENO) >= 0))
		execve(program->argv[0], program->argv, program->env);
	program->errnum = errno;
	_exit(1);
}

/*
 * Starts it and waits until it runs. As in posix_spawn(), which knows no PR_SET_PDEATHSIG, the child has our
 * memory until then, and no copy of it is made.
 */
static int start(struct program *program, pid_t *pid)
{
	_Alignas(16) char stack[CHILD_STACK];

	program->parent = getpid();
	program->errnum = 0;
	*pid = clone(become, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, program);
	if (*pid < 0)
		return errno;
	if (program->errnum)
		waitpid(*pid, NULL, 0);
	return program->errnum;
}

static int spawn(const struct nb_process *delegate, int in, int out, pid_t *pid, struct nb_error *err)
{
	char command_var[64] = "", *argv[ARGS_MAX + 2] = { (char *)delegate->path };
	nb_autofree char **env = NULL;
	struct program program = {
		.argv = argv,
		.in = in,
		.out = out,
		.take_errors = delegate->take_errors,
	};
	int errnum;

	for (size_t i = 0; delegate->args && delegate->args[i] && i < ARGS_MAX; i++)
		argv[i + 1] = (char *)delegate->args[i];
	if (delegate->command)
		snprintf(command_var, sizeof(command_var), "CNI_COMMAND=%s", delegate->command);
	env = make_environment(delegate->command ? command_var : NULL);
	if (!env)
		return nb_fail_nomem(err);
	program.env = env;
	for (int i = 0; i < BUSY_TRIES; i++) {
		errnum = start(&program, pid);
		if (errnum != ETXTBSY) /* is being written: an update of the plugins */
			break;
		poll(NULL, 0, BUSY_PAUSE_MS);
	}
	return errnum ? nb_fail(err, NB_ERR_IPAM, errnum, "running %s", delegate->path) : 0;
}

/* Takes what can be read now. *open turns false at the end of the output. */
static int take_output(int fd, struct nb_process_output *out, bool *open, struct nb_error *err)
{
	char chunk[4096];
	char *grown;
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : nb_fail(err, NB_ERR_SYSTEM, errno, "read");
	if (n == 0) {
		*open = false;
		return 0;
	}
	if (out->len + (size_t)n > NB_DELEGATE_OUTPUT_MAX)
		return nb_fail(err, NB_ERR_IPAM, 0, "wrote more than %d bytes", NB_DELEGATE_OUTPUT_MAX);
	grown = realloc(out->text, out->len + (size_t)n + 1);
	if (!grown)
		return nb_fail_nomem(err);
	memcpy(grown + out->len, chunk, (size_t)n);
	out->len += (size_t)n;
	grown[out->len] = '\0';
	out->text = grown;
	return 0;
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/*
 * Collects the output until the program has ended: its exit counts, not the end of the output, which a child
 * of its own may keep open.
 */
static int collect(const struct nb_process_child *child, struct nb_process_output *out, struct nb_error *err)
{
	bool open = true;

	for (;;) {
		struct pollfd fds[] = { { .fd = child->pidfd, .events = POLLIN },
					{ .fd = open ? child->out : -1, .events = POLLIN } };
		const long long left = child->deadline - now_ms();
		int ret = poll(fds, 2, left > 0 ? (int)left : 0);

		if (ret < 0 && errno != EINTR)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "poll");
		if (!ret && left <= 0) /* it may have ended long ago */
			return nb_fail(err, NB_ERR_IPAM, 0, "did not end within %u s",
				       child->timeout_ms / 1000);
		ret = 0;
		if (fds[1].revents)
			ret = take_output(child->out, out, &open, err);
		else if (fds[0].revents)
			return 0;
		if (ret)
			return ret;
	}
}

/* How the child has ended. */
static int reap(pid_t pid, int *status, struct nb_error *err)
{
	int ended;

	while (waitpid(pid, &ended, 0) < 0)
		if (errno != EINTR)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "waiting for its end");
	*status = WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended);
	return 0;
}

static void kill_child(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	(void)reap(pid, &status, NULL);
}

int nb_process_start(const struct nb_process *delegate, struct nb_process_child *child, struct nb_error *err)
{
	nb_autoclose int in = -1, from = -1, to = -1;
	int pipe_fds[2], pidfd, ret;
	pid_t pid = -1;

	ret = input_file(delegate, &in, err);
	if (ret)
		return ret;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "pipe");
	from = pipe_fds[0];
	to = pipe_fds[1];
	fcntl(from, F_SETFL, O_NONBLOCK);
	ret = spawn(delegate, in, to, &pid, err);
	if (ret)
		return ret;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		nb_fail(err, NB_ERR_SYSTEM, errno, "pidfd_open");
		kill_child(pid);
		return nb_wrap(err, "%s", delegate->path);
	}
	*child = (struct nb_process_child){
		.path = delegate->path,
		.pid = pid,
		.pidfd = pidfd,
		.out = NB_TAKE_FD(from),
		.timeout_ms = delegate->timeout_ms,
		.deadline = now_ms() + delegate->timeout_ms,
	};
	return 0;
}

int nb_process_finish(struct nb_process_child *child, struct nb_process_output *out, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output read_out = { 0 };
	int ret = collect(child, &read_out, err);

	if (ret)
		kill_child(child->pid);
	else
		ret = reap(child->pid, &read_out.status, err);
	close(child->pidfd);
	close(child->out);
	if (ret)
		nb_wrap(err, "%s", child->path);
	*child = (struct nb_process_child){ 0 };
	if (ret)
		return ret;
	*out = read_out;
	read_out = (struct nb_process_output){ 0 };
	return 0;
}

int nb_process_run(const struct nb_process *delegate, struct nb_process_output *out, struct nb_error *err)
{
	struct nb_process_child child = { 0 };
	int ret = nb_process_start(delegate, &child, err);

	return ret ? ret : nb_process_finish(&child, out, err);
}
