/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_WHY_WHY_H
#define NATBRIDGE_CLI_WHY_WHY_H

/*
 * One question of natbridgectl why, and what its parts find out, in this order:
 *
 *   question.h  the two ends, as the command line names them
 *   place       who the sender is, and where its packets meet a program
 *   flow        the packet and its answer, tried by the programs themselves (lib/trial)
 *   backends    each endpoint of the Service, tried alone, with the agent's reason for its choice
 *   report      all of that as steps, and as a result
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "cli/cli.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/service/service.h"
#include "lib/trial/frame.h"
#include "lib/trial/trial.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "question.h"

struct cJSON;
struct nb_route;
struct nb_sent;

enum nb_sender {
	NB_SENDER_POD,
	NB_SENDER_NODE,
	NB_SENDER_OUTSIDE,
};

/* Where a frame meets a program. */
struct nb_place {
	enum nb_prog prog; /* NB_PROGS: none */
	enum nb_side side;
	unsigned int ifindex;
	char link[IFNAMSIZ];
	unsigned char src_mac[NB_MAC_LEN], dst_mac[NB_MAC_LEN];
};

/* From NB_REJECTED on: the packet or its answer is lost. */
enum nb_result {
	NB_ARRIVES,   /* translated, or tracked, and sent on */
	NB_UNTOUCHED, /* natbridge does nothing with the packet */
	NB_ANSWERED,  /* a ping: in the name of the Service */
	NB_REJECTED,  /* the sender is told */
	NB_DROPPED,
	NB_NO_ROUTE,     /* the host has no route to the backend */
	NB_WRONG_SOURCE, /* its answer is not translated */
	NB_DETACHED,     /* no program sees the packet */
	NB_RESULTS,
};

struct nb_why {
	const struct nb_cli *cli;
	struct nb_question question;
	struct nb_netlink nl;
	struct nb_link *links; /* owned */
	unsigned int n_links;

	/* ---- place ---- */
	enum nb_sender sender;
	char network[256]; /* "@node": the node's own table; "": nobody translates for the sender */
	struct nb_datapath dp;
	enum nb_mode mode;
	struct nb_settings settings;
	NB_VEC(struct nb_endpoint_info) pods; /* of the network */
	const struct nb_endpoint_info *pod;   /* the sender; NULL: it is none */
	struct nb_services services;          /* of the network */
	const struct nb_service *service;     /* to which the packet goes; NULL: none */
	struct nb_place place;
	struct nb_tuple tuple; /* of the packet that is tried; its source port may be made up */
	bool port_is_made_up;
	bool is_detached; /* the pod's port lacks a program of its mode */

	/* ---- flow ---- */
	struct nb_trial trial;
	struct nb_trial_result request;
	bool is_answered; /* the answer was tried, too */
	struct nb_trial_result answer;
	char answer_link[IFNAMSIZ]; /* where it was translated */

	/* ---- report ---- */
	struct cJSON *row; /* owned */
	enum nb_result result;
};

/* Frees all of it but the row, which nb_out_row() takes. */
void nb_why_free(struct nb_why *why); /* for nb_cleanup() */

/* ---- place.c ---- */

/* Finds the sender and opens what translates for it. An error says what the sender is not. */
int nb_why_find_place(struct nb_why *why, struct nb_error *err);

/* The pod of the network with an address; NULL: there is none. */
const struct nb_endpoint_info *nb_why_pod(const struct nb_why *why, const struct nb_addr *addr);

/* A link of this namespace; NULL: there is none. Its name; "?": there is none. */
const struct nb_link *nb_why_link(const struct nb_why *why, unsigned int ifindex);
const char *nb_why_link_name(const struct nb_why *why, unsigned int ifindex);

/* ---- flow.c ---- */

/* Tries the packet, and if it arrives, its answer. */
int nb_why_try(struct nb_why *why, struct nb_error *err);

/* The packet of the question, as it is, from another source port. */
int nb_why_run(struct nb_why *why, __be16 sport, struct nb_trial_result *result, struct nb_error *err);

/* Whether a connection of a client outside passes the host, but not its IP stack. */
bool nb_why_is_past_host(const struct nb_trial_result *request);

/*
 * The host's route to an address for a request: as of a packet that it forwards, where it does. As
 * nb_route_get().
 */
int nb_why_route(struct nb_why *why, const struct nb_trial_result *request, const struct nb_addr *dst,
		 struct nb_route *route);

/* Whether the host has a route for a request that the programs leave to it. */
bool nb_why_has_way(struct nb_why *why, const struct nb_trial_result *request);

enum nb_result nb_why_result(const struct nb_trial_result *result, const struct nb_tuple *sent);

/* ---- backends.c ---- */

/* Adds "backends" to the row: those of the Service that the packet goes to. */
int nb_why_add_backends(struct nb_why *why, struct nb_error *err);

/* ---- step.c ---- */

/* Adds a step: its name, and a sentence. Without memory it is left out. */
void nb_why_step(struct nb_why *why, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

enum { NB_END_STRLEN = NB_ADDR_STRLEN + 8 };

/* Writes "10.96.0.10:80" or "[fd00::10]:80" to buf, without a port the address alone, and returns it. */
const char *nb_why_end(const struct nb_addr *addr, __be16 port, char buf[NB_END_STRLEN]);

/* ---- report.c ---- */

/* Adds all else to the row. sent: what became of it in earnest; NULL: it was not sent. */
int nb_why_report(struct nb_why *why, const struct nb_sent *sent, struct nb_error *err);

/* ---- result.c ---- */

/* Adds the result, a sentence and the cure. False: out of memory. */
bool nb_why_add_result(struct nb_why *why, const struct nb_sent *sent);

/* ---- print.c ---- */

/* Prints a row as text. */
void nb_why_print(const struct cJSON *row, FILE *to);

#endif
