# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the matrix: main.py [--tap] [--list] [-v] [NAME...] PREFIX DIRECTORY. See README.md."""
import collections
import concurrent.futures
import glob
import os
import re
import sys
import time
import traceback

import yaml

from compare import Differences, compare
from nodes import Arm
from state import Snapshot, flat, mask

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIONS = set()
KEYS = {"name", "config", "stdin", "env", "node", "pod", "steps", "says", "allow", "known"}
VERBS = {"ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"}
BASE = {"cniVersion": "1.1.0", "bridge": "cni0", "serviceProxy": {"mode": "off"}}
SHOWN = 40  # lines of a config that differs
WORKERS = 4  # configs at a time: much of one is waiting for the kernel
# Carrier and link-local addresses come late: seconds that both arms have to look the same in such lines.
SETTLE = 3.0
SETTLING = re.compile(r"operstate|flags = |LOWER_UP|linkdown|fe80:|ff00:|tentative|\.state = | route: ")


def load(path):
    with open(path) as file:
        return yaml.safe_load(file)


def configs():
    found = []
    for path in sorted(glob.glob(f"{HERE}/configs/*.yaml")):
        for config in load(path):
            if "name" not in config:  # shared parts
                continue
            if set(config) - KEYS:
                raise SystemExit(f"{path}: {config['name']}: unknown key {', '.join(sorted(set(config) - KEYS))}")
            found.append({**config, "file": os.path.basename(path)[:-5]})
    names = [config["name"] for config in found]
    if len(set(names)) < len(names):
        raise SystemExit(f"twice the same name: {max(names, key=names.count)}")
    return [{**config, "number": number} for number, config in enumerate(found)]


class Run:
    """One config in both arms, step by step."""

    def __init__(self, config, differences, prefix, directory):
        self.config = config
        self.allowed = differences.of(config.get("allow", ()))
        self.arms = [Arm(name, config["number"], prefix, directory) for name in ("reference", "natbridge")]
        self.met, self.report = set(), []
        self.label, self.counts = "", collections.Counter()

    def run(self):
        try:
            for where in ("node", "pod"):
                for script in self.config.get(where, ()):
                    self.shell(where, script)
            for step in self.config.get("steps", ["ADD", "CHECK", "DEL", "DEL"]):
                self.step(step)
        finally:
            for arm in self.arms:
                arm.close()
        return self.verdict()

    def shell(self, where, script):
        for arm in self.arms:
            arm.shell(where, script)

    def step(self, step):
        """A verb, {VERB: {config: ..., env: ...}}, or {node: SHELL}, {pod: SHELL}."""
        (key, value), = step.items() if isinstance(step, dict) else ((step, {}),)
        if key in ("node", "pod"):
            self.shell(key, value)
            return
        if key not in VERBS:
            raise SystemExit(f"{self.config['name']}: there is no step {key}")
        if key == "CHECK" and all(arm.result is None for arm in self.arms) and step == "CHECK":
            return
        self.counts[key] += 1
        self.label = key if self.counts[key] == 1 else f"{key} {self.counts[key]}"
        keys = {**BASE, **(self.config.get("config") or {}), **(value.get("config") or {})}
        environment = {**self.config.get("env", {}), **value.get("env", {})}
        answers = [arm.call(key, keys, environment, self.config.get("stdin")) for arm in self.arms]
        self.compare(answers)

    def compare(self, answers):
        """Both arms may take a moment until they look the same."""
        until = time.monotonic() + (0 if self.config.get("known") else SETTLE)
        while True:
            looks = [self.look(arm, answer) for arm, answer in zip(self.arms, answers)]
            left, met = compare(*looks, self.allowed)
            if all(not SETTLING.search(line) for line in left) or time.monotonic() > until:
                break
            time.sleep(0.1)
        self.check_says(answers[1][1])
        self.report += left
        self.met |= met

    def look(self, arm, answer):
        """What one arm has answered and what it looks like now, as a multiset of lines."""
        lines = Snapshot(arm, str(self.config)).lines
        code, printed = answer
        said = [f"exit = {code}", *(flat(printed, "error" if code else "result") if printed is not None else ["prints nothing"])]
        said = [mask(arm, line) for line in said]
        if self.says():
            said = [line for line in said if not line.startswith(("error.code ", "error.msg "))]
        lines.update(said)
        return collections.Counter({f"{self.label}: {line}": count for line, count in lines.items()})

    def says(self):
        """The error, code and text, that natbridge must give where it is not the reference's; a text may end in "..."."""
        says = self.config.get("says", {})
        return says.get(self.label, says.get(self.label.split()[0])) if isinstance(says, dict) else says

    def check_says(self, printed):
        if not self.says():
            return
        code, text = self.says()
        printed = printed if isinstance(printed, dict) else {}
        said = mask(self.arms[1], str(printed.get("msg")))
        if printed.get("code") != code or not (said.startswith(text[:-3]) if text.endswith("...") else said == text):
            self.report.append(f"! {self.label}: natbridge says [{printed.get('code')}, {said}], not what stands under \"says\"")

    def verdict(self):
        """same, allowed, known or different."""
        unmet = set(self.config.get("allow", ())) - self.met
        if self.config.get("known"):
            if self.report:
                return "known"
            self.report.append("! is no longer different: remove \"known\"")
            return "different"
        self.report += [f"! does not have the difference {name} any more" for name in sorted(unmet)]
        if self.report:
            return "different"
        return "allowed" if self.met & set(self.config.get("allow", ())) or self.config.get("says") else "same"


def run_one(config, differences, prefix, directory):
    try:
        run = Run(config, differences, prefix, directory)
        return run.run(), run.report, run.met
    except Exception:  # pylint: disable=broad-except # one config must not end the others
        return "different", traceback.format_exc().splitlines(), set()


def say(config, result, number):
    name = f"{config['file']}: {config['name']}"
    if "--tap" in OPTIONS:
        skip = f" # SKIP {config['known']}" if result == "known" else ""
        print(f"{'not ok' if result == 'different' else 'ok'} {number} - {name}{skip}")
    else:
        why = config.get("known") if result == "known" else ", ".join(config.get("allow", ())) if result == "allowed" else ""
        print(f"{result:<10} {name}" + (f": {why}" if why else ""))


def main(arguments):
    OPTIONS.update(a for a in arguments if a.startswith("-"))
    words = [a for a in arguments if not a.startswith("-")]
    everything = configs()
    if "--list" in OPTIONS:
        for config in everything:
            print(f"{config['file']:<12} {config['name']}")
        return 0
    *wanted, prefix, directory = words
    differences = Differences(load(f"{HERE}/differences.yaml"))
    for config in everything:
        differences.of(config.get("allow", ()))
    chosen = [c for c in everything if not wanted or any(word in f"{c['file']}: {c['name']}" for word in wanted)]
    counts = {"same": 0, "allowed": 0, "known": 0, "different": 0}
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        runs = pool.map(lambda config: run_one(config, differences, prefix, directory), chosen)
        for config, (result, report, met) in zip(chosen, runs):
            counts[result] += 1
            say(config, result, sum(counts.values()))
            show(result, report, met)
            for name in met:
                differences.all[name].seen = True
            sys.stdout.flush()
    return summary(counts, differences.unseen() if not wanted else [])


def show(result, report, met):
    """What differs; all of it with -v."""
    verbose = "-v" in OPTIONS
    if result == "different" or verbose:
        shown = report if verbose else report[:SHOWN]
        print("".join(f"      {line}\n" for line in shown), end="")
        if len(shown) < len(report):
            print(f"      and {len(report) - len(shown)} more lines; -v shows them")
    if verbose:
        print(f"      differences met: {', '.join(sorted(met)) or 'none'}")


def summary(counts, unseen):
    total = sum(counts.values())
    if "--tap" in OPTIONS:
        for name in unseen:
            print(f"not ok {total + 1} - differences.yaml: no config has the difference {name}")
        print(f"1..{total + len(unseen)}")
    else:
        print("".join(f"different  differences.yaml: no config has the difference {name}\n" for name in unseen), end="")
        print(f"{total} configs: " + ", ".join(f"{count} {result}" for result, count in counts.items()))
        print(f"{counts['same'] + counts['allowed']} passed, {counts['different'] + len(unseen)} failed, {counts['known']} skipped")
    return 1 if counts["different"] or unseen or not total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
