// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

/// Reads the slice data of a stream CTU by CTU, without a key, and may write it again changed: what an attacker's
/// tools stand on.
final class SliceWalk {
    /// The picture that a CTU belongs to.
    struct Position {
        var layer: Int
        /// Number of the picture within its layer, in decoding order.
        var picture: Int
        var poc: Int
        var width: Int
        var height: Int
        var isIntra: Bool
        /// Luma samples a side of a CTU.
        var ctbSize: Int
        /// Bits of the CTU.
        var bits = 0
        var maxNumMergeCand = 1
        /// SliceQpY of the slice that the CTU belongs to.
        var sliceQp = 26
        var isIntraSlice = false
        var hidesSigns = false
    }

    /// Shown each CTU as it was read.
    var visit: ((CodingTreeUnit, Position) -> Void)?
    /// Changes a CTU's record before it is written again; nil: nothing is written.
    var change: ((CodingTreeUnit, Position) -> Void)?
    /// Layers that are walked; others pass.
    var layers: Set<Int>?
    /// Takes the units of the changed stream.
    var deliver: ((NALUnit) throws -> Void)?
    /// Replaces bins as they are read.
    var hooks: (any BinHookProvider)?
    /// Whether what is written may keep the last sign of a sub-block in the parity of its levels, as the stream says.
    var keepsHiddenSigns = true
    private(set) var failedSlices = 0

    private let sets = ParameterSetCollection()
    private var order = StreamPosition()
    private var counts: [Int: Int] = [:]
    private var current: Picture?
    private let ctu = CodingTreeUnit()
    private let readContexts = ContextSet()
    private let writeContexts = ContextSet()
    private let readScratch = SyntaxScratch()
    private let writeScratch = SyntaxScratch()

    /// Parsing state that the slices of a picture share, once for reading and once for writing.
    private final class Picture {
        var position: Position
        let grid: CTBGrid
        let read: (store: ContextStore, lines: AboveContext)
        let write: (store: ContextStore, lines: AboveContext)
        var header: SliceSegmentHeader
        init(position: Position, grid: CTBGrid, sps: SequenceParameterSet, header: SliceSegmentHeader) {
            self.position = position
            self.grid = grid
            self.header = header
            func state() -> (ContextStore, AboveContext) {
                (
                    ContextStore(picHeightInCtbs: sps.picHeightInCtbsY),
                    AboveContext(picWidthInMinCbs: sps.picWidthInMinCbsY)
                )
            }
            read = state()
            write = state()
        }
    }

    /// The next unit in decoding order.
    func push(_ nal: NALUnit) throws {
        let type = nal.header.nalUnitType
        switch type {
        case .vps, .sps, .pps:
            try sets.insert(nal)
            if type == .pps && !keepsHiddenSigns {
                try deliver?(Self.withoutHiddenSigns(nal))
                return
            }
        case .accessUnitDelimiter: if nal.header.nuhLayerId == 0 { order.boundary() }
        case .endOfSequence, .endOfBitstream: order.endOfSequence(layer: nal.header.nuhLayerId)
        default:
            if type.isSlice, let changed = try walk(nal) {
                try deliver?(changed)
                return
            }
        }
        try deliver?(nal)
    }

    /// A PPS with sign_data_hiding_enabled_flag 0.
    private static func withoutHiddenSigns(_ nal: NALUnit) throws -> NALUnit {
        let rbsp = nal.rbsp
        var r = BitReader(rbsp)
        _ = try r.ue("pps_pic_parameter_set_id", in: 0...63)
        _ = try r.ue("pps_seq_parameter_set_id", in: 0...15)
        // dependent_slice_segments_enabled_flag, output_flag_present_flag, num_extra_slice_header_bits.
        _ = try r.u(5, "flags before sign_data_hiding_enabled_flag")
        var changed = rbsp
        changed[r.position >> 3] &= ~(0x80 >> UInt8(r.position & 7))
        return NALUnit(header: nal.header, rbsp: changed, startCodeLength: nal.startCodeLength)
    }

    private func walk(_ nal: NALUnit) throws -> NALUnit? {
        let layer = nal.header.nuhLayerId
        let rbsp = nal.rbsp
        let h = try SliceSegmentHeader(
            nal: nal.header, rbsp: rbsp, sets: sets, previous: current?.position.layer == layer ? current?.header : nil)
        let pps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layer)
        // Records of coefficients are made and written for these formats only.
        try sps.checkPlain()
        try pps.checkPlain()
        if h.firstSliceSegmentInPicFlag || current?.position.layer != layer {
            let place = order.next(h, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb)
            let position = Position(
                layer: layer, picture: counts[layer, default: 0], poc: Int(place.poc),
                width: sps.picWidthInLumaSamples,
                height: sps.picHeightInLumaSamples, isIntra: h.nalUnitType.isIRAP, ctbSize: 1 << sps.ctbLog2SizeY)
            counts[layer, default: 0] += 1
            current = Picture(position: position, grid: try CTBGrid(sps: sps, pps: pps), sps: sps, header: h)
        }
        guard let picture = current, layers?.contains(layer) ?? true else { return nil }
        picture.header = h
        picture.position.sliceQp = 26 + pps.initQpMinus26 + h.sliceQpDelta
        picture.position.isIntraSlice = h.sliceType == .i
        picture.position.maxNumMergeCand = h.maxNumMergeCand
        picture.position.hidesSigns = pps.signDataHidingEnabledFlag
        return recode(nal, rbsp, h, sps, pps, picture)
    }

    /// Walks one slice segment; the changed unit, or nil when nothing is to be written or the data could not be parsed.
    private func recode(
        _ nal: NALUnit, _ rbsp: [UInt8], _ h: SliceSegmentHeader, _ sps: SequenceParameterSet,
        _ pps: PictureParameterSet, _ picture: Picture
    ) -> NALUnit? {
        let end = (rbsp.lastIndex { $0 != 0 } ?? -1) + 1
        guard h.byteCount < end else { return nil }
        let parameters = SliceParameters(header: h, sps: sps, pps: pps, grid: picture.grid)
        var written = parameters
        if !keepsHiddenSigns { written.signDataHidingEnabledFlag = false }
        let hook = hooks?.makeHook(layer: nal.header.nuhLayerId).map(HookBox.init)
        let width = sps.picWidthInCtbsY
        var ends: [Int] = []
        let data: [UInt8]? = rbsp.withUnsafeBufferPointer { bytes in
            let reader = SliceData.reader(
                parameters: parameters, data: UnsafeBufferPointer(rebasing: bytes[h.byteCount..<end]),
                store: picture.read.store,
                lines: picture.read.lines, scratch: readScratch, contexts: readContexts, hook: hook)
            let writer =
                change == nil
                ? nil
                : SliceData.writer(
                    parameters: written, store: picture.write.store, lines: picture.write.lines,
                    scratch: writeScratch,
                    contexts: writeContexts)
            var ts = Int(picture.grid.ctbAddrRsToTs[h.sliceSegmentAddress])
            var begins = true
            var first = true
            while ts < picture.grid.count {
                let rs = Int(picture.grid.ctbAddrTsToRs[ts])
                ctu.reset(ctbAddrRs: rs, xCtb: (rs % width) << sps.ctbLog2SizeY, yCtb: (rs / width) << sps.ctbLog2SizeY)
                if begins {
                    reader.begin(ctbAddrRs: rs, first: first)
                    writer?.begin(ctbAddrRs: rs, first: first)
                }
                first = false
                let before = reader.bitsRead
                let step = reader.code(ctu)
                picture.position.bits = reader.bitsRead - before
                if case .failed = step {
                    failedSlices += 1
                    return nil
                }
                visit?(ctu, picture.position)
                if let writer, let change {
                    change(ctu, picture.position)
                    var last = false
                    if case .endOfSegment = step { last = true }
                    _ = writer.code(ctu, last: last)
                }
                begins = false
                switch step {
                case .endOfSubstream:
                    begins = true
                    ends.append(writer?.outputCount ?? 0)
                case .endOfSegment:
                    ends.append(writer?.outputCount ?? 0)
                    return writer?.outputBytes()
                default: break
                }
                ts += 1
            }
            return nil
        }
        guard let data else { return nil }
        return SliceAssembly.nal(nal, rbsp: rbsp, header: h, pps: pps, data: data, ends: ends)
    }
}

/// Takes the residual out of layers: predictions alone are left. Of a layer whose coefficients are encrypted nothing
/// is lost that way but noise.
enum ResidualStripping {
    static func strip(_ ctu: CodingTreeUnit) {
        for i in 0..<ctu.tuCount { ctu.tus[i].cbf = 0 }
        for i in 0..<ctu.cuCount where ctu.cus[i].predMode == .inter {
            ctu.cus[i].rqtRootCbf = false
            // A merged 2Nx2N unit without residual can only be a skipped one.
            if ctu.cus[i].partMode == .part2Nx2N, ctu.pus[Int(ctu.cus[i].firstPU)].mergeFlag {
                ctu.cus[i].cuSkipFlag = true
            }
        }
    }

    static func run(_ input: String, to output: String, layers: Set<Int>) throws {
        let sink = try StreamWork.FileSink(path: output)
        let walk = SliceWalk()
        walk.layers = layers
        walk.change = { ctu, _ in strip(ctu) }
        walk.deliver = { try sink.put($0) }
        try StreamWork.units(input) { try walk.push($0) }
        try sink.finish()
    }
}
