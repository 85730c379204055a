/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_OBJECT_H
#define NATBRIDGE_LIB_KUBE_OBJECT_H

/* What Services and EndpointSlices have in common: metadata, labels, ports. */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/error.h"

struct nb_kube_port {
	char name[NB_PORT_NAME_MAX]; /* "": none */
	__u8 proto;
	__be16 port;      /* 0: "all ports" of an EndpointSlice, which no Service can use */
	__be16 node_port; /* of a Service; 0: none */
};

enum { NB_KUBE_NAME_MAX = 63 + 1 + 253 + 1 };

/* The strings belong to the document. Do not copy this struct: labels.up points to metadata. */
struct nb_kube_meta {
	struct nb_json metadata, labels;
	const char *namespace_; /* "default" if not given */
	const char *name;
	char full[NB_KUBE_NAME_MAX]; /* "namespace/name" */
};

/*
 * Reads and checks the metadata. long_name: the name may have dots and 253 characters
 * (EndpointSlice).
 */
int nb_kube_read_meta(const struct nb_json *object, bool long_name, struct nb_kube_meta *meta,
		      struct nb_error *err);

/* nb_json_string() for fields where "" has the meaning of absence: *value keeps what it holds. */
int nb_kube_string(const struct nb_json *at, const char **value, struct nb_error *err);

/*
 * The value of a label; "" for one that is null. If the object has no such label, *value is
 * untouched.
 */
int nb_kube_label(const struct nb_kube_meta *meta, const char *key, const char **value, struct nb_error *err);

/*
 * *foreign: whether kube-proxy ignores the object, since it has one of two labels, with any value
 * (cmd/kube-proxy/app/server.go of Kubernetes).
 */
int nb_kube_is_foreign(const struct nb_kube_meta *meta, bool *foreign, struct nb_error *err);

/*
 * Reads "name" and "protocol" of a port, and "port" if it is there. The name is "" or a DNS label;
 * the protocol is TCP (the default), UDP or SCTP. *number: the port in host byte order, 1 .. 65535; 0:
 * there is none.
 */
int nb_kube_read_port(const struct nb_json *at, struct nb_kube_port *port, unsigned int *number,
		      struct nb_error *err);

#endif
