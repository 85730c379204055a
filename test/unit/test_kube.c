// SPDX-License-Identifier: GPL-2.0-or-later
/* Kubernetes objects to services: one row a text, against frontends and notes, or an error. */
#include <natbridge/kube.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOTES_MAX = 2048 };

#define SERVICE(name, spec)                                                                                  \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: default}\nspec: " spec "\n---" \
	"\n"
#define SLICE(name, family, ports, endpoints)                                                                \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                                             \
	"metadata: {name: " name "-x7k2p, namespace: default, labels: {kubernetes.io/service-name: " name    \
	"}}\n"                                                                                               \
	"addressType: " family "\nports: " ports "\nendpoints: " endpoints "\n---\n"

#define FOREIGN_SLICE(label)                                                                                 \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                                             \
	"metadata: {name: c-" label ", labels: {kubernetes.io/service-name: c, service.kubernetes.io/" label \
	": ''}}\n"                                                                                           \
	"addressType: IPv4\nports: [{port: 1}]\nendpoints: [{addresses: [10.244.0.3]}]\n---\n"

/* What kubectl get svc,endpointslices -A -o json prints, shortened where nothing is lost. */
static const char kubectl[] =
	"{\n \"apiVersion\": \"v1\",\n \"items\": [\n"
	"{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"annotations\": "
	"{\"prometheus.io/port\": \"9153\"}, \"creationTimestamp\": \"2026-11-01T10:00:00Z\", \"labels\": "
	"{\"k8s-app\": \"kube-dns\"}, \"name\": \"kube-dns\", \"namespace\": \"kube-system\", "
	"\"resourceVersion\": \"270\", \"uid\": \"5a2cf5ed-2c4e-4b9a-9a9e-000000000000\"}, \"spec\": "
	"{\"clusterIP\": \"10.96.0.10\", \"clusterIPs\": [\"10.96.0.10\"], \"internalTrafficPolicy\": "
	"\"Cluster\", \"ipFamilies\": [\"IPv4\"], \"ipFamilyPolicy\": \"SingleStack\", \"ports\": "
	"[{\"name\": "
	"\"dns\", \"port\": 53, \"protocol\": \"UDP\", \"targetPort\": 53}, {\"name\": \"dns-tcp\", "
	"\"port\": 53, "
	"\"protocol\": \"TCP\", \"targetPort\": 53}, {\"name\": \"metrics\", \"port\": 9153, \"protocol\": "
	"\"TCP\", \"targetPort\": 9153}], \"selector\": {\"k8s-app\": \"kube-dns\"}, \"sessionAffinity\": "
	"\"None\", \"type\": \"ClusterIP\"}, \"status\": {\"loadBalancer\": {}}},\n"
	"{\"addressType\": \"IPv4\", \"apiVersion\": \"discovery.k8s.io/v1\", \"endpoints\": "
	"[{\"addresses\": "
	"[\"10.244.0.2\"], \"conditions\": {\"ready\": true, \"serving\": true, \"terminating\": false}, "
	"\"nodeName\": \"n1\", \"targetRef\": {\"kind\": \"Pod\", \"name\": \"coredns-1\", \"namespace\": "
	"\"kube-system\"}}, {\"addresses\": [\"10.244.0.3\"], \"conditions\": {\"ready\": true}}], \"kind\": "
	"\"EndpointSlice\", \"metadata\": {\"labels\": {\"kubernetes.io/service-name\": \"kube-dns\"}, "
	"\"name\": "
	"\"kube-dns-abcde\", \"namespace\": \"kube-system\"}, \"ports\": [{\"name\": \"metrics\", \"port\": "
	"9153, "
	"\"protocol\": \"TCP\"}, {\"name\": \"dns\", \"port\": 53, \"protocol\": \"UDP\"}, {\"name\": "
	"\"dns-tcp\", \"port\": 53, \"protocol\": \"TCP\"}]}\n"
	"], \"kind\": \"List\", \"metadata\": {\"resourceVersion\": \"\"}}\n";

static const struct {
	const char *text;
	const char *services; /* NULL: refused */
	const char *notes;    /* or the error */
} rows[] = {
	{ kubectl,
	  "kube-system/kube-dns dns-tcp 10.96.0.10:53/TCP 10.244.0.2:53 10.244.0.3:53\n"
	  "kube-system/kube-dns dns 10.96.0.10:53/UDP 10.244.0.2:53 10.244.0.3:53\n"
	  "kube-system/kube-dns metrics 10.96.0.10:9153/TCP 10.244.0.2:9153 10.244.0.3:9153\n",
	  "" },
	/* Both families, a target port per slice, no port name on either side, no namespace */
	{ SERVICE("web", "{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], ports: [{port: 80}]}")
		  SLICE("web", "IPv4", "[{port: 8080}]", "[{addresses: [10.244.0.2]}]") SLICE(
			  "web", "IPv4", "[{name: '', port: 8081}]", "[{addresses: [10.244.0.3]}]")
			  SLICE("web", "IPv6", "[{port: 8080}]", "[{addresses: ['fd01::2']}]")
				  SLICE("web", "FQDN", "[{port: 8080}]", "[{addresses: [web.example.org]}]"),
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
	  "default/a x 10.96.0.1:80/TCP 10.244.0.2:2\ndefault/a y 10.96.0.1:81/UDP\n", "" },
	/* ready, serving, terminating: nil ready is ready; the dying serve only if none is ready */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}") SLICE(
		  "a", "IPv4", "[{port: 1}]",
		  "[{addresses: [10.244.0.2], conditions: {ready: null}},"
		  " {addresses: [10.244.0.3], conditions: {ready: false, serving: true, terminating: true}},"
		  " {addresses: [10.244.0.4], conditions: {ready: false}}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1 !10.244.0.3:1 !10.244.0.4:1\n", "" },
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
	/* The first address of an endpoint counts; an endpoint in two slices is one */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SLICE("a", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.2, 10.244.0.9]}]")
			  SLICE("a", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.2]}]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:1\n", "" },
	/* Left alone */
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
	  "", "" },
	/* Whatever a label's value, a Service or slice with it is somebody else's */
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: "
	  "{service.kubernetes.io/service-proxy-name: ''}}\n"
	  "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n---\n"
	  "apiVersion: v1\nkind: Service\nmetadata: {name: b, labels: {service.kubernetes.io/headless: ''}}\n"
	  "spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}\n---\n" SERVICE(
		  "c", "{clusterIP: 10.96.0.3, clusterIPs: [10.96.0.3], ports: [{port: 80}]}")
		  SERVICE("d", "{clusterIP: None, clusterIPs: [None], ports: [{port: 80}]}")
			  FOREIGN_SLICE("headless") FOREIGN_SLICE("service-proxy-name")
				  SLICE("c", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.4]}]")
					  SLICE("d", "IPv4", "[{port: 1}]", "[{addresses: [10.244.0.5]}]"),
	  "default/c - 10.96.0.3:80/TCP 10.244.0.4:1\n", "" },
	/* Not followed yet */
	{ SERVICE("a",
		  "{clusterIP: 10.96.0.1, sessionAffinity: ClientIP, internalTrafficPolicy: Local, ports: "
		  "[{port: 80}, {name: s, port: 81, protocol: SCTP}]}")
		  SERVICE("b", "{clusterIP: 10.96.0.2, sessionAffinity: ClientIP, sessionAffinityConfig: "
			       "{clientIP: "
			       "{timeoutSeconds: 30}}, ports: [{port: 80}]}"),
	  "default/a - 10.96.0.1:80/TCP ~10800\ndefault/b - 10.96.0.2:80/TCP ~30\n",
	  "Service default/a: port 81 is SCTP, which is not translated\n"
	  "Service default/a: internalTrafficPolicy Local is not followed yet\n" },
	/* Lists: as the API server sends them, empty, in a list */
	{ "{\"kind\": \"ServiceList\", \"apiVersion\": \"v1\", \"items\": [{\"metadata\": {\"name\": \"a\"}, "
	  "\"spec\": {\"clusterIP\": \"10.96.0.1\", \"ports\": [{\"port\": 80}]}}]}",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ "{\"kind\": \"EndpointSliceList\", \"apiVersion\": \"discovery.k8s.io/v1\", \"items\": []}", "",
	  "" },
	{ "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: []}\n", "", "" },

	/* The array is found whatever surrounds it; a key written another way is the same key */
	{ "{\"x\": {\"items\": [\"]\", \"\\\"\", {}]}, \"y\": \"\\\\\", \"z\": -1.5e3 , \"items\" : [ "
	  "{\"kind\": "
	  "\"List\", \"apiVersion\": \"v1\", \"items\": []} ] , \"kind\": \"List\", \"apiVersion\": \"v1\"}",
	  "", "" },
	{ "{\"it\\u0065ms\": [{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"clusterIP\": \"10.96.0.1\", "
	  "\"ports\": "
	  "[{\"port\": 80}]}}], \"kind\": \"ServiceList\", \"apiVersion\": \"v1\"}",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"items\": [1], \"metadata\": {\"name\": \"a\"}, "
	  "\"spec\": "
	  "{\"clusterIP\": \"10.96.0.1\", \"ports\": [{\"port\": 80}]}}",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [], \"items\": []}", NULL,
	  "\"items\": the key appears more than once" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{}, {\"a\": {\"b\": 1, \"b\": 2}}]}",
	  NULL, "\"items[0]\": \"kind\" is missing: not a Kubernetes object" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{\"a\": {\"b\": 1, \"b\": 2}}]}", NULL,
	  "\"items[0].a.b\": the key appears more than once" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [null]}", NULL,
	  "\"items[0]\": is null, not an object" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": {}}", NULL,
	  "\"items\": is an object, not an array" },

	/* Refused: not objects */
	{ "", NULL, "there is no Kubernetes object in it" },
	{ "\n\n", NULL, "there is no Kubernetes object in it" },
	{ "No resources found\n", NULL, "\"[0]\": \"No resources found\" is a string, not an object" },
	{ "{\"items\": []}", NULL, "\"kind\" is missing: not a Kubernetes object" },
	{ "{\"kind\": \"List\", \"items\": []}", NULL, "\"apiVersion\" is missing: not a Kubernetes object" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\"}", NULL, "\"items\" is missing" },
	{ "apiVersion: v1\nkind: List\nitems: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, "
	  "namespace: shop}}]\n",
	  NULL,
	  "\"[0].items[0].kind\": Deployment shop/web: only Service and EndpointSlice objects are read" },
	{ "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n", NULL,
	  "\"[0].apiVersion\": \"discovery.k8s.io/v1beta1\" is not the version discovery.k8s.io/v1 of "
	  "EndpointSlice" },
	{ "apiVersion: v1\nkind: Service\nspec: {}\n", NULL, "\"[0]\": \"metadata.name\" is missing" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: ../x}\n", NULL,
	  "\"[0].metadata.name\": \"../x\" is not a name in Kubernetes" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: X}\n", NULL,
	  "\"[0].metadata.namespace\": \"X\" is not a name in Kubernetes" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n", NULL,
	  "Service default/x: \"spec\" is missing" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: x, labels: [a]}\n", NULL,
	  "\"[0].metadata.labels\": is an array, not an object" },

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
	  "Service default/a: \"spec.clusterIPs[1]\": \"::ffff:1.2.3.4\" is not an address that a Service "
	  "can have" },
	{ SERVICE("a", "{clusterIPs: [10.96.0.1, 10.96.0.2]}"), NULL,
	  "Service default/a: \"spec.clusterIPs[1]\": \"10.96.0.2\" is a second address of its family" },
	{ SERVICE("a", "{clusterIP: 127.0.0.1}"), NULL,
	  "Service default/a: \"spec.clusterIP\": \"127.0.0.1\" is not an address that a Service can have" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, sessionAffinity: clientip}"), NULL,
	  "Service default/a: \"spec.sessionAffinity\": \"clientip\" is not None or ClientIP" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: "
		       "{timeoutSeconds: 86401}}}"),
	  NULL,
	  "Service default/a: \"spec.sessionAffinityConfig.clientIP.timeoutSeconds\": 86401 is not a whole "
	  "number "
	  "from 1 to 86400" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
		  SERVICE("a", "{clusterIP: 10.96.0.2, ports: [{port: 80}]}"),
	  NULL, "Service default/a is there twice" },
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

static void add_note(const char *text, void *arg)
{
	char *notes = arg;
	size_t used = strlen(notes);

	snprintf(notes + used, NOTES_MAX - used, "%s\n", text);
}

/* In the notation of the rows. */
static void format_services(const struct nb_services *services, char *text, size_t size)
{
	size_t used = 0;

	*text = '\0';
	for (size_t i = 0; i < services->n; i++) {
		const struct nb_service *service = &services->items[i];
		char frontend[NB_FRONTEND_STRLEN], addr[NB_ADDR_STRLEN];

		assert_int_equal(service->origin, NB_ORIGIN_APPLY);
		used += snprintf(text + used, size - used, "%s %s %s", service->name,
				 service->port_name[0] ? service->port_name : "-",
				 nb_frontend_format(&service->key, frontend));
		if (service->affinity)
			used += snprintf(text + used, size - used, " ~%u", service->affinity);
		for (size_t k = 0; k < service->n_backends; k++) {
			const struct nb_service_backend *backend = &service->backends[k];

			nb_addr_format(&backend->addr, addr);
			used += snprintf(text + used, size - used,
					 nb_addr_is_v4(&backend->addr) ? " %s%s:%u" : " %s[%s]:%u",
					 backend->draining ? "!" : "", addr, ntohs(backend->port));
		}
		used += snprintf(text + used, size - used, "\n");
	}
}

/* The text ends where its memory ends, so that a sanitizer sees who reads on. */
static int parse(const char *text, size_t len, const struct nb_kube_note *note, struct nb_services *services,
		 struct nb_error *err)
{
	char *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = nb_kube_parse(copy, len, note, services, err);
	free(copy);
	return rc;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char notes[NOTES_MAX] = "", text[4096];
		const struct nb_kube_note note = { add_note, notes };
		struct nb_services services = { 0 };
		struct nb_error err = { 0 };
		int rc = parse(rows[i].text, strlen(rows[i].text), &note, &services, &err);

		print_message("row %zu\n", i);
		if (!rows[i].services) {
			assert_true(rc < 0);
			assert_string_equal(err.msg, rows[i].notes);
			assert_null(services.items);
			continue;
		}
		if (rc)
			fail_msg("%s", err.msg);
		format_services(&services, text, sizeof(text));
		assert_string_equal(text, rows[i].services);
		assert_string_equal(notes, rows[i].notes);
		nb_services_free(&services);
	}
}

/* Cut off anywhere, kubectl's output is refused: half a list must not remove the other half's services. */
static void test_cut_off(void **state)
{
	size_t whole = strlen(kubectl) - 1;

	(void)state;
	for (size_t len = 0; len < whole; len++) {
		struct nb_services services = { 0 };
		struct nb_error err = { 0 };

		assert_true(parse(kubectl, len, NULL, &services, &err) < 0);
		assert_true(err.msg[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
