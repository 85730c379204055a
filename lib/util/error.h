/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_ERROR_H
#define NATBRIDGE_LIB_UTIL_ERROR_H

/*
 * The error object. A function that can fail takes it as its last argument, returns 0 or a negative
 * errno value, and leaves its outputs untouched on failure. main() prints it, once.
 */

/* Up to 99: codes of the CNI specification (SPEC.md, "Error"). From 100 on: natbridge's own. */
enum nb_code {
	NB_ERR_VERSION = 1,     /* incompatible CNI version */
	NB_ERR_UNSUPPORTED = 2, /* unsupported field; the message names key and value */
	NB_ERR_UNKNOWN_CONTAINER = 3,
	NB_ERR_ENVIRONMENT = 4, /* missing or invalid CNI_* variable */
	NB_ERR_IO = 5,
	NB_ERR_DECODE = 6,         /* input is not JSON (or not YAML) */
	NB_ERR_CONFIG = 7,         /* JSON, but not a valid configuration */
	NB_ERR_NETNS = 8,          /* CNI_NETNS is not a usable network namespace */
	NB_ERR_TRY_AGAIN = 11,     /* temporary; the runtime may retry */
	NB_ERR_NOT_AVAILABLE = 50, /* STATUS: an ADD would fail */
	NB_ERR_LIMITED = 51,       /* STATUS: an ADD would fail and attached pods may be limited */
	NB_ERR_SYSTEM = 100,       /* a system call or netlink request failed */
	NB_ERR_PRIVILEGE = 101,    /* not permitted; needs CAP_NET_ADMIN, CAP_BPF, CAP_SYS_ADMIN */
	NB_ERR_DATAPATH = 102,     /* an eBPF program or map cannot be loaded, found or attached */
	NB_ERR_CHECK = 103,        /* CHECK found something missing or changed */
	NB_ERR_IPAM = 104,         /* the IPAM plugin failed without an error of its own */
	NB_ERR_NOT_SET_UP = 105,   /* natbridgectl: no ADD has set up the network yet */
};

enum { NB_ERROR_MSG_MAX = 1024 };

/* Zeroed: no error. */
struct nb_error {
	enum nb_code code;
	int errnum; /* its cause, an errno value; 0: none */
	char msg[NB_ERROR_MSG_MAX];
};

/*
 * Sets *err to code and the formatted message. If errnum (0 or positive) is not 0, appends ": " and
 * strerror(errnum), and EPERM and EACCES turn NB_ERR_SYSTEM into NB_ERR_PRIVILEGE. Returns -errnum,
 * or -EINVAL if errnum is 0, so that it can stand in a return statement. err may be NULL: the
 * message is dropped.
 */
int nb_fail(struct nb_error *err, enum nb_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "context: " before the message of *err. Returns what nb_fail() returned for it. */
int nb_wrap(struct nb_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* nb_fail() for a failed allocation: NB_ERR_SYSTEM, -ENOMEM. */
int nb_fail_nomem(struct nb_error *err);

/* Tells the static analyzer, which sees one file at a time, that these never return 0. */
#if defined(__clang_analyzer__) && !defined(NB_ERROR_C)
#define nb_fail(...)       ((void)nb_fail(__VA_ARGS__), -1)
#define nb_wrap(...)       ((void)nb_wrap(__VA_ARGS__), -1)
#define nb_fail_nomem(err) ((void)nb_fail_nomem(err), -1)
#endif

#endif
