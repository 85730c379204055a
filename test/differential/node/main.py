# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the scripts: main.py [--tap] [--list] [-v] [SCRIPT...] PREFIX CA. See README.md."""
import glob
import json
import os
import sys
import time

import yaml

from clients import wait
from cluster import Cluster
from judge import DIFFERENCES, judge
from nodes import ADDRESS, CLIENTS, FAMILIES, SETTLE, Arm, source_name

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIONS = set()
KEYS = {"name", "rows", "services", "steps"}
PROTOCOLS = ("tcp", "udp")
# Connections of one kind at a time, how often they are opened until all that can answer have, and how long they wait.
AT_ONCE = 12
WAITS = (0.7, 3.0, 3.0, 3.0)
LATE = ("silent", "not permitted")  # outcomes that may only be another one which is late
HEALTH_HEADERS = ("Content-Type", "X-Content-Type-Options", "X-Load-Balancing-Endpoint-Weight")


class Target:
    """[PROTOCOL] [FAMILY] [SERVICE/]PLACE[:PORT]: what a client asks."""

    def __init__(self, text, services):
        *narrow, where = text.split()
        name, _, where = where.rpartition("/")
        self.protocols = [proto for proto in PROTOCOLS if proto in narrow] or PROTOCOLS
        self.families = [family for family in FAMILIES if f"IPv{family}" in narrow] or FAMILIES
        self.service = services[name] if name else next(iter(services.values()))
        self.place, _, self.port = where.partition(":")
        if where == "nodePort":
            self.place, self.port = "node", where
        if set(narrow) - {*PROTOCOLS, "IPv4", "IPv6"} or (self.place != "clusterIP" and self.place not in ADDRESS[4]):
            raise SystemExit(f"there is no target {text}")

    def address(self, family):
        return self.service.address(family) if self.place == "clusterIP" else ADDRESS[family][self.place]

    def is_of(self, other):
        """Whether they differ in protocol or family at most."""
        return (self.service, self.place, self.port) == (other.service, other.place, other.port)

    def number(self):
        return {"": self.service.port, "nodePort": self.service.node_port}.get(self.port) or int(self.port)


class Case:
    """One client, protocol and family of a step, in both arms."""

    def __init__(self, arms, client, target, proto, family, count=AT_ONCE):
        self.arms, self.client, self.target, self.proto, self.family, self.count = arms, client, target, proto, family, count
        self.seen = {arm.name: set() for arm in arms}
        self.connections = {}
        self.answered = {}  # by arm: the last outcome of a connection that stays

    def open(self):
        place = self.target.address(self.family), self.target.number()
        self.connections = {
            arm.name: [arm.connect(self.client, self.proto, *place) for _ in range(self.count)] for arm in self.arms
        }

    def take(self):
        """The outcomes. What has stayed silent before was perhaps only late."""
        for name, connections in self.connections.items():
            self.seen[name] -= set(LATE)
            self.seen[name] |= {self.describe(connection.outcome) for connection in connections}
        self.close()

    def all(self):
        return [connection for connections in self.connections.values() for connection in connections]

    def close(self):
        for connection in self.all():
            connection.close()

    def describe_next(self, name):
        """Of a connection that stays: "goes on", if its server answers as before."""
        outcome = self.connections[name][0].outcome
        return "goes on" if isinstance(outcome, list) and outcome == self.answered.get(name) else self.describe(outcome)

    def describe(self, outcome):
        return outcome if isinstance(outcome, str) else f"{outcome[0]} {source_name(outcome[1], self.family, self.client)}"


class Run:
    """One script, in both families and both arms at once."""

    def __init__(self, script, arms, cluster):
        self.script, self.arms, self.cluster = script, arms, cluster
        self.held = []  # cases with a connection that stays
        self.stuck = {}  # backends by arm, client, protocol, family and Service
        self.reports = {family: [] for family in FAMILIES}
        self.shown = {family: set() for family in FAMILIES}

    def run(self):
        services = {name: self.cluster.add(name, keys) for name, keys in self.script["services"].items()}
        self.settle()
        for step in self.script["steps"]:
            self.step(step, services)
        self.close()
        for name in set(services) & set(self.cluster.services):
            self.cluster.remove(name)

    def wait_for_zone(self, arm, service):
        """The node's zone has one of the first Service's two endpoints: until all connections go to that one."""
        end = time.monotonic() + SETTLE
        for client in ("pod", "node"):
            for family in FAMILIES:
                arm.until(lambda c=client, f=family: len(arm.backends(c, service.address(f), service.port, AT_ONCE)) == 1, end,
                          "does not heed the node's zone")

    def settle(self):
        mark, end = self.cluster.mark(), time.monotonic() + SETTLE
        for arm in self.arms:
            arm.settle(mark, end)

    def settle_all(self):
        """kube-proxy ends what remains of datagrams once it has written its rules, and before it writes others."""
        self.settle()
        self.settle()

    def close(self):
        for case in self.held:
            case.close()

    def step(self, step, services):
        (key, value), = ((k, v) for k, v in step.items() if k != "allow")
        names = step.get("allow", [])
        if set(names) - set(DIFFERENCES):
            raise SystemExit(f"{self.script['name']}: unknown difference in {step}")
        if key in CLIENTS:
            self.ask(step, key, value, names, services)
        elif key in ("hold", "say", "health"):
            getattr(self, key)(step, value, names, services)
        elif key == "change":
            for name, keys in value.items():
                self.cluster.change(name, keys)
            self.settle_all()
        elif key == "zone":
            self.cluster.zone(value)
            for arm in self.arms:
                self.wait_for_zone(arm, next(iter(services.values())))
        elif key == "remove":
            self.cluster.remove(value)
            self.settle_all()
        else:
            raise SystemExit(f"{self.script['name']}: unknown step {key}")

    def ask(self, step, client, text, names, services):
        """CLIENT: TARGET -> OUTCOMES"""
        target, expected = parse(text, services)
        cases = [Case(self.arms, client, target, proto, family) for proto in target.protocols for family in target.families]
        unlike = cases
        for seconds in WAITS:
            for case in unlike:
                case.open()
            wait([connection for case in unlike for connection in case.all()], seconds)
            for case in unlike:
                case.take()
            unlike = [case for case in cases if not self.is_fine(case, expected, names)]
            if not unlike:
                break
        self.conclude(step, cases, expected, names)

    def hold(self, step, text, names, services):
        """CLIENT TARGET -> OUTCOMES: one connection, which stays, of each kind."""
        client, _, text = text.partition(" ")
        target, expected = parse(text, services)
        cases = [Case(self.arms, client, target, proto, family, 1) for proto in target.protocols for family in target.families]
        for case in cases:
            case.open()
        self.held += cases
        self.hear(step, cases, expected, names)

    def say(self, step, text, names, services):
        """CLIENT TARGET -> OUTCOMES: one more message by these."""
        client, _, text = text.partition(" ")
        target, expected = parse(text, services)
        cases = [case for case in self.held if case.client == client and case.target.is_of(target) and case.proto in target.protocols]
        for connection in [connection for case in cases for connection in case.all()]:
            connection.say()
        self.hear(step, cases, expected, names)

    def hear(self, step, cases, expected, names):
        """What becomes of the messages that are under way by connections that stay."""
        for seconds in WAITS[:2]:
            late = [connection for case in cases for connection in case.all() if connection.outcome in (None, *LATE)]
            for connection in late:
                connection.outcome = None
            wait(late, seconds)
            for case in cases:
                case.seen = {name: {case.describe_next(name)} for name in case.seen}
            if all(self.is_fine(case, expected, names) for case in cases):
                break
        for case in cases:
            case.answered = {name: case.connections[name][0].outcome for name in case.seen}
        self.conclude(step, cases, expected, names)

    def health(self, step, text, _, services):
        """CLIENT -> STATUS ENDPOINTS: what the health check node port says of the first Service."""
        client, _, expected = text.partition(" -> ")
        port = next(iter(services.values())).keys["healthCheckNodePort"]
        for family in FAMILIES:
            answers = [arm.get(ADDRESS[family]["node"], port, "/any", client) for arm in self.arms]
            kube, mine = [(status, {name: headers[name] for name in HEALTH_HEADERS}, json.loads(body)) for status, headers, body in answers]
            if f"{kube[0]} {kube[2]['localEndpoints']}" != expected or kube != mine:
                self.reports[family].append(f"{step}: kube-proxy: {kube}; natbridge: {mine}")

    def is_fine(self, case, expected, names):
        kube, mine = self.views(case, expected)
        return kube == expected and judge(kube, mine, names)[0]

    def views(self, case, expected):
        return [self.view(case, arm, expected) for arm in self.arms]

    def view(self, case, arm, expected):
        """With "one": all were answered by the same backend, whichever it is, as the client's connections before."""
        seen = case.seen[arm.name]
        if expected != {"one"} or any(len(outcome.split()) != 2 for outcome in seen):
            return seen
        backends = {outcome.split()[0] for outcome in seen}
        before = self.stuck.setdefault((arm.name, case.client, case.proto, case.family, case.target.service.name), backends)
        return {"one"} if len(backends | before) == 1 else backends | before

    def conclude(self, step, cases, expected, names):
        for case in cases:
            family, proto = case.family, case.proto
            kube, mine = self.views(case, expected)
            same, shown = judge(kube, mine, names)
            self.shown[family] |= shown
            if "-v" in OPTIONS:
                print(f"      {step}: {proto}, IPv{family}: kube-proxy: {words(kube)}; natbridge: {words(mine)}")
            if kube != expected:
                self.reports[family].append(f"{step}: {proto}: kube-proxy itself: {words(kube)}")
            if not same:
                self.reports[family].append(f"{step}: {proto}: kube-proxy: {words(kube)}; natbridge: {words(mine)}")
            for name in set(names) - shown:
                self.reports[family].append(f"{step}: {proto}: does not show the difference {name} any more")


def words(outcomes):
    return ", ".join(sorted(outcomes)) or "nothing"


def parse(text, services):
    """TARGET -> OUTCOMES, of kube-proxy."""
    target, arrow, expected = text.partition(" -> ")
    if not arrow:
        raise SystemExit(f"{text}: says nothing of kube-proxy's outcome")
    return Target(target, services), set(expected.split(", "))


def scripts():
    found = []
    for path in sorted(glob.glob(f"{HERE}/scripts/*.yaml")):
        with open(path) as file:
            for script in yaml.safe_load(file):
                if set(script) != KEYS:
                    raise SystemExit(f"{path}: {script.get('name')}: its keys are not {', '.join(sorted(KEYS))}")
                found.append(script)
    return found


def report(script, family, run, number):
    differs, shown = run.reports[family], run.shown[family]
    name = f"{','.join(script['rows'])}: {script['name']} (IPv{family})"
    result = "different" if differs else "allowed" if shown else "same"
    if "--tap" in OPTIONS:
        print(f"{'not ok' if differs else 'ok'} {number} - {name}")
    else:
        print(f"{result:<10} {name}" + (f": {', '.join(sorted(shown))}" if shown else ""))
    for line in differs:
        print(f"      {line}")
    sys.stdout.flush()
    return result


def main(arguments):
    OPTIONS.update(a for a in arguments if a.startswith("-"))
    words_left = [a for a in arguments if not a.startswith("-")]
    if "--list" in OPTIONS:
        for script in scripts():
            print(f"{','.join(script['rows']):<16} {script['name']}")
        return 0
    *wanted, prefix, authority = words_left
    chosen = [s for s in scripts() if not wanted or any(word in s["name"] for word in wanted)]
    arms, cluster = [Arm("k", prefix), Arm("n", prefix)], Cluster(f"{prefix}-1", authority)
    counts = {"same": 0, "allowed": 0, "different": 0}
    for script in chosen:
        run = Run(script, arms, cluster)
        run.run()
        for family in FAMILIES:
            counts[report(script, family, run, sum(counts.values()) + 1)] += 1
    if "--tap" in OPTIONS:
        print(f"1..{sum(counts.values())}")
    else:
        print(f"{len(chosen)} scripts: " + ", ".join(f"{count} {result}" for result, count in counts.items()))
    return 1 if counts["different"] or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
