# SPDX-License-Identifier: GPL-2.0-or-later
"""The API server, and the Services and EndpointSlices that a script has there."""
import http.client
import json
import ssl

from clients import inside
from nodes import ADDRESS, FAMILIES, HERE

SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
PORT = 80  # of Services
TARGET = 8080
# Keys of a script's Service that are none of its spec.
OWN = {"backends", "ingress", "port", "nodePort", "families", "labels"}
# What follows an endpoint's name: its conditions, by default ready; then "@" and the zone for which it is meant, if any.
CONDITIONS = {
    "": {"ready": True, "serving": True, "terminating": False},
    "?": {"ready": False, "serving": True, "terminating": True},
    "!": {"ready": False, "serving": False, "terminating": False},
    "!?": {"ready": False, "serving": False, "terminating": True},
}


class Service:
    """One of a script. number: no other Service of the run has it, so that nothing is left of an earlier one's addresses."""

    def __init__(self, name, number, keys):
        self.name, self.number, self.keys = name, number, dict(keys)
        self.port = self.keys.get("port", PORT)
        self.node_port = self.keys.get("nodePort", 30100 + number)
        self.families = self.keys.get("families", FAMILIES)

    def address(self, family):
        """Its ClusterIP."""
        high, low = divmod(self.number, 250)
        return f"10.96.{1 + high}.{1 + low}" if family == 4 else f"fd00:10:96::{0x1000 + self.number:x}"

    def object(self):
        spec = {key: value for key, value in self.keys.items() if key not in OWN and value is not None}
        for key, as_range in (("externalIPs", False), ("loadBalancerSourceRanges", True)):
            if key in spec:
                spec[key] = [both for name in spec[key] for both in addresses(name, as_range)]
        ports = [{"name": p.lower(), "protocol": p, "port": self.port, "targetPort": TARGET} for p in ("TCP", "UDP")]
        if spec.get("type", "ClusterIP") != "ClusterIP":
            ports = [{**port, "nodePort": self.node_port} for port in ports]
        vips = [self.address(family) for family in self.families]
        return {"metadata": {"name": self.name, "labels": self.keys.get("labels", {})}, "spec": {
            "clusterIP": vips[0], "clusterIPs": vips, "ipFamilies": [f"IPv{family}" for family in self.families],
            "ipFamilyPolicy": "RequireDualStack" if len(vips) == 2 else "SingleStack", "ports": ports, **spec}}

    def status(self):
        """What a load balancer's controller writes; None without one."""
        if "ingress" not in self.keys:
            return None
        ingress = self.keys["ingress"]
        entries = [{**ingress, "ip": ADDRESS[family][ingress["ip"]]} for family in self.families]
        return {"loadBalancer": {"ingress": entries}}

    def slices(self):
        """One for each family, as its controller makes them."""
        return [{
            "metadata": {"name": f"{self.name}-ipv{family}", "labels": {**self.keys.get("labels", {}), "kubernetes.io/service-name": self.name}},
            "addressType": f"IPv{family}",
            "ports": [{"name": p.lower(), "protocol": p, "port": TARGET} for p in ("TCP", "UDP")],
            "endpoints": [endpoint(family, name) for name in self.keys["backends"]],
        } for family in self.families]


def addresses(name, as_range=False):
    """Of a host, in both families; anything else is an address or a range itself."""
    if name not in ADDRESS[4]:
        return [name]
    return [ADDRESS[family][name] + (f"/{32 if family == 4 else 128}" if as_range else "") for family in FAMILIES]


def endpoint(family, backend):
    """As "b", "b?" or "b@here": see CONDITIONS."""
    backend, _, zone = backend.partition("@")
    name = backend.rstrip("!?")
    made = {"addresses": [ADDRESS[family][name]], "conditions": CONDITIONS[backend[len(name):]],
            "nodeName": "here" if name in HERE else "there"}
    return {**made, "hints": {"forZones": [{"name": zone}]}} if zone else made


class Cluster:
    """The API server, by one connection that is kept."""

    def __init__(self, namespace, authority):
        self.namespace, self.context = namespace, ssl.create_default_context(cafile=authority)
        self.connection, self.services, self.number = None, {}, 0

    def request(self, method, path, body=None):
        if self.connection is None:
            with inside(self.namespace):
                self.connection = http.client.HTTPSConnection("127.0.0.1", 6443, context=self.context, timeout=60)
                self.connection.connect()
        self.connection.request(method, path, body and json.dumps(body), {
            "Authorization": "Bearer admin-token", "Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')[:500]}")

    def add(self, name, keys):
        self.number += 1
        service = Service(name, self.number, keys)
        self.request("POST", SERVICES, service.object())
        if service.status():
            self.request("PUT", f"{SERVICES}/{name}/status", {**service.object(), "status": service.status()})
        for one in service.slices():
            self.request("POST", SLICES, one)
        self.services[name] = service
        return service

    def change(self, name, keys):
        """Other keys of a Service; None: without that key."""
        service = self.services[name]
        service.keys.update(keys)
        if set(keys) != {"backends"}:
            gone = {key: None for key, value in keys.items() if value is None}
            self.request("PATCH", f"{SERVICES}/{name}", {"spec": {**service.object()["spec"], **gone}})
        for one in service.slices():
            self.request("PUT", f"{SLICES}/{one['metadata']['name']}", one)

    def remove(self, name):
        service = self.services.pop(name)
        self.request("DELETE", f"{SERVICES}/{name}")
        for one in service.slices():
            self.request("DELETE", f"{SLICES}/{one['metadata']['name']}")

    def zone(self, name):
        """Puts the node into a zone."""
        self.request("PATCH", "/api/v1/nodes/here", {"metadata": {"labels": {"topology.kubernetes.io/zone": name}}})

    def mark(self):
        """
        Another Service in place of the last of this kind. An arm that serves it has heard of all changes before it, since
        each resource is told of in order.
        """
        old = next((name for name in self.services if name.startswith("mark-")), None)
        if old:
            self.remove(old)
        return self.add(f"mark-{self.number}", {"backends": ["mark"]})
