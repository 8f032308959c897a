// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilCore

/// The hashes of the decoded picture hash SEI message (D.3.19) over one component.
package enum PictureHash {
    /// Bytes of a row as pictureData lays them out: one byte a sample at 8 bits, two (little endian) above.
    private static func forEachRow(_ plane: Plane, bitDepth: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        if bitDepth > 8 || plane.isNarrow {
            for y in 0..<plane.height {
                body(UnsafeRawBufferPointer(start: plane.address(0, y), count: plane.width * plane.bytesPerSample))
            }
            return
        }
        let bytes = Buffer<UInt8>(repeating: 0, count: plane.width)
        for y in 0..<plane.height {
            let row = plane.row(y)
            for x in 0..<plane.width { bytes[x] = UInt8(truncatingIfNeeded: row[x]) }
            body(UnsafeRawBufferPointer(start: bytes.base, count: plane.width))
        }
    }

    /// picture_md5.
    package static func md5(_ plane: Plane, bitDepth: Int) -> [UInt8] {
        var hash = Insecure.MD5()
        forEachRow(plane, bitDepth: bitDepth) { hash.update(bufferPointer: $0) }
        return Array(hash.finalize())
    }

    /// picture_crc: CRC-16 of polynomial 0x1021 over the bits of each sample, low byte first.
    package static func crc(_ plane: Plane, bitDepth: Int) -> UInt16 {
        var crc: UInt32 = 0xFFFF
        func push(_ byte: UInt32) {
            for bit in 0..<8 {
                let msb = crc >> 15 & 1
                let value = byte >> UInt32(7 - bit) & 1
                crc = ((crc << 1) + value & 0xFFFF) ^ (msb * 0x1021)
            }
        }
        forEachRow(plane, bitDepth: bitDepth) { for byte in $0 { push(UInt32(byte)) } }
        for _ in 0..<16 {
            let msb = crc >> 15 & 1
            crc = (crc << 1 & 0xFFFF) ^ (msb * 0x1021)
        }
        return UInt16(crc)
    }

    /// picture_checksum.
    package static func checksum(_ plane: Plane, bitDepth: Int) -> UInt32 {
        plane.isNarrow
            ? checksum(plane, UInt8.self, hasHighBytes: false)
            : checksum(plane, UInt16.self, hasHighBytes: bitDepth > 8)
    }

    private static func checksum<Sample: UnsignedInteger & FixedWidthInteger>(
        _ plane: Plane, _ type: Sample.Type, hasHighBytes: Bool
    ) -> UInt32 {
        var sum: UInt32 = 0
        for y in 0..<plane.height {
            let row = plane.view(0, y, as: type)
            let yMask = UInt32((y & 0xFF) ^ (y >> 8))
            // Runs of columns in which only the low byte of x changes.
            for first in stride(from: 0, to: plane.width, by: 256) {
                let mask = yMask ^ UInt32(first >> 8)
                let count = min(256, plane.width - first)
                let samples = row + first
                var part: UInt32 = 0
                if hasHighBytes {
                    for x in 0..<count {
                        let m = mask ^ UInt32(truncatingIfNeeded: x)
                        let v = UInt32(samples[x])
                        part &+= ((v & 0xFF) ^ m) &+ ((v >> 8) ^ m)
                    }
                } else {
                    for x in 0..<count { part &+= (UInt32(samples[x]) & 0xFF) ^ (mask ^ UInt32(truncatingIfNeeded: x)) }
                }
                sum &+= part
            }
        }
        return sum
    }
}
