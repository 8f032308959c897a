# SPDX-License-Identifier: GPL-2.0-or-later
"""Films on a cluster of this machine. VEIL names the program, VEIL_LIBRARY the library; needs Dask distributed."""
import base64
import contextlib
import glob
import io
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np

PACKAGE = os.environ.get("VEIL_PYTHON", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, PACKAGE)
# Workers are processes of their own.
os.environ["PYTHONPATH"] = os.path.abspath(PACKAGE) + os.pathsep + os.environ.get("PYTHONPATH", "")
import veil
from veil import distributed, _film

try:
    import dask.distributed as dask_distributed
except ImportError:
    dask_distributed = None
PROGRAM = os.environ.get("VEIL", "veil")
READY = dask_distributed and shutil.which(PROGRAM) and shutil.which("ffmpeg") and shutil.which("ffprobe")


def write_film(path, scenes=5, length=12, size=(96, 64)):
    """Scenes of noise that slides, each of its own."""
    width, height = size
    with veil.Y4MWriter(path, fps=(10, 1)) as writer:
        for scene in range(scenes):
            noise = np.random.default_rng(scene)
            rough = noise.integers(0, 256, (height // 8, width // 4), np.uint8)
            luma = np.kron(rough, np.ones((8, 8), np.uint8))
            chroma = [np.full((height // 2, width // 2), value, np.uint8) for value in (60 + 30 * scene, 128)]
            for n in range(length):
                writer.write(veil.Picture([np.ascontiguousarray(luma[:, n : n + width]), *chroma]))


class FilmTests(unittest.TestCase):
    def test_cuts(self):
        quiet = [0] + [10] * 99
        self.assertEqual(_film.cuts(quiet[:40], 10, 50), [0])
        scenes = list(quiet)
        scenes[30] = scenes[35] = scenes[70] = 5000
        self.assertEqual(_film.cuts(scenes, 10, 50), [0, 30, 70])
        # No part is longer than the greatest length: the cut is where most changes.
        scenes = list(quiet)
        scenes[44] = 700
        self.assertEqual(_film.cuts(scenes, 10, 50), [0, 44, 90])
        self.assertEqual(_film.cuts([0], 10, 50), [0])
        for starts in (_film.cuts(list(quiet) * 3, 7, 20), _film.cuts(list(quiet), 20, 20)):
            lengths = np.diff(starts)
            self.assertTrue(all(7 <= length <= 20 for length in lengths), lengths)

    def test_rates(self):
        # Rates that halve with each six of the factor; the sample takes four fifths of what it took coded fast.
        fast = [{0: 40000 * i, 1: 100000 * i} for i in (1, 2, 3)]

        def trial(crf):
            return [{layer: size * 0.8 * 2 ** ((28 - crf) / 6) for layer, size in fast[i].items()} for i in (0, 2)]

        whole = 240000 * 0.8 / 125 / 10
        crf = distributed.crf_for(
            [whole, 600000 * 0.4 / 125 / 10], fast, [0, 2], [([24.0], trial(24)), ([32.0], trial(32))], 10)
        self.assertEqual(crf, [28.0, 34.0])
        # Of three factors the two next to the rate count; each layer has its own.
        bent = [{0: 1e9, 1: 1e9} for _ in (0, 2)]
        trials = [([24.0], trial(24)), ([10.0, 12.0], bent), ([32.0], trial(32))]
        self.assertEqual(
            distributed.crf_for([whole, 600000 * 0.4 / 125 / 10], fast, [0, 2], trials, 10), [28.0, 34.0])
        self.assertRaises(distributed.JobError, distributed.crf_for, [1, 1, 1], fast, [0], [([24.0], trial(24)), ([32.0], trial(32))], 1)


@unittest.skipUnless(READY, "Dask distributed, the program veil, ffmpeg or ffprobe is not here")
class ClusterTests(unittest.TestCase):
    """A film in parts is the same film, whatever happens to the machines."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.film, cls.keys = os.path.join(cls.folder, "film.y4m"), os.path.join(cls.folder, "keys.json")
        write_film(cls.film)
        cls.run_veil("keygen", "-o", cls.keys, "--layers", "2", "--cipher", "aes-256-ctr")
        cls.clear, cls.store = cls.path("one.hevc"), cls.path("store")
        status, said = cls.encode(cls.clear, "--workers", "1", "--store", cls.store)
        assert status == 0, said

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @staticmethod
    def run_veil(*words):
        return subprocess.run([PROGRAM, *words], check=True, capture_output=True)

    @classmethod
    def encode(cls, output, *words, film=None):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            status = distributed.main(
                ["encode", film or cls.film, "-o", output, "--qp", "30,28", "--preset", "ultrafast", "--min-seconds", "1",
                 "--max-seconds", "4", *words])
        return status, said.getvalue()

    def content(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_output_does_not_depend_on_workers(self):
        output = self.path("three.hevc")
        status, said = self.encode(output, "--workers", "3")
        self.assertEqual(status, 0, said)
        self.assertIn("60 pictures, 5 parts", said)
        self.assertEqual(self.content(output), self.content(self.clear))
        self.assertEqual(distributed.count_pictures(self.content(output)), {0: 60, 1: 60})
        self.assertEqual(glob.glob(output + ".parts"), [])
        shown = veil.decode(self.content(output))
        self.assertEqual(len(shown), 60)
        with veil.Y4MReader(self.film) as film:
            for n in (0, 13, 35, 59):
                error = np.abs(shown[n].planes[0].astype(int) - film[n].planes[0]).mean()
                self.assertLess(error, 12, f"picture {n}")

    def test_encrypted_as_one_stream_and_keys_stay_here(self):
        with open(self.keys, encoding="utf-8") as file:
            text = file.read()
        secrets = [layer["key"] for layer in json.loads(text)["layers"]]
        self.assertEqual([len(secret) for secret in secrets], [64, 64])
        sent, inherited, output = [], [], self.path("secret.mp4")
        run_all = distributed.Cluster.run

        def watch(cluster, function, parts, program, take):
            sent.extend(pickle.dumps(part) for part in parts)
            inherited.extend(os.environ.values())
            run_all(cluster, function, parts, program, take)

        os.environ["FILM_KEYS"] = text
        distributed.Cluster.run = watch
        try:
            status, said = self.encode(output, "--workers", "1", "--keys", "env:FILM_KEYS")
        finally:
            distributed.Cluster.run = run_all
            os.environ.pop("FILM_KEYS", None)
        self.assertEqual(status, 0, said)
        self.assertEqual(len(sent), 5)
        for secret in secrets:
            self.assertFalse(any(secret.encode() in task or bytes.fromhex(secret) in task for task in sent))
            self.assertFalse(any(secret in value for value in inherited))
            self.assertNotIn(secret, said)

        opened = self.path("opened.hevc")
        run = self.run_veil("decrypt", output, "-o", opened, "--keys", self.keys, "--require-authentication")
        self.assertNotIn(b"joined", run.stderr)
        # MP4 does not keep how long start codes are.
        clear, again = (self.content(path).replace(b"\0\0\0\1", b"\0\0\1") for path in (self.clear, opened))
        self.assertEqual(again, clear)
        # A part cut out is noticed, as it is within one stream.
        whole, cut = self.path("secret.hevc"), self.path("cut.hevc")
        self.run_veil("extract", output, "-o", whole, "--layer", "1")
        self.run_veil("split", whole, "-o", self.path("piece-%d.hevc"))
        pieces = sorted(glob.glob(self.path("piece-*.hevc")))
        self.assertEqual(len(pieces), 5)
        self.run_veil("join", pieces[0], *pieces[2:], "-o", cut, "--continuous")
        lost = subprocess.run([PROGRAM, "decrypt", cut, "-o", self.path("lost.hevc"), "--keys", self.keys,
                               "--require-authentication"], capture_output=True, text=True, check=False)
        self.assertIn("missing", lost.stderr)

    def test_a_worker_killed_costs_its_part_only(self):
        output, killed = self.path("killed.hevc"), []
        put = distributed.Store.put

        def kill_one(store, part, stream):
            put(store, part, stream)
            if not killed:
                # A process of this cluster that encodes at this moment.
                for pid in self.children(os.getpid()):
                    if any("encode" in self.words(child) for child in self.children(pid)):
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
                        return

        distributed.Store.put = kill_one
        try:
            status, said = self.encode(output, "--workers", "2")
        finally:
            distributed.Store.put = put
        self.assertEqual(status, 0, said)
        self.assertEqual(len(killed), 1)
        self.assertEqual(self.content(output), self.content(self.clear))

    def children(self, pid):
        """Processes below one, its own children first."""
        below, found = {}, []
        for path in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                words = file.read().rsplit(")", 1)[1].split()
                below.setdefault(int(words[1]), []).append(int(path.split("/")[2]))
        queue = list(below.get(pid, []))
        while queue:
            found.append(queue.pop(0))
            queue += below.get(found[-1], [])
        return found

    def words(self, pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")
        return []

    def test_resumed(self):
        output, store = self.path("resumed.hevc"), self.path("again")
        shutil.copytree(self.store, store)
        kept = sorted(glob.glob(store + "/*.hevc"))
        self.assertEqual(len(kept), 5)
        os.remove(kept[1])
        with open(kept[3], "r+b") as file:
            file.seek(100)
            file.write(b"\0\1\2")
        status, said = self.encode(output, "--workers", "1", "--store", store)
        self.assertEqual(status, 0, said)
        self.assertIn("3 of 5 parts are there already", said)
        self.assertEqual(self.content(output), self.content(self.clear))

    def test_other_settings_are_other_parts(self):
        film = _film.open_film(self.film)
        _film.scan(film)
        keys = [part.key for options in (["--qp", "30"], ["--qp", "31"]) for version in ("1", "2")
                for part in distributed.make_parts(film, [0, 12, 30], options, version)]
        self.assertEqual(len(set(keys)), 12)
        lacking = b"\0\0\1\x26\x01\x80" * 11
        store = distributed.Store(self.path("lacking"))
        part = distributed.make_parts(film, [0, 12], [], "1")[0]
        self.assertRaises(distributed.JobError, store.put, part, lacking)
        self.assertFalse(store.has(part))
        store.put(part, lacking + lacking[:6])
        self.assertTrue(store.has(part))

    def test_another_film_in_its_place(self):
        film = _film.open_film(self.film)
        _film.scan(film)
        part = film.part(12, 5)
        self.assertEqual(len(list(_film.pictures(part, 12))), 5)
        part.sums[3] ^= 1
        with self.assertRaisesRegex(_film.FilmError, "picture 15 is not the one"):
            list(_film.pictures(part, 12))

    def test_scheduler_and_workers_killed_and_restarted(self):
        """In the middle of parts. Those that are done are not done again; nothing that a scheduler or worker writes has a key."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address, machines, written = f"tcp://127.0.0.1:{port}", [], self.path("machines")
        os.mkdir(written)
        environment = {**os.environ, "DASK_TEMPORARY_DIRECTORY": written, "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "debug"}

        def start():
            with open(os.path.join(written, "log"), "ab") as log:
                for words in (["scheduler", "--host", "127.0.0.1", "--port", str(port)],
                              ["worker", address, "--nworkers", "1", "--nthreads", "1", "--no-nanny", "--local-directory", written]):
                    machines.append(subprocess.Popen(
                        [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:], "--no-dashboard"],
                        stdout=log, stderr=log, env=environment))

        put, restarted, done = distributed.Store.put, [], []

        def restart(store, part, stream):
            put(store, part, stream)
            done.append(part.number)
            if not restarted:
                end = time.monotonic() + 20
                while time.monotonic() < end and not restarted:
                    if any("encode" in self.words(child) for child in self.children(machines[1].pid)):
                        restarted.append(part.number)
                for machine in machines:
                    machine.kill()
                    machine.wait()
                threading.Timer(1, start).start()

        start()
        output = self.path("restarted.hevc")
        distributed.Store.put = restart
        try:
            status, said = self.encode(output, "--scheduler", address, "--patience", "60", "--keys", self.keys)
        finally:
            distributed.Store.put = put
            time.sleep(1)
            for machine in machines:
                machine.kill()
                machine.wait()
        self.assertEqual(status, 0, said)
        self.assertIn("connecting again", said)
        self.assertEqual(len(restarted), 1, "no worker was in the middle of a part")
        self.assertEqual(sorted(done), [0, 1, 2, 3, 4])
        opened = self.path("restarted-opened.hevc")
        self.run_veil("decrypt", output, "-o", opened, "--keys", self.keys, "--require-authentication")
        self.assertEqual(self.content(opened), self.content(self.clear))

        with open(self.keys, encoding="utf-8") as file:
            secrets = [bytes.fromhex(layer["key"]) for layer in json.load(file)["layers"]]
        files = [os.path.join(folder, name) for folder, _, names in os.walk(written) for name in names]
        self.assertGreater(os.path.getsize(os.path.join(written, "log")), 10000)
        for path in files:
            for secret in secrets:
                for form in (secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret)):
                    self.assertNotIn(form, self.content(path), path)

    def test_bit_rate(self):
        output = self.path("rate.hevc")
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            status = distributed.main(
                ["encode", self.film, "-o", output, "--bitrate", "10,15", "--preset", "ultrafast", "--min-seconds", "1",
                 "--workers", "2"])
        self.assertEqual(status, 0, said.getvalue())
        self.assertIn("analysis: 5/5", said.getvalue())
        rate = os.path.getsize(output) * 8 / 6 / 1000
        self.assertTrue(19 < rate < 32, f"{rate}: {said.getvalue()}")

    def test_refused_by_an_encoder(self):
        status, said = self.encode(self.path("refused.hevc"), "--preset", "nonsense")
        self.assertEqual(status, 1, said)
        self.assertIn("there is no preset 'nonsense'", said.splitlines()[-1])

    def test_refused(self):
        for words, text in [
            (["--keys", "fd:3"], "fd:N"), (["--keys", self.path("nothing.json")], "no such file"),
            (["--", "--keys", self.keys], "not an option of single parts"), (["--program", "/bin/nothing"], "nothing"),
        ]:
            output = self.path("refused.hevc")
            status, said = self.encode(output, *words)
            self.assertEqual((status, os.path.exists(output)), (1, False), said)
            self.assertIn(text, said)
            self.assertEqual(said.count("\n"), 1, said)
        status, said = self.encode(self.path("refused.hevc"), film=self.keys)
        self.assertEqual(status, 1)


if __name__ == "__main__":
    unittest.main()
