/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_UNIT_KUBE_TEXT_H
#define NATBRIDGE_TEST_UNIT_KUBE_TEXT_H

/* Kubernetes objects as text, and the services read from them as text again. */

#include "lib/kube/kube.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

#define SERVICE(name, spec)                                                                                  \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: default}\nspec: " spec "\n---" \
	"\n"
#define SLICE_OF(name, suffix, family, ports, endpoints)                                                     \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                                             \
	"metadata: {name: " name "-" suffix                                                                  \
	", namespace: default, labels: {kubernetes.io/service-name: " name "}}\n"                            \
	"addressType: " family "\nports: " ports "\nendpoints: " endpoints "\n---\n"
#define SLICE(name, family, ports, endpoints) SLICE_OF(name, "x7k2p", family, ports, endpoints)

/* In JSON, which is YAML as well. */
#define GOOD                                                                                                 \
	"{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"good\"}, \"spec\": "     \
	"{\"clusterIP\": \"10.96.0.9\", \"ports\": [{\"port\": 80}]}}"
#define GOOD_SLICE                                                                                           \
	"{\"kind\": \"EndpointSlice\", \"apiVersion\": \"discovery.k8s.io/v1\", \"metadata\": {\"name\": "   \
	"\"good-1\", \"labels\": {\"kubernetes.io/service-name\": \"good\"}}, \"addressType\": \"IPv4\", "   \
	"\"ports\": [{\"port\": 9}], \"endpoints\": [{\"addresses\": [\"10.244.0.9\"]}]}"
#define LIST1(item)    "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [" item "]}"
#define LIST(one, two) LIST1(one ", " two)
#define BOM            "\xef\xbb\xbf"

/*
 * A text and the expected result: a line for each frontend with its backends (~ before the seconds
 * of affinity, "external", "balancer" or "node" for an address that is no ClusterIP, < before a source
 * range, "elsewhere" if backends are on other nodes only, ! before a draining backend) and a line for
 * each note, or the error.
 */
struct kube_row {
	const char *text;
	const char *services; /* NULL: refused */
	const char *notes;    /* or the error */
};

/* Reads each row's text and fails the test if the result differs. node: its name; NULL: not known. */
void kube_check_rows(const struct kube_row *rows, size_t n, const char *node);

/*
 * nb_kube_read() of a copy that ends where its memory ends, so that a sanitizer sees who reads on.
 */
int kube_read(struct nb_kube *kube, const char *text, size_t len, struct nb_error *err);

/* kube_read() and nb_kube_finish() for one text. */
int kube_parse(const char *text, size_t len, const struct nb_kube_note *note, struct nb_kube_input *input,
	       struct nb_error *err);

/* The same for a node. */
int kube_parse_for(const char *node, const char *text, size_t len, const struct nb_kube_note *note,
		   struct nb_kube_input *input, struct nb_error *err);

enum { KUBE_NOTES_MAX = 2048 };

/*
 * For struct nb_kube_note: appends a line to the string at arg, a buffer of KUBE_NOTES_MAX bytes.
 */
void kube_add_note(const char *text, void *arg);

/* Formats services as the rows do. */
void kube_format(const struct nb_services *services, char *text, size_t size);

#endif
