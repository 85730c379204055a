# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames as comparable descriptions, and fragments made whole again."""
from ipaddress import IPv6Address

from wire import Frame

NOISE_ICMPV6 = {130, 131, 132, 133, 134, 135, 136, 137, 143}


def ones_sum(data):
    total = sum(int.from_bytes((data + b"\0")[i: i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def is_noise(data, wanted=None):
    """What stacks send by themselves: neighbour and router discovery, MLD, and ARP, unless "nd" or "arp" is wanted."""
    kind = data[12:14]
    if kind == b"\x08\x06":
        return wanted != "arp"
    if kind != b"\x86\xdd" or len(data) < 55:
        return False
    at, proto = 54, data[20]
    if proto == 0 and len(data) > 62:  # MLD comes behind a hop-by-hop header
        proto, at = data[54], 62
    return proto == 58 and data[at] in NOISE_ICMPV6 and wanted != "nd"


def describe(frame, arm):
    """A frame field by field, MAC addresses by their owners' names."""
    data = frame.data
    mac = lambda at: arm.macs.get(":".join(f"{b:02x}" for b in data[at: at + 6]), data[at: at + 6].hex())
    fields = {"to": mac(0), "from": mac(6), "tag": frame.tag, "gso": frame.gso, "marks": frame.marks, "type": data[12:14].hex()}
    if fields["type"] == "0800" and len(data) >= 34:
        describe_ip4(data[14:], fields, frame.partial)
    elif fields["type"] == "86dd" and len(data) >= 54:
        describe_ip6(data[14:], fields, frame.partial)
    else:
        fields["data"] = data[14:].hex()
        for address, name in arm.macs.items():
            fields["data"] = fields["data"].replace(address.replace(":", ""), f"<{name}>")
    return fields


def describe_ip4(ip, fields, partial, quoted=False):
    header, total = 4 * (ip[0] & 15), int.from_bytes(ip[2:4], "big")
    length = total if quoted or total else len(ip)
    fields.update(
        tos=ip[1], total=total, id=int.from_bytes(ip[4:6], "big"), frag=ip[6:8].hex(), ttl=ip[8], proto=ip[9],
        src=".".join(map(str, ip[12:16])), dst=".".join(map(str, ip[16:20])), options=ip[20:header].hex(),
        ipsum="good" if ones_sum(ip[:header]) == 0xFFFF else "bad")
    pseudo = ip[12:20] + bytes([0, ip[9]])
    later = int.from_bytes(ip[6:8], "big") & 0x1FFF
    first = int.from_bytes(ip[6:8], "big") & 0x3FFF
    describe_l4(ip[9], ip[header:length], pseudo, fields, partial, (later, first), quoted)


def describe_ip6(ip, fields, partial, quoted=False):
    proto, at, later, first, chain = ip[6], 40, 0, 0, []
    while proto in (0, 43, 44, 60) and len(ip) >= at + 8:
        chain.append(f"{proto}:{ip[at + 1: at + 8].hex() if proto != 44 else ip[at + 2: at + 8].hex()}")
        if proto == 44:
            first = int.from_bytes(ip[at + 2: at + 4], "big") & 0xFFF9
            later = first & 0xFFF8
        size = 8 if proto == 44 else 8 + 8 * ip[at + 1]
        proto, at = ip[at], at + size
        if later:
            break
    fields.update(tc=ip[0:2].hex()[1:3], flow=ip[1:4].hex()[1:], total=int.from_bytes(ip[4:6], "big"), ttl=ip[7], proto=proto, chain=chain,
                  src=str(IPv6Address(ip[8:24])), dst=str(IPv6Address(ip[24:40])))
    length = len(ip) if quoted else 40 + int.from_bytes(ip[4:6], "big")
    describe_l4(proto, ip[at:length], ip[8:40] + bytes([0, proto]), fields, partial, (later, first), quoted)


def describe_l4(proto, data, pseudo, fields, partial, fragment, quoted):
    later, first = fragment
    if not later and proto == 132 and len(data) >= 8:
        describe_sctp(data, fields, partial, first or quoted)
        return
    if later or proto not in (1, 6, 17, 58) or len(data) < 8:
        fields["data"] = data.hex()
        return
    at = {1: 2, 58: 2, 6: 16, 17: 6}[proto]
    covered = data if proto == 1 else pseudo + len(data).to_bytes(4, "big") + data
    if not first and len(data) >= at + 2 and not quoted:
        zero = proto == 17 and data[6:8] == b"\0\0"
        good = ones_sum(covered) == 0xFFFF
        if partial:  # it holds the sum over the pseudo header
            good = int.from_bytes(data[at: at + 2], "big") == ones_sum(covered[: len(pseudo) + 4])
        fields["sum"] = "zero" if zero else ("partial, " if partial else "") + ("good" if good else "bad")
    if proto in (6, 17):
        fields.update(sport=int.from_bytes(data[0:2], "big"), dport=int.from_bytes(data[2:4], "big"))
    if proto in (1, 58) and is_error(proto, data[0]) and not quoted:
        describe_error(proto, data, fields)
        return
    if quoted:  # its checksum covers what is not here
        fields["data"] = data[4:].hex()
    elif proto == 6:
        fields.update(seq=int.from_bytes(data[4:8], "big"), ack=int.from_bytes(data[8:12], "big"), flags=data[12:14].hex(),
                      window=data[14:16].hex(), rest=data[18:].hex())
    else:
        fields["data"] = (data[4:6] + data[8:] if proto == 17 else data[:2] + data[4:]).hex()


def describe_sctp(data, fields, partial, part):
    fields.update(sport=int.from_bytes(data[0:2], "big"), dport=int.from_bytes(data[2:4], "big"), tag=data[4:8].hex(), data=data[12:].hex())
    if not part:
        fields["sum"] = "partial" if partial else "good" if data[8:12] == crc32c(data[:8] + bytes(4) + data[12:]) else "bad"


def crc32c(data):
    """RFC 9260, appendix A: as it stands in the packet."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


def is_error(proto, kind):
    return kind in (3, 4, 5, 11, 12) if proto == 1 else 1 <= kind <= 4


def describe_error(proto, data, fields):
    inner = {}
    fields.update(icmp=f"{data[0]}/{data[1]}", word=data[4:8].hex())
    if len(data) < 8 + (20 if proto == 1 else 40):
        fields["quoted"] = data[8:].hex()
        return
    (describe_ip4 if proto == 1 else describe_ip6)(data[8:], inner, False, quoted=True)
    fields.update({f"quoted {key}": value for key, value in inner.items()})


def fragment_of(data):
    """(key, offset, whether more follow, start and end of the part) of a fragment, or None."""
    if data[12:14] == b"\x08\x00":
        word, start = int.from_bytes(data[20:22], "big"), 14 + 4 * (data[14] & 15)
        if not word & 0x3FFF:
            return None
        return data[26:34] + data[18:20] + data[23:24], (word & 0x1FFF) * 8, word & 0x2000, start, 14 + int.from_bytes(data[16:18], "big")
    if data[12:14] == b"\x86\xdd" and data[20] == 44:
        word = int.from_bytes(data[56:58], "big")
        return data[22:54] + data[58:62], word & 0xFFF8, word & 1, 62, 54 + int.from_bytes(data[18:20], "big")
    return None


def whole_frame(parts):
    """One frame of all fragments of a datagram; None: they are not all there."""
    parts = sorted(parts, key=lambda part: part[0])
    payload, data = b"", parts[0][2]
    for offset, _, fragment, start, end in parts:
        if offset != len(payload):
            return None
        payload += fragment[start:end]
    if parts[-1][1]:
        return None
    if data[12:14] == b"\x86\xdd":
        return data[:18] + len(payload).to_bytes(2, "big") + data[54:55] + data[21:54] + payload
    header = data[14: parts[0][3]]
    header = header[:2] + (len(header) + len(payload)).to_bytes(2, "big") + header[4:6] + b"\0\0" + header[8:10] + b"\0\0" + header[12:]
    check = ~ones_sum(header) & 0xFFFF
    return data[:14] + header[:10] + check.to_bytes(2, "big") + header[12:] + payload


def defragment(frames):
    """Frames, with the datagrams whose fragments are all there made whole; what is incomplete stays."""
    done, parts = [], {}
    for frame in frames:
        fragment = fragment_of(frame.data)
        if not fragment:
            done.append(frame)
            continue
        key, offset, more, start, end = fragment
        parts.setdefault(key, []).append((offset, more, frame.data, start, end, frame))
    for group in parts.values():
        data = whole_frame([part[:5] for part in group])
        done += [Frame(data, False, group[0][5].tag, None, group[0][5].marks)] if data else [part[5] for part in group]
    return done
