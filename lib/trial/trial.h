/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_TRIAL_TRIAL_H
#define NATBRIDGE_LIB_TRIAL_TRIAL_H

/*
 * Packets tried without a trace: the programs of a network, loaded once more, run by the kernel
 * (BPF_PROG_TEST_RUN) over maps of their own, which hold what the network's maps hold for this packet. So
 * what they decide is what the network's programs would decide now, and no packet is sent, no connection
 * begun and nothing counted in the network.
 *
 * Shared with the network is what programs only read: ports, links, devices, source ranges. Copied are the
 * settings, the pods, the frontends and backends of the destination and of the source, and the client's
 * connections and affinity.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/maps/conn_table.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"

enum {
	NB_TRIAL_FRAME_MAX =
		1024 /* bytes of a frame that comes out: an ICMP error is longer than its cause */
};

struct nb_trial {
	struct nb_datapath dp; /* with maps of its own */
	struct nb_conn_table table;
	enum nb_mode mode;
	__u32 max; /* connections that its table holds */
	/* Of the destination: a frontend and its backends, each as the network has it. */
	struct nb_frontend_key key;
	bool has_frontend; /* which is a Service's: backends[] is valid */
	struct nb_frontend frontend;
	struct nb_backend *backends; /* owned; frontend.known of them; all zero: the network lacks it */
	bool has_affinity;           /* of this client */
	struct nb_affinity affinity;
	__u32 n_connections; /* of this client, which were copied */
};

/* The value of a struct nb_trial that is not open. */
#define NB_TRIAL_INIT                                                                                        \
	{                                                                                                    \
		.dp = NB_DATAPATH_INIT                                                                       \
	}

/*
 * Loads the programs of a mode for packets like *tuple: its source, destination, destination port, protocol
 * and side count. live: the network's datapath, which must stay open as long. The caller frees *trial.
 */
int nb_trial_open(const struct nb_datapath *live, const char *network, enum nb_mode mode,
		  const struct nb_tuple *tuple, struct nb_trial *trial, struct nb_error *err);
void nb_trial_close(struct nb_trial *trial); /* for nb_cleanup() */

/* From now on the frontend has this backend alone, by its index below frontend.known; -1: all, as at first.
 */
int nb_trial_choose(struct nb_trial *trial, int backend, struct nb_error *err);

/* What became of a frame. */
struct nb_trial_result {
	int verdict;          /* TC_ACT_* of linux/pkt_cls.h */
	enum nb_counter drop; /* the reason of a drop; NB_COUNT_NONE: it was not dropped */
	bool is_reject;       /* with a drop: out is the answer to the sender: RST, ABORT or ICMP */
	bool is_echo;         /* out is the answer to a ping */
	unsigned char out[NB_TRIAL_FRAME_MAX];
	size_t len;            /* bytes of out */
	struct nb_tuple tuple; /* of out; all zero: it cannot be read */
	bool is_tracked;       /* there is a connection of the frame's tuple now */
	struct nb_pair pair;
	bool is_answer; /* the frame is one of the backend's */
};

/* A frame that meets a program. ifindexes are those of the caller's network namespace. */
struct nb_trial_frame {
	enum nb_prog prog; /* of the trial's mode */
	unsigned int ifindex;
	unsigned int came_by; /* ifindex; 0: the host sends it */
	unsigned int bridge;  /* ifindex, for nb_pod_out: that of the pod's bridge */
	enum nb_side side;    /* where its tuple is met */
	const unsigned char *bytes;
	size_t len;
};

int nb_trial_run(struct nb_trial *trial, const struct nb_trial_frame *frame, struct nb_trial_result *result,
		 struct nb_error *err);

#endif
