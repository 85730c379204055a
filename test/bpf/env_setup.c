// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets up what a packet test runs in, and takes it down. */
#include "env.h"

#include "lib/datapath/bpffs.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/devices.h"
#include "lib/datapath/ensure.h"
#include "lib/datapath/load.h"
#include "lib/datapath/pin_path.h"
#include "lib/datapath/pins.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/settings.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

const char *const pod_addr4[PODS] = { "10.1.0.2", "10.1.0.3", "10.1.0.4" };
const char *const pod_addr6[PODS] = { "fd00:1::2", "fd00:1::3", "fd00:1::4" };
const char *const pod_mac[PODS] = { "02:00:00:00:01:02", "02:00:00:00:01:03", "02:00:00:00:01:04" };

struct nb_addr env_addr(const char *text)
{
	struct nb_addr parsed;

	assert_true(nb_addr_parse(text, &parsed));
	return parsed;
}

static void add_pod(struct env *env, enum pod pod)
{
	struct nb_endpoint_spec spec = { .container_id = pod_addr4[pod], .ifname = "eth0", .n_addrs = 2 };
	struct nb_error err = { 0 };
	char command[128], name[IFNAMSIZ];

	snprintf(name, sizeof(name), "port%d", pod);
	snprintf(command, sizeof(command), "ip link add %s type veth peer name pod%d", name, pod);
	assert_int_equal(system(command), 0);
	env->ifindex[pod] = spec.ifindex = if_nametoindex(name);
	assert_int_not_equal(spec.ifindex, 0);
	assert_true(nb_mac_parse(pod_mac[pod], spec.mac));
	spec.addrs[0].addr = env_addr(pod_addr4[pod]);
	spec.addrs[0].gateway = env_addr(GATEWAY4);
	spec.addrs[1].addr = env_addr(pod_addr6[pod]);
	spec.addrs[1].gateway = env_addr(GATEWAY6);
	if (nb_endpoint_add(&env->dp, &spec, &err))
		fail_msg("%s", err.msg);
}

/* The node's devices, with the addresses that they have there and the routes that lead to them. */
static const struct {
	const char *name, *mac, *addr4, *addr6, *routes;
	__u32 flags;
	__u16 network;
} devices[DEVICES] = {
	[UPLINK] = { "uplink", "02:00:00:00:02:01", "192.0.2.1", "fd00:c0::1",
		     "192.0.2.0/24 fd00:c0::/64 203.0.113.0/24 2001:db8::/32", NB_DEVICE_IN | NB_DEVICE_OUT,
		     0 },
	[INNER] = { "inner", "02:00:00:00:02:02", "10.1.0.1", "fd00:1::1", "10.1.0.0/24 fd00:1::/64",
		    NB_DEVICE_IN, 1 },
	[TUNNEL] = { "tunnel", "02:00:00:00:02:03", "10.2.255.1", "fd00:2::ff", "10.2.0.0/16 fd00:2::/64",
		     NB_DEVICE_IN | NB_DEVICE_OUT, 0 },
	[NB0] = { "nb0", "02:00:00:00:02:04", NODE_SELF4, NODE_SELF6, "10.96.0.0/16 fd00:96::/112",
		  NB_DEVICE_NB0, 0 },
};

/* As on a node that has been up for long: no ifindex may be taken for a verdict. */
enum { IFINDEX = 1000 };

/* nb0's addresses are not the host's. */
static void make_device(unsigned int at)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "ip link add %1$s index %6$u address %2$s type veth peer name %1$s-peer; ip link set "
		 "%1$s-peer up; "
		 "ip link set %1$s up; [ %1$s = nb0 ] || { ip address add %3$s/32 dev %1$s; "
		 "ip address add %4$s/128 dev %1$s nodad; }; for route in %5$s; do ip route add $route dev "
		 "%1$s; done",
		 devices[at].name, devices[at].mac, devices[at].addr4, devices[at].addr6, devices[at].routes,
		 IFINDEX + 10 * at);
	assert_int_equal(system(command), 0);
}

static void add_devices(struct env *env)
{
	nb_cleanup(nb_devices_free) struct nb_devices wanted = { 0 };
	struct nb_error err = { 0 };
	struct nb_settings settings;

	assert_int_equal(system("echo 1 | tee /proc/sys/net/ipv4/ip_forward "
				"/proc/sys/net/ipv6/conf/all/forwarding >/dev/null"),
			 0);
	for (unsigned int at = 0; at < DEVICES; at++) {
		struct nb_device_at device = { .device = { .flags = devices[at].flags,
							   .network = devices[at].network } };

		make_device(at);
		env->ifindex[at] = device.ifindex = if_nametoindex(devices[at].name);
		assert_int_not_equal(device.ifindex, 0);
		assert_true(nb_mac_parse(devices[at].mac, device.device.mac));
		device.device.addrs[0] = env_addr(devices[at].addr6);
		device.device.addrs[1] = env_addr(devices[at].addr4);
		assert_int_equal(nb_vec_push(&wanted.all, device, &err), 0);
	}
	env->bridge = env->ifindex[INNER];
	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	settings.bridge_ifindex = env->ifindex[NB0];
	assert_true(nb_mac_parse(devices[NB0].mac, settings.bridge_mac));
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
	if (nb_devices_set(&env->dp, &wanted, &err))
		fail_msg("%s", err.msg);
}

static void add_pods(struct env *env)
{
	struct nb_settings settings;
	struct nb_error err = { 0 };

	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	assert_true(nb_mac_parse(BRIDGE_MAC, settings.bridge_mac));
	settings.bridge_ifindex = BRIDGE_IFINDEX;
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
	for (enum pod pod = 0; pod < PODS; pod++)
		add_pod(env, pod);
}

/* As nb_datapath_ensure() does, but in any size: it refuses a table that is too small to be of use. */
static int load_tiny(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err)
{
	int rc = nb_bpffs_ensure(config->root->bpffs, err);

	if (rc)
		return rc;
	assert_int_equal(mkdir(config->root->path, 0700), 0);
	rc = nb_datapath_locate(config->root, config->network, true, dp, err);
	if (rc)
		return rc;
	rc = nb_datapath_load(config, dp, err);
	return rc ? rc : nb_pins_create(dp, config, err);
}

static int setup(void **state, enum nb_mode mode, __u32 connections)
{
	struct env *env = calloc(1, sizeof(*env));
	struct nb_pin_root root;
	struct nb_datapath_config config = {
		.root = &root,
		.network = mode == NB_MODE_NODE ? NB_NODE_NETWORK : "test.net",
		.mode = mode,
		.limits = { .connections = connections },
	};
	struct nb_error err = { 0 };
	bool tiny = connections && connections < NB_CONNECTIONS_MIN;
	int rc;

	assert_non_null(env);
	env->dp = (struct nb_datapath)NB_DATAPATH_INIT;
	env->mode = mode;
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	snprintf(env->bpffs, sizeof(env->bpffs), "/tmp/natbridge-test-XXXXXX");
	assert_non_null(mkdtemp(env->bpffs));
	assert_int_equal(nb_pin_root_resolve(env->bpffs, &root, &err), 0);
	rc = tiny ? load_tiny(&config, &env->dp, &err) : nb_datapath_ensure(&config, &env->dp, &err);
	if (rc)
		fail_msg("%s", err.msg);
	if (mode != NB_MODE_ASSIST)
		assert_int_equal(nb_conn_table_open(&env->dp, &env->table, &err), 0);
	if (mode == NB_MODE_NODE)
		add_devices(env);
	else
		add_pods(env);
	*state = env;
	return 0;
}

int env_setup(void **state)
{
	return setup(state, NB_MODE_EBPF, 0);
}

int env_setup_small(void **state)
{
	return setup(state, NB_MODE_EBPF, NB_CONNECTIONS_MIN);
}

int env_setup_assist(void **state)
{
	return setup(state, NB_MODE_ASSIST, NB_CONNECTIONS_MIN);
}

int env_setup_node(void **state)
{
	return setup(state, NB_MODE_NODE, NB_CONNECTIONS_MIN);
}

int env_setup_64(void **state)
{
	return setup(state, NB_MODE_EBPF, 64);
}

int env_setup_8(void **state)
{
	return setup(state, NB_MODE_EBPF, 8);
}

int env_teardown(void **state)
{
	struct env *env = *state;

	if (env->mode != NB_MODE_ASSIST)
		nb_conn_table_close(&env->table);
	nb_datapath_close(&env->dp);
	umount(env->bpffs);
	rmdir(env->bpffs);
	free(env);
	/* The next setup leaves the namespace, which takes the links with it. */
	return 0;
}
