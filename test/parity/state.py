# SPDX-License-Identifier: GPL-2.0-or-later
"""What node and pod look like, as lines of text in which what is random by nature is masked."""
import collections
import glob
import json
import os
import re
import subprocess

from nodes import TEST_BIN_DIR

MAC = re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b")
HOST_END = re.compile(r"\bveth[0-9a-f]{8,}")
LINK_LOCAL = re.compile(r"\bfe80::[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){1,3}")
# Numbers of links, and what has MAC addresses or moments in it.
NOT_OF_LINKS = {
    "ifindex", "link_index", "link_netnsid", "link", "bridge_id", "root_id", "designated_bridge", "id", "no", "designated_port",
    "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "message_age_timer", "forward_delay_timer", "hold_timer",
    "valid_life_time", "preferred_life_time",
}
# Counters and secrets of the kernel's own.
NOT_OF_SYSCTL = {"stable_secret"}


def flat(value, path=""):
    """Lines "path = value" of JSON."""
    if isinstance(value, dict):
        return [line for key in sorted(value) for line in flat(value[key], f"{path}.{key}" if path else key)] or [f"{path} = {{}}"]
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return [line for i, item in enumerate(value) for line in flat(item, f"{path}[{i}]")]
    if isinstance(value, list):
        return [f"{path} = [{', '.join(map(str, value))}]"]
    return [f"{path} = {value}"]


def documents(text):
    """JSON documents that follow each other."""
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        yield value


def batch(program, commands):
    return list(documents(run([*program, "-batch", "-"], "\n".join(commands))))


def run(command, text=None):
    """In the namespace that this thread has entered."""
    return subprocess.run(command, input=text, text=True, capture_output=True, check=False).stdout


class Snapshot:
    """Looks at one arm now. lines: a multiset, so that two links of the same masked name count twice."""

    def __init__(self, arm, keep):
        self.arm, self.keep = arm, keep  # keep: text in which a MAC address stands that is not random
        self.raw = []
        for where in ("node", "pod"):
            with getattr(arm, where).entered():
                self.look(where)
        self.add("ipam", self.ipam_files())
        self.lines = collections.Counter(mask(arm, "\n".join(self.raw)).split("\n"))

    def add(self, prefix, lines):
        self.raw += [f"{prefix}: {line}" for line in lines]

    def look(self, where):
        links, neighbours, routes = batch(["ip", "-j", "-d"], ["address show", "neighbour show", "route show table all"])
        routes6, = batch(["ip", "-j", "-6"], ["route show table all"])
        self.name_macs(where, links)
        for link in links:
            self.add_link(where, link)
        for neighbour in neighbours:
            if "PERMANENT" not in neighbour.get("state", ()):  # what the kernel learns comes and goes
                continue
            self.add(f"{where} neighbour", [f"{neighbour['dst']} {neighbour.get('dev')} {neighbour.get('lladdr', '-')}"])
        for route in routes + routes6:
            self.add(f"{where} route", [" ".join(self.route_words(route))])
        self.add_sysctls(where)
        if where == "node":
            self.add_bridge()
            self.add_rules()
            self.add_programs([link["ifname"] for link in links])

    @staticmethod
    def route_words(route):
        for key in ("type", "dst", "gateway", "dev", "table", "metric", "protocol", "scope", "prefsrc", "src", "flags", "metrics"):
            if route.get(key) not in (None, []):
                yield f"{key} {route[key]}"

    def name_macs(self, where, links):
        for link in sorted(links, key=lambda link: link.get("linkinfo", {}).get("info_kind") == "bridge"):
            mac = link.get("address", "")
            if mac not in ("", "00:00:00:00:00:00") and mac not in self.keep:
                self.arm.macs.setdefault(mac, f"MAC-of-{where}-{link['ifname']}")

    def add_link(self, where, link):
        prefix = f"{where} {link['ifname']}"
        fields = {key: value for key, value in link.items() if key not in NOT_OF_LINKS | {"addr_info", "ifname"}}
        self.add(prefix, flat(prune(fields)))
        for address in link.get("addr_info", ()):
            text = f"address {address['local']}/{address['prefixlen']}"
            self.add(prefix, [text, *[f"{text} {key} {value}" for key, value in address.items()
                                      if key not in NOT_OF_LINKS | {"local", "prefixlen"}]])

    def add_bridge(self):
        """The flags of ports are among the details of links; VLANs not all kernels have."""
        entries, = documents(run(["bridge", "-j", "fdb", "show"]))
        vlans = run(["bridge", "-j", "vlan", "show"]) if VLANS else ""
        for entry in entries:
            # Not what the bridge has learned, nor the groups that links listen to: both come and go by themselves.
            if entry.get("state") not in ("permanent", "static") or int(entry["mac"][:2], 16) & 1:
                continue
            words = [f"{key} {entry[key]}" for key in ("mac", "ifname", "master", "vlan", "state", "flags") if entry.get(key) not in (None, [])]
            self.add("node fdb", [" ".join(words)])
        for vlan in json.loads(vlans) if vlans.strip().endswith("]") else []:
            self.add(f"node vlan {vlan.get('ifname')}", flat({k: v for k, v in vlan.items() if k != "ifname"}))

    def add_rules(self):
        text, chain, number = run(["nft", "list", "ruleset"]), "", 0
        for line in text.splitlines():
            words = line.split("#")[0].split()
            if words[:1] in (["table"], ["chain"], ["set"], ["map"]):
                chain = " ".join(words[:3]) if words[0] == "table" else chain.split(" / ")[0] + " / " + words[1]
                number = 0
            elif words not in ([], ["}"]):
                self.add(f"node nft {chain}", [f"{number} {' '.join(words)}"])
                number += 1
            if words[-1:] == ["{"]:
                self.add("node nft", [chain])
        # iptables-save would make tables where there are none.
        if text or any(read(f"/proc/thread-self/net/{name}") for name in ("ip_tables_names", "ip6_tables_names")):
            for program in ("iptables-save", "ip6tables-save"):
                lines = run([program]).splitlines()
                self.add(f"node {program}", [f"{i} {line}" for i, line in enumerate(x for x in lines if x[:1] in "*-:")])

    def add_programs(self, names):
        for name in names:
            if name == "lo" or self.arm.name == "reference":
                continue
            self.add(f"node {name}: program", run(["build/test/netns/attached", name]).splitlines())

    def add_sysctls(self, where):
        """All of each link and of all and default: the plugin writes them by name."""
        with os.scandir("/proc/sys/net/ipv4/conf") as links:
            names = [entry.name for entry in links]
        for family in ("ipv4", "ipv6"):
            for name in names:
                for key in sysctl_keys(family):
                    value = read(f"/proc/sys/net/{family}/conf/{name}/{key}")
                    if value is not None:
                        self.raw.append(f"{where} sysctl {family}/conf/{name}/{key} = {value}")
        self.raw.append(f"{where} sysctl ipv4/ip_forward = {read('/proc/sys/net/ipv4/ip_forward')}")

    def ipam_files(self):
        for path in sorted(glob.glob(f"{self.arm.ipam_directory}/*/*")):
            if not path.endswith("lock"):
                yield f"{os.path.basename(path)} = {read(path)!r}"


def mask(arm, text):
    """Of a line, or of many at once; the MAC addresses are those that snapshots have found."""
    text = MAC.sub(lambda mac: arm.macs.get(mac[0], mac[0]), text)
    for namespace in arm.namespaces:
        where = namespace.name.rsplit("-", 1)[-1]
        text = text.replace(namespace.path, where).replace(namespace.name, where)
    for path, name in ((arm.bpffs, "BPFFS"), (arm.ipam_directory, "DIR"), (TEST_BIN_DIR, "BIN")):
        text = text.replace(path, name)
    # Lower layer down: no carrier, and by chance the two ends do not have the same number.
    return HOST_END.sub("HOST", LINK_LOCAL.sub("fe80::*", text).replace("LOWERLAYERDOWN", "DOWN"))


def prune(value):
    if isinstance(value, dict):
        return {key: prune(item) for key, item in value.items() if key not in NOT_OF_LINKS}
    return value


def read(path):
    """A small file; None if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(descriptor, 4096).decode().strip()
    except OSError:
        return None
    finally:
        os.close(descriptor)


VLANS = run(["bridge", "-j", "vlan", "show"]).strip().endswith("]")  # whether the kernel has them
SYSCTL_KEYS = {}


def sysctl_keys(family):
    if family not in SYSCTL_KEYS:
        try:
            SYSCTL_KEYS[family] = sorted(set(os.listdir(f"/proc/sys/net/{family}/conf/lo")) - NOT_OF_SYSCTL)
        except OSError:
            SYSCTL_KEYS[family] = []
    return SYSCTL_KEYS[family]
