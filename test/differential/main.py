# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the scripts: main.py [--tap] [--list] [-v] [SCRIPT...] PREFIX DIRECTORY. See README.md."""
import copy
import glob
import os
import re
import sys
import time
from functools import partial

import yaml

from compare import SCRIPT_ALLOWS, STEP_ALLOWS, Allowed
from frames import describe, is_noise
from nodes import Assist, FAMILIES, HOSTS, Kernel, Natbridge
from packets import Speaker
from wire import gather

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIONS = set()
TABLE = 131072  # connections, by default
LATE = 3.0  # seconds that one arm's frames may come after the other's
STREAM = 2.0  # seconds after which an answered UDP connection is a stream, and is kept longer
TRIES = 5  # for a script that compares states and took as long as that
ROUNDED = 2  # seconds: both arms print whole ones, and natbridge's clock has a tick of one
KEYS = {"name", "rows", "families", "allow", "known", "assist", "steps", "noise", "quiet", "each"}


def load(path):
    with open(path) as file:
        return yaml.safe_load(file)


def scripts():
    found = []
    for path in sorted(glob.glob(f"{HERE}/scripts/*.yaml")):
        for script in load(path):
            unknown = set(script) - KEYS
            unknown |= set(script.get("allow", ())) - SCRIPT_ALLOWS
            if unknown:
                raise SystemExit(f"{path}: {script.get('name')}: unknown key {', '.join(unknown)}")
            found += multiply({**script, "steps": flat(script["steps"])})
    known = "assist" if "--assist" in OPTIONS else "known"
    # Datagrams of different scripts must not be put together.
    return [{**script, "known": script.get(known), "ident": 4321 + number} for number, script in enumerate(found)]


def flat(steps):
    """Steps may stand in lists of their own, so that scripts can share them by YAML's anchors."""
    return [one for step in steps for one in (flat(step) if isinstance(step, list) else [step])]


def multiply(script):
    """One script for each value of "each", which stands for $ in its name and its steps."""
    if "each" not in script:
        return [script]
    found = []
    for value in script["each"]:
        steps = [{k: v.replace("$", value) if isinstance(v, str) else v for k, v in step.items()} for step in script["steps"]]
        found.append({**script, "name": script["name"].replace("$", value or "no flags"), "steps": steps})
    return found


class Run:
    """One script in one family, in both arms at once."""

    def __init__(self, script, family, arms, services):
        self.script, self.family, self.arms = script, family, arms
        self.services, self.all_services = [dict(s) for s in services], services
        ports = {int(n) for step in script["steps"] for n in re.findall(r"\b\d{2,5}\b", str(step))}
        self.allowed = Allowed(script.get("allow", ()), ports | {8080, 5353, 80, 53}, isinstance(arms[1], Assist))
        self.undo = []  # functions, each of an arm
        self.received = {arm.name: {host: [] for host in HOSTS} for arm in arms}
        self.result, self.report = "same", []
        self.sent = {arm.name: [] for arm in arms}  # when each step sent, to the earliest and to the latest
        self.quiet = script.get("quiet", 0.03)
        self.began = self.waited = None  # when its first step began, and the first one that waits

    def speaker(self, arm, host):
        return Speaker(arm, self.family, host, self.received[arm.name], self.all_services, self.script["ident"])

    def receive(self):
        """The frames that came since, by arm and host; they also go to self.received."""
        ports = {port: (arm, host) for arm in self.arms for host, port in arm.ports.items()}
        got = {arm.name: {host: [] for host in HOSTS} for arm in self.arms}
        for port, frames in gather(list(ports), self.quiet).items():
            arm, host = ports[port]
            for frame in frames:
                if is_noise(frame.data, self.script.get("noise")):
                    continue
                self.received[arm.name][host].append(frame)
                got[arm.name][host].append(frame)
        return got

    def send(self, host, expression):
        for arm in self.arms:
            self.sent[arm.name].append((time.monotonic(), None))
            try:
                for frame in self.speaker(arm, host).evaluate(expression):
                    arm.ports[host].send(*frame)
            except LookupError as error:
                self.differ(expression, {arm.name: str(error)})

    def serve(self, change):
        """Changes backends: {NAME: [HOST...]}, or null: the Service is deleted."""
        for name, backends in change.items():
            for service in [s for s in self.services if s["name"] == name]:
                if backends is None:
                    self.services.remove(service)
                else:
                    service["backends"] = backends
        for arm in self.arms:
            arm.serve([dict(s) for s in self.services])

    def states(self, arm, sport):
        """The arm's connections from that port, as (what they are, seconds left), and when it was asked."""
        found, begin = [], time.monotonic()
        for line in arm.connections():
            first = re.search(r" sport=(\d+)", line)
            if first and int(first[1]) == sport:
                words = re.findall(r"\b[A-Z][A-Z_0-9]{3,}\b(?<!UNREPLIED)(?<!ASSURED)", line)
                words += re.findall(r"\[(?:UNREPLIED|ASSURED)\]", line)
                words += re.findall(r"(?:src|dst|sport|dport)=\S+", line) if not self.script.get("allow") else []
                found.append((" ".join(words), int(line.split()[2])))
        return sorted(found), (begin, time.monotonic())

    def apart(self, looks):
        """
        By how many seconds the lifetimes of both arms may differ, at least and at most, since neither heard nor were asked at the same
        moment. A connection's life begins anew at one of the steps, which one is not known.
        """
        (early_k, late_k), (early_n, late_n) = looks
        heard = list(zip(self.sent["k"], self.sent["n"])) or [((0, 0), (0, 0))]
        least = min(k[0] - n[1] for k, n in heard) + early_n - late_k
        most = max(k[1] - n[0] for k, n in heard) + late_n - early_k
        return least, most

    def compare_states(self, step, sport):
        (kernel, look_k), (natbridge, look_n) = (self.states(arm, sport) for arm in self.arms)
        same = [a for a, _ in kernel] == [b for b, _ in natbridge]
        least, most = self.apart((look_k, look_n))
        if not same or any(not least - ROUNDED <= a - b <= most + ROUNDED for (_, a), (_, b) in zip(kernel, natbridge)):
            self.differ(step, {"k": kernel, "n": natbridge})

    def forbid(self, match):
        """A rule of the host that drops what it forwards, until the end of the script."""
        for arm in self.arms:
            arm.forward_rule("-I", self.family, match)
            self.undo.append(partial(arm.forward_rule, "-D", self.family, match))

    def limit(self, connections):
        """Room for so many connections in natbridge's table, until the end of the script."""
        for arm in self.arms:
            arm.limit(connections)
            self.undo.append(partial(arm.limit, TABLE))

    def mark(self, hosts):
        """Another program at the ports of these pods marks what they send, until the end of the script."""
        for arm in self.arms:
            for host in hosts:
                arm.mark(host, ["PORT", "0x77"])
                self.undo.append(partial(arm.mark, host, ["-d", "PORT"]))

    def replace(self, host):
        """Another pod gets this one's name and address."""
        for arm in self.arms:
            arm.replace(host)
            self.received[arm.name][host].clear()
        self.allowed.replaced.add(host)

    def lose(self, step, what):
        sport, half = what
        try:
            for arm in self.arms:
                arm.lose(sport, half)
        except LookupError as error:
            self.differ(step, {"n": str(error)})

    def differ(self, step, what):
        self.result = "different"
        self.report.append((step, what))

    def judge(self, step, names):
        got, before = self.receive(), copy.deepcopy(self.allowed)
        late = time.monotonic() + (0 if self.script.get("known") else LATE)
        same = self.allowed.same(got, self.arms, names)
        while not same and time.monotonic() < late:
            for arm, hosts in self.receive().items():
                for host, frames in hosts.items():
                    got[arm][host] += frames
            self.allowed = copy.deepcopy(before)
            same = self.allowed.same(got, self.arms, names)
        for windows in self.sent.values():
            windows[-1] = (windows[-1][0], time.monotonic())
        shown = {arm.name: {h: [describe(f, arm) for f in frames] for h, frames in got[arm.name].items()} for arm in self.arms}
        if "-v" in OPTIONS:
            show([(step, shown)])
        if shown["k"] == shown["n"] and "backend" not in self.allowed.names:
            return
        if not same:
            self.differ(step, shown)
        elif shown["k"] != shown["n"]:
            self.result = "allowed"

    def step(self, step):
        names = step.get("allow", ())
        (key, value), = ((k, v) for k, v in step.items() if k != "allow")
        if set(names) - STEP_ALLOWS:
            raise SystemExit(f"{self.script['name']}: unknown difference in {step}")
        do = {
            "serve": self.serve, "wait": time.sleep, "forbid": self.forbid, "limit": self.limit, "mark": self.mark,
            "replace": self.replace, "nothing": self.expect_nothing, "state": partial(self.compare_states, step),
            "lose": partial(self.lose, step),
        }
        if key in HOSTS:
            self.send(key, value)
            self.judge(step, names)
        elif key in do:
            do[key](value)
        else:
            raise SystemExit(f"{self.script['name']}: unknown step {key}")

    def expect_nothing(self, hosts):
        """These hosts of natbridge's arm have received nothing so far: a check of the script itself."""
        for host in hosts:
            if self.received["n"][host]:
                self.differ({"nothing": host}, {"n": "it has received something"})

    def run(self):
        self.receive()
        for host in HOSTS:
            for arm in self.arms:
                self.received[arm.name][host].clear()
        self.began = time.monotonic()
        for step in self.script["steps"]:
            if "wait" in step and not self.waited:
                self.waited = time.monotonic()
            self.step(step)
            if self.result == "different":
                break
        for undo in self.undo:
            undo()
        return self.verdict()

    def too_slow(self):
        """Whether one arm may have taken for a stream what the other did not, as the steps before the first wait took so long."""
        asks = any("state" in step for step in self.script["steps"])
        return asks and (self.waited or time.monotonic()) - self.began > STREAM

    def verdict(self):
        """same, allowed, known or different."""
        if self.script.get("known") and self.result == "different":
            return "known"
        if self.script.get("known"):
            self.differ("known", {"n": "is no longer different: remove that key and the line in doc/DATAPATH.md"})
        return self.result


def show(report):
    for step, what in report:
        print(f"      at {step}")
        for arm in sorted(what):
            print(f"      {'kernel' if arm == 'k' else 'natbridge'}:")
            content = what[arm]
            if not isinstance(content, dict):
                print(f"        {content}")
                continue
            for host, frames in content.items():
                for frame in frames:
                    print(f"        {host}: " + " ".join(f"{k}={v}" for k, v in frame.items() if v not in (None, "", [])))


def reset(arms, services):
    for arm in arms:
        if arm.services != services:
            arm.serve([dict(s) for s in services])
        arm.clear()


def main(arguments):
    OPTIONS.update(a for a in arguments if a.startswith("-"))
    words = [a for a in arguments if not a.startswith("-")]
    if "--list" in OPTIONS:
        for script in scripts():
            print(f"{','.join(script['rows']):<16} {script['name']}")
        return 0
    *wanted, prefix, directory = words
    services = load(f"{HERE}/services.yaml")
    mine = Assist if "--assist" in OPTIONS else Natbridge
    arms = [Kernel("k", prefix, directory), mine("n", prefix, directory)]
    warm_up(arms, services)
    chosen = [s for s in scripts() if not wanted or any(word in s["name"] for word in wanted)]
    counts = {"same": 0, "allowed": 0, "known": 0, "different": 0}
    for script in chosen:
        for family in script.get("families", FAMILIES):
            for _ in range(TRIES):
                reset(arms, services)
                run = Run(script, family, arms, services)
                result = run.run()
                if result != "different" or not run.too_slow():
                    break
            counts[result] += 1
            report(script, family, result, sum(counts.values()))
            if result == "different":
                show(run.report)
    if "--tap" in OPTIONS:
        print(f"1..{sum(counts.values())}")
    else:
        print(f"{len(chosen)} scripts: " + ", ".join(f"{count} {result}" for result, count in counts.items()))
        print(f"{counts['same'] + counts['allowed']} passed, {counts['different']} failed, {counts['known']} skipped")
    return 1 if counts["different"] or not chosen else 0


def report(script, family, result, number):
    name = f"{','.join(script['rows'])}: {script['name']} (IPv{family})"
    if "--tap" in OPTIONS:
        skip = f" # SKIP {script['known']}" if result == "known" else ""
        print(f"{'not ok' if result == 'different' else 'ok'} {number} - {name}{skip}")
    else:
        print(f"{result:<10} {name}" + (f": {script['known']}" if result == "known" else ""))


def warm_up(arms, services):
    """Both nodes know the neighbours before the first script."""
    reset(arms, services)
    for family in FAMILIES:
        for host in ("a", "b", "c"):
            script = {"name": "warm up", "steps": [], "quiet": 0.2}
            run = Run(script, family, arms, services)
            run.send("x", f"ip({host}) / udp(9, 9)")
            run.receive()
        for service in ("self", "web"):
            run.send("d", f"ip({service}) / udp(9, 53)")
            run.receive()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
