// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes log lines as klog does, and as component-base's JSON format. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/json/unicode.h"

/* A value is cut behind VALUE_MAX of its bytes, a line behind LINE_MAX_ - 1. */
enum { LINE_MAX_ = 8192, VALUE_MAX = 1024 };

struct line {
	char buf[LINE_MAX_];
	size_t len;
	bool full; /* a piece did not fit; no further one is put */
};

/* Room that put() leaves for the end of the line. */
enum { END_MAX = 8 };

static struct {
	bool json;
	unsigned int level;
} config;

void nb_log_init(bool json, unsigned int level)
{
	config.json = json;
	config.level = level;
}

/* Appends a piece as a whole, or nothing. */
static void put(struct line *line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct line *line, const char *fmt, ...)
{
	const size_t room = sizeof(line->buf) - END_MAX - line->len;
	va_list ap;
	int n;

	if (line->full)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line->buf + line->len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		line->full = true;
	else
		line->len += n;
}

/*
 * Puts text in double quotes. Text lines escape as Go's strconv.Quote() does, but everything that
 * is not ASCII as well: some letters confuse terminals.
 */
static void put_quoted(struct line *line, const char *text, bool json)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + strnlen(text, VALUE_MAX);
	const bool cut = *end;

	put(line, "\"");
	while (at < end) {
		size_t n = *at < 0x80 ? 1 : nb_utf8_sequence(at, end);

		if (*at == '"' || *at == '\\')
			put(line, "\\%c", *at);
		else if (*at == '\n')
			put(line, "\\n");
		else if (*at == '\t')
			put(line, "\\t");
		else if (*at >= 0x20 && *at < 0x7f)
			put(line, "%c", *at);
		else if (!json)
			put(line, "\\x%02x", *at);
		else if (!n)
			put(line, "\\ufffd");
		else if (n == 1)
			put(line, "\\u%04x", *at);
		else
			put(line, "%.*s", (int)n, (const char *)at);
		at += json && n ? n : 1;
	}
	put(line, cut ? "...\"" : "\"");
}

static void put_value(struct line *line, const struct nb_log_pair *pair)
{
	if (pair->text)
		put_quoted(line, pair->text, config.json);
	else
		put(line, "%lld", pair->number);
}

static void format_text(struct line *line, enum nb_log_severity severity, const struct timespec *now,
			const char *caller, const char *msg, const struct nb_log_pair *pairs)
{
	struct tm tm;
	char when[32];

	localtime_r(&now->tv_sec, &tm);
	strftime(when, sizeof(when), "%m%d %H:%M:%S", &tm);
	put(line, "%c%s.%06ld %7d %s] ", "IWE"[severity], when, now -> tv_nsec / 1000, (int)getpid(), caller);
	put_quoted(line, msg, false);
	for (; pairs->key; pairs++) {
		put(line, " %s=", pairs->key);
		put_value(line, pairs);
	}
	line->buf[line->len++] = '\n';
}

/* Milliseconds with their fraction, as component-base has them. */
static void format_json(struct line *line, enum nb_log_severity severity, unsigned int level,
			const struct timespec *now, const char *caller, const char *msg,
			const struct nb_log_pair *pairs)
{
	put(line, "{\"ts\":%lld.%03ld,\"caller\":", (long long)now->tv_sec * 1000 + now->tv_nsec / 1000000,
	    now->tv_nsec / 1000 % 1000);
	put_quoted(line, caller, true);
	put(line, ",\"msg\":");
	put_quoted(line, msg, true);
	if (severity == NB_LOG_INFO)
		put(line, ",\"v\":%u", level);
	else
		put(line, ",\"level\":\"%s\"", severity == NB_LOG_ERROR ? "error" : "warning");
	for (; pairs->key; pairs++) {
		const size_t before = line->len;

		put(line, ",");
		put_quoted(line, pairs->key, true);
		put(line, ":");
		put_value(line, pairs);
		/* A pair that does not fit is left out whole, so that the line stays JSON. */
		if (line->full)
			line->len = before;
	}
	line->buf[line->len++] = '}';
	line->buf[line->len++] = '\n';
}

void nb_log_write(enum nb_log_severity severity, unsigned int level, const char *file, int line_number,
		  const char *msg, const struct nb_log_pair *pairs)
{
	const char *base = strrchr(file, '/');
	struct line line;
	char caller[128];
	struct timespec now;
	size_t written = 0;

	if (severity == NB_LOG_INFO && level > config.level)
		return;
	line.len = 0;
	line.full = false;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(caller, sizeof(caller), "%s:%d", base ? base + 1 : file, line_number);
	if (config.json)
		format_json(&line, severity, level, &now, caller, msg, pairs);
	else
		format_text(&line, severity, &now, caller, msg, pairs);
	while (written < line.len) {
		ssize_t n = write(STDERR_FILENO, line.buf + written, line.len - written);

		if (n < 0 && errno != EINTR)
			return;
		written += n > 0 ? n : 0;
	}
}
