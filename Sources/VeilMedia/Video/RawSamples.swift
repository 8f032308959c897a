// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels

/// Samples as raw video files hold them: a byte each at 8 bit, else two, little endian.
enum RawSamples {
    /// Reads `height` rows of `width` samples, without gaps, into memory with a row every `stride` samples.
    static func read(
        _ from: UnsafeRawPointer, bitDepth: Int, into plane: UnsafeMutablePointer<UInt16>, stride: Int, width: Int,
        height: Int
    ) {
        if bitDepth == 8 {
            veil_widen(plane, stride, from.assumingMemoryBound(to: UInt8.self), width, Int32(width), Int32(height))
            return
        }
        let limit = UInt16((1 << bitDepth) - 1)
        for y in 0..<height {
            for x in 0..<width {
                let sample = from.loadUnaligned(fromByteOffset: 2 * (y * width + x), as: UInt16.self)
                plane[y * stride + x] = min(UInt16(littleEndian: sample), limit)
            }
        }
    }
}
