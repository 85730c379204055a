/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_ATTACHMENT_H
#define NATBRIDGE_ATTACHMENT_H

/* The three names that make an attachment unique (SPEC.md): everything that an ADD makes is found by them. */
struct nb_attachment {
	const char *network;
	const char *container_id;
	const char *ifname; /* inside the pod */
};

#endif
