# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the scripts: main.py [--tap] [--list] [-v] [SCRIPT...] PREFIX DIRECTORY. See README.md."""
import glob
import os
import re
import sys
import time

import yaml

from compare import Allowed, describe, is_noise
from nodes import FAMILIES, HOSTS, Kernel, Natbridge
from packets import Speaker
from wire import gather

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = {"name", "rows", "families", "allow", "known", "steps", "noise", "quiet"}


def load(path):
    with open(path) as file:
        return yaml.safe_load(file)


def scripts():
    found = []
    for path in sorted(glob.glob(f"{HERE}/scripts/*.yaml")):
        for script in load(path):
            unknown = set(script) - KEYS
            if unknown:
                raise SystemExit(f"{path}: {script.get('name')}: unknown key {', '.join(unknown)}")
            found.append(script)
    return found


class Run:
    """One script in one family, in both arms at once."""

    def __init__(self, script, family, arms, services):
        self.script, self.family, self.arms = script, family, arms
        self.services, self.all_services = [dict(s) for s in services], services
        ports = {int(n) for step in script["steps"] for n in re.findall(r"\b\d{2,5}\b", str(step))}
        self.allowed = Allowed(script.get("allow", ()), ports | {8080, 5353, 80, 53})
        self.received = {arm.name: {host: [] for host in HOSTS} for arm in arms}
        self.result, self.report = "same", []

    def speaker(self, arm, host):
        return Speaker(arm, self.family, host, self.received[arm.name], self.all_services)

    def receive(self):
        """The frames that came since, by arm and host; they also go to self.received."""
        ports = {port: (arm, host) for arm in self.arms for host, port in arm.ports.items()}
        got = {arm.name: {host: [] for host in HOSTS} for arm in self.arms}
        for port, frames in gather(list(ports), quiet=self.script.get("quiet", 0.03)).items():
            arm, host = ports[port]
            for frame in frames:
                if is_noise(frame.data, self.script.get("noise") == "arp"):
                    continue
                self.received[arm.name][host].append(frame)
                got[arm.name][host].append(frame)
        return got

    def send(self, host, expression):
        for arm in self.arms:
            try:
                for frame in self.speaker(arm, host).evaluate(expression):
                    arm.ports[host].send(frame)
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

    def states(self, sport):
        found = {}
        for arm in self.arms:
            lines = [line for line in arm.connections() if re.search(rf"\bsport={sport}\b", line.split("dport=")[0] + "dport=")]
            found[arm.name] = sorted(
                " ".join(re.findall(r"\b[A-Z][A-Z_0-9]{3,}\b(?<!UNREPLIED)(?<!ASSURED)", line)
                         + re.findall(r"\[(?:UNREPLIED|ASSURED)\]", line)) for line in lines)
        return found

    def differ(self, step, what):
        self.result = "different"
        self.report.append((step, what))

    def judge(self, step, got):
        shown = {arm.name: {h: [describe(f, arm) for f in frames] for h, frames in got[arm.name].items()} for arm in self.arms}
        if shown["k"] == shown["n"] and "backend" not in self.allowed.names:
            return
        kernel, natbridge = (self.allowed.view(got[arm.name], arm) for arm in self.arms)
        if kernel != natbridge or not self.script.get("allow"):
            self.differ(step, shown)
        elif shown["k"] != shown["n"]:
            self.result = "allowed"

    def step(self, step):
        (key, value), = step.items()
        if key in HOSTS:
            self.send(key, value)
            self.judge(step, self.receive())
        elif key == "serve":
            self.serve(value)
        elif key == "wait":
            time.sleep(value)
        elif key == "state":
            found = self.states(value)
            if found["k"] != found["n"]:
                self.differ(step, found)
        elif key == "nothing":
            self.expect_nothing(value)
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
        for step in self.script["steps"]:
            self.step(step)
            if self.result == "different":
                break
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
    options = {a for a in arguments if a.startswith("-")}
    words = [a for a in arguments if not a.startswith("-")]
    if "--list" in options:
        for script in scripts():
            print(f"{','.join(script['rows']):<16} {script['name']}")
        return 0
    *wanted, prefix, directory = words
    services = load(f"{HERE}/services.yaml")
    arms = [Kernel("k", prefix, directory), Natbridge("n", prefix, directory)]
    counts, number, tap = {"same": 0, "allowed": 0, "different": 0}, 0, "--tap" in options
    warm_up(arms, services)
    for script in scripts():
        if wanted and not any(word in script["name"] for word in wanted):
            continue
        for family in script.get("families", FAMILIES):
            number += 1
            reset(arms, services)
            run = Run(script, family, arms, services)
            result = run.run()
            counts[result] += 1
            name = f"{','.join(script['rows'])}: {script['name']} (IPv{family})"
            if tap:
                print(f"{'not ok' if result == 'different' else 'ok'} {number} - {name}")
            else:
                print(f"{result:<10} {name}")
            if result == "different" or "-v" in options:
                show(run.report)
    print(f"1..{number}" if tap else ", ".join(f"{count} {result}" for result, count in counts.items()))
    return 1 if counts["different"] or not number else 0


def warm_up(arms, services):
    """Both nodes know the neighbours before the first script."""
    reset(arms, services)
    for family in FAMILIES:
        for host in ("a", "b", "c"):
            script = {"name": "warm up", "steps": [], "quiet": 0.2}
            run = Run(script, family, arms, services)
            run.send("x", f"ip({host}) / udp(9, 9)")
            run.receive()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
