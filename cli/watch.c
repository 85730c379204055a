// SPDX-License-Identifier: GPL-2.0-or-later
/* Renders a listing into memory, writes it, and waits for a signal or for the time of the next one. */
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "columns.h"
#include "out.h"

enum { DEFAULT_SECONDS = 2 };

/* Control sequences of ECMA-48, and of DEC for the end of a line (DECAWM). */
#define TERMINAL_CLEAR      "\033[2J"
#define TERMINAL_HOME       "\033[H"
#define TERMINAL_CUT_LINES  "\033[?7l"
#define TERMINAL_WRAP_LINES "\033[?7h"
#define TERMINAL_END_LINE   "\033[K"
#define TERMINAL_END        "\033[J"

/* The signals are blocked while a listing is made: no system call of it is interrupted. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGWINCH); /* the terminal has another size */
	sigprocmask(SIG_BLOCK, signals, NULL);
}

/* True: the next listing is due. */
static bool wait_for_next(const sigset_t *signals, unsigned int seconds)
{
	const struct timespec timeout = { .tv_sec = seconds };
	int found;

	do
		found = sigtimedwait(signals, NULL, &timeout);
	while (found < 0 && errno == EINTR);
	return found < 0 || found == SIGWINCH;
}

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* In the place of the last listing: each line takes that of the old one, so that nothing flickers. */
static void draw(const char *text, unsigned int height, bool is_first)
{
	const unsigned int n = count_lines(text), shown = height && n > height - 1 ? height - 1 : n;

	fputs(is_first ? TERMINAL_CLEAR : "", stdout);
	fputs(TERMINAL_HOME TERMINAL_CUT_LINES, stdout);
	for (unsigned int i = 0; i < shown; i++) {
		const size_t len = strcspn(text, "\n");

		fwrite(text, 1, len, stdout);
		fputs(TERMINAL_END_LINE "\n", stdout);
		text += len + 1;
	}
	if (shown < n)
		printf("... %u more lines", n - shown);
	fputs(TERMINAL_WRAP_LINES TERMINAL_END, stdout);
}

static void write_frame(const struct nb_cli *cli, const char *text, unsigned int number)
{
	const struct nb_terminal terminal = nb_terminal_of(stdout);

	if (terminal.can_redraw && !nb_out_is_json(cli->out)) {
		draw(text, terminal.height, !number);
		return;
	}
	if (number && !nb_out_is_json(cli->out))
		putchar('\n');
	fputs(text, stdout);
}

static int make_frame(struct nb_cli *cli, int (*fn)(const struct nb_cli *cli, struct nb_error *err),
		      unsigned int number, struct nb_error *err)
{
	nb_cleanup(nb_out_free) struct nb_out *frame = nb_out_new_frame(nb_out_is_json(cli->out));
	struct nb_out *out = cli->out;
	int rc;

	if (!frame)
		return nb_fail_nomem(err);
	cli->out = frame;
	rc = fn(cli, err);
	rc = rc ? rc : nb_out_end(frame, err);
	if (!rc)
		write_frame(cli, nb_out_text(frame), number);
	cli->out = out;
	if (!rc && (fflush(stdout) || ferror(stdout)))
		rc = nb_fail(err, NB_ERR_IO, errno, "cannot write to standard output");
	return rc;
}

int nb_watch(struct nb_cli *cli, int (*fn)(const struct nb_cli *cli, struct nb_error *err),
	     struct nb_error *err)
{
	const unsigned int seconds =
		*cli->watch ? (unsigned int)strtoul(cli->watch, NULL, 10) : DEFAULT_SECONDS;
	sigset_t signals;
	int rc;

	block_signals(&signals);
	for (unsigned int number = 0;; number++) {
		rc = make_frame(cli, fn, number, err);
		if (rc || !wait_for_next(&signals, seconds))
			return rc;
	}
}
