// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs another program: an IPAM plugin, iptables. */
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

/* The arguments of execve(), and what the child needs before it. */
struct program {
	char **argv, **env;
	int in, out;
	bool take_errors;
	pid_t parent;
	int errnum; /* why it did not start, 0: it started; written by the child */
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

/*
 * Copies the input to a file in memory: unlike a pipe it cannot block the writer. Its offset is 0.
 */
static int input_file(const struct nb_process *process, int *fd, struct nb_error *err)
{
	nb_autoclose int file = memfd_create("natbridge-config", MFD_CLOEXEC);
	size_t done = 0;

	if (file < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot create a file in memory");
	while (done < process->input_len) {
		ssize_t n = write(file, process->input + done, process->input_len - done);

		if (n < 0 && errno != EINTR)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot write to a file in memory");
		done += n > 0 ? (size_t)n : 0;
	}
	if (lseek(file, 0, SEEK_SET) < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot rewind a file in memory");
	*fd = NB_TAKE_FD(file);
	return 0;
}

/*
 * Copies environ, with its CNI_COMMAND replaced by command_var (NULL: removed). The strings are not
 * copied.
 */
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

/*
 * The child's main function. The child dies with its parent: an IPAM plugin that outlived a killed
 * ADD could allocate an address after the DEL that follows.
 */
static int child_main(void *arg)
{
	struct program *program = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have been killed before prctl(). */
	if (getppid() != program->parent)
		_exit(1);
	/* The parent ignores it. */
	signal(SIGPIPE, SIG_DFL);
	if (dup2(program->in, STDIN_FILENO) >= 0 && dup2(program->out, STDOUT_FILENO) >= 0 &&
	    (!program->take_errors || dup2(program->out, STDERR_FILENO) >= 0))
		execve(program->argv[0], program->argv, program->env);
	program->errnum = errno;
	_exit(1);
}

/*
 * Starts the program and waits until execve() has succeeded or failed; returns an errno value. Like
 * posix_spawn(), which has no PR_SET_PDEATHSIG, it does not copy the parent's memory: the child
 * shares it until execve().
 */
static int start(struct program *program, pid_t *pid)
{
	_Alignas(16) char stack[CHILD_STACK];

	program->parent = getpid();
	program->errnum = 0;
	*pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, program);
	if (*pid < 0)
		return errno;
	if (program->errnum)
		waitpid(*pid, NULL, 0);
	return program->errnum;
}

static int spawn(const struct nb_process *process, int in, int out, pid_t *pid, struct nb_error *err)
{
	char command_var[64] = "", *argv[ARGS_MAX + 2] = { (char *)process->path };
	nb_autofree char **env = NULL;
	struct program program = {
		.argv = argv,
		.in = in,
		.out = out,
		.take_errors = process->take_errors,
	};
	int errnum;

	for (size_t i = 0; process->args && process->args[i] && i < ARGS_MAX; i++)
		argv[i + 1] = (char *)process->args[i];
	if (process->command)
		snprintf(command_var, sizeof(command_var), "CNI_COMMAND=%s", process->command);
	env = make_environment(process->command ? command_var : NULL);
	if (!env)
		return nb_fail_nomem(err);
	program.env = env;
	for (int i = 0; i < BUSY_TRIES; i++) {
		errnum = start(&program, pid);
		/* ETXTBSY: an update of the plugins is writing the file. */
		if (errnum != ETXTBSY)
			break;
		poll(NULL, 0, BUSY_PAUSE_MS);
	}
	return errnum ? nb_fail(err, NB_ERR_IPAM, errnum, "cannot run %s", process->path) : 0;
}

/* Reads once and appends to *out. Sets *open to false at the end of the output. */
static int take_output(const struct nb_process_child *child, struct nb_process_output *out, bool *open,
		       struct nb_error *err)
{
	char chunk[4096];
	char *grown;
	ssize_t n = read(child->out, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN
			       ? 0
			       : nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read the output");
	if (n == 0) {
		*open = false;
		return 0;
	}
	if (out->len + (size_t)n > child->output_max)
		return nb_fail(err, NB_ERR_IPAM, 0, "wrote more than %zu bytes", child->output_max);
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
 * Reads the output until the program has exited. The end of the output does not count: a child of
 * the program may keep it open.
 */
static int collect(const struct nb_process_child *child, struct nb_process_output *out, struct nb_error *err)
{
	bool open = true;

	for (;;) {
		struct pollfd fds[] = { { .fd = child->pidfd, .events = POLLIN },
					{ .fd = open ? child->out : -1, .events = POLLIN } };
		const long long left = child->deadline - now_ms();
		const int ready = poll(fds, 2, left > 0 ? (int)left : 0);

		if (ready < 0 && errno != EINTR)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot wait for its output");
		/* Only now: a program that ended in time may be looked at after the deadline. */
		if (!ready && left <= 0)
			return nb_fail(err, NB_ERR_IPAM, 0, "did not end within %u s",
				       child->timeout_ms / 1000);
		if (ready <= 0)
			continue;
		if (fds[1].revents) {
			int rc = take_output(child, out, &open, err);

			if (rc)
				return rc;
		} else if (fds[0].revents) {
			return 0;
		}
	}
}

/* Waits for the child's end. *status: see struct nb_process_output. */
static int reap(pid_t pid, int *status, struct nb_error *err)
{
	int ended;

	while (waitpid(pid, &ended, 0) < 0)
		if (errno != EINTR)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot wait for its end");
	*status = WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended);
	return 0;
}

static void kill_child(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	(void)reap(pid, &status, NULL);
}

/*
 * Ends a child whose output is of no use any more. It has its time until the deadline: an IPAM plugin that is
 * killed at work may leave half a lease.
 */
static void end_child(const struct nb_process_child *child)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (now_ms() < child->deadline) {
		if (waitpid(child->pid, NULL, WNOHANG) != 0)
			return;
		nanosleep(&pause, NULL);
	}
	kill_child(child->pid);
}

int nb_process_start(const struct nb_process *process, struct nb_process_child *child, struct nb_error *err)
{
	nb_autoclose int in = -1, from = -1, to = -1;
	int pipe_fds[2], pidfd, rc;
	pid_t pid = -1;

	rc = input_file(process, &in, err);
	if (rc)
		return rc;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot create a pipe");
	from = pipe_fds[0];
	to = pipe_fds[1];
	fcntl(from, F_SETFL, O_NONBLOCK);
	rc = spawn(process, in, to, &pid, err);
	if (rc)
		return rc;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		nb_fail(err, NB_ERR_SYSTEM, errno, "cannot watch the process");
		kill_child(pid);
		return nb_wrap(err, "%s", process->path);
	}
	*child = (struct nb_process_child){
		.path = process->path,
		.pid = pid,
		.pidfd = pidfd,
		.out = NB_TAKE_FD(from),
		.timeout_ms = process->timeout_ms,
		.output_max = process->output_max ? process->output_max : NB_PROCESS_OUTPUT_MAX,
		.deadline = now_ms() + process->timeout_ms,
	};
	return 0;
}

int nb_process_finish(struct nb_process_child *child, struct nb_process_output *out, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output collected = { 0 };
	const char *path = child->path;
	int rc = collect(child, &collected, err);

	close(child->out); /* what it still writes ends it */
	if (rc)
		end_child(child);
	else
		rc = reap(child->pid, &collected.status, err);
	close(child->pidfd);
	*child = (struct nb_process_child){ 0 };
	if (rc) {
		nb_wrap(err, "%s", path);
		return rc;
	}
	*out = collected;
	collected = (struct nb_process_output){ 0 };
	return 0;
}

int nb_process_run(const struct nb_process *process, struct nb_process_output *out, struct nb_error *err)
{
	struct nb_process_child child = { 0 };
	int rc = nb_process_start(process, &child, err);

	if (rc)
		return rc;
	return nb_process_finish(&child, out, err);
}
