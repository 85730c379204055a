/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CONF_H
#define NATBRIDGE_PLUGIN_CONF_H

/*
 * The network configuration as plain data: what stdin and CNI_ARGS say, checked and with defaults filled in.
 * Only conf*.c, result*.c and ipam.c know JSON; the rest of the plugin reads these structs.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/datapath/load.h"
#include "lib/json/json.h"
#include "lib/maps/layout.h"
#include "lib/net/vlan.h"
#include "lib/service/service.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "dns.h"

struct cJSON;
struct nb_json;

/* serviceProxy: what the reference plugin does not have. */
struct nb_proxy_conf {
	enum nb_mode mode;
	bool fast_path, fast_path_given;
	bool rcu_expedited; /* whether /sys/kernel/rcu_expedited may be switched on for a moment */
	char *bpffs;        /* NULL: not given */
	struct nb_limits limits;
	__u32 timeouts[NB_TIMEOUTS];                   /* seconds; 0: not given */
	struct nb_prefix ranges[NB_MAX_SERVICE_CIDRS]; /* serviceCIDRs */
	unsigned int n_ranges;
	bool services_given;
	struct nb_services services;
};

/* ipMasqBackend. ANY: iptables if it is installed, else nftables, as in the reference plugin. */
enum nb_masq_backend { NB_MASQ_ANY, NB_MASQ_IPTABLES, NB_MASQ_NFTABLES };

struct nb_conf {
	char *cni_version; /* as given, "0.1.0" if absent */
	char *name;
	char bridge[IFNAMSIZ]; /* default "cni0"; DEL and GC: empty if no link can have the name */
	bool is_gateway, is_default_gateway, force_address, ip_masq;
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
	char *ipam_type;        /* NULL: layer 2 only */
	bool ipam_without_type; /* "ipam" has keys, but none that names a plugin */
	bool has_dns;
	struct nb_dns dns;
	bool shaped; /* runtimeConfig.bandwidth limits this pod */
	struct nb_proxy_conf proxy;
	const struct cJSON *prev_result; /* inside json, NULL if none */
	/* What GC must keep: an owned array of names inside json. */
	struct nb_cni_id *attachments;
	size_t n_attachments;
	const struct cJSON *valid; /* the list itself, inside json; NULL: no key has one */
	struct cJSON *json;        /* owned: the whole document */
	char *text;                /* owned: stdin as read, for delegates */
	size_t text_len;
};

/*
 * Reads the configuration of args->command from text (taken over, also on failure). All that can be checked
 * without touching the system is checked here, before the first side effect; DEL and GC check only what they
 * use, and read keys in any case, so that what ADD refuses can still be deleted. Codes: 1 version, 2
 * unsupported key, 6 not JSON, 7 invalid value. *conf must be zeroed, and freed in any case: after a failure,
 * cni_version stands in it as far as it is known, for the error's JSON, and nothing else may be used.
 */
int nb_conf_parse(char *text, size_t len, const struct nb_args *args, struct nb_conf *conf,
		  struct nb_error *err);

void nb_conf_free(struct nb_conf *conf); /* for nb_cleanup(); a zeroed one is fine */

/* Whether the network's pods are served by an eBPF datapath: not mode off, and addresses to serve. */
bool nb_conf_uses_datapath(const struct nb_conf *conf);

/* The list of attachments that GC keeps. Until July 2024 SPEC.md called it by the older name; libcni sends
 * both. */
#define NB_CONF_VALID     "cni.dev/valid-attachments"
#define NB_CONF_VALID_OLD "cni.dev/attachments"

/*
 * Reads that list (conf_gc.c). The older key counts where the newer one is absent or null. A key that is no
 * list of attachments is an error, whichever counts; so nothing is removed then. An attachment may be listed
 * twice.
 */
int nb_conf_parse_attachments(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err);

/* The configuration for a delegate's GC: both keys have the list that counts. conf->valid must not be NULL.
 * The caller frees *text. */
int nb_conf_text_for_gc(const struct nb_conf *conf, char **text, struct nb_error *err);

/* Spec versions, oldest first, ended by NULL. */
extern const char *const NB_CNI_VERSIONS[];
#define NB_CNI_NEWEST        "1.1.0"
#define NB_CNI_VERSIONS_TEXT "0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, " NB_CNI_NEWEST

/* Place of a version in NB_CNI_VERSIONS, -1: not supported. Later ones are greater. */
int nb_cni_version_rank(const char *version);

/* "serviceProxy" of the configuration (conf_proxy.c). full: all of it, else only what DEL and GC need. */
int nb_conf_parse_proxy(const struct nb_json *proxy, bool full, struct nb_proxy_conf *conf,
			struct nb_error *err);
/* Its keys, in whatever case they are. NULL: nothing. */
void nb_conf_correct_proxy(struct cJSON *proxy);
void nb_conf_free_proxy(struct nb_proxy_conf *conf);

/* "serviceProxy.services" (conf_services.c). */
int nb_conf_parse_services(const struct nb_json *array, struct nb_services *services, struct nb_error *err);

/* "vlan" and "vlanTrunk" (conf_vlan.c); what they mean for a pod's port. */
int nb_conf_parse_vlans(const struct nb_json *root, struct nb_conf *conf, struct nb_error *err);
void nb_conf_port_vlans(const struct nb_conf *conf, struct nb_port_vlans *vlans);

#endif
