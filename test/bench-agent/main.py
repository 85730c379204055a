# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures each proxy with each number of Services, one after the other; prints tables. See README.md."""
import json
import os
import re
import signal
import sys
import time

import node
import report
from cluster import Cluster, Refused
from node import Failed, Process
from proxies import ARMS, total

ENDPOINTS = int(os.environ.get("ENDPOINTS", "10"))
SERVICES = [int(number) for number in os.environ.get("SERVICES", "1000 10000").split()]
IDLE_SECONDS = float(os.environ.get("IDLE_SECONDS", "30"))
CHANGE_SECONDS = float(os.environ.get("CHANGE_SECONDS", "25"))
CHANGES_LEAST, CHANGES_MOST = int(os.environ.get("CHANGES", "10")), 100
SYNC_SECONDS = 1800  # no sync takes longer
OUT = os.environ["OUT"]
CPU = os.cpu_count() - 1
SYNCS = "kubeproxy_sync_proxy_rules_duration_seconds_count"


def progress(text):
    print(text, file=sys.stderr, flush=True)


class Measurement:
    """One proxy with so many Services; rows are what report.ROWS names."""

    def __init__(self, proxy, cluster, services):
        self.proxy, self.cluster, self.services = proxy, cluster, services
        self.log = f"{OUT}/{proxy.name}-{services}.log"
        self.rows = {}
        self.process = None
        open(self.log, "w").close()

    def start(self, row):
        """Starts it and waits until it has written all: CPU and wall time until then."""
        self.process = Process(self.proxy, self.log, CPU)
        # There is one Service more: default/kubernetes.
        self.process.wait(lambda metrics: self.proxy.is_whole(metrics, self.services + 1), SYNC_SECONDS)
        self.rows[f"{row}_wall"] = time.monotonic() - self.process.started
        self.rows[f"{row}_cpu"] = self.process.cpu()

    def end(self):
        if self.process:
            self.process.end()
        self.process = None

    def check_tables(self):
        """What the kernel has is all that the cluster has."""
        with node.inside():
            found = self.proxy.count()
        wanted = (self.services + 1, self.services * ENDPOINTS + 1)
        if found != wanted:
            raise Failed(f"{self.proxy.name}: {found} Services and endpoints in the kernel instead of {wanted}")

    def remember(self, row):
        memory = self.process.memory()
        self.rows.update({f"{row}_{kind}": size for kind, size in memory.items()})

    def idle(self):
        """CPU seconds of a second without changes."""
        before = self.process.cpu()
        time.sleep(IDLE_SECONDS)
        used = (self.process.cpu() - before) / IDLE_SECONDS
        self.rows["idle_cpu"] = used * 60
        return used

    def change(self):
        """One more endpoint is replaced: each time another Service's."""
        self.cluster.changes += 1
        number = self.cluster.changes
        self.cluster.change(number * 7 % self.services, number % ENDPOINTS, f"10.64.{number // 250}.{number % 250 + 1}")

    def pause_after_change(self):
        """From one change to the next so that each is written by itself: longer than the proxy collects changes, and than it writes."""
        slowest = 0
        for _ in range(2):
            seen = total(self.process.metrics(), "kubeproxy_sync_proxy_rules_endpoint_changes_total")
            began = time.monotonic()
            self.change()
            self.process.wait(lambda metrics, seen=seen: self.proxy.is_written(metrics, seen + 1), SYNC_SECONDS)
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(self.proxy.min_sync)
        return max(self.proxy.min_sync * 1.2 + 0.2, slowest * 1.3)

    def changes(self, idle):
        pause = self.pause_after_change()
        n = round(min(CHANGES_MOST, max(CHANGES_LEAST, CHANGE_SECONDS / pause)))
        syncs, before, began = self.syncs(), self.process.cpu(), time.monotonic()
        for i in range(n):
            self.change()
            time.sleep(max(0, began + (i + 1) * pause - time.monotonic()))
        used = self.process.cpu() - before - idle * (time.monotonic() - began)
        syncs = self.syncs() - syncs
        self.rows.update(change_cpu=used / min(n, syncs), changes=n, change_syncs=syncs, change_pause=pause)

    def syncs(self):
        """Of IPv4, which all the Services have."""
        return float(re.search(rf'^{SYNCS}{{ip_family="IPv4"}} (\S+)$', self.process.metrics(), re.M)[1])

    def run(self):
        self.start("first")
        self.remember("first")
        self.check_tables()
        if hasattr(self.proxy, "forget"):
            self.end()
            with node.inside():
                self.proxy.forget()
            self.start("loaded")
            self.check_tables()
        idle = self.idle()
        self.remember("idle")
        self.changes(idle)
        self.remember("changed")
        self.end()
        self.start("restart")
        self.remember("restart")
        self.check_tables()
        self.end()
        return self.rows


def measure(name, cluster, directory, services):
    kind, most = ARMS[name]
    proxy = kind(name, directory)
    lacking = proxy.lacks() or (f"{services} Services take it too long" if most and services > most else None)
    if lacking:
        progress(f"bench-agent: {name} is left out: {lacking}")
        return None
    progress(f"bench-agent: {name}, {services} Services")
    node.create()
    proxy.prepare()
    measurement = Measurement(proxy, cluster, services)
    try:
        return measurement.run()
    finally:
        measurement.end()


def kubeconfigs(directory):
    """Copies that name the API server as the node sees it."""
    for user in ("kube-proxy", "natbridge-agent"):
        with open(f"{directory}/control/{user}.conf") as old, open(f"{directory}/{user}.conf", "w") as new:
            new.write(old.read().replace("//127.0.0.1:", f"//{node.API_ADDRESS}:"))


def main(what):
    directory = os.environ["CLUSTER_DIR"]
    names = os.environ.get("ARMS", " ".join(ARMS)).split()
    node.enter(node.API_NETNS)
    kubeconfigs(directory)
    cluster = Cluster("127.0.0.1", "admin-token", f"{directory}/control/ca.crt")
    cluster.prepare(node.ADDRESS)
    results, there = [], 0
    for services in SERVICES:
        began = time.monotonic()
        cluster.fill(there, services, ENDPOINTS)
        progress(f"bench-agent: {services - there} Services made in {time.monotonic() - began:.0f} s")
        there = services
        for name in names:
            rows = measure(name, cluster, directory, services)
            if rows:
                results.append({"proxy": name, "services": services, "endpoints": ENDPOINTS, **rows})
                with open(f"{OUT}/result.json", "w") as file:
                    json.dump({"machine": report.machine(), "results": results}, file, indent=1)
    text = report.text(results)
    print(text)
    with open(f"{OUT}/report.txt", "w") as file:
        file.write(text + "\n")
    dear = report.too_dear(results) if what == "check" else []
    for line in dear:
        print(f"bench-agent: {line}", file=sys.stderr)
    return 1 if dear else 0


def end(*_):
    """As an exception, so that what was started is ended first."""
    sys.exit("bench-agent: ended by a signal")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    try:
        sys.exit(main(*sys.argv[1:]))
    except (Failed, Refused) as error:
        sys.exit(f"bench-agent: {error}")
