# SPDX-License-Identifier: GPL-2.0-or-later
"""A strict reader of Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/"""

import re

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)|NaN")
# Gauges whose names kube-proxy ends like those of counters.
MISNAMED = ("kubeproxy_sync_proxy_rules_no_local_endpoints_total",)


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"label: {text[at:]}"
        assert match[1] not in labels, f"label {match[1]} twice"
        labels[match[1]] = re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], match[2])
        at = match.end()
    return labels


class Family:
    def __init__(self, name, kind):
        self.name, self.kind, self.samples = name, kind, {}

    def add(self, line):
        match = SAMPLE.fullmatch(line)
        assert match, f"sample: {line}"
        name, value = match[1], match[3]
        assert NUMBER.fullmatch(value), f"value: {line}"
        suffixes = ("_bucket", "_sum", "_count") if self.kind == "histogram" else ("",)
        assert name in [self.name + suffix for suffix in suffixes], f"{line} among those of {self.name}"
        key = name, frozenset(parse_labels(match[2] or "").items())
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(value)

    def check(self):
        is_total = self.name.endswith("_total")
        assert is_total == (self.kind == "counter") or self.name in MISNAMED, f"{self.name} is a {self.kind}"
        assert len({frozenset(key for key, _ in labels if key != "le") for _, labels in self.samples}) <= 1, \
            f"{self.name}: different labels"
        if self.kind == "histogram":
            for labels in {frozenset(pair for pair in labels if pair[0] != "le") for _, labels in self.samples}:
                self.check_histogram(labels)

    def check_histogram(self, labels):
        buckets = sorted((float(dict(have)["le"]), value) for (name, have), value in self.samples.items()
                         if name == self.name + "_bucket" and labels < have)
        counts = [value for _, value in buckets]
        assert counts == sorted(counts), f"{self.name}: not cumulative"
        assert buckets[-1] == (float("inf"), self.samples[self.name + "_count", labels]), self.name
        assert (self.name + "_sum", labels) in self.samples, f"{self.name}: no sum"


def parse(text):
    """{name: Family}"""
    assert text.endswith("\n")
    families, family, helped = {}, None, None
    for line in text[:-1].split("\n"):
        if match := re.fullmatch(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S[^\\]*)", line):
            helped = match[1]
            assert helped not in families, f"twice: {line}"
        elif match := re.fullmatch(r"# TYPE (\S+) (counter|gauge|histogram)", line):
            assert match[1] == helped, f"no help before {line}"
            family = families[helped] = Family(helped, match[2])
        else:
            assert family and family.name == helped, f"no type before {line}"
            family.add(line)
    for family in families.values():
        family.check()
    return families


def value(families, name, family=None, **labels):
    return families[family or name].samples[name, frozenset(labels.items())]
