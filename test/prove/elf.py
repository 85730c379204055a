# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reads an eBPF object as clang writes it: sections, symbols, relocations, and from BTF where the fields of a struct are and
what the enumerators are. Little-endian, 64 bits, which is what clang's target "bpf" is on the machines that natbridge is for.
"""
import struct

SHT_SYMTAB, SHT_REL, SHT_NOBITS = 2, 9, 8
STT_FUNC, STT_SECTION = 2, 3
CALL, PSEUDO_CALL = 0x85, 1
SHN_UNDEF = 0
# Kinds of BTF (include/uapi/linux/btf.h).
INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, \
    ENUM64 = range(1, 20)


class Symbol:
    def __init__(self, name, section, value, kind):
        self.name, self.section, self.value, self.kind = name, section, value, kind


class Object:
    """sections: name -> bytes. symbols: name -> Symbol. relocs: section's name -> {offset: Symbol}."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is no little-endian ELF object of 64 bits")
        shoff, = struct.unpack_from("<Q", self.data, 40)
        entsize, count, names = struct.unpack_from("<HHH", self.data, 58)
        headers = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + i * entsize) for i in range(count)]
        strings = self.content(headers[names])
        self.names = [text(strings, header[0]) for header in headers]
        self.sections = {self.names[i]: self.content(header) for i, header in enumerate(headers)}
        self.symbols, self.relocs, self.decoded, self.sizes = {}, {}, {}, {}
        table = next(header for header in headers if header[1] == SHT_SYMTAB)
        listed = self.read_symbols(self.content(table), self.content(headers[table[6]]))
        for header in headers:
            if header[1] == SHT_REL:
                self.relocs[self.names[header[7]]] = {
                    offset: listed[info >> 32] for offset, info in struct.iter_unpack("<QQ", self.content(header))}
        self.btf = Btf(self.sections[".BTF"])

    def instructions(self, section):
        """(opcode, registers, offset, immediate) each."""
        if section not in self.decoded:
            self.decoded[section] = list(struct.iter_unpack("<BBhi", self.sections[section]))
        return self.decoded[section]

    def function(self, name):
        """A function's instructions, with the name of what they refer to in place of where it is in this object."""
        symbol, found = self.symbols[name], []
        named = {(other.section, other.value // 8): other.name for other in self.symbols.values() if other.kind == STT_FUNC}
        for index in range(symbol.value // 8, (symbol.value + self.sizes[name]) // 8):
            code, regs, off, imm = self.instructions(symbol.section)[index]
            target = self.relocs.get(symbol.section, {}).get(8 * index)
            if target and target.kind == STT_SECTION and (target.section, imm + 1) in named:
                imm = named[target.section, imm + 1]
            elif target:
                imm = target.name, imm
            elif code == CALL and regs >> 4 == PSEUDO_CALL:
                imm = named[symbol.section, index + 1 + imm]
            found.append((code, regs, off, imm))
        return found

    def content(self, header):
        return bytes(header[5]) if header[1] == SHT_NOBITS else self.data[header[4]: header[4] + header[5]]

    def read_symbols(self, table, strings):
        listed = []
        for name, info, _other, section, value, size in struct.iter_unpack("<IBBHQQ", table):
            kind = info & 15
            where = None if section == SHN_UNDEF or section >= len(self.names) else self.names[section]
            symbol = Symbol(text(strings, name) or where, where, value, kind)
            listed.append(symbol)
            if kind != STT_SECTION:
                self.symbols[symbol.name] = symbol
                self.sizes[symbol.name] = size
        return listed


class Btf:
    """fields(struct) gives {"src.w[3]": (offset, size)}, enums {"NB_CONTINUE": -1000}."""

    def __init__(self, data):
        header_len, types_off, types_len, strings_off = struct.unpack_from("<IIII", data, 4)
        self.strings = data[header_len + strings_off:]
        self.types = [None]
        self.enums, self.structs, self.sections = {}, {}, {}
        at, end = header_len + types_off, header_len + types_off + types_len
        while at < end:
            at = self.read_type(data, at)

    def read_type(self, data, at):
        name, info, size = struct.unpack_from("<III", data, at)
        kind, count, flag = info >> 24 & 31, info & 0xFFFF, info >> 31
        at += 12
        name, members = text(self.strings, name), []
        if kind in (STRUCT, UNION):
            for member, of, offset in struct.iter_unpack("<III", data[at: at + 12 * count]):
                bits = offset >> 24 if flag else 0
                members.append((text(self.strings, member), of, offset & 0xFFFFFF if flag else offset, bits))
            self.structs.setdefault(name, len(self.types))
        elif kind == ENUM:
            for member, value in struct.iter_unpack("<Ii", data[at: at + 8 * count]):
                self.enums[text(self.strings, member)] = value
        elif kind == DATASEC:
            members = [struct.unpack_from("<III", data, at + 12 * i) for i in range(count)]
            self.sections[name] = len(self.types)
        elif kind == ARRAY:
            members = struct.unpack_from("<III", data, at)
        self.types.append((kind, size, members))
        return at + {INT: 4, ARRAY: 12, STRUCT: 12 * count, UNION: 12 * count, ENUM: 8 * count, PROTO: 8 * count, VAR: 4,
                     DATASEC: 12 * count, DECL_TAG: 4, ENUM64: 12 * count}.get(kind, 0)

    def size(self, of):
        kind, size, members = self.types[of]
        if kind in (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG):
            return self.size(size)
        if kind == PTR:
            return 8
        return self.size(members[0]) * members[2] if kind == ARRAY else size

    def walk(self, of, at, path, found):
        kind, size, members = self.types[of]
        if kind in (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG, VAR):
            self.walk(size, at, path, found)
        elif kind in (STRUCT, UNION):
            for name, member, bit, bits in members:
                if not bits:  # bit fields have no address
                    self.walk(member, at + bit // 8, f"{path}.{name}" if path and name else path or name, found)
        elif kind == ARRAY:
            for i in range(members[2]):
                self.walk(members[0], at + i * self.size(members[0]), f"{path}[{i}]", found)
        else:
            found[path] = (at, self.size(of))

    def fields(self, name):
        found = {}
        self.walk(self.structs[name], 0, "", found)
        return found

    def fields_of(self, section):
        """The fields of the one variable in a section of data."""
        found = {}
        self.walk(self.types[self.sections[section]][2][0][0], 0, "", found)
        return found

    def sizeof(self, name):
        return self.size(self.structs[name])


def text(strings, at):
    return strings[at: strings.index(b"\0", at)].decode()
