#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks for faces, people and text in the pictures of a report of `veil attack`.

    veil attack clip.mp4 -o report
    python3 detect.py report/pictures

Needs OpenCV 4 (`pip install "opencv-python-headless<5"`), which ships the detectors it uses: Haar cascades for faces
and upper bodies. Text is found by contrast: lines of closely set strokes. Prints one line for each picture; the first
is the clear one.
"""
import pathlib
import sys

import cv2
import numpy


def cascade(name):
    return cv2.CascadeClassifier(cv2.data.haarcascades + name)


FACES = [cascade("haarcascade_frontalface_default.xml"), cascade("haarcascade_frontalface_alt2.xml")]
BODIES = [cascade("haarcascade_upperbody.xml"), cascade("haarcascade_fullbody.xml")]


def found(detectors, picture):
    """Most of what one of the detectors finds, in the picture or its negative: signs may be guessed the wrong way."""
    equalized = [cv2.equalizeHist(picture), cv2.equalizeHist(255 - picture)]
    return max(len(d.detectMultiScale(p, 1.05, 4)) for d in detectors for p in equalized)


def text_lines(picture):
    """Lines of text: wide, filled rows of strong small-scale contrast."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    contrast = cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, kernel)
    if numpy.percentile(contrast, 99) < 24:
        return 0
    _, strokes = cv2.threshold(contrast, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    rows = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_RECT, (11, 1)))
    contours, _ = cv2.findContours(rows, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    count = 0
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        filled = cv2.countNonZero(rows[y : y + height, x : x + width]) / (width * height)
        if width >= 3 * height and 6 <= height <= picture.shape[0] // 6 and filled > 0.5:
            count += 1
    return count


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.png"))
    if not paths:
        sys.exit(f"{sys.argv[1]}: no pictures")
    print(f"{'faces':>6}{'people':>8}{'text':>6}  picture")
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            sys.exit(f"{path}: cannot be read")
        # Detectors expect faces of some twenty samples at least.
        scale = max(1, round(480 / max(picture.shape)))
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        print(f"{found(FACES, picture):>6}{found(BODIES, picture):>8}{text_lines(picture):>6}  {path.stem}")


if __name__ == "__main__":
    main()
