# SPDX-License-Identifier: GPL-2.0-or-later
"""A film as ffmpeg reads it: where its scenes change, and any part of it with every picture proved to be the right one."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import zlib
from dataclasses import dataclass, field
from typing import Iterator

import numpy as np

#: Pictures are compared at this size.
_SMALL = (64, 36)


class FilmError(Exception):
    """What cannot be read, in one line."""


@dataclass
class Film:
    """What every worker must agree on before it reads a part."""

    path: str
    width: int
    height: int
    fps: "tuple[int, int]"
    sar: "tuple[int, int]"
    pixel_format: str
    colour: "dict[str, str]"
    #: Of each picture: its time, in ticks, and the Adler-32 of its samples.
    times: "list[int]" = field(default_factory=list)
    tick: "tuple[int, int]" = (1, 25)
    sums: "list[int]" = field(default_factory=list)

    @property
    def bit_depth(self) -> int:
        return 10 if self.pixel_format == "yuv420p10le" else 8

    @property
    def picture_size(self) -> int:
        chroma = ((self.width + 1) // 2) * ((self.height + 1) // 2)
        return (self.width * self.height + 2 * chroma) * (2 if self.bit_depth > 8 else 1)

    @property
    def range_filter(self) -> "list[str]":
        return ["-vf", "scale=in_range=full:out_range=full"] if self.colour.get("--range") == "full" else []

    def y4m_header(self) -> bytes:
        kind = "420p10" if self.bit_depth > 8 else "420jpeg"
        return (f"YUV4MPEG2 W{self.width} H{self.height} F{self.fps[0]}:{self.fps[1]} Ip A{self.sar[0]}:{self.sar[1]} "
                f"C{kind}\n").encode()

    def part(self, first: int, count: int) -> "Film":
        """The same film, knowing of these pictures only: what a task carries."""
        here = dict(self.__dict__, times=self.times[first : first + count], sums=self.sums[first : first + count])
        return Film(**here)


def open_film(path: str) -> Film:
    """Size, rate, format and colour of a film's first video track."""
    fields = ("width,height,pix_fmt,r_frame_rate,avg_frame_rate,sample_aspect_ratio,color_range,color_space,"
              "color_transfer,color_primaries,chroma_location,field_order")
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", f"stream={fields}", "-of", "json",
         f"file:{path}"], capture_output=True, text=True, check=False)
    streams = json.loads(told.stdout or "{}").get("streams", [])
    if told.returncode or not streams:
        raise FilmError(f"{path}: {(told.stderr.strip().splitlines() or ['it has no video track'])[-1]}")
    video = streams[0]
    rate = _ratio(video.get("r_frame_rate", ""), "/") or _ratio(video.get("avg_frame_rate", ""), "/")
    if not rate:
        raise FilmError(f"{path}: its frame rate is not known")
    colour = {}
    for option, name in [("--colorprim", "color_primaries"), ("--transfer", "color_transfer"),
                         ("--colormatrix", "color_space"), ("--chromaloc", "chroma_location")]:
        value = video.get(name, "unknown")
        if value not in ("unknown", "unspecified", "reserved"):
            colour[option] = value
    if video.get("color_range") in ("pc", "tv"):
        colour["--range"] = "full" if video["color_range"] == "pc" else "limited"
    if not all(str(video.get(name, "")).isdigit() for name in ("width", "height")):
        raise FilmError(f"{path}: its size is not known")
    deep = any(digits in video.get("pix_fmt", "") for digits in ("10", "12", "16"))
    return Film(
        path, int(video["width"]), int(video["height"]), rate, _ratio(video.get("sample_aspect_ratio", ""), ":") or (1, 1),
        "yuv420p10le" if deep else "yuv420p", colour)


def has_sound(path: str) -> bool:
    """Whether a film has an audio track."""
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=index", "-of", "csv=p=0", f"file:{path}"],
        capture_output=True, text=True, check=False)
    return bool(told.stdout.strip())


def _ratio(text: str, sign: str) -> "tuple[int, int] | None":
    numbers = text.split(sign)
    if len(numbers) != 2 or not all(n.isdigit() for n in numbers) or not all(int(n) for n in numbers):
        return None
    return int(numbers[0]), int(numbers[1])


def scan(film: Film) -> "list[int]":
    """Decodes the film once, fills in times and sums, and returns how much each picture differs from the one before
    it: the mean absolute difference of luma at a small size, in hundredths."""
    width, height = _SMALL
    reading, writing = os.pipe()
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{film.path}", "-map", "0:v:0", *film.range_filter,
               "-fps_mode", "passthrough", "-pix_fmt", film.pixel_format, "-f", "framecrc", "pipe:1",
               "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", f"scale={width}:{height}:flags=area,format=gray",
               "-f", "rawvideo", f"pipe:{writing}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[writing]) as process:
        os.close(writing)
        lines: "list[bytes]" = []
        errors: "list[bytes]" = []
        assert process.stdout and process.stderr
        readers = [threading.Thread(target=lines.extend, args=(process.stdout,)),
                   threading.Thread(target=errors.extend, args=(process.stderr,))]
        for reader in readers:
            reader.start()
        differences, last = [], None
        with os.fdopen(reading, "rb") as pictures:
            while len(data := pictures.read(width * height)) == width * height:
                small = np.frombuffer(data, np.uint8).astype(np.int16)
                differences.append(0 if last is None else int(np.abs(small - last).sum()) * 100 // (width * height))
                last = small
        for reader in readers:
            reader.join()
        process.wait()
    if errors or process.returncode:
        said = errors[-1].decode(errors="replace").strip() if errors else f"ffmpeg ended with {process.returncode}"
        raise FilmError(f"{film.path}: {said}")
    for line in lines:
        if line.startswith(b"#tb 0:"):
            film.tick = _ratio(line.split(b":")[1].decode().strip(), "/") or film.tick
        elif line[:1] != b"#":
            words = [word.strip() for word in line.split(b",")]
            if int(words[4]) != film.picture_size:
                raise FilmError(f"{film.path}: picture {len(film.times)} has another size than the first one")
            film.times.append(int(words[2]))
            film.sums.append(int(words[5], 16))
    if not film.times or len(film.times) != len(differences):
        raise FilmError(f"{film.path}: {len(film.times)} pictures were decoded, and {len(differences)} of them compared")
    return differences


def cuts(differences: "list[int]", least: int, most: int) -> "list[int]":
    """Where parts begin: at scene changes, where they leave parts of `least` pictures or more; and where a part would
    have more than `most`, at its greatest change. The first part begins at 0."""
    count = len(differences)
    scenes = []
    for i in range(1, count):
        around = sorted(differences[max(1, i - 6) : i] + differences[i + 1 : i + 7])
        usual = around[len(around) // 2] if around else 0
        if differences[i] >= 800 and differences[i] >= 3 * usual:
            scenes.append(i)
    starts = [0]
    for scene in [*scenes, count]:
        while scene - starts[-1] > most:
            low, high = starts[-1] + least, min(starts[-1] + most, count - least)
            if low > high:
                break
            starts.append(max(range(low, high + 1), key=lambda i: (differences[i] if i < count else 0, i)))
        if scene < count and scene - starts[-1] >= least and count - scene >= least:
            starts.append(scene)
    return starts


def pictures(film: Film, first: int) -> Iterator[bytes]:
    """The samples of the pictures of a film's part, whose first one is `first` in the whole, each checked."""
    half = (film.times[1] - film.times[0]) / 2 if len(film.times) > 1 else 0
    seconds = (film.times[0] - half) * film.tick[0] / film.tick[1]
    sought = first > 0 and seconds > 0
    stream = _decode(film, ["-ss", f"{seconds:.6f}"] if sought else [], len(film.sums))
    data = next(stream, b"")
    if sought and zlib.adler32(data, 0) & 0xFFFFFFFF != film.sums[0]:
        # Some files cannot be entered where they are asked to: then the way leads through all of the film.
        stream.close()
        stream = _decode(film, [], first + len(film.sums))
        for _ in range(first + 1):
            data = next(stream, b"")
    for index, expected in enumerate(film.sums):
        if zlib.adler32(data, 0) & 0xFFFFFFFF != expected:
            raise FilmError(f"{film.path}: picture {first + index} is not the one that was there when the film was cut")
        yield data
        data = next(stream, b"") if index + 1 < len(film.sums) else b""
    stream.close()


def _decode(film: Film, seek: "list[str]", count: int) -> "Iterator[bytes]":
    command = ["ffmpeg", "-nostdin", "-v", "error", *seek, "-i", f"file:{film.path}", "-map", "0:v:0",
               *film.range_filter, "-fps_mode", "passthrough", "-frames:v", str(count), "-pix_fmt", film.pixel_format,
               "-f", "rawvideo", "pipe:1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout
        while len(data := process.stdout.read(film.picture_size)) == film.picture_size:
            yield data
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()
