# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether both arms delivered the same in a step, but for the differences that a script names. README.md lists them."""
import re

from frames import defragment, describe, fragment_of
from nodes import ADDRESS, FAMILIES, TARGETS, is_vip

# Of a whole script, and of one step: a step that may lose or leak packets must say so itself.
SCRIPT_ALLOWS = {"port", "masquerade", "id", "reject", "refrag", "backend", "echo"}
STEP_ALLOWS = SCRIPT_ALLOWS | {"drop", "leak", "stale"}
GATEWAYS = tuple(ADDRESS[family]["gw"] for family in FAMILIES)
ESSENCE = ("seq", "ack", "flags", "rest", "data")


def mask_reject(fields):
    """A reset or port unreachable, whoever says so and however much is quoted."""
    if fields.get("proto") == 6 and int(fields.get("flags", "0"), 16) & 4:
        return {"to": fields["to"], "rejected": "TCP"}
    if fields.get("icmp") in ("3/3", "1/4"):
        return {"to": fields["to"], "rejected": "TCP" if fields.get("quoted proto") == 6 else "UDP"}
    return fields


def anonymous(frames_by_host, order):
    """The same with pods b and c called P and Q: P is the one that got something first."""
    text = repr({host: frames for host, frames in frames_by_host.items() if host not in "bc"})
    text += repr([frames_by_host.get(host) for host in order])
    for name, host in zip("PQ", order):
        for family in FAMILIES:
            text = text.replace(f"'{ADDRESS[family][host]}'", f"'{name}'")
        text = re.sub(rf"'(to|from)': '{host}'", rf"'\1': '{name}'", text)
    return text


def only_dropped(kernel, natbridge):
    """natbridge delivered nothing, or a part of a datagram, which no stack makes anything of."""
    return all(fragment_of(frame.data) for frames in natbridge.values() for frame in frames) and any(kernel.values())


def only_stale(kernel, natbridge, replaced):
    """The kernel brought a packet of an old connection to the next owner of an address; natbridge did not, but may have sent a reset."""
    others = [fields for host in natbridge for fields in natbridge[host] if host not in replaced]
    return (
        any(kernel[host] for host in replaced) and not any(natbridge[host] for host in replaced)
        and all("rejected" in mask_reject(fields) for fields in others)
    )


class Allowed:
    """
    What one run may do differently. ports: those that the script names; all others may be chosen at random. routed: one arm
    routes what the other one switches, so that it comes from the gateway's MAC with a TTL that is one less.
    """

    def __init__(self, names, ports, routed=False):
        self.names, self.ports, self.routed = set(names), ports, routed
        self.replaced = set()  # pods that have the address of an earlier one
        self.order = {}  # by arm: pods b and c, the one first that got something first
        self.chosen = {}  # by arm: random ports in the order of their appearance, so that answers must fit

    def same(self, got, arms, names):
        """got: the frames of a step by arm and host."""
        names = self.names | set(names)
        views = [self.view(got[arm.name], arm, names) for arm in arms]
        if views[0] == views[1]:
            return True
        if "drop" in names and only_dropped(got["k"], {h: defragment(f) for h, f in got["n"].items()}):
            return True
        if "stale" in names and only_stale(*views, self.replaced):
            return True
        return "leak" in names and self.only_leaks(*views)

    def describe_all(self, received, arm, names):
        """What one arm's hosts received in a step, as far as it has to be the same."""
        result = {}
        for host, frames in received.items():
            described = [describe(frame, arm) for frame in (defragment(frames) if "refrag" in names else frames)]
            if "reject" in names:
                described = [mask_reject(fields) for fields in described]
            if "echo" in names:  # ports with the hairpin flag send floods back
                described = [fields for fields in described if fields.get("from") != host]
            for fields in described:
                self.mask(fields, arm, names)
            result[host] = described
        return result

    def view(self, received, arm, names):
        result = self.describe_all(received, arm, names)
        if "backend" not in names:
            return result
        if result["b"] or result["c"]:
            self.order.setdefault(arm.name, "bc" if result["b"] else "cb")
        return anonymous(result, self.order.get(arm.name, "bc"))

    @staticmethod
    def as_switched(fields):
        if fields.get("from") == "gw" and fields.get("ttl", 64) < 64:
            fields["ttl"] += 1
        fields.pop("from", None)
        fields.pop("quoted ttl", None)

    def mask(self, fields, arm, names):
        if self.routed:
            self.as_switched(fields)
        for address, port in (("src", "sport"), ("dst", "dport"), ("quoted src", "quoted sport"), ("quoted dst", "quoted dport")):
            if port not in fields:
                continue
            masqueraded = "masquerade" in names and fields[address] in GATEWAYS
            if masqueraded:
                fields[port] = "*"
            elif "port" in names and fields[port] not in self.ports:
                fields[port] = self.nickname(fields[port], arm)
        if "id" in names:
            fields.pop("id", None)
            fields.pop("flow", None)

    def nickname(self, port, arm):
        chosen = self.chosen.setdefault(arm.name, [])
        if port not in chosen:
            chosen.append(port)
        return f"random {chosen.index(port)}"

    @staticmethod
    def only_leaks(kernel, natbridge):
        """
        The kernel leaves a packet that it holds invalid untranslated, so that it comes with a backend's address or goes astray
        with a VIP. natbridge translates it or drops it.
        """
        extra = [
            [fields for host in one for fields in one[host] if fields not in other[host]]
            for one, other in ((kernel, natbridge), (natbridge, kernel))
        ]
        leaked = [[fields.get(key) for key in ESSENCE] for fields in extra[0]]
        right = all(fields.get("sport") not in TARGETS and not is_vip(fields.get("dst", "")) for fields in extra[1])
        return right and bool(leaked) and all([fields.get(key) for key in ESSENCE] in leaked for fields in extra[1])
