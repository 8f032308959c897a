# SPDX-License-Identifier: GPL-2.0-or-later
"""YUV4MPEG2 files of 8 and 10 bit 4:2:0, with pictures at their places: a part of a film is read without the rest."""

from __future__ import annotations

import os
from types import TracebackType
from typing import BinaryIO, Iterator, Sequence

import numpy as np

from .coding import Picture

_DEPTHS = {"420": 8, "420jpeg": 8, "420mpeg2": 8, "420paldv": 8, "420p10": 10}


class Y4MReader:
    """The pictures of a file: iterate, index, or `pictures(first, count)`."""

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        self._file: BinaryIO = open(path, "rb")
        try:
            self._read_header(os.fspath(path))
        except BaseException:
            self._file.close()
            raise

    def _read_header(self, path: str) -> None:
        header = self._file.readline(1024)
        words = header.split()
        if not words or words[0] != b"YUV4MPEG2" or not header.endswith(b"\n"):
            raise ValueError(f"{path}: no YUV4MPEG2 header at offset 0")
        tags = {word[:1].decode(): word[1:].decode("ascii", "replace") for word in words[1:] if word[:1] != b"X"}
        try:
            self.width, self.height = int(tags["W"]), int(tags["H"])
            rate = tags.get("F", "25:1").split(":")
            self.fps = (int(rate[0]), int(rate[1]))
            self.bit_depth = _DEPTHS[tags.get("C", "420")]
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(f"{path}: a header that is not understood, or another format than 4:2:0: {error}") from None
        if not (0 < self.width <= 16384 and 0 < self.height <= 16384 and min(self.fps) > 0):
            raise ValueError(f"{path}: {self.width}x{self.height} at {self.fps[0]}/{self.fps[1]} is out of range")
        chroma = ((self.width + 1) // 2, (self.height + 1) // 2)
        self._planes = [(self.width, self.height), chroma, chroma]
        self._dtype = np.dtype("<u2" if self.bit_depth > 8 else "u1")
        self._size = sum(w * h for w, h in self._planes) * self._dtype.itemsize
        self._start = self._file.tell()
        self._path = path
        # Picture headers may carry tags; files whose first one has none are taken to have none at all, and every
        # header is looked at when its picture is read.
        self._header = len(self._file.readline(1024)) or 6
        self._count = (os.fstat(self._file.fileno()).st_size - self._start) // (self._header + self._size)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Picture:
        if not 0 <= index < self._count:
            raise IndexError(index)
        offset = self._start + index * (self._header + self._size)
        self._file.seek(offset)
        if not self._file.read(self._header).startswith(b"FRAME"):
            raise ValueError(f"{self._path}: no picture begins at offset {offset}")
        planes = []
        for width, height in self._planes:
            data = self._file.read(width * height * self._dtype.itemsize)
            planes.append(np.frombuffer(data, self._dtype).reshape(height, width))
        return Picture(planes, self.bit_depth, order=index, fps=self.fps)

    def pictures(self, first: int = 0, count: "int | None" = None) -> Iterator[Picture]:
        """`count` pictures from `first` on, or all of them."""
        for index in range(first, self._count if count is None else min(first + count, self._count)):
            yield self[index]

    def __iter__(self) -> Iterator[Picture]:
        return self.pictures()

    def __enter__(self) -> "Y4MReader":
        return self

    def __exit__(self, *error: "type[BaseException] | BaseException | TracebackType | None") -> None:
        self._file.close()


class Y4MWriter:
    """Writes pictures as they come; the first one sets size and depth."""

    def __init__(self, path: "str | os.PathLike[str]", fps: "tuple[int, int]" = (25, 1)) -> None:
        self._file: BinaryIO = open(path, "wb")
        self._fps = fps
        self._shape: "tuple[int, ...] | None" = None

    def write(self, picture: "Picture | Sequence[np.ndarray]") -> None:
        picture = picture if isinstance(picture, Picture) else Picture(list(picture))
        shape = (*picture.planes[0].shape, picture.bit_depth)
        if self._shape is None:
            kind = f"420p{picture.bit_depth}" if picture.bit_depth > 8 else "420jpeg"
            self._file.write(
                f"YUV4MPEG2 W{shape[1]} H{shape[0]} F{self._fps[0]}:{self._fps[1]} Ip C{kind}\n".encode())
            self._shape = shape
        elif shape != self._shape:
            raise ValueError(f"a picture of {shape} after one of {self._shape}")
        self._file.write(b"FRAME\n")
        for plane in picture.planes:
            self._file.write(np.ascontiguousarray(plane, "<u2" if picture.bit_depth > 8 else "u1").tobytes())

    def __enter__(self) -> "Y4MWriter":
        return self

    def __exit__(self, *error: "type[BaseException] | BaseException | TracebackType | None") -> None:
        self._file.close()
