// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

/// A picture that any decoder can decode and that shows nothing, to stand where a picture was sealed: a slice header
/// that says what the sealed one's does of references and order, and no content. Intra slices are flat grey, others
/// repeat what they are predicted from.
enum StandInPicture {
    /// - Parameters:
    ///   - nal: the first slice segment of the picture.
    ///   - sets: the parameter sets in force.
    static func make(_ nal: NALUnit, sets: ParameterSetCollection) throws -> NALUnit {
        let rbsp = nal.rbsp
        let sealed = try SliceSegmentHeader(nal: nal.header, rbsp: rbsp, sets: sets, previous: nil)
        let pps = try sets.pictureParameterSet(id: sealed.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: nal.header.nuhLayerId)
        let vps = sets.videoParameterSet(of: sps)
        let neutral = neutralHeader(sealed, rbsp, sps: sps, pps: pps, vps: vps)
        let h = neutral ?? sealed
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
        if neutral != nil {
            return SliceAssembly.nal(
                header: h, data: writer.outputBytes(), ends: ends, pps: pps, sps: sps, vps: vps,
                startCodeLength: nal.startCodeLength)
        }
        return SliceAssembly.nal(nal, rbsp: rbsp, header: h, pps: pps, data: writer.outputBytes(), ends: ends)
    }

    /// The header without what no stand-in needs: it would take bits, or tell of the picture. Nil for headers that hold
    /// what is not written here (extensions): they stay as they are.
    private static func neutralHeader(
        _ sealed: SliceSegmentHeader, _ rbsp: [UInt8], sps: SequenceParameterSet, pps: PictureParameterSet,
        vps: VideoParameterSet?
    ) -> SliceSegmentHeader? {
        if pps.sliceSegmentHeaderExtensionPresentFlag { return nil }
        // Up to its entry points the header has to come out as it came in.
        func bits(_ bytes: [UInt8]) -> [UInt8] {
            var w = BitWriter()
            w.copy(bytes, from: 0, count: sealed.entryPointsPosition)
            w.trailingBits()
            return w.bytes
        }
        var again = BitWriter()
        sealed.write(to: &again, pps: pps, sps: sps, vps: vps)
        guard again.bytes.count * 8 > sealed.entryPointsPosition, bits(again.bytes) == bits(rbsp) else { return nil }
        var h = sealed
        h.sliceSaoLumaFlag = false
        h.sliceSaoChromaFlag = false
        h.sliceQpDelta = 0
        h.sliceCbQpOffset = 0
        h.sliceCrQpOffset = 0
        h.cabacInitFlag = false
        // The candidate that is used is the first one.
        h.maxNumMergeCand = 1
        h.lumaLog2WeightDenom = 0
        h.chromaLog2WeightDenom = 0
        let none = PredWeight()
        h.predWeights = h.predWeights.map { ($0.0.map { _ in none }, $0.1.map { _ in none }) }
        return h
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
            // Planar: the first candidate of units whose neighbours are.
            cu.intraPredModeY = (0, 0, 0, 0)
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
