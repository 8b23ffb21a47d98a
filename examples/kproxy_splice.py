# SPDX-License-Identifier: BSD-3-Clause
"""libkproxy for Python: splice(a, b) and wait(descriptor)."""
import ctypes
import os

_lib = ctypes.CDLL(os.environ.get("LIBKPROXY", "libkproxy.so.1"),
                   use_errno=True)
DETACH = 1
REASONS = {1: "client_fin", 2: "server_fin", 3: "client_reset",
           4: "server_reset", 6: "idle_timeout", 9: "killed", 12: "shutdown",
           13: "limit", 14: "unspliced"}


class _Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("label", ctypes.c_char_p),
                ("bytes", ctypes.c_uint64 * 2), ("idle_ms", ctypes.c_uint32),
                ("flags", ctypes.c_uint32)]


class Result(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("bytes", ctypes.c_uint64 * 2),
                ("spliced", ctypes.c_uint64), ("copied", ctypes.c_uint64),
                ("reason", ctypes.c_uint32), ("eof", ctypes.c_uint32)]


def _check(value):
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return value


def splice(a, b, label=None, limits=(0, 0), idle_ms=0, flags=0):
    """Splice two sockets; returns a descriptor, readable when it has ended."""
    options = _Options(ctypes.sizeof(_Options), label and label.encode(),
                       (ctypes.c_uint64 * 2)(*limits), idle_ms, flags)
    return _check(_lib.kproxy_splice(a.fileno(), b.fileno(),
                                     ctypes.byref(options)))


def wait(descriptor):
    """The result, once the splice has ended."""
    result = Result(ctypes.sizeof(Result))
    _check(_lib.kproxy_splice_wait(descriptor, ctypes.byref(result)))
    return result


def unsplice(descriptor):
    """End the splice now; the sockets stay as they are."""
    result = Result(ctypes.sizeof(Result))
    _check(_lib.kproxy_unsplice(descriptor, ctypes.byref(result)))
    return result
