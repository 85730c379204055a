# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: natbridge-agent and kube-proxy, a class each; how they are started, and how each one's tables are counted."""
import json
import os
import re
import shutil
import subprocess

import node

BUILD = os.environ["BUILD"]


class Proxy:
    """One that follows the API server. Metrics are in kube-proxy's names, which the agent has too."""
    port = 10249
    min_sync = 1.0  # seconds for which changes are collected, by default

    def __init__(self, name, directory):
        self.name, self.directory = name, directory
        self.environment = dict(os.environ)

    def lacks(self):
        """What it needs and this machine does not have; None: nothing."""
        return None

    def is_written(self, metrics, changes):
        """Whether it has heard of so many changes of EndpointSlices, and nothing of what it has heard is left to be written."""
        done = values(metrics, "kubeproxy_sync_proxy_rules_last_timestamp_seconds")
        queued = values(metrics, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds")
        return (len(done) == len(queued) == 2 and all(d >= q > 0 for d, q in zip(done, queued))  # of both families
            and total(metrics, "kubeproxy_sync_proxy_rules_endpoint_changes_total") >= changes
            and total(metrics, "kubeproxy_sync_proxy_rules_endpoint_changes_pending") == 0
            and total(metrics, "kubeproxy_sync_proxy_rules_service_changes_pending") == 0)

    def is_whole(self, metrics, services):
        """Whether that is so after the start: each Service has one slice."""
        return self.is_written(metrics, services)


class Agent(Proxy):
    """natbridge-agent with one network."""
    min_sync = 0.1
    program = os.path.abspath(f"{BUILD}/natbridge-agent")

    def prepare(self):
        # Without the maps of another measurement.
        subprocess.run(["umount", f"{self.directory}/bpf"], stderr=subprocess.DEVNULL)
        os.makedirs(f"{self.directory}/bpf", exist_ok=True)
        subprocess.run(["mount", "-t", "bpf", "bpf", f"{self.directory}/bpf"], check=True)
        os.makedirs(f"{self.directory}/net.d", exist_ok=True)
        with open(f"{self.directory}/net.d/net.conflist", "w") as file:
            json.dump({"cniVersion": "1.0.0", "name": "net", "plugins": [{
                "type": "natbridge", "bridge": "cni0", "serviceProxy": {"mode": "ebpf"},
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.128.0.0/24"}]]}}]}, file)

    def command(self, *more):
        return [self.program, "--kubeconfig", f"{self.directory}/natbridge-agent.conf", "--cni-conf-dir", f"{self.directory}/net.d",
                "--bpffs", f"{self.directory}/bpf", "--state-dir", "", "--hostname-override", node.NAME,
                "--metrics-bind-address", f"{node.ADDRESS}:{self.port}", *more]

    def is_whole(self, metrics, services):
        return (super().is_whole(metrics, services)
                and total(metrics, "natbridge_services") == total(metrics, "natbridge_frontends") == services)

    def forget(self):
        """Takes the Services out of the table; the network stays loaded."""
        subprocess.run(self.command("--cleanup"), check=True, stderr=subprocess.DEVNULL)

    def count(self):
        """Services and endpoints that packets would meet, as the kernel's tables say."""
        listed = json.loads(subprocess.run([f"{BUILD}/natbridgectl", "--bpffs", f"{self.directory}/bpf", "-o", "json", "service", "list"],
                                           check=True, stdout=subprocess.PIPE).stdout)
        return len(listed), sum(len(frontend["backends"]) for frontend in listed)


class KubeProxy(Proxy):
    """kube-proxy in one of its modes."""
    mode = None
    program = os.path.join(os.environ["KUBE_BIN"], "kube-proxy")

    def prepare(self):
        with open(f"{self.directory}/kube-proxy.yaml", "w") as file:
            json.dump({
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": self.mode,
                "hostnameOverride": node.NAME, "clusterCIDR": "10.128.0.0/9", "metricsBindAddress": f"{node.ADDRESS}:{self.port}",
                "clientConnection": {"kubeconfig": f"{self.directory}/kube-proxy.conf"},
                # The sizes of the conntrack table are the whole machine's.
                "conntrack": {"maxPerCore": 0, "min": 0},
            }, file)

    def command(self):
        return [self.program, f"--config={self.directory}/kube-proxy.yaml"]


class Nftables(KubeProxy):
    """Mode nftables."""
    mode = "nftables"

    def lacks(self):
        return None if shutil.which("nft") else "nft is missing"

    def count(self):
        # Chains of endpoints that have gone stay for a while.
        return (node.matches(["nft", "list", "map", "ip", "kube-proxy", "service-ips"], r" : goto service-"),
                node.matches(["nft", "list", "table", "ip", "kube-proxy"], r"\d+ : goto endpoint-"))


class Iptables(KubeProxy):
    """Mode iptables with one of the two families of programs that Linux has for it."""
    mode = "iptables"

    def lacks(self):
        return None if shutil.which(self.multi()) else f"{self.multi()} is missing"

    def multi(self):
        return "xtables-legacy-multi" if self.name == "iptables-legacy" else "xtables-nft-multi"

    def prepare(self):
        super().prepare()
        programs = f"{self.directory}/{self.name}"
        if not os.path.exists(programs):
            os.mkdir(programs)
            for name in ("iptables", "iptables-save", "iptables-restore"):
                os.symlink(shutil.which(self.multi()), f"{programs}/{name}")
                os.symlink(shutil.which(self.multi()), f"{programs}/{name.replace('ip', 'ip6', 1)}")
        self.environment["PATH"] = f"{programs}:{os.environ['PATH']}"

    def count(self):
        save = [f"{self.directory}/{self.name}/iptables-save", "-t", "nat"]
        return node.matches(save, r"^:KUBE-SVC-"), node.matches(save, r"^:KUBE-SEP-")


# By name, with the most Services that an arm is measured with: the time of iptables-nft grows with their square.
ARMS = {
    "agent": (Agent, None),
    "iptables-legacy": (Iptables, None),
    "iptables-nft": (Iptables, 2000),
    "nftables": (Nftables, None),
}


def values(metrics, name):
    """Those of all label sets, sorted by these."""
    return [float(value) for _, value in sorted(re.findall(rf"^{name}(\{{.*\}})? (\S+)$", metrics, re.M))]


def total(metrics, name):
    return sum(values(metrics, name))
