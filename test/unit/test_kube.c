// SPDX-License-Identifier: GPL-2.0-or-later
/* Service and EndpointSlice to frontends and backends: one row a text. */
#include "kube_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOREIGN_SLICE(label)                                                                                 \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                                             \
	"metadata: {name: c-" label ", labels: {kubernetes.io/service-name: c, service.kubernetes.io/" label \
	": ''}}\n"                                                                                           \
	"addressType: IPv4\nports: [{port: 1}]\nendpoints: [{addresses: [10.244.0.3]}]\n---\n"

static const struct kube_row rows[] = {
	/* Both families, a target port per slice, no port name on either side, no namespace */
	{ SERVICE("web", "{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], ports: [{port: 80}]}")
		  SLICE("web", "IPv4", "[{port: 8080}]", "[{addresses: [10.244.0.2]}]") SLICE_OF(
			  "web", "2", "IPv4", "[{name: '', port: 8081}]", "[{addresses: [10.244.0.3]}]")
			  SLICE_OF("web", "3", "IPv6", "[{port: 8080}]", "[{addresses: ['fd01::2']}]")
				  SLICE_OF("web", "4", "FQDN", "[{port: 8080}]",
					   "[{addresses: [web.example.org]}]"),
	  "default/web - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.0.3:8081\n"
	  "default/web - [fd00::1]:80/TCP [fd01::2]:8080\n",
	  "" },
	{ "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"a\"}, \"spec\": "
	  "{\"clusterIP\": \"10.96.0.1\", \"ports\": [{\"port\": 80}]}}",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	/* Ports are joined by name and protocol */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{name: x, port: 80}, {name: y, port: 81, protocol: "
		       "UDP}]}") SLICE("a", "IPv4",
				       "[{name: y, port: 1, protocol: TCP}, {name: x, port: 2}, {name: x}, "
				       "{name: z, port: 4}]",
				       "[{addresses: [10.244.0.2]}]"),
	  "default/a x 10.96.0.1:80/TCP 10.244.0.2:2\ndefault/a y 10.96.0.1:81/UDP\n",
	  "Service default/a: port 81 has no backends: its EndpointSlices have no UDP port named \"y\"\n" },
	/*
	 * A9, A15: ready, serving, terminating: null ready is ready; terminating endpoints serve
	 * only if none is ready
	 */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}") SLICE(
		  "a", "IPv4", "[{port: 1}]",
		  "[{addresses: [10.244.0.2], conditions: {ready: null}},"
		  " {addresses: [10.244.0.3], conditions: {ready: false, serving: true, terminating: true}},"
		  " {addresses: [10.244.0.4], conditions: {ready: false}}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1 !10.244.0.3:1 !10.244.0.4:1\n", "" },
	/* SCTP stays with all of them, as TCP does; its slices' ports are its own (A26) */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80, protocol: SCTP}]}")
		  SLICE("a", "IPv4", "[{port: 1, protocol: SCTP}, {port: 2}, {port: 3, protocol: UDP}]",
			"[{addresses: [10.244.0.2], conditions: {ready: null}},"
			" {addresses: [10.244.0.4], conditions: {ready: false, serving: false, terminating: "
			"true}}]"),
	  "default/a - 10.96.0.1:80/SCTP 10.244.0.2:1 !10.244.0.4:1\n", "" },
	/* UDP flows stay with what still answers only */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80, protocol: UDP}]}") SLICE(
		  "a", "IPv4", "[{port: 1, protocol: UDP}]",
		  "[{addresses: [10.244.0.2], conditions: {ready: null}},"
		  " {addresses: [10.244.0.3], conditions: {ready: false, serving: true, terminating: true}},"
		  " {addresses: [10.244.0.4], conditions: {ready: false, serving: false, terminating: "
		  "true}}]"),
	  "default/a - 10.96.0.1:80/UDP 10.244.0.2:1 !10.244.0.3:1\n", "" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}") SLICE(
		  "a", "IPv4", "[{port: 1}]",
		  "[{addresses: [10.244.0.3], conditions: {ready: false, serving: true, terminating: true}},"
		  " {addresses: [10.244.0.4], conditions: {ready: false, serving: false, terminating: true}},"
		  " {addresses: [10.244.0.5], conditions: {ready: false, terminating: true}},"
		  " {addresses: [10.244.0.6], conditions: {ready: false, serving: true}}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.3:1 10.244.0.5:1 !10.244.0.4:1 !10.244.0.6:1\n", "" },
	/* A15: the first address of an endpoint counts; an endpoint in two slices is one */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.2, 10.244.0.9]}]")
			  SLICE_OF("a", "2", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.2]}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1\n", "" },
	/* Fields that are empty as a template leaves them: what the API server makes of that */
	{ SERVICE("a",
		  "{clusterIP: 10.96.0.1, clusterIPs: [], ports: [{port: 80, protocol: '', name: null}], "
		  "type: '', sessionAffinity: '', sessionAffinityConfig: null, internalTrafficPolicy: '', "
		  "selector: null}")
		  SLICE("a", "IPv4", "[{port: 1, protocol: '', name: null}]",
			"[{addresses: [10.244.0.2], conditions: {}}, {addresses: [10.244.0.3], conditions: "
			"null}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1 10.244.0.3:1\n", "" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, clusterIPs: ['', null], ports: [{port: 80, protocol: null}], "
		       "type: null, sessionAffinity: null, sessionAffinityConfig: {clientIP: null}, "
		       "internalTrafficPolicy: null, selector: {}}")
		  SLICE("a", "IPv4", "[{port: 1, name: '', protocol: null}]", "null"),
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ SERVICE("a",
		  "{clusterIP: '', clusterIPs: [10.96.0.1], ports: [{port: 80}], sessionAffinity: ClientIP, "
		  "sessionAffinityConfig: {clientIP: {timeoutSeconds: null}}}")
		  SERVICE("b", "{clusterIP: '', clusterIPs: [None]}")
			  SERVICE("c", "{clusterIP: None, clusterIPs: [], ports: null}"),
	  "default/a - 10.96.0.1:80/TCP ~10800\n", "" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: '', labels: null, annotations: "
	  "null}\n"
	  "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n---\n"
	  "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	  "metadata: {name: a-1, namespace: null, labels: {kubernetes.io/service-name: a}}\n"
	  "addressType: IPv4\nports: [{port: 1}]\nendpoints: [{addresses: [10.244.0.2]}]\n",
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1\n", "" },
	{ "{\"kind\": \"ServiceList\", \"apiVersion\": \"v1\", \"items\": [{\"kind\": \"\", \"apiVersion\": "
	  "\"\", "
	  "\"metadata\": {\"name\": \"a\"}, \"spec\": {\"clusterIP\": \"10.96.0.1\", \"ports\": [{\"port\": "
	  "80}]}}]}",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"metadata\": {\"continue\": \"\"}, \"items\": null}",
	  "", "" },
	{ "apiVersion: v1\nkind: List\nitems:\n", "", "" },

	/* Addresses as Kubernetes reads them */
	{ SERVICE("a", "{clusterIP: 010.096.000.001, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]", "[{addresses: [10.244.000.010]}]") SERVICE(
			  "b", "{clusterIP: '::ffff:10.96.0.2', clusterIPs: [10.96.0.2], ports: [{port: "
			       "80}]}")
			  SLICE("b", "IPv4", "[{port: 1}]", "[{addresses: ['::ffff:10.244.0.3']}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.10:1\ndefault/b - 10.96.0.2:80/TCP 10.244.0.3:1\n", "" },

	/* What does not belong together */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], selector: {app: a}}"),
	  "default/a - 10.96.0.1:80/TCP\n",
	  "Service default/a has no backends: no EndpointSlice of it is in the input\n" },
	{ SERVICE("a", "{clusterIP: None, selector: {app: a}}") SLICE("a", "IPv4", "null", "null") SLICE(
		  "b", "IPv4", "null", "null") SERVICE("c", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SLICE("d", "IPv4", "null", "null"),
	  "default/c - 10.96.0.1:80/TCP\n",
	  "EndpointSlice default/b-x7k2p: its Service default/b is not in the input\n"
	  "EndpointSlice default/d-x7k2p: its Service default/d is not in the input\n" },
	{ "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a-1, labels: "
	  "{kubernetes.io/service-name: ''}}\naddressType: IPv4\nendpoints: [{addresses: [127.0.0.1]}]\n",
	  "",
	  "EndpointSlice default/a-1 belongs to no Service: it has no label kubernetes.io/service-name\n" },

	/* A14: ignored */
	{ SERVICE("headless", "{clusterIP: None, ports: [{port: 80}]}")
		  SERVICE("out", "{type: ExternalName, externalName: example.org, ports: [{port: 80}]}")
			  SERVICE("new", "{ports: [{port: 80}]}") SLICE(
				  "unknown", "IPv4", "null",
				  "null") "apiVersion: v1\nkind: Service\nmetadata: {name: theirs, labels: "
					  "{service.kubernetes.io/service-proxy-name: x}}\nspec: {clusterIP: "
					  "10.96.0.1, ports: [{port: 80}]}\n"
					  "---\napiVersion: discovery.k8s.io/v1\nkind: "
					  "EndpointSlice\nmetadata: {name: a.b.c}\naddressType: "
					  "IPv4\n",
	  "",
	  "EndpointSlice default/a.b.c belongs to no Service: it has no label kubernetes.io/service-name\n"
	  "EndpointSlice default/unknown-x7k2p: its Service default/unknown is not in the input\n" },
	/*
	 * A14: a Service or slice with one of these labels is ignored, whatever the label's value
	 */
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: "
	  "{service.kubernetes.io/service-proxy-name: ''}}\n"
	  "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n---\n"
	  "apiVersion: v1\nkind: Service\nmetadata: {name: b, labels: {service.kubernetes.io/headless: ''}}\n"
	  "spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}\n---\n"
	  "apiVersion: v1\nkind: Service\nmetadata: {name: e, labels: {service.kubernetes.io/headless: "
	  "null}}\n"
	  "spec: {clusterIP: 127.0.0.1}\n---\n" SERVICE(
		  "c", "{clusterIP: 10.96.0.3, clusterIPs: [10.96.0.3], ports: [{port: 80}]}")
		  SERVICE("d", "{clusterIP: None, clusterIPs: [None], ports: [{port: 80}]}")
			  FOREIGN_SLICE("headless") FOREIGN_SLICE("service-proxy-name")
				  SLICE("c", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.4]}]")
					  SLICE("d", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.5]}]"),
	  "default/c - 10.96.0.3:80/TCP 10.244.0.4:1\n", "" },
	/* SCTP: A26; not supported: Local without a node */
	{ SERVICE("a",
		  "{clusterIP: 10.96.0.1, sessionAffinity: ClientIP, internalTrafficPolicy: Local, ports: "
		  "[{port: 80}, {name: s, port: 81, protocol: SCTP}]}")
		  SERVICE("b", "{clusterIP: 10.96.0.2, sessionAffinity: ClientIP, sessionAffinityConfig: "
			       "{clientIP: "
			       "{timeoutSeconds: 30}}, ports: [{port: 80}]}"),
	  "default/a - 10.96.0.1:80/TCP ~10800\ndefault/a s 10.96.0.1:81/SCTP ~10800\n"
	  "default/b - 10.96.0.2:80/TCP ~30\n",
	  "Service default/a: internalTrafficPolicy Local counts as Cluster, since no node is named\n" },
	/* Refused: values */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}, {port: 70000}]}"), NULL,
	  "Service default/a: \"spec.ports[1].port\": 70000 is not a whole number from 1 to 65535" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: '80'}]}"), NULL,
	  "Service default/a: \"spec.ports[0].port\": \"80\" is a string, not a number" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{name: x}]}"), NULL,
	  "Service default/a: \"spec.ports[0]\": \"port\" is missing" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80, protocol: tcp}]}"), NULL,
	  "Service default/a: \"spec.ports[0].protocol\": \"tcp\" is not TCP, UDP or SCTP" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80, name: A_b}]}"), NULL,
	  "Service default/a: \"spec.ports[0].name\": \"A_b\" is not a port name (a DNS label)" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: {port: 80}}"), NULL,
	  "Service default/a: \"spec.ports\": is an object, not an array" },
	{ SERVICE("a", "{clusterIP: 10.96.0.300}"), NULL,
	  "Service default/a: \"spec.clusterIP\": \"10.96.0.300\" is not an address that a Service can "
	  "have" },
	{ SERVICE("a", "{clusterIPs: [10.96.0.1, '::ffff:1.2.3.4']}"), NULL,
	  "Service default/a: \"spec.clusterIPs[1]\": \"::ffff:1.2.3.4\" is a second address of its family" },
	{ SERVICE("a", "{clusterIP: 10.96.0.2, clusterIPs: [10.96.0.1], ports: [{port: 80}]}"), NULL,
	  "Service default/a: \"spec.clusterIP\": \"10.96.0.2\" is not the first of spec.clusterIPs" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1}"), NULL,
	  "Service default/a: \"spec\": \"ports\" is missing or empty" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: []}"), NULL,
	  "Service default/a: \"spec\": \"ports\" is missing or empty" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, type: clusterIP}"), NULL,
	  "Service default/a: \"spec.type\": \"clusterIP\" is not ClusterIP, NodePort, LoadBalancer or "
	  "ExternalName" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, internalTrafficPolicy: local, ports: [{port: 80}]}"), NULL,
	  "Service default/a: \"spec.internalTrafficPolicy\": \"local\" is not Cluster or Local" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, healthCheckNodePort: 65536, ports: [{port: 80}]}"), NULL,
	  "Service default/a: \"spec.healthCheckNodePort\": 65536 is not a whole number from 0 to 65535" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, sessionAffinityConfig: [], ports: [{port: 80}]}"), NULL,
	  "Service default/a: \"spec.sessionAffinityConfig\": is an array, not an object" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}") SLICE("a", "IPv4", "[{port: 1}]", "[]")
		  SLICE("a", "IPv6", "[{port: 1}]", "[]"),
	  NULL, "EndpointSlice default/a-x7k2p appears twice in the input" },
	{ SERVICE("a", "{clusterIP: None}") SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}"), NULL,
	  "Service default/a appears twice in the input" },
	{ SERVICE("a", "{clusterIPs: [10.96.0.1, 10.96.0.2]}"), NULL,
	  "Service default/a: \"spec.clusterIPs[1]\": \"10.96.0.2\" is a second address of its family" },
	{ SERVICE("a", "{clusterIP: 127.0.0.1}"), NULL,
	  "Service default/a: \"spec.clusterIP\": \"127.0.0.1\" is not an address that a Service can have" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], sessionAffinity: clientip}"), NULL,
	  "Service default/a: \"spec.sessionAffinity\": \"clientip\" is not None or ClientIP" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], sessionAffinity: ClientIP, "
		       "sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}}"),
	  NULL,
	  "Service default/a: \"spec.sessionAffinityConfig.clientIP.timeoutSeconds\": 86401 is not a whole "
	  "number "
	  "from 1 to 86400" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SERVICE("a", "{clusterIP: 10.96.0.2, ports: [{port: 80}]}"),
	  NULL, "Service default/a appears twice in the input" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SERVICE("b", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}"),
	  NULL, "Service default/a and Service default/b both claim 10.96.0.1:80/TCP" },
	{ SLICE("a", "IPv4", "[{port: 0}]", "[]"), NULL,
	  "EndpointSlice default/a-x7k2p: \"ports[0].port\": 0 is not a whole number from 1 to 65535" },
	{ SLICE("a", "IPv4", "[]", "[{addresses: ['fd00::1']}]"), NULL,
	  "EndpointSlice default/a-x7k2p: \"endpoints[0].addresses[0]\": \"fd00::1\" is not an IPv4 address "
	  "that an "
	  "endpoint can have" },
	{ SLICE("a", "IPv6", "[]", "[{addresses: ['fe80::1']}]"), NULL,
	  "EndpointSlice default/a-x7k2p: \"endpoints[0].addresses[0]\": \"fe80::1\" is not an IPv6 address "
	  "that an "
	  "endpoint can have" },
	{ SLICE("a", "IPv4", "[]", "[{addresses: []}]"), NULL,
	  "EndpointSlice default/a-x7k2p: \"endpoints[0]\": \"addresses\" is missing or empty" },
	{ SLICE("a", "IPv4", "[]", "[{addresses: [10.0.0.1], conditions: {ready: 'yes'}}]"), NULL,
	  "EndpointSlice default/a-x7k2p: \"endpoints[0].conditions.ready\": \"yes\" is a string, not true "
	  "or false" },
	{ SLICE("a", "ipv4", "[]", "[]"), NULL,
	  "EndpointSlice default/a-x7k2p: \"addressType\": \"ipv4\" is not IPv4, IPv6 or FQDN" },
};

static void test_rows(void **state)
{
	(void)state;
	kube_check_rows(rows, sizeof(rows) / sizeof(rows[0]), NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
