// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs libnftables in a child process, which sends its output or its error through a pipe. */
#include "nft.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#define LIBRARY "libnftables.so.1"

enum {
	CHILD_SECONDS = 60, /* more than natbridge's transactions take */
	MAX_OUTPUT = 64 << 20,
	FIRST_READ = 4096,
};

/* The first byte that the child sends. The output or the error text follows. */
enum { SENT_OUTPUT = 'o', SENT_ERROR = 'e', SENT_NO_LIBRARY = 'l' };

struct library {
	struct nft_ctx *(*ctx_new)(uint32_t flags);
	void (*set_flags)(struct nft_ctx *ctx, unsigned int flags);
	int (*buffer_output)(struct nft_ctx *ctx);
	int (*buffer_error)(struct nft_ctx *ctx);
	const char *(*get_output)(struct nft_ctx *ctx);
	const char *(*get_error)(struct nft_ctx *ctx);
	int (*run)(struct nft_ctx *ctx, const char *commands);
};

/* ---- child ---- */

static void send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, data, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return; /* the parent notices that the NUL is missing */
		data += written;
		len -= (size_t)written;
	}
}

/* The NUL at the end tells the parent that the text is complete. */
static void answer(int fd, char kind, const char *text)
{
	send_all(fd, &kind, 1);
	send_all(fd, text, strlen(text) + 1);
}

static bool find_symbols(void *handle, struct library *lib)
{
	const struct {
		const char *name;
		void *function;
	} symbols[] = {
		{ "nft_ctx_new", &lib->ctx_new },
		{ "nft_ctx_output_set_flags", &lib->set_flags },
		{ "nft_ctx_buffer_output", &lib->buffer_output },
		{ "nft_ctx_buffer_error", &lib->buffer_error },
		{ "nft_ctx_get_output_buffer", &lib->get_output },
		{ "nft_ctx_get_error_buffer", &lib->get_error },
		{ "nft_run_cmd_from_buffer", &lib->run },
	};

	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(handle, symbols[i].name);

		if (!symbol)
			return false;
		/*
		 * C has no cast from dlsym()'s object pointer to a function pointer; POSIX allows
		 * the copy.
		 */
		memcpy(symbols[i].function, &symbol, sizeof(symbol));
	}
	return true;
}

static void child_run(int fd, const char *commands)
{
	struct library lib;
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	struct nft_ctx *ctx;

	if (!handle || !find_symbols(handle, &lib)) {
		answer(fd, SENT_NO_LIBRARY, dlerror());
		return;
	}
	ctx = lib.ctx_new(NFT_CTX_DEFAULT);
	if (!ctx || lib.buffer_output(ctx) || lib.buffer_error(ctx)) {
		answer(fd, SENT_ERROR, "cannot set up libnftables");
		return;
	}
	lib.set_flags(ctx, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_NUMERIC_PROTO);
	if (lib.run(ctx, commands))
		answer(fd, SENT_ERROR, lib.get_error(ctx));
	else
		answer(fd, SENT_OUTPUT, lib.get_output(ctx));
}

/* The library must not print to the plugin's stdout, which carries the CNI result. */
static _Noreturn void child_main(int fd, const char *commands)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	/* The child dies with a killed ADD: it must not add rules after the DEL that follows. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_SECONDS);
	child_run(fd, commands);
	_exit(EXIT_SUCCESS);
}

/* ---- parent ---- */

/*
 * Starts a child that runs the commands. The caller closes *fd, from which it reads the answer, and
 * waits for *pid.
 */
static int start_child(const char *commands, int *fd, pid_t *pid, struct nb_error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot create a pipe for nftables");
	*pid = fork();
	if (*pid == 0)
		child_main(ends[1], commands);
	if (*pid < 0) {
		int rc = nb_fail(err, NB_ERR_SYSTEM, errno, "cannot start a process for nftables");

		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	close(ends[1]);
	*fd = ends[0];
	return 0;
}

/* Reads what the child sends, up to its NUL or to the child's end. */
static int read_answer(int fd, char **data, size_t *len, struct nb_error *err)
{
	nb_autofree char *buf = NULL;
	size_t used = 0, capacity = 0;

	while (!used || buf[used - 1] != '\0') {
		ssize_t got;

		if (used == capacity) {
			size_t more = capacity ? 2 * capacity : FIRST_READ;
			char *grown = more > MAX_OUTPUT ? NULL : realloc(buf, more);

			if (!grown)
				return nb_fail_nomem(err);
			buf = grown;
			capacity = more;
		}
		got = read(fd, buf + used, capacity - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot read from the nftables process");
		if (got == 0)
			break;
		used += (size_t)got;
	}
	*data = NB_TAKE_PTR(buf);
	*len = used;
	return 0;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Fails with errnum, but without its text: the library's text says it. */
static int fail_with(int errnum, const char *text, int len, struct nb_error *err)
{
	nb_fail(err, NB_ERR_SYSTEM, 0, "nftables: %.*s", len, text);
	if (err)
		err->errnum = errnum;
	return -errnum;
}

/* The first line holds the message; the others repeat the command. */
static int nft_error(const char *text, struct nb_error *err)
{
	const char *reason = text[0] ? text : "libnftables gave no reason";

	return fail_with(strstr(text, strerror(ENOENT)) ? ENOENT : EINVAL, reason, (int)strcspn(reason, "\n"),
			 err);
}

/* The error that the child sent, if it sent one. */
static int check_answer(const char *data, size_t len, struct nb_error *err)
{
	if (len < 2 || data[len - 1] != '\0')
		return nb_fail(err, NB_ERR_SYSTEM, 0,
			       "nftables: the process that runs libnftables ended without output");
	switch (data[0]) {
	case SENT_OUTPUT:
		return 0;
	case SENT_NO_LIBRARY:
		return fail_with(ENOSYS, data + 1, (int)strlen(data + 1), err);
	default:
		return nft_error(data + 1, err);
	}
}

int nb_nft_run(const char *commands, char **output, struct nb_error *err)
{
	nb_autofree char *data = NULL;
	size_t len = 0;
	pid_t pid = -1;
	int fd = -1, rc;

	rc = start_child(commands, &fd, &pid, err);
	if (rc)
		return rc;
	rc = read_answer(fd, &data, &len, err);
	/* A child that is still writing must fail now, or the wait would not end. */
	close(fd);
	reap(pid);
	if (rc)
		return rc;
	rc = check_answer(data, len, err);
	if (rc || !output)
		return rc;
	memmove(data, data + 1, len - 1);
	*output = NB_TAKE_PTR(data);
	return 0;
}

int nb_nft_apply(const struct nb_strbuf *commands, struct nb_error *err)
{
	if (commands->failed)
		return nb_fail_nomem(err);
	return nb_nft_run(commands->buf, NULL, err);
}
