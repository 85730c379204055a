// SPDX-License-Identifier: GPL-2.0-or-later
/* The rules about what a program may do to a frame. Nothing here is shared with the programs. */
#include "judge.h"

#include "packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* The headers of a frame. Offsets are from its first byte. */
struct view {
	bool ip;    /* has an IP header with right lengths */
	bool valid; /* and, behind it, all headers that a translation reads */
	bool v4, first_fragment, later_fragment;
	bool endless; /* IPv6: extension headers do not end, or end outside of the packet */
	uint8_t proto;
	size_t l3, l4, end;
	size_t src, dst, addr_len;
};

/* Offset of the checksum in the header of a protocol that has one, else 0. */
static size_t check_off(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	case IPPROTO_SCTP:
		return 8;
	default:
		return 0;
	}
}

static size_t check_len(uint8_t proto)
{
	return proto == IPPROTO_SCTP ? 4 : 2;
}

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static void view_v4(struct view *view, const uint8_t *ip, size_t left)
{
	uint16_t total, frag;
	size_t header;

	if (left < 20 || ip[0] >> 4 != 4)
		return;
	header = 4 * (ip[0] & 15);
	total = get16(ip + 2);
	if (header < 20 || total < header || total > left)
		return;
	frag = get16(ip + 6);
	*view = (struct view){ .ip = true,
			       .v4 = true,
			       .proto = ip[9],
			       .first_fragment = (frag & 0x3fff) == 0x2000,
			       .later_fragment = frag & 0x1fff,
			       .l3 = view->l3,
			       .l4 = view->l3 + header,
			       .end = view->l3 + total,
			       .src = view->l3 + 12,
			       .dst = view->l3 + 16,
			       .addr_len = 4 };
}

/* Walks over the extension headers. False: they do not end. */
static bool walk_v6(struct view *view, const uint8_t *frame)
{
	for (int i = 0; i < 16 && !view->later_fragment; i++) {
		const uint8_t *header = frame + view->l4;

		if (view->proto != IPPROTO_HOPOPTS && view->proto != IPPROTO_ROUTING &&
		    view->proto != IPPROTO_DSTOPTS && view->proto != IPPROTO_FRAGMENT)
			return true;
		if (view->l4 + 8 > view->end)
			return false;
		if (view->proto == IPPROTO_FRAGMENT) {
			view->later_fragment = get16(header + 2) & 0xfff8;
			view->first_fragment = !view->later_fragment && header[3] & 1;
		}
		view->l4 += 8 + (view->proto == IPPROTO_FRAGMENT ? 0 : 8 * header[1]);
		view->proto = header[0];
		if (view->l4 > view->end)
			return false;
	}
	return view->later_fragment;
}

static void view_v6(struct view *view, const uint8_t *frame, size_t left)
{
	const uint8_t *ip = frame + view->l3;

	if (left < 40 || ip[0] >> 4 != 6 || !get16(ip + 4) || 40U + get16(ip + 4) > left)
		return;
	*view = (struct view){ .ip = true,
			       .proto = ip[6],
			       .l3 = view->l3,
			       .l4 = view->l3 + 40,
			       .end = view->l3 + 40 + get16(ip + 4),
			       .src = view->l3 + 8,
			       .dst = view->l3 + 24,
			       .addr_len = 16 };
	view->endless = !walk_v6(view, frame);
}

static bool l4_valid(const struct view *view, const uint8_t *frame)
{
	const uint8_t *l4 = frame + view->l4;
	size_t left = view->end - view->l4;

	switch (view->proto) {
	case IPPROTO_TCP:
		return left >= 20 && l4[12] >> 4 >= 5 && 4U * (l4[12] >> 4) <= left;
	case IPPROTO_UDP:
		return left >= 8 && get16(l4 + 4) >= 8 && (view->first_fragment || get16(l4 + 4) <= left);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return view->v4 == (view->proto == IPPROTO_ICMP) && left >= 8;
	case IPPROTO_SCTP:
		return left >= 12 + 4;
	default:
		return false;
	}
}

static struct view view_at(const uint8_t *frame, size_t l3, size_t len, uint16_t ethertype)
{
	struct view view = { .l3 = l3 };

	if (ethertype == ETH_P_IP)
		view_v4(&view, frame + l3, len - l3);
	else if (ethertype == ETH_P_IPV6)
		view_v6(&view, frame, len - l3);
	view.valid = view.ip && !view.endless && (view.later_fragment || l4_valid(&view, frame));
	return view;
}

static struct view view_frame(const struct frame *frame)
{
	return view_at(frame->data, ETH_HLEN, frame->len, get16(frame->data + 12));
}

static uint32_t add(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* For a sum that includes its checksum: 0 if it is right, and the same as long as it is as wrong. */
static uint32_t residue(uint32_t sum)
{
	return sum % 0xffff;
}

static uint32_t header_residue(const uint8_t *ip, size_t len)
{
	return residue(add(0, ip, len));
}

/* By what the checksum of SCTP is wrong (RFC 9260, appendix A). */
static uint32_t sctp_residue(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= i < 8 || i >= 12 ? data[i] : 0;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc ^ (data[8] | data[9] << 8 | data[10] << 16 | (uint32_t)data[11] << 24);
}

static uint32_t l4_residue(const struct view *view, const uint8_t *frame)
{
	uint32_t sum = 0;

	if (view->proto == IPPROTO_SCTP)
		return sctp_residue(frame + view->l4, view->end - view->l4);
	if (view->proto != IPPROTO_ICMP)
		sum = add(view->proto + (view->end - view->l4), frame + view->src, 2 * view->addr_len);
	return residue(add(sum, frame + view->l4, view->end - view->l4));
}

/* The bytes that a translation may change. */
struct mask {
	bool may[FRAME_MAX + 256];
};

static void allow(struct mask *mask, size_t from, size_t n, size_t end)
{
	for (size_t i = from; i < from + n && i < end; i++)
		mask->may[i] = true;
}

static void allow_headers(struct mask *mask, const struct view *view, size_t end)
{
	if (view->v4)
		allow(mask, view->l3 + 10, 2, end);
	allow(mask, view->src, 2 * view->addr_len, end);
	if (view->later_fragment || view->proto == IPPROTO_ICMP || view->proto == IPPROTO_ICMPV6)
		return;
	allow(mask, view->l4, 4, end);
	allow(mask, view->l4 + check_off(view->proto), check_len(view->proto), end);
}

static bool is_error(const struct view *view, uint8_t type)
{
	if (!view->v4)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/* The packet with ports that an ICMP error quotes. l3 is 0 if there is none. */
static struct view quoted(const struct view *view, const uint8_t *frame)
{
	struct view quote = { .v4 = view->v4, .l3 = view->l4 + 8 };
	const uint8_t *ip = frame + quote.l3;
	size_t header = view->v4 ? 20 : 40;

	if (quote.l3 + header > view->end || !is_error(view, frame[view->l4]) ||
	    ip[0] >> 4 != (view->v4 ? 4 : 6))
		return (struct view){ 0 };
	quote.proto = view->v4 ? ip[9] : ip[6];
	quote.l4 = quote.l3 + (view->v4 ? 4U * (ip[0] & 15) : 40);
	quote.src = quote.l3 + (view->v4 ? 12 : 8);
	quote.addr_len = view->v4 ? 4 : 16;
	if (quote.l4 < quote.l3 + header || quote.l4 + 8 > view->end ||
	    (quote.proto != IPPROTO_TCP && quote.proto != IPPROTO_UDP && quote.proto != IPPROTO_SCTP))
		return (struct view){ 0 };
	return quote;
}

static struct mask mask_of(const struct view *view, const uint8_t *frame)
{
	struct mask mask = { 0 };

	allow(&mask, 0, 12, 12);
	allow_headers(&mask, view, view->end);
	if (!view->later_fragment && (view->proto == IPPROTO_ICMP || view->proto == IPPROTO_ICMPV6)) {
		struct view quote = quoted(view, frame);

		if (!quote.l3)
			return (struct mask){ 0 };
		allow(&mask, view->l4 + 2, 2, view->end);
		allow_headers(&mask, &quote, view->end);
	}
	return mask;
}

static const char *judge_checksums(const struct view *view, const uint8_t *in, const uint8_t *out)
{
	size_t check = view->l4 + check_off(view->proto);
	struct view quote = { 0 };

	if (view->v4 && header_residue(in + view->l3, view->l4 - view->l3) !=
				header_residue(out + view->l3, view->l4 - view->l3))
		return "the checksum of the IP header is not as right or wrong as it was";
	if (view->later_fragment)
		return NULL;
	if (view->proto == IPPROTO_UDP && !get16(in + check))
		return get16(out + check) ? "UDP got a checksum that it had not" : NULL;
	if (view->proto == IPPROTO_UDP && !get16(out + check))
		return "UDP lost its checksum";
	if (view->proto == IPPROTO_SCTP && !memcmp(in + check, "\0\0\0", 4))
		return memcmp(out + check, "\0\0\0", 4) ? "SCTP got a checksum that it had not" : NULL;
	if (l4_residue(view, in) != l4_residue(view, out))
		return "the checksum of the protocol is not as right or wrong as it was";
	if (view->proto == IPPROTO_ICMP)
		quote = quoted(view, in);
	if (quote.l3 && header_residue(in + quote.l3, 20) != header_residue(out + quote.l3, 20))
		return "the checksum of the quoted header is not as right or wrong as it was";
	return NULL;
}

static bool has_addr(const uint8_t *addr, const struct view *view, const char *const *list)
{
	uint8_t parsed[16];

	for (; *list; list++) {
		if (inet_pton(view->v4 ? AF_INET : AF_INET6, *list, parsed) == 1 &&
		    !memcmp(addr, parsed, view->addr_len))
			return true;
	}
	return false;
}

static bool is_mac(const uint8_t *at, const char *text)
{
	char found[18];

	snprintf(found, sizeof(found), "%02x:%02x:%02x:%02x:%02x:%02x", at[0], at[1], at[2], at[3], at[4],
		 at[5]);
	return strcmp(found, text) == 0;
}

static bool is_mac_of(const uint8_t *at, const char *const *list)
{
	for (; *list; list++)
		if (is_mac(at, *list))
			return true;
	return false;
}

/* A reset or an unreachable error for the sender. */
static const char *judge_answer(const struct run *run, const struct view *in)
{
	struct view out = view_frame(&run->out);
	const uint8_t *data = run->out.data;

	if (!in->valid || !out.valid || out.end != run->out.len)
		return "an answer that is no packet, or an answer to no packet";
	if (memcmp(data, run->in.data + 6, 6) || memcmp(data + out.dst, run->in.data + in->src, in->addr_len))
		return "an answer to somebody else";
	if ((out.v4 && header_residue(data + out.l3, out.l4 - out.l3)) || l4_residue(&out, data))
		return "an answer with a wrong checksum";
	if (out.proto == IPPROTO_TCP)
		return data[out.l4 + 13] & RST && run->out.len == out.l4 + 20 ? NULL
									      : "an answer that is no reset";
	if (data[out.l4] != (out.v4 ? 3 : 1))
		return "an answer that is no error";
	if (out.l4 + 8 + (in->end - in->l3) < out.end ||
	    memcmp(data + out.l4 + 8, run->in.data + in->l3, out.end - out.l4 - 8))
		return "an error that quotes something else";
	return NULL;
}

/* Whether an echo request has become its reply. */
static bool is_echo(const struct run *run, const struct view *in)
{
	const uint8_t *data = run->out.data;

	if (run->in.len != run->out.len || !in->valid ||
	    in->proto != (in->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	return in->later_fragment ||
	       (run->in.data[in->l4] == (in->v4 ? 8 : 128) && data[in->l4] == (in->v4 ? 0 : 129));
}

/* It comes from a VIP; nothing but addresses, type and checksum has changed. */
static const char *judge_echo(const struct run *run, const struct view *in, const struct rules *rules)
{
	const uint8_t *before = run->in.data, *after = run->out.data;
	struct mask mask = { 0 };

	if (!has_addr(after + in->src, in, rules->vips))
		return "an echo reply that is not from a VIP";
	if (memcmp(after, before + 6, 6) || memcmp(after + in->dst, before + in->src, in->addr_len) ||
	    memcmp(after + in->src, before + in->dst, in->addr_len))
		return "an echo reply to somebody else";
	allow(&mask, 0, 12, 12);
	allow(&mask, in->src, 2 * in->addr_len, in->end);
	if (!in->later_fragment) {
		allow(&mask, in->l4, 1, in->end);
		allow(&mask, in->l4 + 2, 2, in->end);
		if (l4_residue(in, before) != l4_residue(in, after))
			return "the checksum of an echo reply is not as right or wrong as it was";
	}
	for (size_t i = 0; i < run->in.len; i++)
		if (before[i] != after[i] && !mask.may[i])
			return "a byte was changed that is not of the reply";
	return NULL;
}

static const char *judge_changes(const struct run *run, const struct view *view)
{
	const uint8_t *in = run->in.data, *out = run->out.data;
	struct mask mask;

	if (run->in.len != run->out.len)
		return "the length was changed";
	if (!memcmp(in, out, run->in.len))
		return NULL;
	if (!view->valid)
		return "an invalid packet was changed";
	mask = mask_of(view, in);
	for (size_t i = 0; i < run->in.len; i++)
		if (in[i] != out[i] && !mask.may[i])
			return "a byte was changed that is not of the translation";
	return judge_checksums(view, in, out);
}

const char *judge(struct run *run, const struct rules *rules)
{
	struct view view = view_frame(&run->in);
	const uint8_t *out = run->out.data;
	const char *wrong;

	if (run->verdict == TC_ACT_SHOT)
		return NULL;
	if (run->verdict != TC_ACT_UNSPEC && (run->verdict != TC_ACT_REDIRECT || !run->from_pod))
		return "no such verdict";
	if (run->verdict == TC_ACT_REDIRECT && is_mac(out + 6, rules->bridge_mac) &&
	    !is_mac(run->in.data + 6, rules->bridge_mac)) {
		if (is_echo(run, &view))
			return judge_echo(run, &view, rules);
		run->rejected = true;
		return judge_answer(run, &view);
	}
	wrong = judge_changes(run, &view);
	if (wrong)
		return wrong;
	if (run->verdict == TC_ACT_REDIRECT && !is_mac_of(out, rules->macs))
		return "a packet into a pod that has another MAC";
	/* A clash changes the port alone, which a later fragment does not have. */
	if (run->verdict == TC_ACT_REDIRECT && !view.later_fragment &&
	    !memcmp(run->in.data + 12, out + 12, run->in.len - 12))
		return "a packet past the bridge that was not translated";
	/* What goes on to a VIP is an answer to a pod that reached itself with a VIP as its source. */
	if (run->from_pod && view.ip &&
	    (view.proto == IPPROTO_TCP || view.proto == IPPROTO_UDP || view.proto == IPPROTO_SCTP) &&
	    !memcmp(run->in.data + view.src, out + view.src, view.addr_len) &&
	    has_addr(out + view.dst, &view, rules->vips))
		return "a packet passed that still has a VIP as its destination";
	return NULL;
}

void judge_fix_header(uint8_t *frame, size_t len)
{
	struct frame in = { frame, len };
	struct view view = view_frame(&in);
	uint32_t sum;

	if (!view.ip || !view.v4)
		return;
	frame[view.l3 + 10] = frame[view.l3 + 11] = 0;
	sum = ~add(0, frame + view.l3, view.l4 - view.l3);
	frame[view.l3 + 10] = sum >> 8;
	frame[view.l3 + 11] = sum;
}
