/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_CONN_LIFE_H
#define NATBRIDGE_CONN_LIFE_H

/*
 * The words of an entry that change while it serves a connection. Each has 64 bits, is read and
 * written whole, and names in its upper bits the generation of the pair, that is the connection to
 * which its value belongs. All are numbers in host byte order.
 *
 *            63       42 41  39 38   35 34   32 31              0
 *   life     generation  use    state   flags   expires           changed by compare and swap
 *   seq      generation  retrans (10 bits)      seq_end           stored
 *   acked    generation  0                      ack               stored
 *   checked  generation  begun (10 bits)        epoch             stored
 *
 * A word that is stored may come late, when the pair has another connection already. Then its
 * generation is an old one, and its value counts as not known: see nb_tagged(). doc/conn-table.md
 * says who may change what.
 */

#include <natbridge/abi.h>

enum nb_life_flags {
	/* The backend has answered. */
	NB_LIFE_SEEN_REPLY = 1 << 0,
	/* As the kernel's IPS_ASSURED: never evicted for a new connection. */
	NB_LIFE_ASSURED = 1 << 1,
	/* A packet without SYN, FIN and RST can change nothing but the lifetime. */
	NB_LIFE_STEADY = 1 << 2,
	NB_LIFE_FLAGS = 7,
};

enum {
	NB_LIFE_FLAGS_SHIFT = 32,
	NB_LIFE_STATE_SHIFT = 35,
	NB_LIFE_USE_SHIFT = 39,
	NB_GEN_SHIFT = 42,
	NB_GEN_MASK = (1 << (64 - NB_GEN_SHIFT)) - 1,
	NB_SMALL_MASK = (1 << 10) - 1, /* of retrans and begun */
	NB_RETRANS_MAX = 3,            /* more are not counted */
};

/* ---- life ---- */

static inline __attribute__((always_inline)) __u32 nb_life_expires(__u64 life)
{
	return life;
}

/* enum nb_life_flags */
static inline __attribute__((always_inline)) __u32 nb_life_flags(__u64 life)
{
	return life >> NB_LIFE_FLAGS_SHIFT & NB_LIFE_FLAGS;
}

/* enum nb_tcp_state, enum nb_sctp_state; 0 for UDP */
static inline __attribute__((always_inline)) __u32 nb_life_state(__u64 life)
{
	return life >> NB_LIFE_STATE_SHIFT & 15;
}

/* Whether only late packets can follow in this state of TCP or SCTP. UDP has none. */
static inline __attribute__((always_inline)) int nb_state_is_closed(__u32 state)
{
	return state == NB_TCP_TIME_WAIT || state == NB_TCP_CLOSE;
}

/* enum nb_use: in the client's entry that of the pair; in the other one NB_USE_FREE or NB_USE_TAKEN. */
static inline __attribute__((always_inline)) __u32 nb_life_use(__u64 life)
{
	return life >> NB_LIFE_USE_SHIFT & 7;
}

/* Whether an entry with this life serves a connection on which most packets change nothing. */
static inline __attribute__((always_inline)) int nb_life_is_steady(__u64 life)
{
	const __u32 mask = 7 << (NB_LIFE_USE_SHIFT - 32) | NB_LIFE_STEADY;

	return (life >> NB_LIFE_FLAGS_SHIFT & mask) ==
	       (NB_USE_TAKEN << (NB_LIFE_USE_SHIFT - 32) | NB_LIFE_STEADY);
}

/* Whether both are of one connection, in one use. */
static inline __attribute__((always_inline)) int nb_life_same(__u64 a, __u64 b)
{
	return !((a ^ b) >> NB_LIFE_USE_SHIFT);
}

static inline __attribute__((always_inline)) int nb_life_same_gen(__u64 a, __u64 b)
{
	return !((a ^ b) >> NB_GEN_SHIFT);
}

/* The same generation and use, with another state, other flags and another lifetime. */
static inline __attribute__((always_inline)) __u64 nb_life_with(__u64 life, __u32 state, __u32 flags,
								__u32 expires)
{
	return life >> NB_LIFE_USE_SHIFT << NB_LIFE_USE_SHIFT | (__u64)state << NB_LIFE_STATE_SHIFT |
	       (__u64)flags << NB_LIFE_FLAGS_SHIFT | expires;
}

static inline __attribute__((always_inline)) __u64 nb_life_with_expires(__u64 life, __u32 expires)
{
	return life >> 32 << 32 | expires;
}

static inline __attribute__((always_inline)) __u64 nb_life_with_use(__u64 life, enum nb_use use)
{
	return (life & ~(7ULL << NB_LIFE_USE_SHIFT)) | (__u64)use << NB_LIFE_USE_SHIFT;
}

/* The same with the next generation. */
static inline __attribute__((always_inline)) __u64 nb_life_next(__u64 life)
{
	return life + (1ULL << NB_GEN_SHIFT);
}

/* ---- the words that are stored ---- */

/* A value in a word that belongs to the generation of life. more: what lies between, or 0. */
static inline __attribute__((always_inline)) __u64 nb_tag(__u64 life, __u32 more, __u32 value)
{
	return life >> NB_GEN_SHIFT << NB_GEN_SHIFT | (__u64)more << 32 | value;
}

/* The word, or 0 if its value is not of the generation of life: not known. */
static inline __attribute__((always_inline)) __u64 nb_tagged(__u64 word, __u64 life)
{
	return nb_life_same_gen(word, life) ? word : 0;
}

/* Of a word that nb_tagged() returned: retrans, begun. */
static inline __attribute__((always_inline)) __u32 nb_tagged_more(__u64 word)
{
	return word >> 32 & NB_SMALL_MASK;
}

#endif
