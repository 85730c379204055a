# SPDX-License-Identifier: GPL-2.0-or-later
"""The two arms: nodes that are alike, and what is around each. "run" makes them."""
import http.client
import re
import time

from clients import Connection, inside, wait

FAMILIES = (4, 6)
# Hosts, the node's devices by their names, and addresses that nobody has unless a Service gets them.
ADDRESS = {
    4: {
        "pod": "10.244.0.2", "b": "10.244.0.3", "mark": "10.244.0.4", "node": "192.0.2.1", "other": "192.0.2.2", "far": "10.244.1.2",
        "outside": "192.0.2.6", "world": "192.0.2.10", "cni0": "10.244.0.1", "up0": "192.0.2.1", "up1": "192.0.2.5",
        "up2": "192.0.2.9", "lo": "127.0.0.1", "reserved": "169.254.110.48", "external": "203.0.113.7", "balancer": "203.0.113.9",
        "unused": "10.96.200.1",
    },
    6: {
        "pod": "fd00:10:244::2", "b": "fd00:10:244::3", "mark": "fd00:10:244::4", "node": "fd00:c0::1", "other": "fd00:c0::2",
        "far": "fd00:10:244:1::2", "outside": "fd00:c0:1::2", "world": "fd00:c0:2::2", "cni0": "fd00:10:244::1", "up0": "fd00:c0::1",
        "up1": "fd00:c0:1::1", "up2": "fd00:c0:2::1", "lo": "::1", "reserved": "fd6e:6230::1", "external": "2001:db8:7::7",
        "balancer": "2001:db8:7::9", "unused": "fd00:10:96::c801",
    },
}
CLIENTS = ("pod", "node", "outside", "other", "far")
HERE = {"pod", "b", "mark", "node"}  # endpoints of this node
# What a source address is called, besides "client".
SOURCES = ("cni0", "up0", "up1", "up2", "reserved", "lo")
SETTLE = 60.0  # seconds that an arm has to write a change
METRICS = 10249


class Arm:
    """name: k (kube-proxy) or n (natbridge)."""

    def __init__(self, name, prefix):
        self.name, self.prefix = name, prefix

    def namespace(self, host):
        return f"{self.prefix}-{self.name}" + ("" if host == "node" else host)

    def connect(self, client, proto, address, port):
        return Connection(self.namespace(client), proto, address, port)

    def settle(self, mark, end):
        """Returns when pods and processes of the node reach the mark, and the arm has nothing left to write."""
        for client in ("pod", "node"):
            for family in FAMILIES:
                self.until(lambda c=client, f=family: self.reaches(c, mark.address(f), mark.port), end, "does not serve a new Service")
        self.until(self.is_written, end, "does not write all changes")

    def until(self, condition, end, message):
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError(f"arm {self.name} {message}")
            time.sleep(0.02)

    def reaches(self, client, address, port):
        return self.backends(client, address, port, 1) != set()

    def backends(self, client, address, port, count):
        """Who answers that many datagrams at once."""
        connections = [self.connect(client, "udp", address, port) for _ in range(count)]
        wait(connections, 0.1)
        for connection in connections:
            connection.close()
        return {connection.outcome[0] for connection in connections if isinstance(connection.outcome, list)}

    def is_written(self):
        text = self.get("127.0.0.1", METRICS, "/metrics")[2]
        done, queued, *pending = [values(text, f"kubeproxy_sync_proxy_rules_{name}") for name in (
            "last_timestamp_seconds", "last_queued_timestamp_seconds", "endpoint_changes_pending", "service_changes_pending")]
        return len(done) == len(queued) == 2 and all(d >= q > 0 for d, q in zip(done, queued)) and not any(sum(pending, []))

    def get(self, address, port, path, client="node"):
        """Status, headers and body of an HTTP answer."""
        with inside(self.namespace(client)):
            connection = http.client.HTTPConnection(address, port, timeout=5)
            connection.connect()
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text


def values(metrics, name):
    """Those of all label sets, sorted by these."""
    return [float(value) for _, value in sorted(re.findall(rf"^{name}(\{{.*\}})? (\S+)$", metrics, re.M))]


def source_name(address, family, client):
    """What a backend saw, by its name."""
    known = ADDRESS[family]
    if client != "node" and address == known[client]:
        return "client"
    return next((name for name in SOURCES if known[name] == address), address)
