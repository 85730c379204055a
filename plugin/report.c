// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes results, errors and log lines. */
#include "report.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/json/json.h"
#include "lib/json/unicode.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "args.h"
#include "cni_version.h"

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

void nb_log(const char *fmt, ...)
{
	char line[NB_ERROR_MSG_MAX + 64] = "natbridge: ";
	size_t used = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + used, sizeof(line) - used - 1, fmt, ap);
	va_end(ap);
	used = strlen(line);
	/* A plugin or the environment may have put line breaks into it. */
	for (size_t i = 0; i < used; i++)
		if (iscntrl((unsigned char)line[i]))
			line[i] = ' ';
	line[used++] = '\n';
	/* If stderr is closed there is nowhere to say so. */
	write_all(STDERR_FILENO, line, used);
}

int nb_report_prepare(struct nb_error *err)
{
	int rc = 0;

	signal(SIGPIPE, SIG_IGN);
	/*
	 * If the parent ignores it, we inherit that, and wait() does not return
	 * the status of our children.
	 */
	signal(SIGCHLD, SIG_DFL);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* open() takes the lowest free number, which is fd. */
		if (open("/dev/null", O_RDWR) < 0)
			return nb_fail(err, NB_ERR_IO, errno, "cannot open /dev/null");
		if (fd == STDOUT_FILENO)
			rc = nb_fail(err, NB_ERR_IO, 0, "stdout is closed");
	}
	return rc;
}

/*
 * A file system may report only at close() what it could not store. Closing a duplicate leaves the
 * number 1 taken, so that nothing that an undo opens later becomes "stdout".
 */
static int flush_stdout(void)
{
	int fd = dup(STDOUT_FILENO);

	return fd < 0 || close(fd) ? errno : 0;
}

int nb_report_result(const struct cJSON *json, struct nb_error *err)
{
	nb_autofree char *text = cJSON_Print(json);
	nb_autofree char *line = NULL;
	int errnum, len;

	if (!text)
		return nb_fail_nomem(err);
	/*
	 * One write for text and line break: if the second failed, the error would be a
	 * second object on stdout.
	 */
	len = asprintf(&line, "%s\n", text);
	if (len < 0) {
		line = NULL;
		return nb_fail_nomem(err);
	}
	errnum = write_all(STDOUT_FILENO, line, (size_t)len);
	if (!errnum)
		errnum = flush_stdout();
	return errnum ? nb_fail(err, NB_ERR_IO, errnum, "cannot write to stdout") : 0;
}

/* A message may quote bytes of the environment that are not UTF-8, which JSON must be. */
static void make_utf8(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c >= 0x80 && !nb_utf8_valid(text, strlen(text)))
			*c = '?';
}

static struct cJSON *error_to_json(const char *cni_version, const struct nb_args *args, const char *msg,
				   unsigned int code)
{
	nb_cleanup(nb_json_free) struct cJSON *json = cJSON_CreateObject();
	char details[512] = "";

	if (args && *args->container_id)
		snprintf(details, sizeof(details), "CNI_COMMAND=%s CNI_CONTAINERID=%s CNI_IFNAME=%s",
			 nb_command_name(args->command), args->container_id, args->ifname);
	if (!json || !cJSON_AddStringToObject(json, "cniVersion", cni_version) ||
	    !cJSON_AddNumberToObject(json, "code", code) || !cJSON_AddStringToObject(json, "msg", msg) ||
	    (*details && !cJSON_AddStringToObject(json, "details", details)))
		return NULL;
	return NB_TAKE_PTR(json);
}

void nb_report_error(const char *cni_version, const struct nb_args *args, const struct nb_error *error)
{
	static const char NO_MEMORY[] =
		"{ \"cniVersion\": \"" NB_CNI_NEWEST "\", \"code\": 100, \"msg\": \"out of memory\" }\n";
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	struct nb_error unwritten = { 0 };
	char msg[NB_ERROR_MSG_MAX];

	memcpy(msg, error->msg, sizeof(msg));
	make_utf8(msg);
	nb_log("%s", msg);
	json = error_to_json(cni_version, args, msg, error->code);
	if (json && nb_report_result(json, &unwritten) == 0)
		return;
	if (!json || unwritten.errnum == ENOMEM)
		write_all(STDOUT_FILENO, NO_MEMORY, sizeof(NO_MEMORY) - 1);
	else
		nb_log("%s", unwritten.msg);
}
