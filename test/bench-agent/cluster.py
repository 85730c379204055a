# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects of a real API server, made as its controllers make them, over connections that are kept alive."""
import concurrent.futures
import http.client
import ipaddress
import json
import ssl
import threading

SPACE = "bench"
NODE = "bench"
NODES = 100  # that the endpoints are on; the first one is NODE
THREADS = 8
SERVICES = f"/api/v1/namespaces/{SPACE}/services"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{SPACE}/endpointslices"
# The slice of a Service and its endpoints take addresses from here on.
PODS = ipaddress.IPv4Address("10.128.0.0")


class Refused(Exception):
    """The API server answered with an error."""


class Cluster:
    """One API server, and the objects that are to be on it."""

    def __init__(self, host, token, ca):
        self.host, self.token = host, token
        self.context = ssl.create_default_context(cafile=ca)
        self.local = threading.local()
        self.changes = 0

    def request(self, method, path, body=None, kind="application/json"):
        """The answer as a tree. A connection that the server has closed meanwhile is opened anew."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"}
        for last in (False, True):
            if not hasattr(self.local, "connection"):
                self.local.connection = http.client.HTTPSConnection(self.host, 6443, context=self.context, timeout=60)
            try:
                self.local.connection.request(method, path, body and json.dumps(body), headers)
                answer = self.local.connection.getresponse()
                text = answer.read()
                break
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError):
                del self.local.connection
                if last:
                    raise
        if answer.status >= 300:
            raise Refused(f"{method} {path}: {answer.status} {text.decode(errors='replace')[:300]}")
        return json.loads(text)

    def in_parallel(self, call, numbers):
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(call, numbers):
                pass

    def prepare(self, address):
        """Namespace and Node."""
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
        node = self.request("POST", "/api/v1/nodes", {"metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}})
        node["status"] = {"addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": NODE}]}
        self.request("PUT", f"/api/v1/nodes/{NODE}/status", node)

    def fill(self, first, last, endpoints):
        """Services first..last - 1 with a slice of so many endpoints each."""
        def make(number):
            service_object = self.request("POST", SERVICES, service(number))
            self.request("POST", SLICES, endpoint_slice(service_object, number, endpoints))
        self.in_parallel(make, range(first, last))

    def change(self, number, endpoint, address):
        """A pod is replaced: one endpoint of the slice has another address."""
        self.request("PATCH", f"{SLICES}/{name(number)}-slice", [
            {"op": "replace", "path": f"/endpoints/{endpoint}/addresses/0", "value": address},
        ], "application/json-patch+json")


def name(number):
    return f"service-{number}"


def service(number):
    return {
        "metadata": {"name": name(number), "labels": {"app": name(number)}},
        "spec": {"selector": {"app": name(number)}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }


def endpoint_slice(owner, number, endpoints):
    """As the controller of EndpointSlices makes it, but for its name."""
    def endpoint(i):
        pod = f"{name(number)}-5d4f8c7b9-{i:05}"
        node = (number + i) % NODES
        return {
            "addresses": [str(PODS + number * endpoints + i)], "nodeName": NODE if node == 0 else f"{NODE}-{node}",
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": SPACE, "name": pod, "uid": f"00000000-0000-4000-8000-{number:08x}{i:04x}"},
        }
    return {
        "metadata": {
            "name": f"{name(number)}-slice",
            "labels": {"app": name(number), "kubernetes.io/service-name": name(number),
                       "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": name(number), "uid": owner["metadata"]["uid"],
                                 "controller": True, "blockOwnerDeletion": True}],
        },
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [endpoint(i) for i in range(endpoints)],
    }
