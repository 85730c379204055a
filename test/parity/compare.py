# SPDX-License-Identifier: GPL-2.0-or-later
"""Which differences are intended: differences.yaml gives each a name, a reason and the lines that it may touch."""
import re

KEYS = {"name", "reason", "everywhere", "reference", "natbridge"}


class Difference:
    def __init__(self, entry):
        if set(entry) - KEYS or not {"name", "reason"} <= set(entry):
            raise SystemExit(f"differences.yaml: {entry}")
        self.name, self.everywhere, self.seen = entry["name"], entry.get("everywhere", False), False
        self.patterns = {arm: [re.compile(p) for p in entry.get(arm, ())] for arm in ("reference", "natbridge")}

    def excuses(self, arm, line):
        return any(pattern.search(line) for pattern in self.patterns[arm])


class Differences:
    def __init__(self, entries):
        self.all = {entry["name"]: Difference(entry) for entry in entries}

    def of(self, names):
        """Those that a config may have: the ones it names, then those that are everywhere."""
        unknown = set(names) - set(self.all)
        if unknown:
            raise SystemExit(f"there is no difference {', '.join(sorted(unknown))} in differences.yaml")
        return [self.all[name] for name in names] + [d for d in self.all.values() if d.everywhere and d.name not in names]

    def unseen(self):
        return [difference.name for difference in self.all.values() if not difference.seen]


def compare(reference, natbridge, allowed):
    """
    Two multisets of lines. Returns the lines that differ without excuse, as "- line" (reference only) and "+ line" (natbridge only),
    and the names of the differences that excused others.
    """
    left, met = [], set()
    for arm, sign, only in (("reference", "-", reference - natbridge), ("natbridge", "+", natbridge - reference)):
        for line in sorted(only.elements()):
            excuse = next((difference for difference in allowed if difference.excuses(arm, line)), None)
            if excuse:
                met.add(excuse.name)
            else:
                left.append(f"{sign} {line}")
    return left, met
