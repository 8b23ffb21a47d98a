# SPDX-License-Identifier: GPL-2.0
"""Types of a kernel or a module: BTF, as pahole and the kernel's build make it."""

import struct
import sys


class Btf:
    """The types of a kernel or module, by name, and the fields of structures."""

    INT, PTR, ARRAY, STRUCT, UNION, ENUM, TYPEDEF = 1, 2, 3, 4, 5, 6, 8
    MODIFIERS = (8, 9, 10, 11, 18)  # typedef, volatile, const, restrict, tag
    VAR, DATASEC, ENUM64 = 14, 15, 19
    # Bytes after the header of a type, and for each of its members.
    SIZES = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8),
             14: (4, 0), 15: (0, 12), 17: (4, 0), 19: (0, 12)}

    def __init__(self, data):
        magic, _, _, header, types, length, strings, _ = struct.unpack_from(
            "<HBBIIIII", data)
        if magic != 0xeb9f:
            sys.exit("no BTF")
        self.data, self.strings = data, header + strings
        self.types = [(0, 0, 0, 0, 0)]
        self.structs, self.variables = {}, {}
        at, end = header + types, header + types + length
        while at < end:
            name, info, size = struct.unpack_from("<III", data, at)
            kind, members = info >> 24 & 31, info & 0xffff
            fixed, each = self.SIZES.get(kind, (0, 0))
            number = len(self.types)
            self.types.append((name, kind, info, size, at + 12))
            if kind in (self.STRUCT, self.UNION) and name:
                self.structs.setdefault(self.string(name), number)
            elif kind == self.VAR:
                self.variables[self.string(name)] = size
            at += 12 + fixed + each * members

    def string(self, offset):
        at = self.strings + offset
        return self.data[at:self.data.index(0, at)].decode()

    def plain(self, number):
        """The number of the type without typedef, const and so on."""
        while self.types[number][1] in self.MODIFIERS:
            number = self.types[number][3]
        return number

    def size(self, number):
        _, kind, _, size, at = self.types[self.plain(number)]
        if kind == self.PTR:
            return 8
        if kind == self.ARRAY:
            element, _, n = struct.unpack_from("<III", self.data, at)
            return n * self.size(element)
        return size

    def members(self, number):
        _, kind, info, _, at = self.types[number]
        for i in range(info & 0xffff if kind in (4, 5) else 0):
            name, member, bit = struct.unpack_from("<III", self.data, at + 12 * i)
            if info >> 31:
                bit &= 0xffffff
            yield self.string(name), member, bit // 8

    def field(self, number, offset):
        """The path to the field at this offset, "" where there is none."""
        number = self.plain(number)
        _, kind, _, _, at = self.types[number]
        if kind == self.ARRAY:
            element, _, _ = struct.unpack_from("<III", self.data, at)
            size = self.size(element)
            if not size:
                return ""
            inner = self.field(element, offset % size)
            if not inner:
                return "[]"
            dot = "" if inner[0] == "[" else "."
            return f"[{offset // size}]{dot}{inner}"
        for name, member, begin in self.members(number):
            if begin <= offset < begin + self.size(member):
                inner = self.field(member, offset - begin)
                if not name or not inner:
                    return name or inner
                return name + inner if inner[0] == "[" else f"{name}.{inner}"
        return ""

    def offset(self, type_name, path):
        """Where a field is; anonymous members are looked through."""
        found = self.find(self.structs[type_name], path)
        if found is None:
            sys.exit(f"struct {type_name} has no {path}")
        return found

    def find(self, number, name):
        for member_name, member, begin in self.members(self.plain(number)):
            if member_name == name:
                return begin
            if not member_name:
                inner = self.find(member, name)
                if inner is not None:
                    return begin + inner
        return None

    def constant(self, name):
        for _, kind, info, _, at in self.types:
            for i in range(info & 0xffff if kind == self.ENUM else 0):
                word, value = struct.unpack_from("<Ii", self.data, at + 8 * i)
                if self.string(word) == name:
                    return value & 0xffffffff
        return sys.exit(f"the kernel has no constant {name}")


def section(path, wanted):
    """The content of a section of an ELF file."""
    with open(path, "rb") as file:
        data = file.read()
    table, = struct.unpack_from("<Q", data, 0x28)
    size, number, names = struct.unpack_from("<HHH", data, 0x3a)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size)
               for i in range(number)]
    for name, _, _, _, offset, length in headers:
        at = headers[names][4] + name
        if data[at:data.index(0, at)].decode() == wanted:
            return data[offset:offset + length]
    return sys.exit(f"{path} has no {wanted}")
