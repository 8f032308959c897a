# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys. Their bytes never leave the library: a `Keys` is a handle, and neither prints nor pickles what it holds."""

from __future__ import annotations

import ctypes
import os
from typing import NoReturn

from ._library import check, lib


class Keys:
    """The keys of a stream's layers."""

    def __init__(self, reference: "str | os.PathLike[str]") -> None:
        """Opens a key file, "env:NAME" (a variable that holds its text) or "fd:N" (a descriptor to read it from)."""
        self._handle = ctypes.c_void_p()
        check(lib.veil_keys_open(ctypes.byref(self._handle), os.fspath(reference).encode()))

    @classmethod
    def generate(cls, layers: int = 2, cipher: str = "aes-256-ctr") -> "Keys":
        """Fresh keys for layers 0 to `layers` - 1."""
        keys = cls.__new__(cls)
        keys._handle = ctypes.c_void_p()
        check(lib.veil_keys_generate(ctypes.byref(keys._handle), layers, cipher.encode()))
        return keys

    def write(self, path: "str | os.PathLike[str]") -> None:
        """Writes a new key file that only its owner can read. A file that is there is an error."""
        check(lib.veil_keys_write(self._handle, os.fspath(path).encode()))

    def __reduce__(self) -> NoReturn:
        # What pickles travels: to other machines, logs and spilled state.
        raise TypeError("keys are not pickled; let the other process open its own key file")

    def __repr__(self) -> str:
        return "<veil.Keys>"

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            lib.veil_keys_close(self._handle)
            self._handle = None
