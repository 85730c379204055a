# SPDX-License-Identifier: GPL-2.0-or-later
"""
Holds the machine and the models of the kernel's helpers against the kernel that runs: both execute the program of vectors.h on
random values and on corners, and everything that it may write must be the same.
"""
import errno
import os
import random
import struct
import subprocess

import kernel
import machine
from machine import Machine, Ptr, State

SHORT, LONG = 12, 300  # vectors of each function
CORNERS = (0, 1, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
CHECKSUM_COMPLETE = 1 << 2  # BPF_F_TEST_SKB_CHECKSUM_COMPLETE, since Linux 6.16
ETH, V4, V6, TCP, UDP = 14, 20, 40, 6, 17
NAMES = (".data.input", ".data.structs", ".data.settings", ".data.output")
CONSTANTS = ".rodata.constants"


class Skip(Exception):
    """The step cannot run here."""


class Kernel:
    """The object in the kernel. Closing ends the process that holds it."""

    def __init__(self, tool, path):
        if os.geteuid():
            raise Skip("needs root")
        self.process = subprocess.Popen([tool, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def ask(self, *words):
        """Bytes, or the errno."""
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError("run_vectors has ended")
        return int(answer.split()[1]) if answer.startswith("error") else bytes.fromhex(answer)

    def set(self, section, data):
        if self.ask("set", section, data.hex()) != b"":
            raise AssertionError(f"cannot set {section}")

    def run(self, packet, sections, flags=0):
        """The packet and the sections afterwards."""
        for name, data in sections.items():
            self.set(name, bytes(data))
        after = self.ask("run", str(flags), packet.hex())
        if isinstance(after, int):
            return after, {}
        return after, {name: self.ask("get", name) for name in NAMES if name in sections}


def by_machine(obj, packet, sections):
    """The same by the machine: every helper succeeds."""
    state = State()
    state.add("packet", len(packet), machine.known(packet))
    state.kernel.update({"linear": len(packet), "ip_summed": 0, "csum": 0, "ksym bpf_cast_to_kern_ctx": 1})
    state.add("kernel skb", 1, machine.known(b"\0"))
    for name, data in sections.items():
        state.add(name, len(data), machine.known(bytes(data)))
    run = Machine(obj, kernel.HELPERS, kernel.KFUNCS, kernel.context(obj))
    end, = [end for end in run.run("vector", [Ptr("skb")], state) if not any(event[0] == "failed" for event in end.events)]
    read = lambda name: bytes(end.load(Ptr(name, i), 1) for i in range(end.memory[name].size))
    return read("packet"), {name: read(name) for name in NAMES if name in sections}


class Maker:
    """Random sections and packets for an object."""

    def __init__(self, obj, seed):
        self.obj, self.rng = obj, random.Random(seed)
        self.structs = obj.btf.fields_of(".data.structs")
        self.sizes = {name: len(obj.sections[name]) for name in (*NAMES, CONSTANTS) if name in obj.sections}

    def some(self, size):
        """Words of 16 bits, of which many are corners."""
        words = [self.rng.choice(CORNERS) if self.rng.random() < 0.5 else self.rng.getrandbits(16) for _ in range(size // 2 + 1)]
        return bytearray(struct.pack(f"<{len(words)}H", *words)[:size])

    def sections(self):
        return {name: self.some(size) for name, size in self.sizes.items() if name != CONSTANTS}

    def put(self, sections, path, value):
        off, size = self.structs[path]
        sections[".data.structs"][off: off + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")

    def copy(self, sections, target, source):
        """A field's bytes into another one, for keys that are alike."""
        (to, size), (of, _) = self.structs[target], self.structs[source]
        data = sections[".data.structs"]
        data[to: to + size] = data[of: of + size]

    def input(self, sections, function, *args):
        sections[".data.input"][:] = struct.pack("<II4Q", function, 0, *args, *[0] * (4 - len(args)))

    def numbers(self, count):
        return [self.rng.choice([0, 1, 5, (1 << 64) - 1, (1 << 32) - 1, 1 << 32, self.rng.getrandbits(34), self.rng.getrandbits(64)])
                for _ in range(count)]


def headers(make, sections, v4, proto, l4_off):
    packet = make.some(220)
    make.put(sections, "pkt.is_v4", int(v4))
    make.put(sections, "pkt.tuple.proto", proto)
    make.put(sections, "pkt.l4_off", l4_off)
    make.put(sections, "pkt.later_fragment", make.rng.random() < 0.1)
    make.put(sections, "pkt.fragment", 0)
    make.put(sections, "pkt.end", len(packet))
    return packet


def a_packet(make, sections, function):
    v4, proto = make.rng.random() < 0.5, make.rng.choice([TCP, UDP])
    options = make.rng.choice([0, 0, 8, 40] if v4 else [0, 0, 16])
    packet = headers(make, sections, v4, proto, ETH + (V4 if v4 else V6) + options)
    alive(make, sections, make.rng.random() < 0.9)
    make.input(sections, function)
    return packet


def alive(make, sections, still):
    """Whether the entry still serves the packet's connection, and the receiver's port its pod."""
    if still:
        make.copy(sections, "conn.life", "pkt.life")
        make.copy(sections, "conn.out_gen", "to.gen")


def an_error(make, sections, function):
    v4, proto, ihl = make.rng.random() < 0.5, make.rng.choice([TCP, UDP]), make.rng.choice([5, 5, 6, 15])
    icmp = ETH + (V4 if v4 else V6)
    packet = headers(make, sections, v4, 1 if v4 else 58, icmp)
    quoted = icmp + 8
    packet[icmp] = 3 if v4 else 1
    packet[quoted] = 0x40 | ihl if v4 else 0x60
    packet[quoted + 6: quoted + 8] = b"\0\0"
    packet[quoted + (9 if v4 else 6)] = proto
    make.put(sections, "pkt.end", quoted + (4 * ihl if v4 else V6) + make.rng.choice([8, 17, 18, 20, 40]))
    make.input(sections, function)
    return packet


def an_echo(make, sections, function):
    v4 = make.rng.random() < 0.5
    packet = headers(make, sections, v4, 1 if v4 else 58, ETH + (V4 if v4 else V6))
    make.input(sections, function)
    return packet


def a_key(make, sections, function):
    if make.rng.random() < 0.3:  # with no bounds, every address may be a VIP
        sections[".data.settings"][:] = bytes(len(sections[".data.settings"]))
    if make.rng.random() < 0.5:
        for path in make.structs:
            if path.startswith("key2."):
                make.copy(sections, path, path.replace("key2.", "key."))
        if make.rng.random() < 0.5:
            make.put(sections, make.rng.choice([path for path in make.structs if path.startswith("key2.")]), 7)
    make.input(sections, function, *make.numbers(3))
    return make.some(60)


def a_life(make, sections, function):
    """Lives that are near each other, of one generation and use or not."""
    life, now = make.rng.getrandbits(64), make.rng.choice([0, 5, (1 << 32) - 3, make.rng.getrandbits(32)])
    life = life >> 32 << 32 | now
    other = make.rng.choice([life, life ^ 1 << 39, life ^ 1 << 42, life ^ 1 << 63, make.rng.getrandbits(64)])
    second = {20: now + make.rng.choice([-1, 0, 1, 1 << 30, 1 << 31]), 21: make.rng.getrandbits(4), 22: now,
              23: make.rng.getrandbits(3)}
    make.input(sections, function, life, second.get(function, other) & ((1 << 64) - 1),
               make.rng.getrandbits(3 if function == 21 else 10), make.rng.getrandbits(32))
    return make.some(60)


def a_flow(make, sections, function):
    tag = make.rng.getrandbits(32)
    for way in range(8):
        make.put(sections, f"set.heads[{way}].tag", make.rng.choice([0, 1, tag, tag ^ 1, make.rng.getrandbits(32)]))
        make.put(sections, f"set.heads[{way}].seen", make.rng.choice([tag, tag + 1, tag - 1, make.rng.getrandbits(32)]))
    make.input(sections, function, tag, make.rng.choice([tag, tag - 5, make.rng.getrandbits(32)]), make.rng.getrandbits(64),
               make.rng.choice([TCP, UDP, 1]))
    return make.some(60)


def a_remap(make, sections, function):
    v4, proto = make.rng.random() < 0.5, make.rng.choice([TCP, UDP, 1, 58])
    packet = headers(make, sections, v4, proto, ETH + (V4 if v4 else V6))
    make.input(sections, function, make.rng.getrandbits(1), make.rng.getrandbits(16))
    return packet


def a_quoted_remap(make, sections, function):
    packet = an_error(make, sections, function)
    icmp = ETH + (V4 if make.rng.random() < 0.5 else V6)
    proto = make.rng.choice([TCP, UDP])
    for path, value in (("l4_off", icmp), ("quoted_off", icmp + 8), ("quoted_l4_off", icmp + 28), ("tuple.proto", proto),
                        ("end", icmp + 28 + make.rng.choice([8, 17, 20]))):
        make.put(sections, f"pkt.{path}", value)
    make.input(sections, function, make.rng.getrandbits(1), make.rng.getrandbits(16))
    return packet


PLAN = {
    "ebpf": {**{number: a_key for number in (0, 1, 5, 10, 11, 12, 13, 14, 15, 16, 17)}, 2: a_packet, 3: an_error, 4: an_echo,
             **{number: a_life for number in range(20, 26)}},
    "assist": {**{number: a_flow for number in range(4)}, 4: a_remap, 5: a_quoted_remap},
}


def compare(objects, name, rounds):
    """Runs all vectors of an object; returns how many."""
    obj = objects[f"vectors_{name}"]
    make, count = Maker(obj, name), 0
    with Kernel(objects.tool, objects.path(f"vectors_{name}")) as kernel_of:
        constants = make.some(make.sizes[CONSTANTS])
        kernel_of.set(CONSTANTS, bytes(constants))
        for function, fill in PLAN[name].items():
            for _ in range(rounds):
                sections = make.sections()
                packet = fill(make, sections, function)
                expected = kernel_of.run(packet, sections)
                found = by_machine(obj, packet, {**sections, CONSTANTS: constants})
                if unsums(make, expected) != unsums(make, found):
                    raise AssertionError(f"function {function}: {difference(expected, found)}; "
                                         f"input {bytes(sections['.data.input']).hex()}, packet {bytes(packet).hex()}, "
                                         f"structs {bytes(sections['.data.structs']).hex()}")
                count += 1
    return f"{count} vectors"


def unsums(make, result):
    """Differences that bpf_csum_diff() has made count in one's complement alone (see kernel.py)."""
    packet, sections = result
    data = bytearray(sections.get(".data.structs", b""))
    for path, (off, size) in make.structs.items():
        if data and path.endswith(("csum_addr", "csum_port")):
            data[off: off + size] = (int.from_bytes(data[off: off + size], "little") % 0xFFFF).to_bytes(size, "little")
    return packet, {**sections, ".data.structs": bytes(data)}


def difference(expected, found):
    if expected[0] != found[0]:
        return f"packet: kernel {expected[0] if isinstance(expected[0], int) else expected[0].hex()}, machine {found[0].hex()}"
    return ", ".join(f"{name}: kernel {data.hex()}, machine {found[1][name].hex()}" for name, data in expected[1].items()
                     if data != found[1][name])


def complete(objects, rounds):
    """
    Packets with CHECKSUM_COMPLETE: the kernel compares skb->csum with the packet after the program. Of IPv4 it must fit. Of
    IPv6 it does not (see the theorem "complete"), which shows that the kernel looks.
    """
    make = Maker(objects["vectors_ebpf"], "complete")
    with Kernel(objects.tool, objects.path("vectors_ebpf")) as kernel_of:
        for v4 in (True, False):
            for _ in range(rounds):
                sections = make.sections()
                packet = headers(make, sections, v4, make.rng.choice([TCP, UDP]), ETH + (V4 if v4 else V6))
                make.put(sections, "pkt.later_fragment", 0)
                alive(make, sections, True)
                fit_differences(make, sections, packet, v4)
                make.input(sections, 2)
                after, _ = kernel_of.run(packet, sections, CHECKSUM_COMPLETE)
                if after == errno.EINVAL:
                    raise Skip("the kernel does not know BPF_F_TEST_SKB_CHECKSUM_COMPLETE")
                if (after == errno.EBADMSG) == v4:
                    raise AssertionError(f"IPv{4 if v4 else 6}: {after}, packet {bytes(packet).hex()}")
    return f"{2 * rounds} packets"


def fit_differences(make, sections, packet, v4):
    """Gives the entry the differences to this packet."""
    first, size = (ETH + 12, 4) if v4 else (ETH + 8, 16)
    l4, data = ETH + (V4 if v4 else V6), sections[".data.structs"]
    if packet[l4 + 6: l4 + 8] == b"\0\0":
        packet[l4 + 6] = 1
    new = b"".join(bytes(data[make.structs[f"conn.{end}.w[0]"][0] + 16 - size:][:size]) for end in ("src", "dst"))
    ports = bytes(data[make.structs["conn.sport"][0]:][:4])
    make.put(sections, "conn.csum_addr", kernel.known_diff(words(packet[first: first + 2 * size]), words(new), 0))
    make.put(sections, "conn.csum_port", kernel.known_diff(words(packet[l4: l4 + 4]), words(ports), 0))


def words(data):
    return struct.unpack(f"<{len(data) // 2}H", bytes(data))
