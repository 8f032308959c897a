# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 -m unittest discover Python/tests, with VEIL_LIBRARY naming the library if it is not in the package."""
import ctypes
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings

import numpy as np

sys.path.insert(0, os.environ.get("VEIL_PYTHON", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")))
import veil
from veil import _library

HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../CModules/CVeil/include")
README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../README.md")


def clip(count=6, width=70, height=50, depth=8):
    """A square that moves over a slope; sizes are odd in chroma."""
    y, x = np.mgrid[0:height, 0:width]
    kind = np.uint8 if depth == 8 else np.uint16
    pictures = []
    for n in range(count):
        luma = np.where((abs(x - 15 - 4 * n) < 7) & (abs(y - 20) < 7), 210, 40 + x + y // 2)
        chroma = [np.full(((height + 1) // 2, (width + 1) // 2), value) for value in (110, 140)]
        pictures.append(veil.Picture([(p << (depth - 8)).astype(kind) for p in [luma, *chroma]], depth))
    return pictures


def same(a, b):
    return len(a) == len(b) and all(np.array_equal(p, q) for x, y in zip(a, b) for p, q in zip(x.planes, y.planes))


class VeilTests(unittest.TestCase):
    def setUp(self):
        self.keys = veil.Keys.generate(2, "chacha20")

    def test_round_trip(self):
        clear = veil.encode(clip(), qp=[24, 22], hashes=1)
        encrypted = veil.encode(clip(), qp=[24, 22], hashes=1, keys=self.keys)
        self.assertNotEqual(clear, encrypted)
        self.assertEqual(veil.decrypt(encrypted, self.keys), clear)
        shown = veil.decode(clear, verify=1)
        self.assertEqual([p.order for p in shown], list(range(6)))
        self.assertEqual(shown[0].planes[0].shape, (50, 70))
        error = np.abs(shown[3].planes[0].astype(int) - clip()[3].planes[0]).mean()
        self.assertLess(error, 3)
        self.assertTrue(same(veil.decode(encrypted, keys=self.keys), shown))
        self.assertFalse(same(veil.decode(encrypted), shown))
        self.assertEqual(veil.decode(clear, layer=0)[0].planes[0].shape, (26, 36))

    def test_two_views_and_alpha(self):
        left = clip()
        right = [[np.roll(plane, 3 if i == 0 else 1, axis=1) for i, plane in enumerate(p.planes)] for p in left]
        clear = veil.encode(left, right=right, qp=20)
        self.assertTrue(same(veil.decode(clear), veil.decode(clear, layer=0)))
        shown = veil.decode(clear, layer=1)
        self.assertLess(np.abs(shown[3].planes[0].astype(int) - right[3][0]).mean(), 3)
        sizes = veil.encode(left, right=right, layers="view,2x", qp=20, hashes=1)
        pictures = veil.decode(sizes, all_layers=True, verify=1)
        self.assertEqual([p.planes[0].shape for p in pictures if p.order == 3], [(26, 36), (50, 70)] * 2)
        largest = [p for p in pictures if p.layer == 3]
        self.assertLess(np.abs(largest[3].planes[0].astype(int) - right[3][0]).mean(), 3)
        keys = veil.Keys.generate(4)
        encrypted = veil.encode(left, right=right, layers="view,2x", qp=20, hashes=1, keys=keys)
        self.assertEqual(veil.decrypt(encrypted, keys), sizes)
        alpha = [255 - p.planes[0] for p in left]
        with_alpha = veil.encode(left, alpha=alpha, qp=20)
        self.assertLess(np.abs(veil.decode(with_alpha, layer=1)[3].planes[0].astype(int) - alpha[3]).mean(), 3)
        with self.assertRaises(ValueError):
            veil.encode(left, right=right[:4])
        with self.assertRaises(ValueError):
            veil.encode(left, right=right, layers="2x")
        with self.assertRaises(TypeError):
            veil.encode(left, right=right, alpha=alpha)
        with self.assertRaises(veil.VeilError):
            veil.encode(left, layers="view")

    def test_after_the_fact_and_other_keys(self):
        clear, new = veil.encode(clip(), qp=28), veil.Keys.generate(2)
        encrypted = veil.encrypt(clear, self.keys, scheme="all", authenticate=1)
        with veil.Transcoder("decrypt", self.keys) as transcoder:
            # Cut anywhere.
            packets = [p for i in range(0, len(encrypted), 97) for p in transcoder.push(encrypted[i : i + 97])]
            packets += transcoder.finish()
            self.assertEqual(b"".join(p.data for p in packets), clear)
            self.assertEqual(len(packets), 6)
            self.assertTrue(packets[0].is_random_access)
            self.assertEqual(packets[0].layers, (0, 1))
            self.assertEqual(transcoder.report["verified_pictures"], 12)
        moved = veil.rekey(encrypted, self.keys, new)
        self.assertEqual(veil.decrypt(moved, new), clear)
        with self.assertRaises(veil.VeilError):
            veil.decrypt(moved, self.keys)
        # New keys leave scheme and hidden pictures as they were; fewer are asked for by name.
        for settings in ({"hide": 3}, {"scheme": "el"}, {"scheme": "bl", "hide": 1}, {"profile": "maximal", "irap_only": 1}):
            encrypted = veil.encrypt(clear, self.keys, **settings)
            moved = veil.rekey(encrypted, self.keys, new)
            self.assertEqual(len(moved), len(encrypted), settings)
            self.assertEqual(veil.decrypt(moved, new), clear)
        open_again = veil.rekey(veil.encrypt(clear, self.keys, hide=3), self.keys, new, hide=-1)
        self.assertEqual(len(open_again), len(veil.encrypt(clear, self.keys)))
        # What is asked of encryption is not left undone in silence.
        for settings in ({"hide": 3}, {"authenticate": 1}, {"keys": self.keys, "elements": "pcm"}):
            with self.assertRaises(veil.VeilError):
                veil.encode(clip(), qp=28, **settings)

    def test_what_is_not_whole_is_told(self):
        stream = veil.encode(clip(), qp=28, keys=self.keys, authenticate=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            veil.decrypt(stream, self.keys)
            veil.decode(stream, keys=self.keys)
        other = veil.encode(clip(), qp=28, keys=self.keys, authenticate=1)
        for what in (
            lambda **more: veil.decrypt(stream + other, self.keys, **more),
            lambda **more: veil.decode(stream + other, keys=self.keys, **more),
            lambda **more: veil.rekey(stream + other, self.keys, veil.Keys.generate(2), **more),
        ):
            with self.assertWarns(veil.IncompleteWarning):
                what()
            with self.assertRaises(veil.ProtectionError):
                what(strict=1)

    def test_ten_bits(self):
        stream = veil.encode(clip(depth=10), qp=20, layers="1")
        shown = veil.decode(stream)
        self.assertEqual((shown[0].bit_depth, shown[0].planes[0].dtype), (10, np.uint16))
        self.assertLess(np.abs(shown[2].planes[0].astype(int) - clip(depth=10)[2].planes[0]).mean(), 12)

    def test_key_files(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "keys.json")
            self.keys.write(path)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            stream = veil.encode(clip(2), keys=veil.Keys(path))
            self.assertEqual(veil.decrypt(stream, self.keys), veil.decrypt(stream, veil.Keys(path)))
            with self.assertRaises(veil.VeilError):
                self.keys.write(path)
        with self.assertRaises(veil.KeyFileError):
            veil.Keys(path)
        with self.assertRaises(TypeError):
            pickle.dumps(self.keys)

    def test_misuse(self):
        for call in [
            lambda: veil.encode(clip(1), nothing=1), lambda: veil.encode(clip(1), qp=3, crf=4),
        ]:
            self.assertRaises(TypeError, call)
        for call in [
            lambda: veil.encode([]), lambda: veil.encode([clip(1)[0].planes[:2]]),
            lambda: veil.encode([[np.zeros((64, 64))] * 3]), lambda: veil.Transcoder("shred", self.keys),
        ]:
            self.assertRaises(ValueError, call)
        for call in [
            lambda: veil.encode(clip(1), qp=99), lambda: veil.encrypt(veil.encode(clip(1)), self.keys, scheme="most"),
            lambda: veil.encrypt(b"\0\0\1", self.keys),
        ]:
            self.assertRaises(veil.VeilError, call)

    def test_y4m(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "clip.y4m")
            for depth in (8, 10):
                with veil.Y4MWriter(path, fps=(30000, 1001)) as writer:
                    for picture in clip(depth=depth):
                        writer.write(picture)
                with veil.Y4MReader(path) as reader:
                    self.assertEqual((len(reader), reader.fps, reader.bit_depth), (6, (30000, 1001), depth))
                    self.assertTrue(same(list(reader), clip(depth=depth)))
                    self.assertTrue(same(list(reader.pictures(2, 3)), clip(depth=depth)[2:5]))
            with open(path, "wb") as file:
                file.write(b"RIFF")
            self.assertRaises(ValueError, veil.Y4MReader, path)

    @unittest.skipUnless(os.path.exists(README), "the page is not here")
    def test_the_page(self):
        with open(README, encoding="utf-8") as file:
            blocks = re.findall(r"```python\n(.*?)```", file.read(), re.S)
        self.assertEqual(len(blocks), 1)
        names = {}
        exec(blocks[0], names)
        self.assertGreater(names["difference"], 5)

    @unittest.skipUnless(shutil.which("cc") and os.path.isdir(HEADER), "a C compiler or the header is not here")
    def test_structures_are_those_of_the_header(self):
        names = {"Picture": "veil_picture", "Packet": "veil_packet", "Protection": "veil_protection",
                 "DecoderSettings": "veil_decoder_settings", "DecoderReport": "veil_decoder_report",
                 "TranscoderSettings": "veil_transcoder_settings", "TranscoderReport": "veil_transcoder_report",
                 "LayerSettings": "veil_layer_settings", "EncoderSettings": "veil_encoder_settings"}
        lines, expected = [], []
        for python, c in names.items():
            structure = getattr(_library, python)
            lines.append(f'printf("{c} %zu\\n", sizeof({c}));')
            expected.append(f"{c} {ctypes.sizeof(structure)}")
            for field in structure._fields_:
                offset = f"offsetof({c}, {field[0]})"
                lines.append(f'printf("{c}.{field[0]} %zu %zu\\n", {offset}, sizeof((({c} *)0)->{field[0]}));')
                member = getattr(structure, field[0])
                expected.append(f"{c}.{field[0]} {member.offset} {member.size}")
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "sizes.c"), os.path.join(folder, "sizes")
            with open(source, "w") as file:
                file.write("#include <stdio.h>\n#include <veil.h>\nint main(void) {" + "\n".join(lines) + "}\n")
            subprocess.run(["cc", "-I", HEADER, source, "-o", program], check=True)
            told = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
        self.assertEqual(told, expected)


if __name__ == "__main__":
    unittest.main()
