# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of a step in both arms, and which differences a step may show. README.md says why natbridge has each."""

DEVICES = ("cni0", "up0", "up1", "up2", "lo")


def kept_source(kube, mine):
    """The backend sees the client itself, where kube-proxy shows it the node."""
    return {
        next((f"{who(one)} {device}" for device in DEVICES if f"{who(one)} {device}" in kube), one) if one.endswith(" client") else one
        for one in mine
    }


def reserved(kube, mine):
    """The node as its own backend sees the reserved address, where kube-proxy leaves its own."""
    return kept_source(kube, {one.replace(" reserved", " client") for one in mine}) if any(" reserved" in one for one in mine) else mine


def as_outside(kube, mine):
    """
    To a pod of another node: the endpoints of this node, or none, where kube-proxy has those of all nodes, and the node's address,
    where kube-proxy leaves the pod's.
    """
    if mine < kube or mine == {"silent"}:
        return kube
    return {f"{who(one)} client" if one.endswith(tuple(f" {device}" for device in DEVICES)) else one for one in mine}


def instead(theirs, *ours):
    """One of these outcomes in place of kube-proxy's."""
    def difference(kube, mine):
        return {theirs if one in ours and theirs in kube else one for one in mine}
    return difference


# By the name that a step has under "allow": from both arms' outcomes, what natbridge's would be without that difference.
DIFFERENCES = {
    "source": kept_source,
    "reserved": reserved,
    "elsewhere": as_outside,
    "reset": instead("port unreachable", "reset"),
    "silent": instead("not permitted", "silent"),
    "cut": instead("goes on", "reset"),
    "stale": instead("goes on", "port unreachable", "silent"),
}


def who(outcome):
    return outcome.split()[0]


def judge(kube, mine, names):
    """Whether they are the same but for these differences, and which of them there are."""
    shown = set()
    for name in names:
        without = DIFFERENCES[name](kube, mine)
        if kube != mine and without != mine:
            shown.add(name)
            mine = without
    return kube == mine, shown
