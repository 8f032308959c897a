// SPDX-License-Identifier: GPL-2.0-or-later

/// Puts a slice segment NAL unit together from a header and the bytes of its substreams.
package enum SliceAssembly {
    /// Length of each substream with the emulation prevention bytes it will get. A substream ends in a byte that is
    /// not zero, so no start code pattern crosses from one to the next.
    package static func escapedLengths(of data: [UInt8], ends: [Int]) -> [Int] {
        var result: [Int] = []
        result.reserveCapacity(ends.count)
        data.withUnsafeBufferPointer { bytes in
            var start = 0
            for end in ends {
                var zeros = 0
                var extra = 0
                for i in start..<end {
                    let byte = bytes[i]
                    if zeros >= 2 && byte <= 3 {
                        extra += 1
                        zeros = 0
                    }
                    zeros = byte == 0 ? zeros + 1 : 0
                }
                result.append(end - start + extra)
                start = end
            }
        }
        return result
    }

    /// A slice segment NAL unit with other slice data: its header stays as it is written, but for the entry points.
    /// - Parameters:
    ///   - rbsp: of the unit.
    ///   - header: as it was read from there.
    ///   - ends: where each substream of `data` ends.
    package static func nal(
        _ nal: NALUnit, rbsp: [UInt8], header h: SliceSegmentHeader, pps: PictureParameterSet, data: [UInt8],
        ends: [Int]
    ) -> NALUnit {
        var w = BitWriter()
        w.copy(rbsp, from: 0, count: h.entryPointsPosition)
        if pps.tilesEnabledFlag || pps.entropyCodingSyncEnabledFlag {
            SliceSegmentHeader.writeEntryPoints(Array(escapedLengths(of: data, ends: ends).dropLast()), to: &w)
        }
        let last = rbsp[h.byteCount - 1].trailingZeroBitCount
        w.copy(rbsp, from: h.afterEntryPointsPosition, count: h.byteCount * 8 - 1 - last - h.afterEntryPointsPosition)
        w.trailingBits()
        return NALUnit(header: nal.header, rbsp: w.bytes + data, startCodeLength: nal.startCodeLength)
    }

    /// The NAL unit of a slice segment: `header` written with the entry points of `data`, whose substreams end at
    /// `ends`.
    package static func nal(
        header: SliceSegmentHeader, data: [UInt8], ends: [Int], pps: PictureParameterSet, sps: SequenceParameterSet,
        vps: VideoParameterSet?, startCodeLength: Int = 4
    ) -> NALUnit {
        var h = header
        h.entryPointOffsets = Array(escapedLengths(of: data, ends: ends).dropLast())
        var w = BitWriter()
        h.write(to: &w, pps: pps, sps: sps, vps: vps)
        w.append(bytes: data)
        return NALUnit(
            header: NALUnitHeader(
                nalUnitType: header.nalUnitType, nuhLayerId: header.nuhLayerId,
                nuhTemporalIdPlus1: header.temporalId + 1),
            rbsp: w.bytes, startCodeLength: startCodeLength)
    }
}
