/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_METRICS_EXPOSITION_H
#define NATBRIDGE_LIB_METRICS_EXPOSITION_H

/*
 * Prometheus' text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
 * A metric is its head, then its samples.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util/strbuf.h"

#define NB_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum nb_metric_type { NB_METRIC_COUNTER, NB_METRIC_GAUGE, NB_METRIC_HISTOGRAM };

/* A label; an array of them ends with a name of NULL. */
struct nb_metric_label {
	const char *name;
	const char *value; /* any text; what is not UTF-8 is replaced */
};

#define NB_LABELS(...) ((const struct nb_metric_label[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } })

void nb_exposition_head(struct nb_strbuf *text, const char *name, const char *help, enum nb_metric_type type);

/* A sample with at most 15 significant digits. */
void nb_exposition_value(struct nb_strbuf *text, const char *name, const struct nb_metric_label *labels,
			 double value);
void nb_exposition_count(struct nb_strbuf *text, const char *name, const struct nb_metric_label *labels,
			 uint64_t value);

/* Observations in buckets: bounds[n] in thousandths, ascending; the one beyond them is +Inf. */
struct nb_histogram {
	const unsigned int *bounds;
	size_t n;
	const uint64_t *counts; /* n + 1, not cumulative */
	double sum;
};

void nb_exposition_histogram(struct nb_strbuf *text, const char *name, const struct nb_metric_label *labels,
			     const struct nb_histogram *histogram);

#endif
