// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Judges every frame that enters a pod, whether a socket would get it or not: a packet socket with
 * a ring in each pod's namespace.
 */
#include "storm.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLOT = 512, SLOTS = 16384, BLOCK = 65536, WATCHES = CLIENTS + SERVICES * BACKENDS };

struct watch {
	struct place place;
	int fd;
	uint8_t *ring;
	unsigned int next;
	uint8_t mac[ETH_ALEN];
};

/* A frame, and where its parts are. */
struct part {
	const uint8_t *l4, *payload;
	uint32_t l4_len, payload_len;
	uint8_t ttl;
	bool partial; /* its checksum is the sum of the pseudo header */
};

static const struct plan *the_plan;
static struct tally *tally;
static struct watch watches[WATCHES];
static unsigned int n_watches;

static void open_ring(struct watch *watch)
{
	struct tpacket_req req = {
		.tp_block_size = BLOCK,
		.tp_block_nr = SLOTS * SLOT / BLOCK,
		.tp_frame_size = SLOT,
		.tp_frame_nr = SLOTS,
	};
	int version = TPACKET_V2, one = 1;

	if (setsockopt(watch->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(watch->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(watch->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		fail("packet socket");
	watch->ring = mmap(NULL, (size_t)SLOTS * SLOT, PROT_READ | PROT_WRITE, MAP_SHARED, watch->fd, 0);
	if (watch->ring == MAP_FAILED)
		fail("ring");
}

static void open_at(const struct pod *pod, struct place place)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct watch *watch = &watches[n_watches++];
	struct ifreq eth0 = { .ifr_name = "eth0" };

	enter(pod, -1);
	watch->place = place;
	watch->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (watch->fd < 0 || ioctl(watch->fd, SIOCGIFHWADDR, &eth0))
		fail("packet socket");
	memcpy(watch->mac, eth0.ifr_hwaddr.sa_data, sizeof(watch->mac));
	open_ring(watch);
	at.sll_ifindex = (int)if_nametoindex("eth0");
	if (bind(watch->fd, (struct sockaddr *)&at, sizeof(at)))
		fail("packet socket");
}

void watch_open(const struct plan *plan, struct tally *to)
{
	the_plan = plan;
	tally = to;
	for (unsigned int i = 0; i < CLIENTS; i++)
		open_at(&plan->clients[i], (struct place){ .number = i });
	for (unsigned int i = 0; i < SERVICES * BACKENDS; i++)
		open_at(&plan->backends[i / BACKENDS][i % BACKENDS],
			(struct place){ true, i / BACKENDS, i % BACKENDS });
}

/* ---- one frame ---- */

static void map_v4(uint32_t from, struct in6_addr *to)
{
	*to = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	memcpy(&to->s6_addr[12], &from, sizeof(from));
}

/* RFC 1071. */
static uint32_t sum(uint32_t start, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		start += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

/* The IP header. False: neither TCP nor UDP. */
static bool parse_ip(const uint8_t *frame, size_t len, struct seen *seen, struct part *part)
{
	const struct ip6_hdr *ip6 = (const void *)(frame + ETH_HLEN);
	const struct iphdr *ip = (const void *)(frame + ETH_HLEN);
	uint16_t type = frame[12] << 8 | frame[13];
	size_t header, whole;

	if (type == ETHERTYPE_IP && len >= ETH_HLEN + sizeof(*ip)) {
		map_v4(ip->saddr, &seen->src);
		map_v4(ip->daddr, &seen->dst);
		seen->proto = ip->protocol;
		part->ttl = ip->ttl;
		header = ip->ihl * 4U;
		whole = ntohs(ip->tot_len);
	} else if (type == ETHERTYPE_IPV6 && len >= ETH_HLEN + sizeof(*ip6)) {
		seen->src = ip6->ip6_src;
		seen->dst = ip6->ip6_dst;
		seen->proto = ip6->ip6_nxt;
		part->ttl = ip6->ip6_hlim;
		header = sizeof(*ip6);
		whole = header + ntohs(ip6->ip6_plen);
	} else {
		return false;
	}
	if (whole < header || len < ETH_HLEN + whole)
		return false;
	part->l4 = frame + ETH_HLEN + header;
	part->l4_len = whole - header;
	return true;
}

static bool parse_l4(struct seen *seen, struct part *part)
{
	const struct tcphdr *tcp = (const void *)part->l4;
	size_t header = sizeof(struct udphdr);

	if (seen->proto == IPPROTO_TCP && part->l4_len >= sizeof(*tcp))
		header = tcp->doff * 4U;
	else if (seen->proto != IPPROTO_UDP)
		return false;
	if (part->l4_len < header)
		return false;
	seen->sport = part->l4[0] << 8 | part->l4[1];
	seen->dport = part->l4[2] << 8 | part->l4[3];
	part->payload = part->l4 + header;
	part->payload_len = part->l4_len - header;
	return true;
}

static bool checksum_right(const uint8_t *frame, const struct seen *seen, const struct part *part)
{
	bool v6 = !IN6_IS_ADDR_V4MAPPED(&seen->src);
	size_t from = v6 ? 0 : 12;
	const uint8_t *check = part->l4 + (seen->proto == IPPROTO_TCP ? offsetof(struct tcphdr, check)
								      : offsetof(struct udphdr, check));
	uint32_t pseudo = sum(seen->proto + part->l4_len, &seen->src.s6_addr[from], 16 - from);

	pseudo = sum(pseudo, &seen->dst.s6_addr[from], 16 - from);
	if (!v6 && sum(0, frame + ETH_HLEN, sizeof(struct iphdr)) != 0xffff)
		return false;
	if (part->partial)
		return pseudo == (uint32_t)(check[0] << 8 | check[1]);
	return sum(pseudo, part->l4, part->l4_len) == 0xffff;
}

/* Every tag of the payload. */
static enum count judge_payload(const struct seen *seen, const struct part *part, struct tag *tag)
{
	enum count found = WRONG_TAG;

	for (uint32_t at = 0; at < part->payload_len; at += sizeof(*tag)) {
		if (part->payload_len - at < sizeof(*tag))
			return WRONG_TAG;
		memcpy(tag, part->payload + at, sizeof(*tag));
		found = judge_tag(seen, tag);
		if (found >= COUNT_WRONG)
			return found;
	}
	return found;
}

static void judge_frame(const struct watch *watch, const uint8_t *frame, size_t len, bool partial)
{
	struct seen seen = { .plan = the_plan, .place = watch->place };
	struct part part = { .partial = partial };
	struct tag tag;
	enum count found;

	if (!parse_ip(frame, len, &seen, &part) || !parse_l4(&seen, &part))
		return;
	tally->counts[FRAMES]++;
	tally->counts[SEGMENTS] += seen.proto == IPPROTO_TCP;
	if (!part.payload_len && seen.proto == IPPROTO_TCP)
		found = judge_empty(&seen, part.ttl);
	else
		found = judge_payload(&seen, &part, &tag);
	if (found < COUNT_WRONG && memcmp(frame, watch->mac, ETH_ALEN) != 0)
		found = WRONG_ADDRESS;
	if (found < COUNT_WRONG && !checksum_right(frame, &seen, &part))
		found = WRONG_CHECKSUM;
	if (found < COUNT_WRONG)
		return;
	describe("wrong frame", &seen, part.payload_len ? &tag : NULL);
	tally->counts[seen.proto == IPPROTO_TCP ? WRONG_SEGMENT : found]++;
}

/* ---- the rings ---- */

static void read_ring(struct watch *watch)
{
	for (;;) {
		struct tpacket2_hdr *slot = (void *)(watch->ring + (size_t)watch->next * SLOT);

		if (!(__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return;
		if (slot->tp_snaplen < slot->tp_len) /* larger than any that belongs here */
			tally->counts[UNSEEN]++;
		judge_frame(watch, (const uint8_t *)slot + slot->tp_mac, slot->tp_snaplen,
			    slot->tp_status & TP_STATUS_CSUMNOTREADY);
		__atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		watch->next = (watch->next + 1) % SLOTS;
	}
}

void watch_read(void)
{
	for (unsigned int i = 0; i < n_watches; i++)
		read_ring(&watches[i]);
}

void watch_close(void)
{
	for (unsigned int i = 0; i < n_watches; i++) {
		struct tpacket_stats stats;
		socklen_t len = sizeof(stats);

		if (getsockopt(watches[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
			fail("packet socket");
		tally->counts[UNSEEN] += stats.tp_drops;
		close(watches[i].fd);
	}
}
