# SPDX-License-Identifier: GPL-2.0
"""The specification of the netlink family, as the tests read it."""

import pathlib
import struct

import yaml

from netlink_raw import Netlink, attr

SPEC = yaml.safe_load((pathlib.Path(__file__).parents[2] / "docs" /
                       "netlink" / "kproxy.yaml").read_text())
COMMAND = {op["name"]: n
           for n, op in enumerate(SPEC["operations"]["list"], 1)}
# Requests; the others are events.
OPERATIONS = [op for op in SPEC["operations"]["list"]
              if "do" in op or "dump" in op]
CONSTANT = {d["name"]: d["value"] for d in SPEC["definitions"]
            if d["type"] == "const"}
ENUM = {d["name"]: len(d["entries"]) for d in SPEC["definitions"]
        if d["type"] == "enum"}
ENUM.update({d["name"]: 1 << len(d["entries"]) for d in SPEC["definitions"]
             if d["type"] == "flags"})
SETS = {s["name"]: s["attributes"] for s in SPEC["attribute-sets"]}
ATTR = {s: {a["name"]: n for n, a in enumerate(attributes, 1)}
        for s, attributes in SETS.items()}
WIDTH = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "uint": 8}

HEADERS = 20  # netlink's and generic netlink's

L, U, S, R, E = (ATTR["listener"], ATTR["upstream"], ATTR["server"],
                 ATTR["route"], ATTR["endpoint"])


def constant(value):
    return CONSTANT.get(value, value)


def bounds(attribute):
    """The least and the greatest value of an attribute that is a number."""
    checks = attribute.get("checks", {})
    most = (1 << 8 * WIDTH[attribute["type"]]) - 1
    if "enum" in attribute:
        most = ENUM[attribute["enum"]] - 1
    return constant(checks.get("min", 0)), constant(checks.get("max", most))


def requested(op, mode):
    """The attributes that a request of an operation may have, by number."""
    names = op[mode].get("request", {}).get("attributes", [])
    by_name = {a["name"]: a for a in SETS[op["attribute-set"]]}
    return {ATTR[op["attribute-set"]][n]: by_name[n] for n in names}


def open_netlink():
    nl = Netlink()
    nl.find_family()
    return nl


def endpoint(kind, address="10.1.0.1", port=8100):
    octets = bytes(int(n) for n in address.split("."))
    return attr(kind, [attr(E["ipv4"], octets),
                       attr(E["port"], struct.pack("=H", port))])
