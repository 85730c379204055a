# SPDX-License-Identifier: GPL-2.0-or-later
"""
The command line of the proofs: "run" beside this file calls it.

  main.py BUILD [--tap] [--long] [--list] [--mutations] [NAME...]

BUILD is the directory of the build. NAME picks theorems, checks and mutations. README.md has the options.
"""
import importlib
import os
import sys
import time
import traceback

import checks
import elf
import mutations
import solve
import theorem
import vectors
from machine import Fault

SUBJECTS = ("csum", "nat", "icmp", "reject", "ports", "prefix", "table", "life", "flow")


class Report:
    """What came of each step, for people or as TAP."""

    def __init__(self, tap, count):
        self.tap, self.number, self.failed = tap, 0, 0
        if tap:
            print(f"1..{count}", flush=True)

    def step(self, name, says, function):
        """function() returns a note, or raises."""
        began = time.process_time()
        skip = ""
        try:
            note, failure = function(), ""
        except vectors.Skip as reason:
            note, failure, skip = f"skipped: {reason}", "", f" # SKIP {reason}"
        except (solve.Refuted, solve.Unknown, Fault, AssertionError) as error:
            note, failure = "", f"{type(error).__name__}: {error}"
        except Exception:  # a fault in the proofs themselves
            note, failure = "", traceback.format_exc()
        self.number += 1
        self.failed += bool(failure)
        seconds = time.process_time() - began
        if self.tap:
            print(f"{'not ok' if failure else 'ok'} {self.number} - {name}: {says}{skip}", flush=True)
        else:
            print(f"  {'FAILED' if failure else 'ok    '} {seconds:7.1f} s  {name}{note and ': '}{note}", flush=True)
        for line in failure.splitlines():
            print(f"# {line[:1000]}", flush=True)


class Objects:
    """What make has built for the proofs: objects by name, which are read when they are needed, and programs."""

    def __init__(self, build):
        self.build, self.folder, self.read = build, os.path.join(build, "obj/prove"), {}
        self.tool = os.path.join(build, "test/prove/run_vectors")

    def path(self, name):
        return os.path.join(self.folder, f"{name}.o")

    def __getitem__(self, name):
        if name not in self.read:
            self.read[name] = elf.Object(self.path(name))
        return self.read[name]

    def program(self, name):
        return elf.Object(os.path.join(self.build, f"obj/bpf/{name}.bpf.o"))

    def compiler(self):
        """The command, for a shell."""
        with open(os.path.join(self.folder, "compiler"), encoding="utf-8") as file:
            return file.read().strip()


def prove(one, objects, long):
    subject = theorem.Subject(objects[one.source], long)
    one.prove(subject)
    return f"{subject.goals} statements"


def main(args):
    options = {arg for arg in args if arg.startswith("--")}
    unknown = options - {"--tap", "--long", "--list", "--mutations"}
    if unknown or not args:
        print(f"main.py: unknown option {' '.join(unknown)}" if unknown else __doc__, file=sys.stderr)
        return 2
    build, *names = [arg for arg in args if arg not in options]
    for subject in SUBJECTS:
        importlib.import_module(f"about_{subject}")
    objects, long = Objects(build), "--long" in options
    steps = [(one.name, one.says, lambda one=one: prove(one, objects, long)) for one in theorem.ALL if long or one.quick]
    steps = [*checks.steps(objects, long), *steps]
    if "--mutations" in options:
        steps = mutations.steps(objects, steps)
    if names:
        steps = [step for step in steps if step[0] in names]
        missing = set(names) - {step[0] for step in steps}
        if missing:
            print(f"main.py: nothing is called {' '.join(sorted(missing))}", file=sys.stderr)
            return 2
    if "--list" in options:
        for name, says, _ in steps:
            print(f"{name}: {says}")
        return 0
    report = Report("--tap" in options, len(steps))
    for step in steps:
        report.step(*step)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
