/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CONF_H
#define NATBRIDGE_PLUGIN_CONF_H

/*
 * The network configuration as plain data: what stdin and CNI_ARGS say, checked, with
 * defaults filled in. Only conf*.c, dns.c, result*.c and ipam.c know JSON; the rest of the
 * plugin reads these structs.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/net/vlan.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "dns.h"
#include "lib/conf/proxy.h"
#include "masq.h"

struct cJSON;

struct nb_conf {
	char *cni_version;           /* as given, "0.1.0" if absent */
	enum nb_cni_command command; /* that it was read for */
	char *name;
	char bridge[IFNAMSIZ]; /* default "cni0"; DEL and GC: empty if no link can have the name */
	bool is_gateway;       /* also if only isDefaultGateway is given */
	bool is_default_gateway, force_address, ip_masq;
	bool hairpin_mode, promisc_mode, enable_dad, port_isolation, disable_container_interface;
	bool ip_spoof_check; /* only with nb_conf_uses_datapath() */
	bool mac_spoof_check;
	enum nb_masq_backend masq_backend;
	unsigned int mtu;  /* 0: the kernel's default */
	unsigned int vlan; /* 0: none */
	struct nb_vlans vlan_trunk;
	bool vlan_filtering; /* vlan or vlanTrunk is given */
	bool preserve_default_vlan;
	bool has_mac;
	unsigned char mac[6];   /* runtimeConfig.mac, else args.cni.mac, else MAC= of CNI_ARGS */
	char *ipam_type;        /* NULL: the pod gets no addresses */
	bool ipam_without_type; /* "ipam" has keys, but none that names a plugin */
	bool has_dns;
	struct nb_dns dns;
	bool shaped; /* runtimeConfig.bandwidth limits this pod */
	struct nb_proxy_conf proxy;
	const struct cJSON *prev_result; /* inside json, NULL if none */
	/* What GC must keep: an owned array of names inside json. */
	struct nb_cni_id *attachments;
	size_t n_attachments;
	const struct cJSON *valid; /* the list itself, inside json; NULL: neither key has one */
	struct cJSON *json;        /* owned: the whole document */
	char *text;                /* owned: stdin as read, for delegates */
	size_t text_len;
};

/*
 * Reads the configuration of args->command from text, which it takes over, also on failure. Checks
 * all that can be checked without touching the system, before the first side effect. DEL and GC
 * check only what they use, and read keys in any case, so that they work where ADD refuses the
 * configuration. Codes: 1 version, 2 unsupported key, 6 not JSON, 7 invalid value. *conf must be
 * zeroed, and freed in any case. After a failure only cni_version may be used, for the error's
 * JSON; it is NULL if it is not known.
 */
int nb_conf_parse(char *text, size_t len, const struct nb_args *args, struct nb_conf *conf,
		  struct nb_error *err);

void nb_conf_free(struct nb_conf *conf); /* for nb_cleanup(); a zeroed one is fine */

/* Whether all keys are read and checked: not for DEL and GC. */
static inline bool nb_conf_is_full(const struct nb_conf *conf)
{
	return conf->command != NB_CNI_DEL && conf->command != NB_CNI_GC;
}

/* Whether an eBPF datapath serves the network's pods: not mode off, and addresses to serve. */
bool nb_conf_uses_datapath(const struct nb_conf *conf);

#endif
