/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_DOCTOR_CHECKS_H
#define NATBRIDGE_CLI_DOCTOR_CHECKS_H

/*
 * The table of checks: a row each, in the order in which they run. A new check is a row here and its function
 * in the file of its group; a row without one of its columns does not compile.
 */

#include "lib/util/error.h"

#include "doctor.h"

/* For what a check is called. */
enum nb_scope {
	NB_FOR_NODE,   /* once; network is NULL */
	NB_FOR_ALL,    /* each network, and the node's own table, whatever is known of it */
	NB_FOR_TABLES, /* the same, if its maps can be read */
	NB_FOR_PODS,   /* each network of pods whose maps can be read */
	NB_FOR_OWN,    /* the node's own table, if its maps can be read */
	NB_FOR_LINKS,  /* each network that has a configuration and ports */
};

/*
 * ROW(id, scope, severity, function, why it matters). The reason is part of a sentence: it follows what is
 * wrong, behind a colon.
 */
/* clang-format off */
#define NB_CHECK_TABLE(ROW)                                                                                  \
	/* kernel.c */                                                                                       \
	ROW("rights", NODE, ERROR, nb_check_rights, "nothing else can be looked at")                         \
	ROW("kernel", ALL, ERROR, nb_check_kernel, "programs of this mode cannot be loaded")                 \
	ROW("jit", NODE, WARNING, nb_check_jit, "each packet takes several times as long")                   \
	ROW("conntrack-full", NODE, WARNING, nb_check_conntrack, "the host drops packets of new connections") \
	/* config.c */                                                                                       \
	ROW("config", NODE, ERROR, nb_check_config, "pods of its network do not start")                      \
	ROW("no-network", NODE, NOTICE, nb_check_no_network, "there is nothing to look at")                  \
	ROW("no-config", ALL, NOTICE, nb_check_no_config, "its pods stay, and no new one starts")            \
	ROW("plugin", ALL, ERROR, nb_check_plugin, "pods of this network do not start")                      \
	ROW("mode", PODS, WARNING, nb_check_mode, "the change waits for the network's next pod")             \
	ROW("bridge-name", PODS, WARNING, nb_check_bridge_name, "new pods do not reach the ones that are there") \
	ROW("table-size", TABLES, WARNING, nb_check_table_size, "the table's size is fixed until it is made anew") \
	/* pins.c */                                                                                         \
	ROW("bpffs", ALL, ERROR, nb_check_bpffs, "pods of this network do not start")                        \
	ROW("pins", ALL, ERROR, nb_check_pins, "Services are served as they were, and nobody can change them") \
	ROW("pin-missing", ALL, ERROR, nb_check_pin_missing, "an ADD or an upgrade fails")                   \
	ROW("pin-rights", ALL, WARNING, nb_check_pin_rights, "others than root may change where packets go") \
	ROW("layout", ALL, WARNING, nb_check_layout, "its memory is not used")                               \
	ROW("version", TABLES, WARNING, nb_check_version, "faults that this version mends are still there")  \
	ROW("unfinished", ALL, NOTICE, nb_check_unfinished, "they hold memory, and nothing uses them")                          \
	/* bridge.c */                                                                                       \
	ROW("bridge", PODS, ERROR, nb_check_bridge, "its pods reach nobody")                                 \
	ROW("bridge-mac", PODS, ERROR, nb_check_bridge_mac, "what programs send to the host is lost")        \
	ROW("bridge-program", PODS, ERROR, nb_check_bridge_program, "answers of Services are not translated back") \
	ROW("gateway", PODS, ERROR, nb_check_gateway, "pods do not reach anything beyond their bridge")      \
	ROW("fdb", PODS, WARNING, nb_check_fdb, "the bridge may send the pod's packets to all pods, or to another one") \
	ROW("vlan-filter", PODS, WARNING, nb_check_vlan_filter, "packets to Services bypass the filter")     \
	/* ports.c */                                                                                        \
	ROW("port-gone", PODS, ERROR, nb_check_port_gone, "Services still send to a pod that is gone")       \
	ROW("port-left", PODS, WARNING, nb_check_port_left, "the pod is not known to the datapath")          \
	ROW("port-state", PODS, ERROR, nb_check_port_state, "the pod is cut off, and packets to it are dropped") \
	ROW("port-program", PODS, ERROR, nb_check_port_program, "the pod is not served")                     \
	ROW("port-foreign", PODS, NOTICE, nb_check_port_foreign, "it may drop or redirect packets before natbridge sees them") \
	ROW("port-isolated", PODS, WARNING, nb_check_port_isolated, "Services and the bridge treat the pod differently") \
	ROW("port-shaped", PODS, WARNING, nb_check_port_shaped, "packets of Services pass its limit by")     \
	/* pods.c */                                                                                         \
	ROW("pod-down", PODS, ERROR, nb_check_pod_down, "nobody reaches the pod")                            \
	ROW("pod-mtu", PODS, ERROR, nb_check_pod_mtu, "larger packets of the pod are lost without a word")   \
	ROW("pod-address", PODS, ERROR, nb_check_pod_address, "Services send to an address that nobody has") \
	ROW("pod-route", PODS, ERROR, nb_check_pod_route, "the host's packets to the pod go elsewhere")      \
	/* sysctls.c */                                                                                      \
	ROW("forwarding", PODS, ERROR, nb_check_forwarding, "pods do not reach anything beyond their bridge") \
	ROW("ipv6-off", PODS, ERROR, nb_check_ipv6_off, "pods have no gateway for IPv6")                     \
	ROW("bridge-nf", LINKS, WARNING, nb_check_bridge_nf, "answers of pods on the same bridge are not translated back") \
	/* rules.c */                                                                                        \
	ROW("rule-drop", PODS, WARNING, nb_check_rule_drop, "packets of pods are lost where it matches")     \
	ROW("rule-policy", PODS, WARNING, nb_check_rule_policy, "pods do not reach anything beyond their bridge") \
	ROW("rule-nobody", LINKS, WARNING, nb_check_rule_nobody, "Services of this network are translated by nobody") \
	ROW("kube-proxy", OWN, ERROR, nb_check_kube_proxy, "both translate, and connections fail")           \
	/* leases.c */                                                                                       \
	ROW("lease-lost", PODS, ERROR, nb_check_lease_lost, "another pod may get the same address")          \
	ROW("lease-left", PODS, WARNING, nb_check_lease_left, "the range runs out of addresses")             \
	ROW("lease-torn", PODS, WARNING, nb_check_lease_torn, "its address is neither given out nor freed")  \
	/* tables.c */                                                                                       \
	ROW("table-full", TABLES, WARNING, nb_check_table_full, "what does not fit is refused")              \
	/* own_table.c */                                                                                    \
	ROW("nb0", OWN, ERROR, nb_check_nb0, "processes of the node do not reach Services")                  \
	ROW("nb0-route", OWN, ERROR, nb_check_nb0_route, "processes of the node do not reach Services there") \
	ROW("device-program", OWN, ERROR, nb_check_device_program, "connections that pass the device fail")  \
	ROW("accept-local", OWN, ERROR, nb_check_accept_local, "processes of the node do not reach its NodePorts") \
	ROW("local-ports", OWN, WARNING, nb_check_local_ports, "the kernel may give out source ports of Services' connections") \
	/* agent.c */                                                                                        \
	ROW("agent", NODE, ERROR, nb_check_agent, "the tables do not follow the cluster")                    \
	ROW("agent-health", NODE, ERROR, nb_check_agent_health, "the tables do not follow the cluster, or do not serve") \
	ROW("agent-node", NODE, WARNING, nb_check_agent_node, "load balancers send new connections elsewhere") \
	ROW("agent-version", NODE, WARNING, nb_check_agent_version, "the next ADD may change the tables under it") \
	ROW("api", NODE, ERROR, nb_check_api, "the tables do not follow the cluster")                        \
	ROW("api-object", NODE, WARNING, nb_check_api_object, "their Services are as they were before")      \
	ROW("clock", NODE, WARNING, nb_check_clock, "certificates and tokens may count as expired")          \
	/* tables.c; the last one, since it waits */                                                         \
	ROW("drops", TABLES, WARNING, nb_check_drops, "packets are lost")
/* clang-format on */

typedef int (*nb_check_fn)(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			   struct nb_error *err);

struct nb_check {
	const char *id;
	enum nb_scope scope;
	enum nb_severity severity;
	nb_check_fn fn;
	const char *why;
};

/*
 * A check adds what it finds, and fails if it cannot look. network: the one that it is called for, NULL with
 * NB_FOR_NODE.
 */
#define NB_CHECK_FUNCTION(id, scope, severity, fn, why)                                                      \
	int fn(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err);
NB_CHECK_TABLE(NB_CHECK_FUNCTION)
#undef NB_CHECK_FUNCTION

#endif
