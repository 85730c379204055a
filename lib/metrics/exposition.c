// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes Prometheus' text format. */
#include "exposition.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/json/unicode.h"
#include "lib/util/strbuf.h"

static const char *const types[] = {
	[NB_METRIC_COUNTER] = "counter",
	[NB_METRIC_GAUGE] = "gauge",
	[NB_METRIC_HISTOGRAM] = "histogram",
};

void nb_exposition_head(struct nb_strbuf *text, const char *name, const char *help, enum nb_metric_type type)
{
	nb_strbuf_append(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static void put_escaped(struct nb_strbuf *text, const char *value)
{
	const unsigned char *at = (const unsigned char *)value, *end = at + strlen(value);

	while (at < end) {
		size_t n = *at < 0x80 ? 1 : nb_utf8_sequence(at, end);

		if (!n)
			nb_strbuf_put(text, "\xef\xbf\xbd"); /* U+FFFD */
		else if (*at == '\n')
			nb_strbuf_put(text, "\\n");
		else
			nb_strbuf_append(text, "%s%.*s", *at == '"' || *at == '\\' ? "\\" : "", (int)n,
					 (const char *)at);
		at += n ? n : 1;
	}
}

/* One label; *separator is what stands before the next one. */
static void put_label(struct nb_strbuf *text, const char **separator, const char *name, const char *value)
{
	nb_strbuf_append(text, "%s%s=\"", *separator, name);
	put_escaped(text, value);
	nb_strbuf_put(text, "\"");
	*separator = ",";
}

/* le: one more label; NULL: none. */
static void put_series(struct nb_strbuf *text, const char *name, const char *suffix,
		       const struct nb_metric_label *labels, const char *le)
{
	const char *separator = "{";

	nb_strbuf_append(text, "%s%s", name, suffix);
	for (; labels->name; labels++)
		put_label(text, &separator, labels->name, labels->value);
	if (le)
		put_label(text, &separator, "le", le);
	nb_strbuf_put(text, *separator == ',' ? "} " : " ");
}

static void put_double(struct nb_strbuf *text, double value)
{
	nb_strbuf_append(text, "%.15g\n", value);
}

void nb_exposition_value(struct nb_strbuf *text, const char *name, const struct nb_metric_label *labels,
			 double value)
{
	put_series(text, name, "", labels, NULL);
	put_double(text, value);
}

void nb_exposition_count(struct nb_strbuf *text, const char *name, const struct nb_metric_label *labels,
			 uint64_t value)
{
	put_series(text, name, "", labels, NULL);
	nb_strbuf_append(text, "%" PRIu64 "\n", value);
}

void nb_exposition_histogram(struct nb_strbuf *text, const char *name, const struct nb_metric_label *labels,
			     const struct nb_histogram *histogram)
{
	uint64_t n = 0;
	char le[32];

	for (size_t i = 0; i <= histogram->n; i++) {
		n += histogram->counts[i];
		if (i < histogram->n)
			snprintf(le, sizeof(le), "%g", histogram->bounds[i] / 1000.0);
		put_series(text, name, "_bucket", labels, i < histogram->n ? le : "+Inf");
		nb_strbuf_append(text, "%" PRIu64 "\n", n);
	}
	put_series(text, name, "_sum", labels, NULL);
	put_double(text, histogram->sum);
	put_series(text, name, "_count", labels, NULL);
	nb_strbuf_append(text, "%" PRIu64 "\n", n);
}
