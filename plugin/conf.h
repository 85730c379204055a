/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CONF_H
#define NATBRIDGE_PLUGIN_CONF_H

/*
 * The network configuration as plain data: what stdin and CNI_ARGS say, checked and with defaults filled in.
 * Only conf.c, result.c and ipam.c know JSON; the rest of the plugin reads these structs.
 */

#include <natbridge/abi.h>
#include <natbridge/error.h>
#include <natbridge/service.h>

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "args.h"

struct cJSON;

enum nb_mode {
	NB_MODE_EBPF, /* natbridge translates; the default */
	NB_MODE_OFF,  /* a plain bridge */
};

/* serviceProxy: what the reference plugin does not have. */
struct nb_proxy_conf {
	enum nb_mode mode;
	bool fast_path;
	char *bpffs; /* NULL: not given */
	struct nb_limits limits;
	__u32 timeouts[NB_TIMEOUTS]; /* seconds; 0: not given */
	bool services_given;
	struct nb_services services;
};

struct nb_dns {
	char *domain;
	char **nameservers, **search, **options;
	size_t n_nameservers, n_search, n_options;
};

struct nb_conf {
	char *cni_version; /* as given, "0.1.0" if absent */
	char *name;
	char *type;
	char bridge[IFNAMSIZ]; /* default "cni0" */
	bool is_gateway, is_default_gateway, force_address, ip_masq;
	bool hairpin_mode, promisc_mode, enable_dad, port_isolation, disable_container_interface;
	unsigned int mtu; /* 0: the kernel's default */
	bool has_mac;
	unsigned char mac[6]; /* runtimeConfig.mac, else args.cni.mac, else MAC= of CNI_ARGS */
	char *ipam_type;      /* NULL: layer 2 only */
	bool has_dns;
	struct nb_dns dns;
	bool shaped; /* runtimeConfig.bandwidth limits this pod */
	struct nb_proxy_conf proxy;
	const struct cJSON *prev_result;       /* inside json, NULL if none */
	const struct cJSON *valid_attachments; /* inside json: cni.dev/valid-attachments, NULL if none */
	struct cJSON *json;                    /* owned: the whole document */
	char *text;                            /* owned: stdin as read, for delegates */
	size_t text_len;
};

/*
 * Reads the configuration of args->command from text (taken over, also on failure). All that can be checked
 * without touching the system is checked here, before the first side effect. Codes: 1 version, 2 unsupported
 * key, 6 not JSON, 7 invalid value.
 */
int nb_conf_parse(char *text, size_t len, const struct nb_args *args, struct nb_conf *conf,
		  struct nb_error *err);

void nb_conf_free(struct nb_conf *conf); /* for nb_cleanup(); a zeroed one is fine */

#endif
