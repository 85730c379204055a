# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case has: servers, kubeconfigs and one client, which are gone at its end."""

import json
import os
import time

from client import PATIENCE, Client
from server import Server

# Must not show up in any log.
TOKEN = "first-secret-token"


class Case:
    def __init__(self, directory, authorities):
        self.directory = directory
        self.authorities = authorities
        self.servers = []
        self.clients = []

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)
        return path

    def server(self, *answers, **options):
        self.servers.append(Server(*answers, **options))
        return self.servers[-1]

    def kubeconfig(self, url, cluster=None, user=None):
        """JSON is YAML."""
        return self.write("kubeconfig", json.dumps({
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": url, **(cluster or {})}}],
            "users": [{"name": "u", "user": user or {}}],
        }))

    def client(self, url, *options, cluster=None, user=None):
        return self.client_with(f"kubeconfig={self.kubeconfig(url, cluster, user)}", *options)

    def client_with(self, *options, environment=None):
        self.clients.append(Client(self.directory, *options, environment=environment))
        return self.clients[-1]

    def follow(self, *answers, options=()):
        """A server without TLS, and a client of it."""
        server = self.server(*answers)
        return server, self.client(server.url, *options)

    def wait_requests(self, server, n):
        deadline = time.monotonic() + PATIENCE
        while len(server.requests) < n:
            assert time.monotonic() < deadline, f"{len(server.requests)} of {n} requests; {self.clients[-1].log()}"
            time.sleep(0.01)
        return server.requests[n - 1]

    def end(self):
        for client in self.clients:
            if client.process.poll() is None:
                client.stop()
            log = client.log()
            assert "secret" not in log and "PRIVATE KEY" not in log, f"a secret in the log: {log}"
            assert "runtime error" not in log and "Sanitizer" not in log, log
        for server in self.servers:
            assert not server.faults, server.faults

    def clean(self):
        for client in self.clients:
            client.kill()
        for server in self.servers:
            if not server.stopping.is_set():
                server.stop()
