// SPDX-License-Identifier: GPL-2.0-or-later
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
	CHILD_SECONDS = 60, /* more than any transaction of ours takes */
	MAX_OUTPUT = 64 << 20,
	FIRST_READ = 4096,
};

/* First byte that the child sends; the rest is the output or the library's error text. */
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
			return; /* the parent sees an answer that is cut short as none */
		data += written;
		len -= (size_t)written;
	}
}

/* The terminating NUL says that the text is whole. */
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
	size_t i;

	for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(handle, symbols[i].name);

		if (!symbol)
			return false;
		/* POSIX: a function pointer is stored as the object pointer that dlsym() returns. */
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
		answer(fd, SENT_ERROR, "libnftables cannot be set up");
		return;
	}
	lib.set_flags(ctx, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_NUMERIC_PROTO);
	if (lib.run(ctx, commands))
		answer(fd, SENT_ERROR, lib.get_error(ctx));
	else
		answer(fd, SENT_OUTPUT, lib.get_output(ctx));
}

/* Nothing that the library prints may reach the plugin's stdout, which carries the result. */
static _Noreturn void child_main(int fd, const char *commands)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	/* Rules must not come after a DEL that follows the end of a killed parent. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_SECONDS);
	child_run(fd, commands);
	_exit(EXIT_SUCCESS);
}

/* ---- parent ---- */

/* All that the child sends, up to the NUL that ends it or the child's end; with its length. */
static int read_answer(int fd, char **data, size_t *len, struct nb_error *err)
{
	nb_autofree char *buf = NULL;
	size_t used = 0, room = 0;

	while (!used || buf[used - 1] != '\0') {
		ssize_t got;

		if (used == room) {
			size_t more = room ? 2 * room : FIRST_READ;
			char *grown = more > MAX_OUTPUT ? NULL : realloc(buf, more);

			if (!grown)
				return nb_fail_nomem(err);
			buf = grown;
			room = more;
		}
		got = read(fd, buf + used, room - used);
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

/* An error whose text says all, so that the errno's own is not added. */
static int fail_with(int errnum, const char *text, int len, struct nb_error *err)
{
	nb_fail(err, NB_ERR_SYSTEM, 0, "nftables: %.*s", len, text);
	if (err)
		err->errnum = errnum;
	return -errnum;
}

/* nft repeats the command below its message: the first line says it. */
static int nft_error(const char *text, struct nb_error *err)
{
	const char *reason = text[0] ? text : "the library gave no reason";

	return fail_with(strstr(text, strerror(ENOENT)) ? ENOENT : EINVAL, reason, (int)strcspn(reason, "\n"),
			 err);
}

static int judge(char *data, size_t len, char **output, struct nb_error *err)
{
	if (len < 2 || data[len - 1] != '\0')
		return nb_fail(err, NB_ERR_SYSTEM, 0, "nftables: libnftables gave up without a reason");
	switch (data[0]) {
	case SENT_OUTPUT:
		if (output) {
			memmove(data, data + 1, len - 1);
			*output = data;
		}
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
	int ends[2], ret;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot make a pipe for nftables");
	pid = fork();
	if (pid == 0)
		child_main(ends[1], commands);
	ret = pid < 0 ? nb_fail(err, NB_ERR_SYSTEM, errno, "cannot start a process for nftables") : 0;
	close(ends[1]);
	if (!ret)
		ret = read_answer(ends[0], &data, &len, err);
	close(ends[0]);
	if (pid > 0)
		reap(pid);
	if (!ret)
		ret = judge(data, len, output, err);
	if (!ret && output)
		(void)NB_TAKE_PTR(data);
	return ret;
}
