#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An API server that holds Services, EndpointSlices and Nodes for scenarios of natbridge-agent: lists them, and streams
their changes to watches, with WatchList. Its own interface beside that: PUT or DELETE of an object at its path below
/admin; a PUT of /admin/clock with {"ahead": SECONDS}: the time in its answers is so far ahead. Usage: holder.py ADDRESS PORT;
prints "ready"."""
import http.server
import itertools
import json
import sys
import threading
import time
import urllib.parse

RESOURCES = {
    "/api/v1/services": ("v1", "Service"),
    "/api/v1/nodes": ("v1", "Node"),
    "/apis/discovery.k8s.io/v1/endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "/apis/networking.k8s.io/v1/servicecidrs": ("networking.k8s.io/v1", "ServiceCIDR"),
}
FOREIGN = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")


class State:
    def __init__(self):
        self.ahead = 0  # seconds
        self.changed = threading.Condition()
        self.version = itertools.count(100)
        self.objects = {path: {} for path in RESOURCES}
        self.events = {path: [] for path in RESOURCES}

    def change(self, path, key, obj):
        """obj None: delete. A label that excludes an object makes it a deletion, as for the server's selectors."""
        with self.changed:
            version = str(next(self.version))
            old = self.objects[path].get(key)
            if obj is not None and any(label in obj["metadata"].get("labels", {}) for label in FOREIGN):
                obj = None
            if obj is None:
                if not old:
                    return
                del self.objects[path][key]
                event = ("DELETED", old)
            else:
                event = ("MODIFIED" if old else "ADDED", obj)
                self.objects[path][key] = obj
            event[1]["metadata"]["resourceVersion"] = version
            self.events[path].append((event[0], json.loads(json.dumps(event[1]))))
            self.changed.notify_all()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = State()

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.state.ahead)

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, event, obj):
        text = json.dumps({"type": event, "object": obj}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

    def wanted(self, query, obj):
        field = query.get("fieldSelector", [""])[0]
        return not field or field == "metadata.name=" + obj["metadata"]["name"]

    def do_GET(self):
        path, _, query = self.path.partition("?")
        query = urllib.parse.parse_qs(query)
        if path not in RESOURCES:
            self.answer(404, b"{}")
            return
        version, kind = RESOURCES[path]
        with self.state.changed:
            objects = [dict(o, apiVersion=version, kind=kind) for o in self.state.objects[path].values() if self.wanted(query, o)]
            seen, current = len(self.state.events[path]), str(next(self.state.version))
        if "watch" not in query:
            self.answer(200, json.dumps({"kind": kind + "List", "apiVersion": version,
                                         "metadata": {"resourceVersion": current}, "items": objects}).encode())
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self.stream(path, query, objects, seen, current)
        except OSError:
            pass

    def stream(self, path, query, objects, seen, current):
        version, kind = RESOURCES[path]
        if "sendInitialEvents" in query:
            for obj in objects:
                self.chunk("ADDED", obj)
            self.chunk("BOOKMARK", {"kind": kind, "apiVersion": version, "metadata": {
                "resourceVersion": current, "annotations": {"k8s.io/initial-events-end": "true"}}})
            self.wfile.flush()
        while True:
            with self.state.changed:
                while len(self.state.events[path]) == seen:
                    self.state.changed.wait()
                events, seen = self.state.events[path][seen:], len(self.state.events[path])
            for event, obj in events:
                if self.wanted(query, obj):
                    self.chunk(event, dict(obj, apiVersion=version, kind=kind))
            self.wfile.flush()

    def admin(self, obj):
        path, _, key = self.path.removeprefix("/admin").rpartition("/")
        if key == "clock":
            self.state.ahead = obj["ahead"]
            self.answer(200, b"{}")
            return
        if path not in RESOURCES:
            self.answer(404, b"{}")
            return
        self.state.change(path, key, obj)
        self.answer(200, b"{}")

    def do_PUT(self):
        self.admin(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_DELETE(self):
        self.admin(None)


def main():
    http.server.ThreadingHTTPServer.daemon_threads = True
    server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
    print("ready", flush=True)
    server.serve_forever()


main()
