// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

/// A picture that any decoder can decode and that shows nothing, to stand where a picture was sealed: the sealed
/// picture's own slice header and no content. Intra slices are flat grey, others repeat what they are predicted from.
enum StandInPicture {
    /// - Parameters:
    ///   - nal: the first slice segment of the picture.
    ///   - sets: the parameter sets in force.
    static func make(_ nal: NALUnit, sets: ParameterSetCollection) throws -> NALUnit {
        let rbsp = nal.rbsp
        let h = try SliceSegmentHeader(nal: nal.header, rbsp: rbsp, sets: sets, previous: nil)
        let pps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: nal.header.nuhLayerId)
        let grid = try CTBGrid(sps: sps, pps: pps)
        let parameters = SliceParameters(header: h, sps: sps, pps: pps, grid: grid)
        let writer = SliceData.writer(
            parameters: parameters, store: ContextStore(picHeightInCtbs: sps.picHeightInCtbsY),
            lines: AboveContext(picWidthInMinCbs: sps.picWidthInMinCbsY), scratch: SyntaxScratch(),
            contexts: ContextSet())
        let ctu = CodingTreeUnit()
        var ends: [Int] = []
        var begins = true
        for ts in 0..<grid.count {
            let rs = Int(grid.ctbAddrTsToRs[ts])
            let x = (rs % sps.picWidthInCtbsY) << sps.ctbLog2SizeY
            let y = (rs / sps.picWidthInCtbsY) << sps.ctbLog2SizeY
            ctu.reset(ctbAddrRs: rs, xCtb: x, yCtb: y)
            fill(ctu, x: x, y: y, log2Size: sps.ctbLog2SizeY, parameters)
            if begins { writer.begin(ctbAddrRs: rs, first: ts == 0) }
            switch writer.code(ctu, last: ts + 1 == grid.count) {
            case .endOfSubstream:
                begins = true
                ends.append(writer.outputCount)
            case .endOfSegment: ends.append(writer.outputCount)
            case .more: begins = false
            case .failed: throw SyntaxError.unsupported(element: "slice_segment_data", value: rs)
            }
        }
        return SliceAssembly.nal(nal, rbsp: rbsp, header: h, pps: pps, data: writer.outputBytes(), ends: ends)
    }

    /// The largest coding units that fit into the picture.
    private static func fill(_ ctu: CodingTreeUnit, x: Int, y: Int, log2Size: Int, _ p: SliceParameters) {
        if x >= p.picWidthInLumaSamples || y >= p.picHeightInLumaSamples { return }
        let size = 1 << log2Size
        guard x + size <= p.picWidthInLumaSamples && y + size <= p.picHeightInLumaSamples else {
            let half = size / 2
            for (i, j) in [(0, 0), (half, 0), (0, half), (half, half)] {
                fill(ctu, x: x + i, y: y + j, log2Size: log2Size - 1, p)
            }
            return
        }
        var cu = CodingUnit()
        cu.x0 = Int32(x)
        cu.y0 = Int32(y)
        cu.log2CbSize = UInt8(log2Size)
        cu.firstPU = Int32(ctu.puCount)
        cu.firstTU = Int32(ctu.tuCount)
        if p.sliceType == .i {
            cu.predMode = .intra
            transformUnits(ctu, x: x, y: y, log2Size: log2Size, largest: p.maxTbLog2SizeY)
            cu.tuCount = Int32(ctu.tuCount) - cu.firstTU
        } else {
            cu.predMode = .inter
            cu.cuSkipFlag = true
            ctu.pus[ctu.puCount].mergeFlag = true
            ctu.pus[ctu.puCount].mergeIdx = 0
            ctu.puCount += 1
            cu.puCount = 1
        }
        ctu.cus[ctu.cuCount] = cu
        ctu.cuCount += 1
    }

    private static func transformUnits(_ ctu: CodingTreeUnit, x: Int, y: Int, log2Size: Int, largest: Int) {
        if log2Size > largest {
            let half = 1 << (log2Size - 1)
            for (i, j) in [(0, 0), (half, 0), (0, half), (half, half)] {
                transformUnits(ctu, x: x + i, y: y + j, log2Size: log2Size - 1, largest: largest)
            }
            return
        }
        var tu = TransformUnit()
        tu.x0 = Int32(x)
        tu.y0 = Int32(y)
        tu.log2TrafoSize = UInt8(log2Size)
        tu.hasChroma = true
        tu.log2TrafoSizeC = UInt8(max(2, log2Size - 1))
        tu.xBase = Int32(x)
        tu.yBase = Int32(y)
        ctu.tus[ctu.tuCount] = tu
        ctu.tuCount += 1
    }
}
