# SPDX-License-Identifier: GPL-2.0-or-later
"""From the rows that scripts/bench.sh has measured to tables, JSON and plots: report.py all|check|count DIRECTORY MILLISECONDS."""
import json
import os
import platform
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = {
    "tcp-rr": "TCP request/response", "tcp-crr": "TCP connects", "udp-rr": "UDP request/response",
    "tcp-stream": "TCP stream, MB/s",
}
# What a path could reach at best: the same with programs that do nothing else (test/bench/bound.c).
BOUNDS = {"nat-vip": "peer-pod", "nat-pod": "hooks-pod"}
COSTS = {
    "add_first": "first ADD of a network", "add": "any later ADD", "del": "DEL", "many": "64 ADDs at once",
    "apply_10000": "apply 10,000 Services, 10 backends each", "apply_same": "apply the same again",
    "change_one": "apply a change of one of them", "apply_100000": "apply 100,000 Services, 1 backend each",
}


def rows(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [line.split() for line in file if line.strip()]


def figures(path):
    """By kind, family and path: {round: (rate, rate by CPU time)}."""
    found = {}
    for number, family, kind, name, rate, cpu in rows(path):
        found.setdefault((kind, family, name), {})[number] = (float(rate), float(cpu))
    return found


def ratio(found, kind, family, name, against, column=0):
    """Median and quartiles of the ratios of each round, or None."""
    one, other = found.get((kind, family, name)), found.get((kind, family, against))
    both = [one[r][column] / other[r][column] for r in one if r in other] if one and other else []
    if not both:
        return None
    if len(both) == 1:
        return both * 3
    low, middle, high = statistics.quantiles(both, n=4, method="inclusive")
    return [middle, low, high]


def standard_error(values, rounds):
    """Of a median, from the quartiles of so many rounds, as if they were spread normally."""
    return 1.2533 * (values[2] - values[1]) / 1.349 / rounds ** 0.5


def spread(values):
    return f"{values[0]:.3f} ({values[1]:.3f} .. {values[2]:.3f})"


def summarize(found, against="plain-pod"):
    result = []
    for (kind, family, name), by_round in found.items():
        clock = ratio(found, kind, family, name, against)
        cpu = ratio(found, kind, family, name, against, 1)
        result.append({
            "kind": kind, "family": f"IPv{family}", "path": name, "rounds": len(by_round),
            "per_second": round(statistics.median(r for r, _ in by_round.values())),
            "cpu_microseconds": round(1e6 / statistics.median(c for _, c in by_round.values()), 3),
            "ratio": clock, "ratio_cpu": cpu,
        })
    return result


def path_tables(summary):
    lines = []
    for kind, title in KINDS.items():
        for family in ("IPv4", "IPv6"):
            mine = [s for s in summary if s["kind"] == kind and s["family"] == family and s["ratio"]]
            if not mine:
                continue
            lines += ["", f"{title}, {family}", f"  {'path':<18}{'a second':>10}  {'CPU us':>8}   to plain-pod, by the clock      by CPU time"]
            for s in mine:
                lines.append(f"  {s['path']:<18}{s['per_second']:>10}  {s['cpu_microseconds']:>8.2f}   "
                             f"{spread(s['ratio']):<30}  {spread(s['ratio_cpu'])}")
    return lines


def read_targets():
    return [line for line in rows(os.path.join(HERE, "targets.txt")) if not line[0].startswith("#")]


def target_table(found):
    """Lines, and those of the ratios that are under their floor by more than twice what the rounds scatter."""
    lines, low = ["", f"  {'target':<50}{'measured':<28}{'at best':>9}{'target':>8}{'floor':>7}"], []
    for kind, family, name, against, target, floor in read_targets():
        values = ratio(found, kind, family, name, against)
        if not values:
            continue
        best = ratio(found, kind, family, BOUNDS.get(name), against)
        rounds = len(found[kind, family, name])
        state = "met" if values[0] >= float(target) else "missed"
        if values[0] + 2 * standard_error(values, rounds) < float(floor):
            state = "UNDER ITS FLOOR"
            low.append(f"{kind}, IPv{family}: {name} is at {spread(values)} of {against} in {rounds} rounds, under {floor}")
        lines.append(f"  {f'{kind} IPv{family}: {name} / {against}':<50}{spread(values):<28}{f'{best[0]:.3f}' if best else '':>9}{target:>8}{floor:>7}  {state}")
    if any(found.get((kind, family, bound)) for kind, family, _ in found for bound in BOUNDS.values()):
        lines.append("  at best: " + ", ".join(f"{name} as {bound}" for name, bound in BOUNDS.items()) + ", whose programs do nothing else, in the same rounds")
    return lines, low


def medians(path, key, value):
    found = {}
    for row in rows(path):
        found.setdefault(tuple(row[i] for i in key), []).append([float(row[i]) for i in value])
    return {k: [statistics.median(column) for column in zip(*v)] for k, v in found.items()}


def cost_table(costs):
    lines = ["", f"  {'runs of the programs (median)':<44}{'ms':>10}{'MB':>8}"]
    for (name,), (milliseconds, kilobytes) in costs.items():
        stem = name.rsplit("_", 1)
        title = COSTS.get(name) or f"{COSTS.get(stem[0], stem[0])}, {stem[1]}"
        lines.append(f"  {title:<44}{milliseconds:>10.1f}{kilobytes / 1024:>8.1f}")
    return lines


def memory_table(memory):
    lines = ["", f"  {'kernel memory':<32}{'kB':>10}{'entries':>12}{'bytes each':>12}"]
    for kind, name, size, entries in memory:
        each = f"{int(size) / int(entries):.0f}" if kind != "prog" else ""
        lines.append(f"  {kind + ' ' + name:<32}{int(size) / 1024:>10.0f}{entries:>12}{each:>12}")
    by_name = {name: (int(size), int(entries)) for kind, name, size, entries in memory}
    if "connections" in by_name and "conn_index" in by_name:
        size, connections = by_name["connections"]
        each = (size + by_name["conn_index"][0]) / connections
        lines.append(f"  natbridge, a connection: {each:.0f} bytes of kernel memory, both directions and their places in the index")
    return lines


def real_table(real):
    lines = ["", f"  {'real clients':<14}{'path':<14}{'figure':>12}   to plain-pod"]
    for (tool, name), (figure,) in real.items():
        base = real.get((tool, "plain-pod"))
        lines.append(f"  {tool:<14}{name:<14}{figure:>12.0f}   {figure / base[0]:.3f}" if base else f"  {tool:<14}{name:<14}{figure:>12.0f}")
    return lines


def plot(summary, directory):
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    for kind, title in KINDS.items():
        for family in ("IPv4", "IPv6"):
            mine = [s for s in summary if s["kind"] == kind and s["family"] == family and s["ratio"]]
            if not mine:
                continue
            figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.32 * len(mine)))
            names, middle = [s["path"] for s in mine][::-1], [s["ratio"][0] for s in mine][::-1]
            reach = [[s["ratio"][0] - s["ratio"][1] for s in mine][::-1], [s["ratio"][2] - s["ratio"][0] for s in mine][::-1]]
            colours = ["tab:blue" if n.startswith(("nat", "assist", "full")) else "tab:grey" for n in names]
            axes.barh(names, middle, xerr=reach, color=colours)
            axes.axvline(1, color="black", linewidth=0.8)
            axes.set_title(f"{title}, {family}: ratio to a plain bridge, pod to pod")
            figure.tight_layout()
            figure.savefig(f"{directory}/{kind}-{family.lower()}.svg")
            pyplot.close(figure)


def count_tables(summary):
    """Of a guest whose clock counts instructions, one ns each: what a path takes of them, without the client's and server's waiting."""
    lines = [f"Linux {platform.release()}, thousands of instructions, client and server and all between. Ratios: of speed, if each took the same time."]
    for kind, title in KINDS.items():
        for family in ("IPv4", "IPv6"):
            mine = [s for s in summary if s["kind"] == kind and s["family"] == family and s["ratio"]]
            if mine:
                lines += ["", f"{title}, {family}", f"  {'path':<18}{'instructions':>14}   to plain-pod"]
            lines += [f"  {s['path']:<18}{s['cpu_microseconds']:>14.2f}   {s['ratio_cpu'][0]:.3f}" for s in mine]
    return lines


def main(what, directory, milliseconds):
    found = figures(f"{directory}/rounds.txt")
    summary = summarize(found)
    if what == "count":
        print("\n".join(count_tables(summary)))
        return 0
    costs = medians(f"{directory}/costs.txt", (0,), (1, 2)) if what == "all" else {}
    real = medians(f"{directory}/real.txt", (1, 2), (3,)) if what == "all" else {}
    memory = rows(f"{directory}/memory.txt") if what == "all" else []
    rounds = max((s["rounds"] for s in summary), default=0)
    targets, low = target_table(found)
    lines = [f"Linux {platform.release()}, {rounds} rounds of {milliseconds} ms, client and server on one CPU. Ratios: median (and quartiles) over the rounds."]
    lines += path_tables(summary) + targets
    lines += (real_table(real) if real else []) + (cost_table(costs) if costs else []) + (memory_table(memory) if memory else [])
    print("\n".join(lines))
    if what == "all":
        with open(f"{directory}/report.txt", "w") as file:
            file.write("\n".join(lines) + "\n")
        with open(f"{directory}/result.json", "w") as file:
            json.dump({
                "kernel": platform.release(), "milliseconds": int(milliseconds), "results": summary,
                "real": [{"tool": t, "path": p, "figure": v[0]} for (t, p), v in real.items()],
                "costs": {name: {"ms": v[0], "kb": v[1]} for (name,), v in costs.items()},
                "memory": [{"kind": k, "name": n, "bytes": int(s), "entries": int(e)} for k, n, s, e in memory],
            }, file, indent=1)
        try:
            plot(summary, directory)
        except ImportError:
            print("bench: no plots without python3-matplotlib; run: sudo scripts/deps.sh bench", file=sys.stderr)
        return 0
    for line in low:
        print(f"bench-check: {line}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
