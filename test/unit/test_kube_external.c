// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which frontends a Service has for the pods of a node: A13 to A19. The rows distinguish what kube-proxy's
 * serviceport_test.go and servicechangetracker_test.go distinguish.
 */
#include "kube_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NODE(name, labels, addresses)                                                                        \
	"apiVersion: v1\nkind: Node\nmetadata: {name: " name ", labels: " labels                             \
	"}\nstatus: {addresses: " addresses "}\n---\n"
#define HERE                                                                                                 \
	NODE("here", "{topology.kubernetes.io/zone: a}",                                                     \
	     "[{type: Hostname, address: here}, {type: InternalIP, address: 192.168.0.1}, "                  \
	     "{type: InternalIP, address: 'fd00:a::1'}]")
#define STATUS_OF(name, spec, ingress)                                                                       \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: default}\nspec: " spec         \
	"\nstatus: {loadBalancer: {ingress: " ingress "}}\n---\n"
#define ONE SLICE("a", "IPv4", "[{port: 8080}]", "[{addresses: [10.244.0.2], nodeName: here}]")
#define TWO                                                                                                  \
	SLICE("a", "IPv4", "[{port: 8080}]",                                                                 \
	      "[{addresses: [10.244.0.2], nodeName: here}, {addresses: [10.244.1.2], nodeName: there}]")
#define FAR SLICE("a", "IPv4", "[{port: 8080}]", "[{addresses: [10.244.1.2], nodeName: there}]")
#define NODE_PORT_SPEC(more)                                                                                 \
	"{type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]" more "}"
#define LB_SPEC(more) "{type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80}]" more "}"

static const struct kube_row rows[] = {
	/* A13: internalTrafficPolicy */
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 80}]}") TWO,
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 !10.244.1.2:8080\n", "" },
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 80}]}") FAR,
	  "default/a - 10.96.0.1:80/TCP elsewhere !10.244.1.2:8080\n", "" },
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 80}]}"),
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, internalTrafficPolicy: Cluster, ports: [{port: 80}]}")
		  TWO,
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.1.2:8080\n", "" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 80}]}") TWO,
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 !10.244.1.2:8080\n", "" },
	/* endpoints without a node are nowhere */
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.2]}]"),
	  "default/a - 10.96.0.1:80/TCP elsewhere !10.244.0.2:1\n", "" },
	/* UDP that was on its way to a pod that does not serve any more is not kept */
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 53, "
			    "protocol: UDP}]}") SLICE("a", "IPv4", "[{port: 1, protocol: UDP}]",
						      "[{addresses: [10.244.0.2], nodeName: here}, "
						      "{addresses: [10.244.1.2], nodeName: there}, "
						      "{addresses: [10.244.1.3], nodeName: there, "
						      "conditions: {ready: false, serving: false}}]"),
	  "default/a - 10.96.0.1:53/UDP 10.244.0.2:1 !10.244.1.2:1\n", "" },
	/* A16: zones of the Node */
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]",
			"[{addresses: [10.244.0.2], hints: {forZones: [{name: a}]}}, "
			"{addresses: [10.244.0.3], hints: {forZones: [{name: b}, {name: c}]}}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1 !10.244.0.3:1\n", "" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]",
			"[{addresses: [10.244.0.2], hints: {forZones: [{name: a}]}}, "
			"{addresses: [10.244.0.3], hints: {forZones: [{name: b}, {name: c}]}}]")
			  NODE("here", "{topology.kubernetes.io/zone: c}", "[]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.3:1 !10.244.0.2:1\n", "" },
	{ NODE("here", "{}", "[]") SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]",
			"[{addresses: [10.244.0.2], hints: {forZones: [{name: a}]}}, "
			"{addresses: [10.244.0.3], hints: {forZones: [{name: b}]}}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1 10.244.0.3:1\n", "" },
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}") SLICE(
		  "a", "IPv4", "[{port: 1}]",
		  "[{addresses: [10.244.0.2], hints: {forNodes: [{name: here}], forZones: [{name: b}]}}, "
		  "{addresses: [10.244.0.3], hints: {forNodes: [{name: hereabouts}], forZones: [{name: "
		  "a}]}}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1 !10.244.0.3:1\n", "" },
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]",
			"[{addresses: [10.244.0.2], hints: null}, {addresses: [10.244.0.3], hints: "
			"{forZones: null}}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1 10.244.0.3:1\n", "" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.2], hints: {forZones: [a]}}]"),
	  NULL,
	  "EndpointSlice default/a-x7k2p: \"endpoints[0].hints.forZones[0]\": \"a\" is a string, not an "
	  "object" },
	/* A18: NodePorts at the node's primary address of each family, with the endpoints of all nodes */
	{ HERE SERVICE("a", NODE_PORT_SPEC("")) TWO,
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.0.2:8080 10.244.1.2:8080\n",
	  "" },
	{ HERE SERVICE("a", NODE_PORT_SPEC(", externalTrafficPolicy: Local")) TWO,
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.0.2:8080 10.244.1.2:8080\n",
	  "" },
	{ HERE SERVICE("a", NODE_PORT_SPEC(", internalTrafficPolicy: Local, sessionAffinity: ClientIP")) FAR,
	  "default/a - 10.96.0.1:80/TCP ~10800 elsewhere !10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP ~10800 node 10.244.1.2:8080\n",
	  "" },
	{ SERVICE("a", NODE_PORT_SPEC("")) ONE, "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080\n", "" },
	{ SERVICE("a", NODE_PORT_SPEC("")) ONE, "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080\n", "" },
	{ NODE("there", "{}", "[{type: InternalIP, address: 192.168.0.2}]") SERVICE("a", NODE_PORT_SPEC(""))
		  ONE,
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080\n", "1 object of other kinds ignored\n" },
	{ NODE("here", "{}",
	       "[{type: ExternalIP, address: 203.0.113.1}, {type: InternalIP, address: 192.168.0.2}, "
	       "{type: InternalIP, address: 192.168.0.3}, {type: ExternalIP, address: '2001:db8::1'}]")
		  SERVICE("a",
			  "{type: NodePort, clusterIPs: [10.96.0.1, 'fd00::1'], "
			  "ports: [{port: 80, nodePort: 30080, name: x}, {port: 80, protocol: UDP, nodePort: "
			  "30080, name: y}]}"),
	  "default/a x 10.96.0.1:80/TCP\ndefault/a x [fd00::1]:80/TCP\n"
	  "default/a y 10.96.0.1:80/UDP\ndefault/a y [fd00::1]:80/UDP\n"
	  "default/a x 192.168.0.2:30080/TCP node\ndefault/a x [2001:db8::1]:30080/TCP node\n"
	  "default/a y 192.168.0.2:30080/UDP node\ndefault/a y [2001:db8::1]:30080/UDP node\n",
	  "" },
	{ NODE("here", "{}",
	       "[{type: InternalIP, address: 127.0.0.1}, {type: InternalIP, address: nonsense}]")
		  SERVICE("a", NODE_PORT_SPEC("")),
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 0}]}"),
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ HERE SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 65536}]}"), NULL,
	  "Service default/a: \"spec.ports[0].nodePort\": 65536 is not a whole number from 0 to 65535" },
	{ HERE HERE, NULL, "Node here appears twice in the input" },
	/* A18: external addresses */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [192.0.2.1, 192.0.2.2]}")
		  ONE,
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080\ndefault/a - 192.0.2.1:80/TCP external "
	  "10.244.0.2:8080\n"
	  "default/a - 192.0.2.2:80/TCP external 10.244.0.2:8080\n",
	  "" },
	{ SERVICE("a",
		  "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: ['2001:db8::1', 192.0.2.1]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP external\n", "" },
	{ SERVICE("a",
		  "{clusterIPs: ['fd00::1'], ports: [{port: 80}], externalIPs: ['2001:db8::1', 192.0.2.1]}"),
	  "default/a - [2001:db8::1]:80/TCP external\ndefault/a - [fd00::1]:80/TCP\n", "" },
	{ SERVICE("a", "{clusterIP: None, ports: [{port: 80}], externalIPs: [192.0.2.1]}"), "", "" },
	{ SERVICE("a", "{ports: [{port: 80}], externalIPs: [192.0.2.1]}"), "", "" },
	{ SERVICE("a", "{type: ExternalName, externalName: x.org, externalIPs: [192.0.2.1]}"), "", "" },
	{ SERVICE("a",
		  "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [127.0.0.1, 192.0.2.1, '', null, "
		  "224.0.0.1, 169.254.1.1, x]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP external\n",
	  "Service default/a: left out externalIP \"127.0.0.1\", which is not an address that a Service can "
	  "have\n"
	  "Service default/a: left out externalIP \"224.0.0.1\", which is not an address that a Service can "
	  "have\n"
	  "Service default/a: left out externalIP \"169.254.1.1\", which is not an address that a Service "
	  "can have\n"
	  "Service default/a: left out externalIP \"x\", which is not an address that a Service can have\n" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [1]}"), NULL,
	  "Service default/a: \"spec.externalIPs[0]\": is a number, not a string" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: 192.0.2.1}"), NULL,
	  "Service default/a: \"spec.externalIPs\": \"192.0.2.1\" is a string, not an array" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [192.0.2.1, 192.0.2.1]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP external\n", "" },
	/* load balancers */
	{ STATUS_OF("a", LB_SPEC(""), "[{ip: 192.0.2.1}]") ONE,
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080\ndefault/a - 192.0.2.1:80/TCP balancer "
	  "10.244.0.2:8080\n",
	  "" },
	{ HERE STATUS_OF("a", LB_SPEC(", externalTrafficPolicy: Local, healthCheckNodePort: 32000"),
			 "[{ip: 192.0.2.1}]") FAR,
	  "default/a - 10.96.0.1:80/TCP 10.244.1.2:8080\ndefault/a - 192.0.2.1:80/TCP balancer "
	  "10.244.1.2:8080\n",
	  "" },
	{ STATUS_OF("a", LB_SPEC(""),
		    "[{ip: 192.0.2.1, ipMode: VIP}, {ip: 192.0.2.2, ipMode: Proxy}, "
		    "{hostname: lb.example.org}, {ip: '', hostname: x}, {ip: '2001:db8::1'}, {ip: "
		    "127.0.0.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP balancer\n",
	  "Service default/a: left out load balancer \"127.0.0.1\", which is not an address that a Service "
	  "can "
	  "have\n" },
	{ STATUS_OF("a", LB_SPEC(""), "null"), "default/a - 10.96.0.1:80/TCP\n", "" },
	{ STATUS_OF("a", LB_SPEC(""), "[x]"), NULL,
	  "Service default/a: \"status.loadBalancer.ingress[0]\": \"x\" is a string, not an object" },
	/* source ranges: of load balancers alone, by family */
	{ STATUS_OF("a",
		    LB_SPEC(", externalIPs: [192.0.2.9], loadBalancerSourceRanges: [10.0.0.0/8, ' "
			    "192.0.2.7/24 ', "
			    "'2001:db8::/32', 10.0.0.0/8]"),
		    "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\n"
	  "default/a - 192.0.2.1:80/TCP balancer <10.0.0.0/8 <192.0.2.0/24\n"
	  "default/a - 192.0.2.9:80/TCP external\n",
	  "" },
	{ STATUS_OF("a", LB_SPEC(", loadBalancerSourceRanges: ['2001:db8::/32']"), "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP balancer\n", "" },
	/* with the node's address, also that of the load balancer, which is the node's source if it has it */
	{ HERE STATUS_OF("a", LB_SPEC(", loadBalancerSourceRanges: [192.168.0.0/24, 10.0.0.0/8]"),
			 "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\n"
	  "default/a - 192.0.2.1:80/TCP balancer <10.0.0.0/8 <192.0.2.1/32 <192.168.0.0/24\n",
	  "" },
	{ HERE STATUS_OF("a", LB_SPEC(", loadBalancerSourceRanges: ['fd00:a::/64']"), "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP balancer\n", "" },
	{ STATUS_OF("a", LB_SPEC(", loadBalancerSourceRanges: []"), "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP balancer\n", "" },
	{ STATUS_OF("a", LB_SPEC(", loadBalancerSourceRanges: [0.0.0.0/0]"), "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP balancer <0.0.0.0/0\n", "" },
	{ SERVICE("a", LB_SPEC(", loadBalancerSourceRanges: [10.0.0.0]")), NULL,
	  "Service default/a: \"spec.loadBalancerSourceRanges[0]\": \"10.0.0.0\" is not an address range "
	  "such as "
	  "10.0.0.0/8" },
	{ SERVICE("a", LB_SPEC(", loadBalancerSourceRanges: ['10.0.0.0/8 x']")), NULL,
	  "Service default/a: \"spec.loadBalancerSourceRanges[0]\": \"10.0.0.0/8 x\" is not an address range "
	  "such "
	  "as 10.0.0.0/8" },
	/* one address and port of a Service by two ways: the load balancer's ranges hold */
	{ HERE STATUS_OF("a",
			 "{type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 80}], "
			 "externalIPs: "
			 "[192.0.2.1, 192.168.0.1, 10.96.0.1], loadBalancerSourceRanges: [10.0.0.0/8]}",
			 "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP balancer <10.0.0.0/8\n"
	  "default/a - 192.168.0.1:80/TCP external\n",
	  "" },
	/* A27: one number with three protocols */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, externalIPs: [192.0.2.1], ports: [{port: 53, name: t}, "
		       "{port: 53, protocol: UDP, name: u}, {port: 53, protocol: SCTP, name: s}]}"),
	  "default/a t 10.96.0.1:53/TCP\ndefault/a t 192.0.2.1:53/TCP external\n"
	  "default/a u 10.96.0.1:53/UDP\ndefault/a u 192.0.2.1:53/UDP external\n"
	  "default/a s 10.96.0.1:53/SCTP\ndefault/a s 192.0.2.1:53/SCTP external\n",
	  "" },
	/* two Services with one address and port */
	{ SERVICE("b", "{clusterIP: 10.96.0.2, ports: [{port: 80}], externalIPs: [192.0.2.1]}")
		  SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [192.0.2.1]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP external\ndefault/b - "
	  "10.96.0.2:80/TCP\n",
	  "Service default/b: left out 192.0.2.1:80/TCP, which belongs to Service default/a\n" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [10.96.0.2, 192.0.2.1]}")
		  STATUS_OF("b", "{clusterIP: 10.96.0.2, ports: [{port: 80}]}", "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/b - 10.96.0.2:80/TCP\ndefault/b - 192.0.2.1:80/TCP "
	  "balancer\n",
	  "Service default/a: left out 10.96.0.2:80/TCP, which belongs to Service default/b\n"
	  "Service default/a: left out 192.0.2.1:80/TCP, which belongs to Service default/b\n" },
	{ HERE SERVICE("a", NODE_PORT_SPEC(""))
		  SERVICE("b", "{clusterIP: 10.96.0.2, ports: [{port: 30080}], externalIPs: [192.168.0.1]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/b - 10.96.0.2:30080/TCP\ndefault/b - 192.168.0.1:30080/TCP "
	  "external\n",
	  "Service default/a: left out 192.168.0.1:30080/TCP, which belongs to Service default/b\n" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SERVICE("b", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}"),
	  NULL, "Service default/a and Service default/b both claim 10.96.0.1:80/TCP" },
};

static void test_rows(void **state)
{
	(void)state;
	kube_check_rows(rows, sizeof(rows) / sizeof(*rows), "here");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
