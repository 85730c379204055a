/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_ENV_H
#define NATBRIDGE_TEST_BPF_ENV_H

/*
 * What a packet test runs in: a network namespace and a bpffs of its own, a datapath loaded anew, three pods
 * on ports of real veth pairs and a client for BPF_PROG_TEST_RUN.
 */

#include "lib/maps/conn_table.h"
#include "lib/maps/layout.h"

#include "packet.h"

#define GATEWAY4   "10.1.0.1"
#define GATEWAY6   "fd00:1::1"
#define BRIDGE_MAC "02:00:00:00:00:01"

/* Pods: addresses 10.1.0.2 .. and fd00:1::2 .., MACs 02:00:00:00:01:02 .. */
enum pod { POD_A, POD_B, POD_C, PODS };

struct env {
	struct nb_datapath dp;
	struct nb_conn_table table;
	unsigned int ifindex[PODS];
	char bpffs[64];
	unsigned int from; /* ifindex of the port that frames to a pod come from; 0: the host */
	uint32_t duration; /* ns that the last run took */
};

extern const char *const pod_addr4[PODS], *const pod_addr6[PODS], *const pod_mac[PODS];

/* For cmocka: *state becomes a struct env. connections: size of the table, 0: the default. */
int env_setup(void **state);
int env_setup_small(void **state); /* a table of 1024 connections */
int env_teardown(void **state);

enum hook { FROM_POD, TO_POD };

/* Runs a program on a packet at a pod's port; returns its verdict and, with out, the frame afterwards. */
int env_run(struct env *env, enum hook hook, enum pod pod, const struct packet *in, uint8_t *out,
	    size_t *out_len);

/* The same with a frame of any content; out has room for FRAME_MAX + 256 bytes. */
int env_run_frame(struct env *env, enum hook hook, enum pod pod, const uint8_t *frame, size_t len,
		  uint8_t *out, size_t *out_len);

/* env_run(), and the verdict and the whole frame must be these. */
void env_expect(struct env *env, enum hook hook, enum pod pod, const struct packet *in, int verdict,
		const struct packet *out);

/* A packet that must pass untouched. */
void env_expect_untouched(struct env *env, enum hook hook, enum pod pod, const struct packet *in);

/* "VIP:port" -> backends, a NULL-terminated list of "address:port". proto: IPPROTO_*. */
void env_service(struct env *env, const char *name, const char *vip, uint8_t proto,
		 const char *const *backends);
/* The same; backends from draining on keep their connections and get no new ones. affinity in seconds. */
void env_service_draining(struct env *env, const char *name, const char *vip, uint8_t proto,
			  uint32_t affinity, const char *const *backends, const char *const *draining);
void env_services_clear(struct env *env);

/* Entry of the tuple that this packet has; false: there is none. */
bool env_conn(struct env *env, const struct packet *packet, struct nb_conn *conn);
/* Takes the tuple out of the index, and nothing else. */
void env_conn_lose(struct env *env, const struct packet *packet);
void env_conn_write(struct env *env, const struct packet *packet, const struct nb_conn *conn);

/* Gives a pod's port these flags (enum nb_port_flags). */
void env_port_flags(struct env *env, enum pod pod, __u16 flags);

/* The MAC address that a pod's port has noted. */
void env_port_mac(struct env *env, enum pod pod, unsigned char mac[6]);
void env_port_set_mac(struct env *env, enum pod pod, const unsigned char mac[6]);

/* The clock of the programs. */
uint32_t env_now(struct env *env);

/* Moves every entry's clock: as if that many seconds had passed without a packet. */
void env_advance(struct env *env, unsigned int seconds);

unsigned int env_conn_count(struct env *env);

/* Every connection is found by its two tuples, which belong together, and nothing else is in the index. */
void env_expect_whole(struct env *env);

uint64_t env_counter(struct env *env, enum nb_counter counter);

#endif
