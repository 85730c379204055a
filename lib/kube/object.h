/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_OBJECT_H
#define NATBRIDGE_LIB_KUBE_OBJECT_H

/* Service and EndpointSlice as far as they matter here, read from their JSON and checked. */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/service/service.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "kube.h"

enum { NB_KUBE_VIPS = 2 };

struct nb_kube_port {
	char name[NB_PORT_NAME_MAX]; /* "": none */
	__u8 proto;
	__be16 port; /* 0: a slice's "all ports", which no Service can use */
};

struct nb_kube_service {
	char name[NB_NAME_MAX]; /* "namespace/name" */
	bool selects;           /* has a selector, so that its EndpointSlices are made for it */
	unsigned int n_vips;    /* 0: left alone or left out */
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
	char *name;                /* "namespace/name", owned */
	char service[NB_NAME_MAX]; /* "namespace/name" of its Service, "": it is of none */
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

/* Kinds of sentences that nb_kube_note hears. */
enum nb_kube_remark {
	NB_KUBE_LEFT_OUT,
	NB_KUBE_ENDPOINT_LEFT_OUT,
	NB_KUBE_SLICE_UNLABELLED,
	NB_KUBE_SLICE_ALONE,
	NB_KUBE_SERVICE_ALONE,
	NB_KUBE_PORT_ALONE,
	NB_KUBE_SCTP_PORT,
	NB_KUBE_LOCAL_POLICY,
	NB_KUBE_REMARKS,
};

struct nb_kube_name {
	char text[NB_NAME_MAX];
};

/* What was collected. */
struct nb_kube {
	struct nb_kube_note note;
	size_t remarks[NB_KUBE_REMARKS]; /* how many there were, told or not */
	size_t other_kinds;              /* objects passed over */
	bool has_endpoints;              /* Endpoints (v1) among them */
	bool lenient;                    /* what is read is one of several items of a list */
	unsigned int seen;               /* kinds, a bit each; see kube.c */
	unsigned int unfinished;         /* kinds of lists whose last piece has not come */
	NB_VEC(struct nb_kube_service) services;
	NB_VEC(struct nb_kube_slice) slices;
	NB_VEC(struct nb_kube_name) incomplete; /* Services of which an object was left out */
};

/* long_name: dots and up to 253 characters are allowed (EndpointSlice). */
int nb_kube_read_meta(const struct nb_json *object, bool long_name, struct nb_kube_meta *meta,
		      struct nb_error *err);

/* nb_json_string(), for fields where "" means what their absence means: *value keeps what it holds. */
int nb_kube_string(const struct nb_json *at, const char **value, struct nb_error *err);

/* Text of a label, NULL if the object does not have it; a label that is null is "". */
int nb_kube_label(const struct nb_kube_meta *meta, const char *key, const char **value, struct nb_error *err);

/*
 * Whether an object is somebody else's: with one of the labels by which kube-proxy does not ask for it at all
 * (cmd/kube-proxy/app/server.go of Kubernetes), whatever their value.
 */
int nb_kube_is_foreign(const struct nb_kube_meta *meta, bool *foreign, struct nb_error *err);

/*
 * Read an object whose metadata are known into one that is zero but for its names. Errors name the path
 * inside the object. A Service that is left alone has no VIPs, a slice that is has no service. The vectors of
 * the output are the caller's, also on failure.
 */
int nb_kube_read_service(const struct nb_json *object, const struct nb_kube_meta *meta, struct nb_kube *kube,
			 struct nb_kube_service *service, struct nb_error *err);
int nb_kube_read_slice(const struct nb_json *object, const struct nb_kube_meta *meta, struct nb_kube *kube,
		       struct nb_kube_slice *slice, struct nb_error *err);

/* "protocol" of a port: TCP (the default) or UDP. SCTP: *proto is 0. */
int nb_kube_protocol(const struct nb_json *port, __u8 *proto, struct nb_error *err);

/* "name" of a port, a DNS label. */
int nb_kube_port_name(const struct nb_json *port, char name[NB_PORT_NAME_MAX], struct nb_error *err);

/* Frontends and backends of all that was collected, normalized. */
int nb_kube_join(struct nb_kube *kube, struct nb_services *services, struct nb_error *err);

/* Tells the note, as long as there were few of that kind. */
void nb_kube_tell(struct nb_kube *kube, enum nb_kube_remark remark, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Tells how many remarks of each kind there were beside those told, and what was passed over. */
void nb_kube_tell_rest(struct nb_kube *kube);

/*
 * Whether an error that concerns one object alone is to be told and forgotten. *err is zeroed then, and
 * service, unless it is "", is noted as incomplete.
 */
bool nb_kube_leave_out(struct nb_kube *kube, enum nb_kube_remark remark, const char *service,
		       struct nb_error *err);

#endif
