// SPDX-License-Identifier: GPL-2.0-or-later
/* The network configuration: defaults, every key, and every refusal with its code and its words. */
#include "lib/maps/layout.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "plugin/args.h"
#include "plugin/conf.h"
#include "plugin/conf_gc.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Parses an object with these members after name and (if they do not say one) version; ' stands for ". */
static int parse(enum nb_cni_command command, const char *members, struct nb_conf *conf, struct nb_error *err)
{
	const struct nb_args args = { .command = command, .container_id = "", .netns = "", .path = "" };
	const bool versioned = strstr(members, "cniVersion") || members[0] == '!';
	char *text = NULL;
	int len;

	if (members[0] == '!')
		len = asprintf(&text, "%s", members + 1);
	else
		len = asprintf(&text, "{%s 'name': 'net'%s%s}", versioned ? "" : "'cniVersion': '1.1.0',",
			       *members ? ", " : "", members);
	assert_true(len >= 0);
	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	return nb_conf_parse(text, (size_t)len, &args, conf, err);
}

static void test_defaults(void **state)
{
	nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
	struct nb_error err = { 0 };

	(void)state;
	assert_int_equal(parse(NB_CNI_ADD, "", &conf, &err), 0);
	assert_string_equal(conf.name, "net");
	assert_string_equal(conf.cni_version, "1.1.0");
	assert_string_equal(conf.bridge, "cni0");
	assert_false(conf.is_gateway || conf.is_default_gateway || conf.force_address || conf.ip_masq);
	assert_false(conf.hairpin_mode || conf.promisc_mode || conf.enable_dad || conf.port_isolation);
	assert_false(conf.disable_container_interface || conf.has_mac || conf.has_dns || conf.shaped);
	assert_int_equal(conf.mtu, 0);
	assert_null(conf.ipam_type);
	assert_null(conf.prev_result);
	assert_int_equal(conf.proxy.mode, NB_MODE_EBPF);
	assert_true(conf.proxy.fast_path);
	assert_true(conf.proxy.rcu_expedited);
	assert_string_equal(conf.proxy.pin_root.path, "/sys/fs/bpf/natbridge");
	assert_false(nb_conf_uses_datapath(&conf)); /* no addresses */
}

static void expect_ranges(const struct nb_proxy_conf *proxy)
{
	const struct nb_prefix wanted[] = {
		{ .value.w = { 0, 0, htonl(0xffff), htonl(0x0a600000) },
		  .mask.w = { 0xffffffff, 0xffffffff, 0xffffffff, htonl(0xfff00000) } },
		{ .value.w = { htonl(0xfd000096) },
		  .mask.w = { 0xffffffff, 0xffffffff, 0xffffffff, htonl(0xffff0000) } },
	};

	assert_int_equal(proxy->n_ranges, 2);
	assert_memory_equal(proxy->ranges, wanted, sizeof(wanted));
}

static void test_every_key(void **state)
{
	static const unsigned char MAC[] = { 2, 0, 0, 0, 0, 3 };
	nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
	struct nb_error err = { 0 };

	(void)state;
	assert_int_equal(
		parse(NB_CNI_ADD,
		      "'type': 'natbridge', 'bridge': 'br-x', 'isDefaultGateway': true, 'forceAddress': true,"
		      "'ipMasq': true, 'ipMasqBackend': 'nftables', 'mtu': 1400, 'hairpinMode': true,"
		      "'promiscMode': false, 'vlan': 0, 'vlanTrunk': null, 'preserveDefaultVlan': true,"
		      "'macspoofchk': false, 'ipspoofchk': false, 'enabledad': true, 'portIsolation': true,"
		      "'ipam': {'type': 'host-local', 'subnet': '10.1.0.0/16'}, 'unknown': {'Vlan': 5},"
		      "'dns': {'nameservers': ['10.96.0.10'], 'domain': 'd', 'search': [], 'options': ['o']},"
		      "'args': {'cni': {'mac': '02:00:00:00:00:02', 'labels': []}},"
		      "'runtimeConfig': {'mac': '02:00:00:00:00:03',"
		      "                  'bandwidth': {'ingressRate': 0, 'egressRate': 1000}},"
		      "'prevResult': {'cniVersion': '1.1.0'},"
		      "'serviceProxy': {'mode': 'ebpf', 'fastPath': false, 'rcuExpedited': false, 'bpffs': "
		      "'/run/bpf',"
		      "  'conntrack': {'max': 1024, 'timeouts': {'udp': 31, 'tcp_established': 86400}},"
		      "  'limits': {'frontends': 100, 'backends': 1000},"
		      "  'serviceCIDRs': ['10.96.0.0/12', 'fd00:96::/112']}",
		      &conf, &err),
		0);
	assert_string_equal(conf.bridge, "br-x");
	assert_true(conf.is_default_gateway && conf.is_gateway && conf.force_address && conf.ip_masq);
	assert_true(conf.hairpin_mode && conf.enable_dad && conf.port_isolation && conf.shaped);
	assert_int_equal(conf.mtu, 1400);
	assert_string_equal(conf.ipam_type, "host-local");
	assert_true(conf.has_dns);
	assert_int_equal(conf.dns.n_nameservers, 1);
	assert_string_equal(conf.dns.options[0], "o");
	assert_true(conf.has_mac);
	assert_memory_equal(conf.mac, MAC, 6);
	assert_non_null(conf.prev_result);
	assert_false(conf.proxy.fast_path);
	assert_false(conf.proxy.rcu_expedited);
	assert_string_equal(conf.proxy.pin_root.bpffs, "/run/bpf");
	assert_int_equal(conf.proxy.limits.connections, 1024);
	assert_int_equal(conf.proxy.limits.frontends, 100);
	assert_int_equal(conf.proxy.limits.backends, 1000);
	expect_ranges(&conf.proxy);
	assert_int_equal(conf.proxy.timeouts[NB_TIMEOUT_UDP], 31);
	assert_int_equal(conf.proxy.timeouts[NB_TCP_ESTABLISHED], 86400);
	assert_int_equal(conf.proxy.timeouts[NB_TIMEOUT_ICMP], 0);
	assert_true(nb_conf_uses_datapath(&conf));
}

/* ipspoofchk needs a datapath, of either mode. */
static void test_ip_spoof_check(void **state)
{
	static const char *const modes[] = { "ebpf", "assist" };

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
		struct nb_error err = { 0 };
		char members[128];

		snprintf(members, sizeof(members),
			 "'ipspoofchk': true, 'ipam': {'type': 'static'}, 'serviceProxy': {'mode': '%s'}",
			 modes[i]);
		if (parse(NB_CNI_ADD, members, &conf, &err))
			fail_msg("mode %s: %s", modes[i], err.msg);
		assert_true(conf.ip_spoof_check);
	}
}

static void test_services(void **state)
{
	nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
	struct nb_error err = { 0 };
	char text[NB_ADDR_STRLEN];

	(void)state;
	assert_int_equal(parse(NB_CNI_ADD,
			       "'serviceProxy': {'services': ["
			       "{'name': 'default/web', 'vip': '10.96.0.10', 'port': 443, 'backends': []},"
			       "{'name': 'default/web', 'vip': '10.96.0.10', 'port': 80, 'protocol': 'TCP',"
			       " 'backends': ['10.244.0.4:8080', '[fd00::3]:8080', '10.244.0.3:8080', "
			       "'10.244.0.3:8080']},"
			       "{'name': 'a/dns', 'vip': 'fd00:96::a', 'port': 53, 'protocol': 'UDP', "
			       "'portName': 'dns',"
			       " 'backends': ['10.244.0.3:53', '[fd00::3]:53']},"
			       "{'name': 'default/web', 'vip': '10.96.0.10', 'port': 443, 'protocol': 'SCTP',"
			       " 'backends': []}]}",
			       &conf, &err),
			 0);
	assert_int_equal(conf.proxy.services.n, 4);
	assert_string_equal(conf.proxy.services.items[0].name, "a/dns");
	assert_string_equal(conf.proxy.services.items[0].port_name, "dns");
	assert_int_equal(conf.proxy.services.items[0].key.proto, IPPROTO_UDP);
	assert_int_equal(conf.proxy.services.items[0].n_backends, 1); /* of its own family */
	assert_int_equal(conf.proxy.services.items[1].key.port, htons(80));
	assert_int_equal(conf.proxy.services.items[1].n_backends, 2);
	assert_string_equal(nb_addr_format(&conf.proxy.services.items[1].backends[0].addr, text),
			    "10.244.0.3");
	assert_int_equal(conf.proxy.services.items[1].origin, NB_ORIGIN_CONFIG);
	assert_int_equal(conf.proxy.services.items[2].n_backends, 0);
	assert_int_equal(conf.proxy.services.items[3].key.proto, IPPROTO_SCTP);
}

/* What is refused: the members, the code, and words of the message. */
static const struct {
	const char *members;
	int code;
	const char *msg;
} REFUSED[] = {
	{ "!", 6, "empty" },
	{ "!{", 6, "not JSON" },
	{ "![]", 6, "not a JSON object" },
	{ "!{'name': 'net'} x", 6, "unexpected text" },
	{ "!{'name': 'net', 'name': 'net'}", 6, "\"name\": duplicate key" },
	{ "!{'cniVersion': '1.0.0'}", 7, "name is missing" },
	{ "!{'name': '../x'}", 7, "\"../x\"" },
	{ "!{'name': 'a/b'}", 7, "\"a/b\"" },
	{ "!{'name': 5}", 7, "\"name\": is a number" },
	{ "'cniVersion': '2.0.0'", 1, "\"2.0.0\" is not supported" },
	{ "'cniVersion': 'banana'", 1, "\"banana\"" },
	{ "'cniVersion': 1", 7, "\"cniVersion\"" },
	{ "'Bridge': 'x'", 7, "\"Bridge\": unknown key; did you mean \"bridge\"?" },
	{ "'isgateway': true", 7, "did you mean \"isGateway\"?" },
	{ "'bridge': ''", 7, "\"bridge\"" },
	{ "'bridge': 'a/b'", 7, "\"bridge\": \"a/b\"" },
	{ "'bridge': 'longer-than-15-bytes'", 7, "\"bridge\"" },
	{ "'isGateway': 'yes'", 7, "\"isGateway\": \"yes\" is a string" },
	{ "'isGateway': 1", 7, "\"isGateway\": is a number" },
	{ "'mtu': -1", 7, "\"mtu\": -1" },
	{ "'mtu': 67", 7, "\"mtu\": 67" },
	{ "'mtu': 65536", 7, "\"mtu\": 65536" },
	{ "'mtu': 1e400", 7, "\"mtu\"" },
	{ "'mtu': 1400.5", 7, "\"mtu\": 1400.5" },
	{ "'mtu': '1400'", 7, "\"mtu\": \"1400\" is a string" },
	{ "'vlan': 4095", 7, "\"vlan\": 4095" },
	{ "'vlan': -1", 7, "\"vlan\": -1" },
	{ "'vlanTrunk': {}", 7, "\"vlanTrunk\"" },
	{ "'vlanTrunk': [5]", 7, "\"vlanTrunk[0]\"" },
	{ "'vlanTrunk': [{'id': 0}]", 7, "\"vlanTrunk[0].id\": 0" },
	{ "'vlanTrunk': [{'id': 4095}]", 7, "\"vlanTrunk[0].id\": 4095" },
	{ "'vlanTrunk': [{'minID': 5}]", 7, "\"maxID\" is missing" },
	{ "'vlanTrunk': [{'id': 1}, {'maxID': 5}]", 7, "\"minID\" is missing" },
	{ "'vlanTrunk': [{'minID': 6, 'maxID': 5}]", 7, "5 is less than \"minID\" 6" },
	{ "'preserveDefaultVlan': 1", 7, "\"preserveDefaultVlan\"" },
	{ "'ipspoofchk': true, 'ipam': {'type': 'static'}, 'serviceProxy': {'mode': 'off'}", 2,
	  "\"ipspoofchk\" is true: it needs \"ipam\" and a \"serviceProxy.mode\" other than \"off\"" },
	{ "'ipspoofchk': true", 2, "\"ipspoofchk\" is true: it needs \"ipam\"" },
	{ "'ipMasq': true, 'ipMasqBackend': 'pf'", 7, "\"ipMasqBackend\": \"pf\"" },
	{ "'hairpinMode': true, 'promiscMode': true", 7, "hairpinMode" },
	{ "'disableContainerInterface': true, 'ipam': {'type': 'static'}", 7, "disableContainerInterface" },
	{ "'cniVersion': '0.2.0'", 7, "\"ipam\" is missing" },
	{ "'ipam': 'host-local'", 7, "\"ipam\": \"host-local\"" },
	{ "'ipam': {'type': '../evil'}", 7, "\"ipam.type\": \"../evil\"" },
	{ "'ipam': {'type': '/bin/sh'}", 7, "\"ipam.type\": \"/bin/sh\"" },
	{ "'ipam': {'type': 'a\\u0001'}", 7, "\"ipam.type\"" },
	{ "'ipam': {'Type': 'static'}", 7, "\"ipam.Type\": unknown key; did you mean \"type\"?" },
	{ "'dns': {'nameservers': '1.1.1.1'}", 7, "\"dns.nameservers\"" },
	{ "'dns': {'search': [1]}", 7, "\"dns.search[0]\"" },
	{ "'args': {'cni': {'mac': 'x'}}", 7, "\"args.cni.mac\": \"x\"" },
	{ "'runtimeConfig': {'mac': 'ff:ff:ff:ff:ff:ff'}", 7, "\"runtimeConfig.mac\"" },
	{ "'args': {'CNI': {'mac': '02:00:00:00:00:01'}}", 7,
	  "\"args.CNI\": unknown key; did you mean \"cni\"?" },
	{ "'runtimeConfig': {'Bandwidth': {}}", 7, "\"runtimeConfig.Bandwidth\"" },
	{ "'cni.dev/Valid-Attachments': []", 7, "did you mean \"cni.dev/valid-attachments\"?" },
	{ "'serviceProxy': {'mode': ''}", 7, "\"serviceProxy.mode\": \"\"" },
	{ "'serviceProxy': {'bpffs': ''}", 7, "\"serviceProxy.bpffs\": \"\"" },
	{ "'ipMasq': true, 'ipMasqBackend': ''", 7, "\"ipMasqBackend\": \"\"" },
	{ "'bridge': ''", 7, "\"bridge\": \"\"" },
	{ "'runtimeConfig': {'MAC': '02:00:00:00:00:01'}", 7, "\"runtimeConfig.MAC\"" },
	{ "'prevResult': 'x'", 7, "\"prevResult\"" },
	{ "'serviceProxy': []", 7, "\"serviceProxy\"" },
	{ "'serviceProxy': {'mode': 'nftables'}", 7, "\"assist\" and \"off\"" },
	{ "'serviceProxy': {'mode': 'iptables'}", 7, "\"serviceProxy.mode\": \"iptables\"" },
	{ "'serviceProxy': {'Mode': 'off'}", 7, "\"serviceProxy.Mode\"" },
	{ "'serviceProxy': {'colour': 1}", 7, "\"serviceProxy.colour\": unknown key" },
	{ "'serviceProxy': {'serviceCIDRs': '10.96.0.0/12'}", 7, "\"serviceProxy.serviceCIDRs\"" },
	{ "'serviceProxy': {'serviceCIDRs': ['10.96.0.0']}", 7, "serviceCIDRs[0]\": \"10.96.0.0\"" },
	{ "'serviceProxy': {'serviceCIDRs': ['fd00::/129']}", 7, "serviceCIDRs[0]\": \"fd00::/129\"" },
	{ "'serviceProxy': {'serviceCIDRs': [10]}", 7, "serviceCIDRs[0]\": is a number" },
	{ "'serviceProxy': {'serviceCIDRs': ['::/0']}", 7, "serviceCIDRs[0]\": \"::/0\"" },
	{ "'serviceProxy': {'serviceCIDRs': ['fd00::1/112']}", 7,
	  "serviceCIDRs[0]\": \"fd00::1/112\" has bits" },
	{ "'serviceProxy': {'serviceCIDRs': ['10.0.0.0/16', '10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16', "
	  "'10.4.0.0/16', '10.5.0.0/16', '10.6.0.0/16', '10.7.0.0/16', '10.8.0.0/16']}",
	  7, "serviceCIDRs[8]\": there are more than 8" },
	{ "'serviceProxy': {'serviceCIDRs': ['10.96.0.0/12', '10.97.0.0/12']}", 7,
	  "serviceCIDRs[1]\": \"10.97.0.0/12\"" },
	{ "'serviceProxy': {'bpffs': 'sys/fs/bpf'}", 7, "\"serviceProxy.bpffs\": \"sys/fs/bpf\"" },
	{ "'serviceProxy': {'fastPath': 'on'}", 7, "\"serviceProxy.fastPath\"" },
	{ "'serviceProxy': {'rcuExpedited': 0}", 7, "\"serviceProxy.rcuExpedited\": is a number" },
	{ "'serviceProxy': {'rcuexpedited': false}", 7, "did you mean \"rcuExpedited\"?" },
	{ "'serviceProxy': {'conntrack': {'max': 10}}", 7, "\"serviceProxy.conntrack.max\": 10" },
	{ "'serviceProxy': {'conntrack': {'min': 10}}", 7, "\"serviceProxy.conntrack.min\": unknown key" },
	{ "'serviceProxy': {'conntrack': {'timeouts': {'tcp': 5}}}", 7,
	  "\"serviceProxy.conntrack.timeouts.tcp\": unknown timeout" },
	{ "'serviceProxy': {'conntrack': {'timeouts': {'udp': 0}}}", 7,
	  "\"serviceProxy.conntrack.timeouts.udp\": 0" },
	{ "'serviceProxy': {'limits': {'backends': 1e9}}", 7, "\"serviceProxy.limits.backends\"" },
	{ "'serviceProxy': {'services': {}}", 7, "\"serviceProxy.services\"" },
	{ "'serviceProxy': {'services': [null]}", 7, "\"serviceProxy.services[0]\"" },
	{ "'serviceProxy': {'services': [{}]}", 7, "\"serviceProxy.services[0]\": \"name\" is missing" },
	{ "'serviceProxy': {'services': [{'name': 'web'}]}", 7, "services[0].name\": \"web\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b/c'}]}", 7, "services[0].name\": \"a/b/c\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/B'}]}", 7, "services[0].name\": \"a/B\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b'}]}", 7, "services[0]\": \"vip\" is missing" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': 'x'}]}", 7, "services[0].vip\": \"x\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '127.0.0.1'}]}", 7, "\"127.0.0.1\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '224.0.0.1'}]}", 7, "\"224.0.0.1\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': 'fe80::1'}]}", 7, "\"fe80::1\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '::1'}]}", 7, "\"::1\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4'}]}", 7, "\"port\" is missing" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4', 'port': 0}]}", 7, "port\": 0" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4', 'port': 1, 'protocol': 'DCCP'}]}",
	  7, "protocol\": \"DCCP\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4', 'port': 1, 'protocol': 'tcp'}]}",
	  7, "protocol\": \"tcp\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4', 'port': 1}]}", 7,
	  "\"backends\" is missing" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4', 'port': 1, 'backends': "
	  "['1.2.3.5']}]}",
	  7, "backends[0]\": \"1.2.3.5\"" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4', 'port': 1, 'backends': "
	  "['[fd00::1]:80']}]}",
	  7, "none of them is IPv4" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4', 'port': 1, 'backend': []}]}", 7,
	  "services[0].backend\": unknown key" },
	{ "'serviceProxy': {'services': [{'name': 'a/b', 'vip': '1.2.3.4', 'port': 1, 'backends': []},"
	  "{'name': 'a/c', 'vip': '1.2.3.4', 'port': 1, 'backends': []}]}",
	  7, "a/c" },
	{ "'cni.dev/valid-attachments': {}", 7, "\"cni.dev/valid-attachments\"" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(REFUSED); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
		struct nb_error err = { 0 };

		if (!parse(NB_CNI_ADD, REFUSED[i].members, &conf, &err))
			fail_msg("%s was taken", REFUSED[i].members);
		if ((int)err.code != REFUSED[i].code || !strstr(err.msg, REFUSED[i].msg))
			fail_msg("%s: code %d, %s; expected %d, %s", REFUSED[i].members, (int)err.code,
				 err.msg, REFUSED[i].code, REFUSED[i].msg);
	}
}

static void test_versions(void **state)
{
	static const struct {
		enum nb_cni_command command;
		const char *version;
		bool taken;
	} rows[] = {
		{ NB_CNI_ADD, "0.1.0", true },    { NB_CNI_ADD, "", true },
		{ NB_CNI_CHECK, "0.3.1", false }, { NB_CNI_CHECK, "0.4.0", true },
		{ NB_CNI_GC, "1.0.0", false },    { NB_CNI_GC, "1.1.0", true },
		{ NB_CNI_STATUS, "", false },     { NB_CNI_STATUS, "1.1.0", true },
		{ NB_CNI_DEL, "0.2.0", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
		struct nb_error err = { 0 };
		char members[128];

		snprintf(members, sizeof(members), "'cniVersion': '%s', 'ipam': {'type': 'static'}",
			 rows[i].version);
		assert_int_equal(parse(rows[i].command, members, &conf, &err) == 0, rows[i].taken);
		assert_string_equal(conf.cni_version, *rows[i].version ? rows[i].version : "0.1.0");
		if (!rows[i].taken)
			assert_int_equal(err.code, NB_ERR_VERSION);
	}
}

/* DEL and GC must be able to clean up under a configuration that ADD refuses. */
static void test_lenient_delete(void **state)
{
	static const char *const rows[] = {
		"'mtu': -1",
		"'hairpinMode': true, 'promiscMode': true",
		"'runtimeConfig': {'mac': 'x'}",
		"'serviceProxy': {'mode': 'assist', 'colour': 1}",
		"'serviceProxy': {'services': [{}]}",
		"'bridge': ''",
		"'bridge': 'longer-than-15-bytes'",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf del = { 0 }, gc = { 0 };
		struct nb_error err = { 0 };

		assert_int_equal(parse(NB_CNI_DEL, rows[i], &del, &err), 0);
		assert_int_equal(parse(NB_CNI_GC, rows[i], &gc, &err), 0);
	}
}

/* ADD, CHECK and STATUS refuse a key in another case; DEL and GC read it. */
static void test_wrong_case(void **state)
{
	static const char text[] =
		"!{'CNIVersion': '1.1.0', 'NAME': 'net', 'Bridge': 'br-x', 'Ipam': {'Type': 'own'},"
		"'isgateway': true, 'hairpinmode': true, 'PrevResult': {'ips': []},"
		"'CNI.dev/valid-attachments': [{'containerID': 'a', 'ifname': 'eth0'}],"
		"'serviceproxy': {'Mode': 'assist', 'bpfFS': '/run/bpf'}}";
	static const enum nb_cni_command strict[] = { NB_CNI_ADD, NB_CNI_CHECK, NB_CNI_STATUS };
	static const enum nb_cni_command lenient[] = { NB_CNI_DEL, NB_CNI_GC };

	(void)state;
	for (size_t i = 0; i < COUNT(strict); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
		struct nb_error err = { 0 };

		assert_true(parse(strict[i], text, &conf, &err) < 0);
		assert_int_equal(err.code, NB_ERR_CONFIG);
		assert_string_equal(err.msg, "\"CNIVersion\": unknown key; did you mean \"cniVersion\"?");
	}
	for (size_t i = 0; i < COUNT(lenient); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
		struct nb_error err = { 0 };

		assert_int_equal(parse(lenient[i], text, &conf, &err), 0);
		assert_string_equal(conf.cni_version, "1.1.0");
		assert_string_equal(conf.name, "net");
		assert_string_equal(conf.bridge, "br-x");
		assert_string_equal(conf.ipam_type, "own");
		assert_true(conf.is_gateway);
		assert_non_null(conf.prev_result);
		assert_int_equal(conf.n_attachments, 1);
		assert_int_equal(conf.proxy.mode, NB_MODE_ASSIST);
		assert_string_equal(conf.proxy.pin_root.bpffs, "/run/bpf");
	}
}

/* DEL and GC switch nothing on where the config forbids it, or says something that cannot be read. */
static void test_rcu_expedited(void **state)
{
	static const struct {
		const char *members;
		bool allowed;
	} rows[] = {
		{ "'serviceProxy': {}", true },
		{ "'serviceProxy': {'rcuExpedited': null}", true },
		{ "'serviceProxy': {'rcuExpedited': true}", true },
		{ "'serviceProxy': {'rcuExpedited': false}", false },
		{ "'serviceProxy': {'RcuExpedited': false}", false },
		{ "'serviceProxy': {'rcuExpedited': 'no'}", false },
		{ "'serviceProxy': {'rcuExpedited': []}", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf del = { 0 }, gc = { 0 };
		struct nb_error err = { 0 };

		assert_int_equal(parse(NB_CNI_DEL, rows[i].members, &del, &err), 0);
		assert_int_equal(del.proxy.rcu_expedited, rows[i].allowed);
		assert_int_equal(parse(NB_CNI_GC, rows[i].members, &gc, &err), 0);
		assert_int_equal(gc.proxy.rcu_expedited, rows[i].allowed);
	}
}

static void test_attachments(void **state)
{
	nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 }, bad = { 0 };
	struct nb_error err = { 0 };

	(void)state;
	assert_int_equal(parse(NB_CNI_GC,
			       "'cni.dev/valid-attachments': [{'containerID': 'a', 'ifname': 'eth0'},"
			       "{'containerID': 'b', 'ifname': 'net1'}]",
			       &conf, &err),
			 0);
	assert_int_equal(conf.n_attachments, 2);
	assert_string_equal(conf.attachments[1].network, "net");
	assert_string_equal(conf.attachments[1].container_id, "b");
	assert_string_equal(conf.attachments[1].ifname, "net1");
	assert_true(parse(NB_CNI_GC, "'cni.dev/valid-attachments': [{'containerID': 'a'}]", &bad, &err) < 0);
	assert_non_null(strstr(err.msg, "valid-attachments[0]\": containerID or ifname is missing"));
}

/* Which of the two keys counts, and what a delegate's GC is given. */
static void test_attachment_keys(void **state)
{
#define OLD "'cni.dev/attachments': "
#define NEW "'cni.dev/valid-attachments': "
#define A   "[{'containerID': 'a', 'ifname': 'eth0'}]"
#define B   "[{'containerID': 'b', 'ifname': 'eth0'}]"
	static const struct {
		const char *members, *kept; /* NULL: no list is there */
	} rows[] = {
		{ "", NULL },
		{ NEW "null", NULL },
		{ OLD "null, " NEW "null", NULL },
		{ NEW "[]", "" },
		{ OLD "[]", "" },
		{ OLD A, "a" },
		{ NEW A, "a" },
		{ NEW A ", " OLD A, "a" },
		{ OLD A ", " NEW B, "b" },
		{ NEW B ", " OLD A, "b" },
		{ NEW "null, " OLD A, "a" },
		{ NEW A ", " OLD "null", "a" },
		{ NEW "[], " OLD A, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
		nb_autofree char *text = NULL;
		struct nb_error err = { 0 };
		char wanted[256];

		if (parse(NB_CNI_GC, rows[i].members, &conf, &err))
			fail_msg("%s: %s", rows[i].members, err.msg);
		if (!rows[i].kept) {
			assert_null(conf.valid);
			continue;
		}
		assert_int_equal(conf.n_attachments, *rows[i].kept ? 1 : 0);
		if (conf.n_attachments)
			assert_string_equal(conf.attachments[0].container_id, rows[i].kept);
		assert_int_equal(nb_conf_text_for_gc(&conf, &text, &err), 0);
		snprintf(wanted, sizeof(wanted),
			 conf.n_attachments ? "[{\"containerID\":\"%s\",\"ifname\":\"eth0\"}]" : "[]%s",
			 rows[i].kept);
		for (const char *key = "cni.dev/valid-attachments"; key;
		     key = strstr(key, "valid") ? "cni.dev/attachments" : NULL) {
			char member[384];
			const char *found;

			snprintf(member, sizeof(member), "\"%s\":%s", key, wanted);
			found = strstr(text, member);
			if (!found || strstr(found + strlen(member), key))
				fail_msg("%s: no single %s in %s", rows[i].members, member, text);
		}
		assert_non_null(strstr(text, "\"name\":\"net\""));
	}
#undef A
#undef B
}

static void test_bad_attachments(void **state)
{
	static const char *const bad[] = {
		NEW "{}",
		OLD "{}",
		OLD "'a'",
		NEW "[], " OLD "5",
		OLD "[null]",
		OLD "[[]]",
		OLD "[{'containerID': '', 'ifname': 'eth0'}]",
		NEW "[{'containerID': 'a', 'ifname': null}]",
		OLD "[{'containerID': 5, 'ifname': 'eth0'}]",
		OLD "[{'containerId': 'a', 'ifname': 'eth0'}]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
		struct nb_error err = { 0 };

		assert_true(parse(NB_CNI_GC, bad[i], &conf, &err) < 0);
		if (err.code != NB_ERR_CONFIG || !strstr(err.msg, "ttachments"))
			fail_msg("%s: %s", bad[i], err.msg);
	}
#undef OLD
#undef NEW
}

static void test_mac_order(void **state)
{
	static const char *const rows[] = {
		"",
		"'args': {'cni': {'mac': '02:00:00:00:00:02'}}",
		("'args': {'cni': {'mac': '02:00:00:00:00:02'}}, 'runtimeConfig': {'mac': "
		 "'02:00:00:00:00:03'}"),
	};
	struct nb_args args = { .command = NB_CNI_ADD, .has_mac = true, .mac = { 2, 0, 0, 0, 0, 1 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
		struct nb_error err = { 0 };
		char *text;
		int len = asprintf(&text, "{'name': 'n', 'cniVersion': '1.0.0'%s%s}", *rows[i] ? "," : "",
				   rows[i]);

		assert_true(len > 0);
		for (char *c = text; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		assert_int_equal(nb_conf_parse(text, (size_t)len, &args, &conf, &err), 0);
		assert_true(conf.has_mac);
		assert_int_equal(conf.mac[5], i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),        cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_services),        cmocka_unit_test(test_refused),
		cmocka_unit_test(test_versions),        cmocka_unit_test(test_lenient_delete),
		cmocka_unit_test(test_attachments),     cmocka_unit_test(test_attachment_keys),
		cmocka_unit_test(test_bad_attachments), cmocka_unit_test(test_mac_order),
		cmocka_unit_test(test_wrong_case),      cmocka_unit_test(test_rcu_expedited),
		cmocka_unit_test(test_ip_spoof_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
