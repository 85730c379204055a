/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_CRC32C_H
#define NATBRIDGE_BPF_LIB_CRC32C_H

/*
 * The checksum of SCTP, CRC32c (RFC 9260, 6.8 and appendix A), after a change of the packet. A CRC is
 * linear: the difference of two packets decides on the difference of their checksums, whatever else
 * they hold, so that nothing behind the header is read and a wrong checksum stays wrong. If only the
 * first four bytes differ, both ports, the difference D is a polynomial of 32 bits with n - 4 bytes of
 * zeros behind it, and its CRC is D * x^(8n) modulo the polynomial of CRC32c.
 *
 * Bit 31 of a word is the coefficient of x^0: the bits of a byte are sent lowest first.
 */

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

enum {
	NB_CRC32C_DIGITS = 4, /* hexadecimal, of a packet's length */
};

static const __u32 nb_crc32c_polynomial = 0x82f63b78; /* without x^32 */

/* [i][j]: x^(8 * j * 16^i), which is what j * 16^i bytes of zeros multiply a CRC by. */
static const __u32 nb_crc32c_zeros[NB_CRC32C_DIGITS][16] = {
	/* clang-format off */
	{ 0x80000000, 0x00800000, 0x00008000, 0x00000080,
	  0x82f63b78, 0xfbc3faf9, 0x8b277743, 0x52a0c93f,
	  0x6ea2d55c, 0x1c08b7d6, 0xf56e0ef4, 0x34019664,
	  0xa66805eb, 0x7a1f6b24, 0xe75d06aa, 0xc94ec098 },
	{ 0x80000000, 0x18b8ea18, 0x510ac59a, 0xb2dea967,
	  0xb82be955, 0x36c41f1c, 0x19b29a35, 0xc9e90b9e,
	  0xb8fdb1e7, 0xe55ef1f3, 0x1fe0b5c3, 0xe0553f1e,
	  0x18e4a304, 0x2b830011, 0x56993a31, 0x0246e2e6 },
	{ 0x80000000, 0x88e56f72, 0x74c360a4, 0x631bb273,
	  0xe4172b16, 0x71892b1b, 0x835305c9, 0x196b1eae,
	  0x0d65762a, 0xafc81338, 0xb5a50ab7, 0xf373c3ac,
	  0x5f60970f, 0xd46d3063, 0x3a5275ea, 0x02331c01 },
	{ 0x80000000, 0x35d73a62, 0x28461564, 0x43eefc9f,
	  0xbf455269, 0x5edcdeb9, 0x65059450, 0x4e6f41a4,
	  0xe2ea32dc, 0xf5b95b32, 0x695a4c87, 0xf204502c,
	  0x9a4f01b6, 0x941a0916, 0x4303cb97, 0x4c3d3d65 },
	/* clang-format on */
};

/* Global functions. Without the first one the verifier, which knows the table, would follow each bit. */
__noinline __u32 nb_crc32c_multiply(__u32 a, __u32 b);
__noinline __u32 nb_crc32c_shift(__u32 crc, __u32 len);

__noinline __u32 nb_crc32c_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;

	for (int i = 0; i < 32; i++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = (b >> 1) ^ (nb_crc32c_polynomial & -(b & 1));
	}
	return product;
}

/* What len bytes of zeros, less than 64 KiB, make of a CRC that begins and ends without inversion. */
__noinline __u32 nb_crc32c_shift(__u32 crc, __u32 len)
{
	for (int i = 0; i < NB_CRC32C_DIGITS; i++, len >>= 4)
		if (len & 15)
			crc = nb_crc32c_multiply(crc, nb_crc32c_zeros[i][len & 15]);
	return crc;
}

static __always_inline __u32 nb_le32(__u32 word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word;
#else
	return __builtin_bswap32(word);
#endif
}

/*
 * The checksum of a packet of len bytes whose first four were "from" and are "to". All three words are
 * as they stand in the packet.
 */
static __always_inline __u32 nb_crc32c_change(__u32 check, __u32 from, __u32 to, __u32 len)
{
	return check ^ nb_le32(nb_crc32c_shift(nb_le32(from ^ to), len));
}

#endif
