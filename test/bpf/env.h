/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_ENV_H
#define NATBRIDGE_TEST_BPF_ENV_H

/*
 * What a packet test runs in: its own network namespace and bpffs, a freshly loaded datapath, and
 * three pods on ports of real veth pairs or, in mode node, devices with addresses and routes. Packets
 * go through BPF_PROG_TEST_RUN. A step that fails fails the test.
 */

#include "lib/maps/conn_table.h"
#include "lib/maps/layout.h"

#include "packet.h"

#define GATEWAY4   "10.1.0.1"
#define GATEWAY6   "fd00:1::1"
#define BRIDGE_MAC "02:00:00:00:00:01"
#define NODE_SELF4 "169.254.110.48" /* the source of what the node sends to itself */
#define NODE_SELF6 "fd6e:6230::1"

enum { BRIDGE_IFINDEX = 1 }; /* the loopback's: no packet goes there */

/* Pods: addresses from 10.1.0.2 and fd00:1::2 on, MACs from 02:00:00:00:01:02 on. */
enum pod { POD_A, POD_B, POD_C, PODS };

/* Mode node, in the place of pods: the node's devices, see devices[] in env_setup.c. */
enum {
	UPLINK, /* to clients outside */
	INNER,  /* to pods of the node */
	TUNNEL, /* to pods of another node */
	NB0,
	DEVICES,
};

struct env {
	struct nb_datapath dp;
	enum nb_mode mode;
	struct nb_conn_table table; /* modes ebpf and node */
	unsigned int ifindex[DEVICES];
	char bpffs[64];
	unsigned int from;   /* TO_POD: ifindex where the frame came in; 0: the host itself sent it */
	unsigned int bridge; /* POD_OUT: whose pod's packet it is */
	uint32_t duration;   /* ns that the last run took */
};

extern const char *const pod_addr4[PODS], *const pod_addr6[PODS], *const pod_mac[PODS];

struct nb_addr env_addr(const char *text);

/* For cmocka: *state becomes a struct env. */
int env_setup(void **state);
int env_setup_small(void **state); /* a table of 1024 connections */
int env_setup_64(void **state);    /* of 64, and of 8: no network may have so few */
int env_setup_8(void **state);
int env_setup_assist(void **state); /* mode assist, with 1024 flows */
int env_setup_node(void **state);   /* mode node, with 1024 connections */
int env_teardown(void **state);

/* FROM_POD, TO_POD: in mode assist at the pod's port, at the bridge. From NB0_OUT on: in mode node. */
enum hook { FROM_POD, TO_POD, ENTER_POD, NB0_OUT, DEVICE_IN, DEVICE_OUT, POD_OUT, HOOKS };

/*
 * Runs a program on a packet at a pod's port, or at a device. Returns its verdict. out and out_len (may
 * be NULL): the frame afterwards.
 */
int env_run(struct env *env, enum hook hook, unsigned int at, const struct packet *in, uint8_t *out,
	    size_t *out_len);

/* The same for any frame. out: FRAME_MAX + 256 bytes. */
int env_run_frame(struct env *env, enum hook hook, unsigned int at, const uint8_t *frame, size_t len,
		  uint8_t *out, size_t *out_len);

/* As env_run(); expects this verdict, and this whole packet afterwards. */
void env_expect(struct env *env, enum hook hook, unsigned int at, const struct packet *in, int verdict,
		const struct packet *out);

/* Expects that the packet passes untouched. */
void env_expect_untouched(struct env *env, enum hook hook, unsigned int at, const struct packet *in);

/* Applies a Service. vip: "address:port". backends: the same, a list that ends with NULL. */
void env_service(struct env *env, const char *name, const char *vip, uint8_t proto,
		 const char *const *backends);
/* The same, with backends that keep their connections and get no new ones. affinity: seconds, 0: none. */
void env_service_draining(struct env *env, const char *name, const char *vip, uint8_t proto,
			  uint32_t affinity, const char *const *backends, const char *const *draining);
void env_services_clear(struct env *env);

/* Copies the entry with the packet's tuple. False: there is none. */
bool env_conn(struct env *env, const struct packet *packet, struct nb_conn *conn);
/* The same in mode node, where a packet is met on a side. */
bool env_conn_at(struct env *env, enum nb_side side, const struct packet *packet, struct nb_conn *conn);
/* Removes the tuple from the index, and nothing else. */
void env_conn_lose(struct env *env, const struct packet *packet);
/* Overwrites the entry with the packet's tuple. */
void env_conn_write(struct env *env, const struct packet *packet, const struct nb_conn *conn);

/* Sets the flags of a pod's port (enum nb_port_flags). */
void env_port_flags(struct env *env, enum pod pod, __u16 flags);

/* The MAC address in a pod's port. */
void env_port_mac(struct env *env, enum pod pod, unsigned char mac[6]);
void env_port_set_mac(struct env *env, enum pod pod, const unsigned char mac[6]);

/* The current tick of the programs. */
uint32_t env_now(struct env *env);

/* Makes every entry older: as if that many seconds had passed without a packet. */
void env_advance(struct env *env, unsigned int seconds);

/* The number of connections in the table. */
unsigned int env_conn_count(struct env *env);

/*
 * Expects that the index leads to both entries of each connection and to nothing else, and that the
 * two belong together.
 */
void env_expect_whole(struct env *env);

uint64_t env_counter(struct env *env, enum nb_counter counter);

#endif
