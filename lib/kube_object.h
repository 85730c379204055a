/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_OBJECT_H
#define NATBRIDGE_LIB_KUBE_OBJECT_H

/* Service and EndpointSlice as far as they matter here, read from their JSON and checked. */

#include <natbridge/kube.h>

#include "vec.h"

enum { NB_KUBE_VIPS = 2 };

struct nb_kube_port {
	char name[NB_PORT_NAME_MAX]; /* "": none */
	__u8 proto;
	__be16 port; /* 0: a slice's "all ports", which no Service can use */
};

struct nb_kube_service {
	char name[NB_NAME_MAX]; /* "namespace/name" */
	unsigned int n_vips;
	struct nb_addr vips[NB_KUBE_VIPS];
	__u32 affinity;
	NB_VEC(struct nb_kube_port) ports;
};

struct nb_kube_endpoint {
	struct nb_addr addr;
	bool ready;
	bool serving; /* answers, whether it is ready or terminating */
	bool lingers; /* serving and terminating: used if no endpoint is ready */
};

struct nb_kube_slice {
	char service[NB_NAME_MAX]; /* "namespace/name" of its Service */
	int family;
	NB_VEC(struct nb_kube_port) ports;
	NB_VEC(struct nb_kube_endpoint) endpoints;
};

enum { NB_KUBE_NAME_MAX = 63 + 1 + 253 + 1 };

/* What every object has. The strings belong to the document. Not to be copied: labels.up is &metadata. */
struct nb_kube_meta {
	struct nb_json metadata, labels;
	const char *namespace_; /* "default" if not given */
	const char *name;
	char full[NB_KUBE_NAME_MAX]; /* "namespace/name" */
};

/* What was collected. */
struct nb_kube {
	struct nb_kube_note note;
	NB_VEC(struct nb_kube_service) services;
	NB_VEC(struct nb_kube_slice) slices;
};

/* long_name: dots and up to 253 characters are allowed (EndpointSlice). */
int nb_kube_read_meta(const struct nb_json *object, bool long_name, struct nb_kube_meta *meta,
		      struct nb_error *err);

/* Text of a label, NULL if the object does not have it. */
int nb_kube_label(const struct nb_kube_meta *meta, const char *key, const char **value, struct nb_error *err);

/*
 * Whether an object is somebody else's: with one of the labels by which kube-proxy does not ask for it at all
 * (cmd/kube-proxy/app/server.go of Kubernetes), whatever their value.
 */
int nb_kube_is_foreign(const struct nb_kube_meta *meta, bool *foreign, struct nb_error *err);

/*
 * Read an object whose metadata are known. Errors name the path inside the object. *skip: it is left alone,
 * and the output is empty. The vectors of the output are the caller's, also on failure.
 */
int nb_kube_read_service(const struct nb_json *object, const struct nb_kube_meta *meta,
			 const struct nb_kube_note *note, struct nb_kube_service *service, bool *skip,
			 struct nb_error *err);
int nb_kube_read_slice(const struct nb_json *object, const struct nb_kube_meta *meta,
		       struct nb_kube_slice *slice, bool *skip, struct nb_error *err);

/* "protocol" of a port: TCP (the default) or UDP. SCTP: *proto is 0. */
int nb_kube_protocol(const struct nb_json *port, __u8 *proto, struct nb_error *err);

/* "name" of a port, a DNS label. */
int nb_kube_port_name(const struct nb_json *port, char name[NB_PORT_NAME_MAX], struct nb_error *err);

void nb_kube_tell(const struct nb_kube_note *note, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
