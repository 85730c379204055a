# SPDX-License-Identifier: GPL-2.0-or-later
"""The two arms, and how each is given its services: rules as kube-proxy writes them, or natbridgectl."""
import json
import os
import subprocess

from wire import Port

HOSTS = ("a", "b", "c", "x", "d", "e")
# Pods of one network are on one bridge; d and e have the addresses of a and b.
NETWORKS = (("a", "b", "c"), ("d", "e"))
FAMILIES = (4, 6)
ADDRESS = {
    4: {"a": "10.244.0.2", "b": "10.244.0.3", "c": "10.244.0.4", "x": "192.0.2.2", "gw": "10.244.0.1", "up": "192.0.2.1",
        "lost": "198.51.100.77"},
    6: {
        "a": "fd00:10:244::2",
        "b": "fd00:10:244::3",
        "c": "fd00:10:244::4",
        "x": "fd00:c0::2",
        "gw": "fd00:10:244::1",
        "up": "fd00:c0::1",
        "lost": "2001:db8:77::7",
    },
}
for addresses in ADDRESS.values():
    addresses.update(d=addresses["a"], e=addresses["b"])


# The backends' ports.
TARGETS = (8080, 5353)


def is_vip(address):
    return address.startswith(("10.96.0.", "fd00:96::"))


def vip(family, number):
    return f"10.96.0.{number}" if family == 4 else f"fd00:96::{number}"


def inside(namespace, *command, text=None, check=True, environment=None):
    """What a command prints in that namespace."""
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *command],
        input=text, text=True, capture_output=True, env=environment, check=False,
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


class Arm:
    """One node with its pods on two networks. name: k (kernel) or n (natbridge)."""

    SECOND = ("n", "cni1")  # the node of the second network, and its bridge

    def __init__(self, name, prefix, directory):
        self.name, self.prefix = name, prefix
        self.node, self.second = f"{prefix}-{name}", f"{prefix}-{self.SECOND[0]}"
        self.environment = dict(os.environ, NATBRIDGE_BPFFS=f"{directory}/node-{name}/bpf")
        self.ports = {host: Port(f"{prefix}-{name}{host}") for host in HOSTS}
        self.services = None
        self.learn()

    def learn(self):
        """Whose MAC address is whose."""
        self.macs = {port.mac: host for host, port in self.ports.items()}
        self.macs[self.mac_of(self.node, "cni0")] = "gw"
        self.macs[self.mac_of(self.second, self.SECOND[1])] = "gw2"
        self.macs[self.mac_of(self.node, "up0")] = "up"

    def run(self, *command, **options):
        """In the node."""
        return inside(self.node, *command, **options, environment=self.environment)

    def everywhere(self, *command, **options):
        """In all nodes of this arm."""
        return [inside(node, *command, **options) for node in {self.node: 1, self.second: 1}]

    @staticmethod
    def mac_of(namespace, device):
        return json.loads(inside(namespace, "ip", "-j", "link", "show", "dev", device))[0]["address"]

    def replace(self, host):
        """The pod is deleted, and another one gets its name and address."""
        done = subprocess.run(["test/differential/replace", self.name, self.name + host, ADDRESS[4][host], ADDRESS[6][host]],
                              text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"replace {host}: {done.stderr or done.stdout}")
        self.ports[host].socket.close()
        self.ports[host].open()
        self.learn()

    def mark(self, host, arguments):
        """Another program at the pod's port, in front of all others: arguments of test/netns/marker.c."""
        index = json.loads(inside(self.ports[host].namespace, "ip", "-j", "link", "show", "dev", "eth0"))[0]["link_index"]
        port = next(link["ifname"] for link in json.loads(self.run("ip", "-j", "link")) if link["ifindex"] == index)
        self.run("build/test/netns/marker", *[port if word == "PORT" else word for word in arguments])

    def limit(self, connections):
        """Makes room for so many connections only; the kernel's limit is that of the whole machine."""

    def lose(self, sport, half):
        """Loses half of a connection; the kernel's have no halves."""

    def forward_rule(self, verb, family, match):
        self.run("iptables" if family == 4 else "ip6tables", "-w", verb, "FORWARD", *match.split(), "-j", "DROP")

    def gateway_mac(self, host):
        """Where a host sends what is not on its link."""
        wanted = "up" if host == "x" else "gw2" if host in NETWORKS[1] else "gw"
        return next(mac for mac, name in self.macs.items() if name == wanted)


class Kernel(Arm):
    """
    The reference bridge plugin, br_netfilter and the rules of kube-proxy in its iptables mode. netfilter has one conntrack for all
    bridges of a node: the second network is on a node of its own, for which nothing else changes.
    """

    SECOND = ("k2", "cni0")

    def clear(self):
        self.everywhere("conntrack", "-F", check=False)

    def serve(self, services):
        for family in FAMILIES:
            command = "iptables-restore" if family == 4 else "ip6tables-restore"
            self.everywhere(command, text=rules(family, services))
        self.forget_stale(services)
        self.services = services

    def forget_stale(self, services):
        """kube-proxy deletes the UDP flows of a backend that went (pkg/proxy/conntrack)."""
        now = {(s["vip"], backend[0]) for s in services for backend in named(s["backends"])}
        for service in self.services or []:
            for backend, _ in named(service["backends"]):
                if (service["vip"], backend) in now:
                    continue
                for family in FAMILIES:
                    self.everywhere(
                        "conntrack", "-D", "-f", f"ipv{family}", "-p", "udp",
                        "--orig-dst", vip(family, service["vip"]), "--reply-src", ADDRESS[family][backend], check=False,
                    )

    def connections(self):
        lists = [self.everywhere("conntrack", "-L", "-f", f"ipv{f}", check=False) for f in FAMILIES]
        return [line for one in lists for text in one for line in text.splitlines()]


class Natbridge(Arm):
    CTL = "build/natbridgectl"

    def clear(self):
        self.run(self.CTL, "conntrack", "flush")
        self.run("conntrack", "-F", check=False)

    def serve(self, services):
        self.run(self.CTL, "service", "apply", "--prune-all", "-f", "-", text=json.dumps(objects(services)))
        self.services = services

    def connections(self):
        return self.run(self.CTL, "conntrack", "list").splitlines()

    def limit(self, connections):
        self.run(self.CTL, "conntrack", "set", f"max={connections}")

    def lose(self, sport, half):
        self.run("build/test/netns/lose", self.environment["NATBRIDGE_BPFFS"], "net", str(sport), half)


class Assist(Kernel):
    """natbridge in mode assist: the same rules, no br_netfilter, and both networks on one node."""

    SECOND = Arm.SECOND


def named(backends):
    """Names of backends, and whether they are terminating: "b?" is."""
    return [(backend.rstrip("?"), backend.endswith("?")) for backend in backends]


def usable(backends):
    """Those that new connections go to: the ready ones; without any, those that are terminating."""
    ready = [name for name, terminating in named(backends) if not terminating]
    return ready or [name for name, _ in named(backends)]


def objects(services):
    """Services and EndpointSlices as Kubernetes has them."""
    items = []
    for service in services:
        ports = [{"name": f"p{i}", "protocol": p[0], "port": p[1]} for i, p in enumerate(service["ports"])]
        targets = [{"name": f"p{i}", "protocol": p[0], "port": p[2]} for i, p in enumerate(service["ports"])]
        spec = {"clusterIPs": [vip(f, service["vip"]) for f in FAMILIES], "ports": ports}
        if service.get("affinity"):
            spec["sessionAffinity"] = "ClientIP"
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": service["affinity"]}}
        items.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": service["name"]}, "spec": spec})
        for family in FAMILIES:
            items.append({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": f"IPv{family}",
                "metadata": {
                    "name": f"{service['name']}-{family}",
                    "labels": {"kubernetes.io/service-name": service["name"]},
                },
                "ports": targets,
                "endpoints": [
                    {"addresses": [ADDRESS[family][b]], "conditions": {"ready": not t, "serving": True, "terminating": t}}
                    for b, t in named(service["backends"])
                ],
            })
    return {"apiVersion": "v1", "kind": "List", "items": items}


def rules(family, services):
    """The tables nat and filter, whole, for iptables-restore."""
    chains, nat, reject = [], [], []
    for service in services:
        for proto, port, target in service["ports"]:
            add_service(family, service, (proto.lower(), port, target), chains, nat, reject)
    kind = "icmp-port-unreachable" if family == 4 else "icmp6-port-unreachable"
    return "\n".join([
        "*nat", ":KUBE-SERVICES - [0:0]", ":KUBE-POSTROUTING - [0:0]", ":KUBE-MARK-MASQ - [0:0]",
        *[f":{chain} - [0:0]" for chain in chains],
        "-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES", "-A POSTROUTING -j KUBE-POSTROUTING",
        "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
        *nat, "COMMIT",
        "*filter", ":KUBE-SERVICES - [0:0]", "-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES",
        *[f"-A KUBE-SERVICES {match} -j REJECT --reject-with {kind}" for match in reject], "COMMIT", "",
    ])


def add_service(family, service, port, chains, nat, reject):
    proto, number, target = port
    name, address = f"{service['name'].upper()}-{proto.upper()}", vip(family, service["vip"])
    backends = usable(service["backends"])
    if not backends:
        reject.append(f"-d {address} -p {proto} -m {proto} --dport {number}")
        return
    # What no rule of nat translates still has the VIP here: kube-proxy's nftables mode rejects it.
    reject.append(f"-d {address} -p {proto}")
    chains.append(f"KUBE-SVC-{name}")
    nat.append(f"-A KUBE-SERVICES -d {address} -p {proto} -m {proto} --dport {number} -j KUBE-SVC-{name}")
    endpoints = [(f"KUBE-SEP-{name}-{b.upper()}", ADDRESS[family][b]) for b in backends]
    if service.get("affinity"):
        for chain, _ in endpoints:
            nat.append(
                f"-A KUBE-SVC-{name} -m recent --name {chain} --rcheck --seconds {service['affinity']} --reap -j {chain}"
            )
    for i, (chain, backend) in enumerate(endpoints):
        left = len(endpoints) - i
        chance = f"-m statistic --mode random --probability {1 / left:.5f} " if left > 1 else ""
        recent = f"-m recent --name {chain} --set " if service.get("affinity") else ""
        to = f"{backend}:{target}" if family == 4 else f"[{backend}]:{target}"
        chains.append(chain)
        nat.append(f"-A KUBE-SVC-{name} {chance}-j {chain}")
        nat.append(f"-A {chain} -s {backend} -j KUBE-MARK-MASQ")
        nat.append(f"-A {chain} -p {proto} {recent}-m {proto} -j DNAT --to-destination {to}")
