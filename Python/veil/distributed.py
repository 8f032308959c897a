# SPDX-License-Identifier: GPL-2.0-or-later
"""Encodes a film on many machines, by Dask distributed: `veil-distributed encode film.mp4 -o film.veil.mp4`.

The film is cut at scene changes. Workers encode the parts *clear*; what comes back is checked, kept, joined, and
encrypted once, at the end, by the process that has the keys. So no worker ever holds a key, there is one run under one
nonce however often a part was encoded again, and tags run through the stream as through any other. Encryption takes a
small part of the time that encoding takes, so that this last step costs little (Docs/Distributed.md has the figures).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Sequence

from ._film import Film, FilmError, cuts, has_sound, open_film, pictures, scan

#: Part of the name of what is kept: another number makes all parts be encoded again.
_GENERATION = 1


class JobError(Exception):
    """Why a job stops, in one line."""


@dataclass(frozen=True)
class Part:
    """A task: some pictures of a film, and how they are coded. There is no secret in it."""

    number: int
    first: int
    film: Film
    #: Options of `veil encode`.
    options: "tuple[str, ...]"
    version: str

    @property
    def key(self) -> str:
        """Names what comes out: pictures, colour, options and program determine it."""
        film = self.film
        told = [_GENERATION, self.version, film.width, film.height, film.fps, film.sar, film.pixel_format,
                sorted(film.colour.items()), film.sums, self.options]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def encode_part(part: Part, program: str = "veil") -> bytes:
    """On a worker: the part as a clear byte stream. Nothing is written to a file, so a worker that is killed leaves
    nothing; its encoder ends with the pipes to it."""
    version = _version(program)
    if version != part.version:
        raise JobError(f"{program} of {os.uname().nodename} is version {version}; the job is of {part.version}")
    command = [program, "encode", "-", "-o", "-", *part.options, "--log-level", "error"]
    for option, value in sorted(part.film.colour.items()):
        command += [option, value]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process:
            failure: "list[Exception]" = []

            def feed() -> None:
                assert process.stdin
                try:
                    process.stdin.write(part.film.y4m_header())
                    for data in pictures(part.film, part.first):
                        process.stdin.write(b"FRAME\n")
                        process.stdin.write(data)
                    process.stdin.close()
                except (OSError, FilmError) as error:
                    failure.append(error)
                    # An encoder that ended says why itself; what is left in the pipe's buffer goes nowhere.
                    if isinstance(error, FilmError):
                        process.kill()
                    with contextlib.suppress(OSError):
                        process.stdin.close()

            feeder = threading.Thread(target=feed)
            feeder.start()
            assert process.stdout
            stream = process.stdout.read()
            feeder.join()
            status = process.wait()
        if failure and isinstance(failure[0], FilmError):
            raise JobError(str(failure[0]))
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
    if status or failure or not stream:
        raise JobError(f"part {part.number}: veil encode: {said[-1] if said else f'ended with status {status}'}")
    return stream


def _version(program: str) -> str:
    try:
        return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise JobError(f"{program} on {os.uname().nodename}: {error}") from None


def count_pictures(stream: bytes) -> "dict[int, int]":
    """Pictures of each layer of a byte stream: first slice segments, which have a bit of their own."""
    counts: "dict[int, int]" = {}
    at = stream.find(b"\0\0\1")
    while 0 <= at < len(stream) - 5:
        kind, layer = stream[at + 3] >> 1 & 63, (stream[at + 3] & 1) << 5 | stream[at + 4] >> 3
        if kind < 32 and stream[at + 5] & 0x80:
            counts[layer] = counts.get(layer, 0) + 1
        at = stream.find(b"\0\0\1", at + 3)
    return counts


class Store:
    """Parts that were encoded: a file each, named by the hash of what determines it, with the hash of its content
    beside it. A part whose content has another hash counts as not there; one that lacks pictures is never kept."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def remove(self) -> None:
        """Removes the parts, and the folder if nothing else is in it."""
        for name in os.listdir(self.folder):
            if re.fullmatch(r"[0-9a-f]{16,64}\.hevc(\.sha256)?", name):
                os.remove(os.path.join(self.folder, name))
        try:
            os.rmdir(self.folder)
        except OSError:
            pass  # Somebody else's files.

    def path(self, part: Part) -> str:
        return os.path.join(self.folder, part.key + ".hevc")

    def has(self, part: Part) -> bool:
        try:
            with open(self.path(part), "rb") as file:
                stream = file.read()
            with open(self.path(part) + ".sha256", encoding="ascii") as file:
                expected = file.read().strip()
        except OSError:
            return False
        return hashlib.sha256(stream).hexdigest() == expected

    def put(self, part: Part, stream: bytes) -> None:
        counts, expected = count_pictures(stream), len(part.film.sums)
        if not counts or any(count != expected for count in counts.values()):
            raise JobError(f"part {part.number} came with {counts} pictures by layer; it should have {expected}")
        for path, data in [(self.path(part), stream),
                           (self.path(part) + ".sha256", hashlib.sha256(stream).hexdigest().encode())]:
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, path)

    def layers(self, part: Part) -> "dict[int, int]":
        """Bytes of each layer."""
        sizes: "dict[int, int]" = {}
        with open(self.path(part), "rb") as file:
            stream = file.read()
        at = stream.find(b"\0\0\1")
        while at >= 0:
            following = stream.find(b"\0\0\1", at + 3)
            if at + 4 < len(stream):
                layer = (stream[at + 3] & 1) << 5 | stream[at + 4] >> 3
                sizes[layer] = sizes.get(layer, 0) + (following if following >= 0 else len(stream)) - at
            at = following
        return sizes


class Cluster:
    """A connection to Dask that is made again when it is lost: a scheduler may be restarted, a worker killed."""

    def __init__(self, connect: "Callable[[], Any]", say: "Callable[[str], None]", patience: float) -> None:
        self._connect, self._say, self._patience = connect, say, patience
        self._client: Any = None

    def _open(self) -> None:
        end, wait = time.monotonic() + self._patience, 0.5
        while self._client is None:
            try:
                self._client = self._connect()
                self._say(f"dashboard: {self._client.dashboard_link}")
            except (OSError, TimeoutError) as error:
                if time.monotonic() > end:
                    raise JobError(f"no scheduler for {self._patience:.0f} s: {error}") from None
                time.sleep(wait)
                wait = min(2 * wait, 10)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close(timeout=2)
            except Exception:  # what is closed may be gone already
                pass

    def run(self, function: "Callable[..., bytes]", parts: "Sequence[Part]", program: str,
            take: "Callable[[Part, bytes], None]") -> None:
        """Runs a function on all parts, and hands on each result once. A part whose worker died is given to another."""
        from dask.distributed import as_completed  # pylint: disable=import-outside-toplevel

        missing = {part.key: part for part in parts}
        while missing:
            self._open()
            try:
                # Long parts first, so that the last ones to end are short. Keys of tasks are of this connection alone:
                # a scheduler that remembers an earlier one's does not answer for it.
                run = os.urandom(4).hex()
                order = sorted(missing.values(), key=lambda part: (-len(part.film.sums), part.number))
                futures = {
                    self._client.submit(
                        function, part, program, key=f"veil-part-{part.number}-{run}", pure=False, retries=2): part
                    for part in order}
                for future in as_completed(futures):
                    part = futures[future]
                    if future.status == "error":
                        error = future.exception()
                        if isinstance(error, JobError):
                            raise error
                        raise JobError(f"part {part.number}: {type(error).__name__}: {error}")
                    if future.status != "finished":
                        raise ConnectionError("the scheduler left")
                    take(part, future.result(timeout=60))
                    del missing[part.key]
                    future.release()
            except (OSError, TimeoutError) as error:
                self._say(f"connection lost ({type(error).__name__}); {len(missing)} parts to go, connecting again")
                self.close()
            except Exception as error:
                if type(error).__name__ not in ("CancelledError", "FutureCancelledError", "CommClosedError"):
                    raise
                self._say(f"connection lost ({type(error).__name__}); {len(missing)} parts to go, connecting again")
                self.close()


def make_parts(film: Film, starts: "list[int]", options: "Sequence[str]", version: str) -> "list[Part]":
    ends = [*starts[1:], len(film.sums)]
    return [Part(number, first, film.part(first, end - first), tuple(options), version)
            for number, (first, end) in enumerate(zip(starts, ends))]


def crf_for(rates: "list[float]", fast: "list[dict[int, int]]", sample: "list[int]",
            trials: "list[tuple[list[float], list[dict[int, int]]]]", seconds: float) -> "list[float]":
    """The constant rate factor of each layer under which a film has the rates asked for, in kbit/s.

    `fast` has the bytes of each layer of all parts, coded fast at one factor; `trials` those of the parts in `sample`,
    coded as all will be, at two or more factors of each layer. What a sample takes more or less than when it was coded
    fast, the rest will, too; between two neighbouring factors, and a little beyond them, the logarithm of the rate is
    a straight line."""
    result = []
    for layer, rate in enumerate(rates):
        whole = sum(sizes.get(layer, 0) for sizes in fast)
        part = sum(fast[i].get(layer, 0) for i in sample)
        sizes_at = {crfs[min(layer, len(crfs) - 1)]: sum(sizes.get(layer, 0) for sizes in trial) for crfs, trial in trials}
        if not part or not all(sizes_at.values()):
            raise JobError(f"the analysis has no layer {layer}, for which a bit rate is given")
        wanted = rate * 125 * seconds * part / whole
        points = sorted(sizes_at.items())
        # The two between which it lies, or the last two on its side.
        (low, many), (high, few) = min(
            zip(points, points[1:]),
            key=lambda pair: max(math.log(wanted / pair[0][1]), math.log(pair[1][1] / wanted)))
        slope = math.log(many / few) / (high - low)
        crf = low + math.log(many / wanted) / slope if slope > 1e-3 else low
        result.append(round(min(max(crf, 4.0), 48.0), 1))
    return result


def encode(arguments: argparse.Namespace, say: "Callable[[str], None]") -> None:
    for name in ("ffmpeg", "ffprobe"):
        if not shutil.which(name):
            raise JobError(f"{name} is not here")
    if os.path.exists(arguments.output) and os.path.samefile(arguments.input, arguments.output):
        raise JobError(f"{arguments.output}: input and output are the same file")
    _take_secret(arguments)
    version = _version(arguments.program)
    begin = time.monotonic()
    if arguments.max_seconds < 2 * arguments.min_seconds:
        raise JobError("--max-seconds is at least twice --min-seconds: what is longer could not be cut")
    film = open_film(os.path.abspath(arguments.input))
    if has_sound(film.path):
        say(f"{arguments.input}: its sound is left out (veil encode, on one machine, takes it along)")
    differences = scan(film)
    fps = film.fps[0] / film.fps[1]
    starts = cuts(differences, max(1, round(arguments.min_seconds * fps)), max(1, round(arguments.max_seconds * fps)))
    say(f"{len(differences)} pictures, {len(starts)} parts, cut in {time.monotonic() - begin:.1f} s")

    store = Store(arguments.store or arguments.output + ".parts")
    cluster = Cluster(lambda: _connect(arguments), say, arguments.patience)
    try:
        common = ["--layers", arguments.layers]
        for name in ("depth", "keyint"):
            if getattr(arguments, name) is not None:
                common += [f"--{name}", str(getattr(arguments, name))]
        common += arguments.encode_options
        preset = ["--preset", arguments.preset]
        if arguments.bitrate:
            rate = _analyse(arguments, film, starts, common, cluster, store, version, say)
        else:
            rate = ["--crf", arguments.crf] if arguments.crf else ["--qp", arguments.qp or "28"]
        parts = make_parts(film, starts, [*common, *rate, *preset], version)
        _encode_all(cluster, store, parts, arguments.program, "encoding", say)
    finally:
        cluster.close()
    _finish(arguments, [store.path(part) for part in parts], say)
    if not arguments.store and not arguments.keep_parts:
        store.remove()
    say(f"{arguments.output}: {os.path.getsize(arguments.output)} bytes, {time.monotonic() - begin:.1f} s in all")


def _analyse(arguments: argparse.Namespace, film: Film, starts: "list[int]", common: "list[str]", cluster: Cluster,
             store: Store, version: str, say: "Callable[[str], None]") -> "list[str]":
    """A first pass that is fast, and a few parts as all will be coded: then one quality for all, which has the rate."""
    rates = _numbers(arguments.bitrate)
    fast = make_parts(film, starts, [*common, "--crf", "28", "--preset", "ultrafast"], version)
    _encode_all(cluster, store, fast, arguments.program, "analysis", say)
    number = min(len(fast), 6)
    sample = [(2 * i + 1) * len(fast) // (2 * number) for i in range(number)]
    trials: "list[tuple[list[float], list[dict[int, int]]]]" = []
    seconds = len(film.sums) * film.fps[1] / film.fps[0]

    def trial(crfs: "list[float]") -> None:
        told = ",".join(f"{crf:g}" for crf in crfs)
        parts = make_parts(film, starts, [*common, "--crf", told, "--preset", arguments.preset], version)
        parts = [parts[i] for i in sample]
        _encode_all(cluster, store, parts, arguments.program, f"sample at {told}", say)
        trials.append((crfs, [store.layers(part) for part in parts]))

    trial([24.0])
    trial([32.0])
    sizes = [store.layers(part) for part in fast]
    found = crf_for(rates, sizes, sample, trials, seconds)
    # The factor of a lower layer moves the rate of an upper one, and lines bend: what was found is tried.
    trial(found)
    found = crf_for(rates, sizes, sample, trials, seconds)
    say(f"{arguments.bitrate} kbit/s take rate factors {','.join(f'{crf:g}' for crf in found)}")
    return ["--crf", ",".join(f"{crf:g}" for crf in found)]


def _numbers(text: str) -> "list[float]":
    try:
        numbers = [float(value) for value in text.split(",")]
        if not all(0 < number < 1e7 for number in numbers):
            raise ValueError(text)
        return numbers
    except ValueError:
        raise JobError(f"--bitrate {text}: numbers in kbit/s, one a layer") from None


def _encode_all(cluster: Cluster, store: Store, parts: "list[Part]", program: str, name: str,
                say: "Callable[[str], None]") -> None:
    missing = [part for part in parts if not store.has(part)]
    done = len(parts) - len(missing)
    if done:
        say(f"{name}: {done} of {len(parts)} parts are there already")
    begin, total, coded = time.monotonic(), sum(len(part.film.sums) for part in missing), 0

    def take(part: Part, stream: bytes) -> None:
        nonlocal done, coded
        store.put(part, stream)
        done, coded = done + 1, coded + len(part.film.sums)
        rate = coded / max(time.monotonic() - begin, 1e-9)
        say(f"{name}: {done}/{len(parts)} parts, {rate:.1f} pictures/s, {(total - coded) / rate:.0f} s to go")

    cluster.run(encode_part, missing, program, take)


def _finish(arguments: argparse.Namespace, paths: "list[str]", say: "Callable[[str], None]") -> None:
    """Joins, encrypts, and proves that decryption gives what was joined. The output appears when it is whole."""
    begin = time.monotonic()
    folder = os.path.dirname(os.path.abspath(arguments.output))
    suffix = os.path.splitext(arguments.output)[1]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".veil-") as work:
        joined, made = os.path.join(work, "joined.hevc"), os.path.join(work, "made" + suffix)
        _veil(arguments, "join", *paths, "-o", joined)
        whole = joined
        if arguments.keys:
            options = ["--authenticate"] if arguments.authenticate else []
            for name in ("scheme", "cipher", "profile", "hide"):
                if getattr(arguments, name) is not None:
                    options += [f"--{name}", str(getattr(arguments, name))]
            whole, opened = os.path.join(work, "whole.hevc"), os.path.join(work, "opened.hevc")
            _veil(arguments, "encrypt", joined, "-o", whole, "--keys", arguments.keys, *options)
            _veil(arguments, "decrypt", whole, "-o", opened, "--keys", arguments.keys,
                  *(["--require-authentication"] if arguments.authenticate else []))
            if _digest(opened) != _digest(joined):
                raise JobError("decryption does not give back what was encrypted; nothing was written")
        _veil(arguments, "join", whole, "-o", made)
        os.replace(made, arguments.output)
    say(f"joined{', encrypted and opened again' if arguments.keys else ''} in {time.monotonic() - begin:.1f} s")


def _digest(path: str) -> bytes:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.digest()


def _veil(arguments: argparse.Namespace, *words: str) -> None:
    run = subprocess.run([arguments.program, *words, "--log-level", "error"], stderr=subprocess.PIPE, text=True,
                         check=False, env={**os.environ, **arguments.secret})
    if run.returncode:
        said = run.stderr.strip().splitlines()
        raise JobError(f"veil {words[0]}: {said[-1] if said else f'ended with status {run.returncode}'}")


def _take_secret(arguments: argparse.Namespace) -> None:
    """Keys in a variable leave the environment, which workers on this machine inherit."""
    arguments.secret = {}
    if arguments.keys and arguments.keys.startswith("fd:"):
        raise JobError("keys are read more than once: a file or env:NAME, not fd:N")
    if arguments.keys and arguments.keys.startswith("env:"):
        name = arguments.keys[4:]
        if name not in os.environ:
            raise JobError(f"{arguments.keys}: there is no such variable")
        arguments.secret = {name: os.environ.pop(name)}
    elif arguments.keys and not os.path.exists(arguments.keys):
        raise JobError(f"{arguments.keys}: there is no such file")


def _connect(arguments: argparse.Namespace) -> Any:
    import dask  # pylint: disable=import-outside-toplevel
    from dask.distributed import Client, LocalCluster  # pylint: disable=import-outside-toplevel
    from distributed.security import Security  # pylint: disable=import-outside-toplevel

    # Workers that die are nothing unusual; a part is given up after some of them.
    dask.config.set({"distributed.scheduler.allowed-failures": 10})
    if arguments.scheduler:
        security = None
        if arguments.tls_ca:
            security = Security(tls_ca_file=arguments.tls_ca, tls_client_cert=arguments.tls_cert,
                                tls_client_key=arguments.tls_key, require_encryption=True)
        return Client(arguments.scheduler, security=security, timeout=10)
    cluster = LocalCluster(n_workers=arguments.workers, threads_per_worker=1, processes=True, dashboard_address=":0",
                           host="127.0.0.1")
    client = Client(cluster)
    close = client.close

    def close_both(*values: Any, **named: Any) -> None:
        close(*values, **named)
        cluster.close()

    client.close = close_both
    return client


def run_clip(words: "tuple[str, ...]", program: str = "veil") -> str:
    """On a worker: an experiment on one clip, whose report is written where the command says."""
    run = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if run.returncode:
        raise JobError(f"veil {words[0]} {words[1]}: {(run.stderr.strip().splitlines() or ['failed'])[-1]}")
    return words[1]


def experiments(arguments: argparse.Namespace, say: "Callable[[str], None]") -> None:
    """`evaluate` and `attack`: a task for each clip, a folder for each report."""
    from dask.distributed import as_completed  # pylint: disable=import-outside-toplevel

    names = [os.path.splitext(os.path.basename(clip))[0] for clip in arguments.clips]
    if len(set(names)) != len(names):
        raise JobError("two clips have the same name, and their reports would be one")
    os.makedirs(arguments.output, exist_ok=True)
    client, failed = _connect(arguments), []
    try:
        futures = {}
        for clip, name in zip(arguments.clips, names):
            target = os.path.join(os.path.abspath(arguments.output), name)
            words = (arguments.verb, os.path.abspath(clip), "-o", target, *arguments.encode_options)
            futures[client.submit(run_clip, words, arguments.program, pure=False, retries=2)] = clip
        for number, future in enumerate(as_completed(futures), 1):
            if future.status != "finished":
                failed.append(str(future.exception()))
            say(f"{number}/{len(futures)} {futures[future]}: {failed[-1] if future.status != 'finished' else 'done'}")
    finally:
        client.close()
    if failed:
        raise JobError(f"{len(failed)} of {len(names)} clips failed; the first: {failed[0]}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="veil-distributed", description="Veil on many machines, by Dask distributed.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-o", "--output", required=True)
    shared.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler; without it, workers on this machine")
    shared.add_argument("--workers", type=int, metavar="N", help="on this machine (default: as many as Dask takes)")
    shared.add_argument("--tls-ca", metavar="FILE", help="speak TLS, and trust this authority only (tls:// addresses)")
    shared.add_argument("--tls-cert", metavar="FILE")
    shared.add_argument("--tls-key", metavar="FILE")
    shared.add_argument("--program", default=os.environ.get("VEIL", "veil"), help="the program veil, on all machines")
    coder = verbs.add_parser("encode", parents=[shared], help="a film, cut at scene changes",
                             epilog="Further options of `veil encode` may follow --.")
    coder.add_argument("input", help="a film that ffmpeg reads, at the same path on all machines")
    coder.add_argument("--keys", help="key file or env:NAME, on this machine only; workers have none")
    coder.add_argument("--scheme", choices=["bl", "all", "el"])
    coder.add_argument("--cipher", choices=["chaotic", "aes-128-ctr", "aes-256-ctr", "chacha20"])
    coder.add_argument("--profile", choices=["paper", "maximal"])
    coder.add_argument("--hide", type=int, choices=[0, 1, 2, 3])
    coder.add_argument("--no-authenticate", dest="authenticate", action="store_false")
    coder.add_argument("--layers", default="2x")
    rate = coder.add_mutually_exclusive_group()
    rate.add_argument("--qp")
    rate.add_argument("--crf", help="a value a layer: one quality, in one pass")
    rate.add_argument("--bitrate", help="kbit/s, a value a layer: a first, fast pass finds the one quality that has them")
    coder.add_argument("--preset", default="medium")
    coder.add_argument("--depth")
    coder.add_argument("--keyint", type=int)
    coder.add_argument("--min-seconds", type=float, default=4, help="least length of a part (default: %(default)s)")
    coder.add_argument("--max-seconds", type=float, default=30, help="greatest length of a part (default: %(default)s)")
    coder.add_argument("--store", metavar="FOLDER", help="keep parts here, also when all is done")
    coder.add_argument("--keep-parts", action="store_true")
    coder.add_argument("--patience", type=float, default=300, metavar="SECONDS",
                       help="how long to wait for a scheduler that is gone (default: %(default)s)")
    for verb, text in [("evaluate", "the paper's experiment on each of many clips"),
                       ("attack", "the attacks on each of many clips")]:
        lab = verbs.add_parser(verb, parents=[shared], help=text, epilog=f"Options of `veil {verb}` may follow --.")
        lab.add_argument("clips", nargs="+", help="clips, at the same paths on all machines; -o is the reports' folder")
    return parser


#: What parts cannot have, each for itself, or what is done once at the end.
_REFUSED = ("--keys", "--layer-file", "--pass", "--stats", "--frames", "--vbv-maxrate", "--vbv-bufsize", "--sidecar", "--scheme",
            "--authenticate", "--hide", "--fragmented", "--lower-sources", "--size", "--fps", "-o", "--output")


def main(words: "Sequence[str] | None" = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    further = words[words.index("--") + 1 :] if "--" in words else []
    arguments = _parser().parse_args(words[: words.index("--")] if "--" in words else words)
    arguments.encode_options = further

    def say(line: str) -> None:
        print(f"veil-distributed: {line}", file=sys.stderr, flush=True)

    try:
        if arguments.verb == "encode":
            for word in further:
                if word.split("=")[0] in _REFUSED:
                    raise JobError(f"{word} is not an option of single parts")
            encode(arguments, say)
        else:
            experiments(arguments, say)
        return 0
    except KeyboardInterrupt:
        say("interrupted; the parts that are done are kept")
        return 128 + signal.SIGINT
    except (JobError, FilmError, ImportError, OSError) as error:
        say(f"error: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
