# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the plugin and runs pipelines of gst-launch-1.0. VEIL names the program, VEIL_LIBRARY the C library."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
VEIL, LIBRARY = os.path.abspath(os.environ["VEIL"]), os.path.abspath(os.environ["VEIL_LIBRARY"])
SOURCE = "videotestsrc num-buffers=12 pattern=ball ! video/x-raw,format={},width=160,height=96,framerate=25/1"
FAST = "layers=2x qp=26,26 preset=ultrafast"


class PipelineTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # Programs ask for the soname.
        os.symlink(LIBRARY, os.path.join(cls.folder, "libVeilC.so.1"))
        subprocess.run(
            ["make", "-s", "-C", HERE, f"OUT={cls.folder}/plugin", f"VEIL_LIBS={LIBRARY}",
             f"VEIL_CFLAGS=-I{HERE}/../CModules/CVeil/include"], check=True, capture_output=True)
        paths = [cls.folder, os.environ.get("LD_LIBRARY_PATH", "")]
        cls.environment = {**os.environ, "GST_PLUGIN_PATH": f"{cls.folder}/plugin", "LD_LIBRARY_PATH": ":".join(filter(None, paths)),
                           "GST_REGISTRY": f"{cls.folder}/registry", "G_DEBUG": "fatal-criticals"}
        cls.veil("keygen", "-o", "keys.json", "--layers", "2")
        cls.veil("keygen", "-o", "other.json", "--layers", "2")
        cls.launch(f"{SOURCE.format('I420')} ! veilenc {FAST} ! filesink location=clear.hevc")
        cls.veil("decode", "clear.hevc", "-o", "clear.yuv")

    @classmethod
    def veil(cls, *arguments):
        subprocess.run([VEIL, *arguments], cwd=cls.folder, check=True, capture_output=True)

    @classmethod
    def launch(cls, pipeline):
        run = subprocess.run(["gst-launch-1.0", "-q", *pipeline.split()], cwd=cls.folder, env=cls.environment,
                             capture_output=True, text=True, timeout=120)
        if run.returncode != 0 or "CRITICAL" in run.stderr:
            raise AssertionError(f"{pipeline}: {run.stdout}{run.stderr}")

    def failure(self, pipeline):
        """What is said by a pipeline that fails. Behind an error gst-launch-1.0 now and then waits for ever, as with
        GStreamer's own `identity error-after=1`: it is ended then, and what was said counts."""
        with tempfile.TemporaryFile("w+") as told:
            run = subprocess.Popen(["gst-launch-1.0", "-q", *pipeline.split()], cwd=self.folder, env=self.environment,
                                   stdout=told, stderr=subprocess.STDOUT)
            try:
                status = run.wait(timeout=20)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                status = None
            told.seek(0)
            said = told.read()
        self.assertIn(status, (1, 255, None), f"{pipeline}: {said}")
        self.assertIn("ERROR: from element", said, pipeline)
        return said

    def data(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def test_elements(self):
        told = subprocess.run(["gst-inspect-1.0", "veil"], env=self.environment, capture_output=True, text=True).stdout
        self.assertEqual(re.findall(r"^  (veil\w+):", told, re.M), ["veildec", "veildecrypt", "veilenc", "veilencrypt"])
        told = subprocess.run(["gst-inspect-1.0", "veilencrypt"], env=self.environment, capture_output=True, text=True)
        for name in ["keys", "scheme", "cipher", "profile", "authenticate", "threads"]:
            self.assertRegex(told.stdout, rf"(?m)^  {name} +:")

    def reported(self, encoder):
        """Latencies in pictures that veilenc told a live pipeline, one after the other."""
        log = os.path.join(self.folder, "latency.log")
        environment = {**self.environment, "GST_TRACERS": "latency(flags=reported)", "GST_DEBUG": "GST_TRACER:7",
                       "GST_DEBUG_FILE": log, "GST_DEBUG_NO_COLOR": "1"}
        source = "videotestsrc is-live=true num-buffers=40 ! video/x-raw,format=I420,width=96,height=64,framerate=25/1"
        subprocess.run(
            ["gst-launch-1.0", "-q", *f"{source} ! veilenc preset=ultrafast {encoder} ! fakesink sync=false".split()],
            cwd=self.folder, env=environment, check=True, capture_output=True, timeout=120)
        with open(log, encoding="utf-8", errors="replace") as file:
            told = re.findall(r"element-reported-latency, .*element=\(string\)veilenc0.* min=\(guint64\)(\d+)", file.read())
        os.remove(log)
        return [int(time) / 40e6 for time in told]

    def test_latency_is_what_the_encoder_holds(self):
        self.assertEqual(self.reported("zero-latency=true")[-1], 1)
        told = self.reported("x265-options=rc-lookahead=6:bframes=0:scenecut=0:frame-threads=1")
        # The lookahead, and what x265 and the layers work at; without a measurement it would be 48.
        self.assertTrue(6 < told[-1] < 20, told)

    def test_encoding_is_the_programs(self):
        self.assertEqual(len(self.data("clear.yuv")), 12 * 160 * 96 * 3 // 2)
        self.launch(f"{SOURCE.format('I420')} ! veilenc {FAST} keys=keys.json ! filesink location=loop.hevc")
        self.assertNotEqual(self.data("loop.hevc"), self.data("clear.hevc"))
        self.veil("decrypt", "loop.hevc", "-o", "loop-clear.hevc", "--keys", "keys.json")
        self.assertEqual(self.data("loop-clear.hevc"), self.data("clear.hevc"))

    def test_viewers(self):
        self.launch(
            f"{SOURCE.format('I420')} ! veilenc {FAST} ! veilencrypt keys=keys.json authenticate=true ! tee name=t "
            "t. ! queue ! filesink location=sent.hevc "
            "t. ! queue ! veildecrypt keys=keys.json require-authentication=true ! tee name=u "
            "u. ! queue ! filesink location=opened.hevc u. ! queue ! veildec ! filesink location=opened.yuv "
            "t. ! queue ! veildec keys=keys.json ! filesink location=owner.yuv "
            "t. ! queue ! veildec layer=0 keys=keys.json ! filesink location=preview.yuv "
            "t. ! queue ! veildec ! filesink location=others.yuv")
        self.assertEqual(self.data("opened.hevc"), self.data("clear.hevc"))
        self.assertEqual(self.data("opened.yuv"), self.data("clear.yuv"))
        self.assertEqual(self.data("owner.yuv"), self.data("clear.yuv"))
        self.assertEqual(len(self.data("preview.yuv")), len(self.data("clear.yuv")) // 4)
        self.assertEqual(len(self.data("others.yuv")), len(self.data("clear.yuv")))
        self.assertNotEqual(self.data("others.yuv"), self.data("clear.yuv"))

    def test_ten_bits(self):
        self.launch(f"{SOURCE.format('I420_10LE')} ! veilenc {FAST} ! tee name=t t. ! queue ! filesink location=ten.hevc "
                    "t. ! queue ! veildec ! filesink location=ten.yuv")
        self.veil("decode", "ten.hevc", "-o", "ten-own.yuv")
        self.assertEqual(len(self.data("ten.yuv")), 2 * len(self.data("clear.yuv")))
        self.assertEqual(self.data("ten.yuv"), self.data("ten-own.yuv"))

    def test_live(self):
        live = SOURCE.format("I420").replace("videotestsrc", "videotestsrc is-live=true")
        self.launch(f"{live} ! veilenc {FAST} zero-latency=true keys=keys.json ! tee name=t "
                    "t. ! queue ! veildec keys=keys.json ! fakesink sync=true t. ! queue ! veildec ! fakesink sync=true "
                    "t. ! queue ! filesink location=live.hevc")
        self.veil("decode", "live.hevc", "-o", "live.yuv", "--keys", "keys.json")
        self.assertEqual(len(self.data("live.yuv")), len(self.data("clear.yuv")))

    def test_errors(self):
        source = SOURCE.format("I420")
        for pipeline, message in [
            (f"{source} ! veilenc keys=nothing.json ! fakesink", "no such key file"),
            (f"{source} ! veilenc layers=9x9x9 ! fakesink", "9x9x9"),
            (f"{source} ! veilenc qp=high ! fakesink", "qp takes a number a layer, not 'high'"),
            (f"{source} ! veilenc {FAST} ! veilencrypt ! fakesink", "the property keys names no key file"),
            (f"{source} ! veilenc {FAST} ! veilencrypt keys=keys.json ! veildecrypt keys=other.json ! fakesink", "key"),
        ]:
            self.assertIn(message, self.failure(pipeline))


if __name__ == "__main__":
    unittest.main()
