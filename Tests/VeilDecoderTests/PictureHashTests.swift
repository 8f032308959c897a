// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Testing
import VeilCore
import VeilRecon

@testable import VeilDecoder

/// Decoded picture hashes (D.3.19) against the formulas written out.
@Suite struct PictureHashTests {
    private func noise(_ width: Int, _ height: Int, bitDepth: Int, isNarrow: Bool) -> FrameBuffer {
        let frame = FrameBuffer(
            width: width, height: height, bitDepthLuma: bitDepth, bitDepthChroma: bitDepth, isNarrow: isNarrow)
        var state: UInt32 = 12345
        for y in 0..<height {
            for x in 0..<width {
                state = state &* 1_664_525 &+ 1_013_904_223
                let sample = UInt16(state >> UInt32(32 - bitDepth))
                if isNarrow {
                    frame.planes.0.samples(x, y, as: UInt8.self).pointee = UInt8(sample)
                } else {
                    frame.planes.0.at(x, y).pointee = sample
                }
            }
        }
        return frame
    }

    @Test(arguments: [(8, false), (10, false), (8, true)]) func sums(bitDepth: Int, isNarrow: Bool) {
        // Wider than 256, so that the high byte of x enters the checksum.
        let frame = noise(520, 24, bitDepth: bitDepth, isNarrow: isNarrow)
        let plane = frame.planes.0
        var bytes: [UInt8] = []
        var sum: UInt32 = 0
        for y in 0..<24 {
            for x in 0..<520 {
                let v = plane[x, y]
                let mask = (x & 0xFF) ^ (y & 0xFF) ^ (x >> 8) ^ (y >> 8)
                bytes.append(UInt8(v & 0xFF))
                sum &+= UInt32((v & 0xFF) ^ mask)
                if bitDepth > 8 {
                    bytes.append(UInt8(v >> 8))
                    sum &+= UInt32((v >> 8) ^ mask)
                }
            }
        }
        #expect(PictureHash.checksum(plane, bitDepth: bitDepth) == sum)
        #expect(PictureHash.md5(plane, bitDepth: bitDepth) == Array(Insecure.MD5.hash(data: bytes)))
        // CRC-16/CCITT of register 0xFFFF, with sixteen zero bits behind the data, one polynomial division.
        var register = 0xFFFF
        for byte in bytes + [0, 0] {
            for bit in (0..<8).reversed() {
                let carry = register >> 15
                register = ((register << 1) | (Int(byte) >> bit & 1)) & 0xFFFF
                if carry != 0 { register ^= 0x1021 }
            }
        }
        #expect(Int(PictureHash.crc(plane, bitDepth: bitDepth)) == register)
    }
}
