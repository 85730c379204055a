# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of what was measured, with kube-proxy's figures as multiples of the agent's."""
import os
import platform
import re
import subprocess

AGENT = "agent"
# The agent is to be so many times cheaper, in each row that is CPU time or memory.
TARGET = 10

MB = 1e-6
# Name, text, unit, scale, whether the target is for it.
ROWS = [
    ("first_cpu", "first sync, CPU", "s", 1, True),
    ("loaded_cpu", "first sync, datapath loaded before, CPU", "s", 1, True),
    ("first_wall", "first sync, by the clock", "s", 1, False),
    ("first_peak", "first sync, most memory resident", "MB", MB, True),
    ("idle_resident", "resident memory some time later", "MB", MB, True),
    ("idle_private", "of it not shared with other processes", "MB", MB, False),
    ("changed_resident", "resident memory after changes", "MB", MB, True),
    ("idle_cpu", "a minute without changes, CPU", "ms", 1000, True),
    ("change_cpu", "one changed EndpointSlice, CPU", "ms", 1000, True),
    ("restart_cpu", "restart, nothing changed, CPU", "s", 1, True),
    ("restart_wall", "restart, by the clock", "s", 1, False),
    ("restart_peak", "restart, most memory resident", "MB", MB, True),
]


def value(rows, name):
    """kube-proxy has nothing to load before."""
    return rows.get(name, rows["first_cpu"] if name == "loaded_cpu" else None)


def ratios(results):
    """(row, Services, proxy, figure, figure of the agent or None) of all."""
    agents = {result["services"]: result for result in results if result["proxy"] == AGENT}
    for result in results:
        agent = agents.get(result["services"])
        for row in ROWS:
            yield row, result, value(result, row[0]), agent and value(agent, row[0])


def too_dear(results):
    found = []
    for (_, text, unit, scale, is_judged), result, figure, agent in ratios(results):
        if is_judged and agent and result["proxy"] != AGENT and figure < TARGET * agent:
            found.append(f"{result['services']} Services, {text}: the agent takes {agent * scale:.3g} {unit}, kube-proxy {figure * scale:.3g} {unit} "
                         f"({result['proxy']}), {figure / agent:.1f} times as much; {TARGET} is the target")
    return found


def text(results):
    """A table for each number of Services."""
    lines = [machine()]
    for services in dict.fromkeys(result["services"] for result in results):
        mine = [result for result in results if result["services"] == services]
        lines += ["", f"{services} Services, {mine[0]['endpoints']} endpoints each"]
        lines.append(f"  {'':<44}" + "".join(f"{result['proxy']:>22}" for result in mine))
        for row in ROWS:
            cells = [cell(figure, agent, result["proxy"], row[3]) for that, result, figure, agent in ratios(mine) if that is row]
            lines.append(f"  {f'{row[1]}, {row[2]}':<44}" + "".join(f"{text:>22}" for text in cells))
        lines += [f"  {result['proxy']}: {result['changes']} changes, one every {result['change_pause']:.2f} s, written by {result['change_syncs']:.0f} syncs"
                  for result in mine]
    lines += ["", "In parentheses: how many times as much as the agent."]
    return "\n".join(lines)


def cell(figure, agent, proxy, scale):
    shown = f"{figure * scale:.3g}" if figure * scale < 100 else f"{figure * scale:.0f}"
    return shown if proxy == AGENT or not agent else f"{shown} ({figure / agent:.3g})"


def output(*command):
    try:
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"


def machine():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"^model name\s*: (.*)$", file.read(), re.M)
    return (f"{model[1] if model else platform.machine()}, Linux {platform.release()}, {output(os.environ['BUILD'] + '/natbridge-agent', '--version')}, kube-proxy "
            f"{output(os.environ['KUBE_BIN'] + '/kube-proxy', '--version').split()[-1]}, {output('nft', '--version').split(' (')[0]}, "
            f"{output('iptables', '--version').split(' (')[0]}")
