// SPDX-License-Identifier: GPL-2.0-or-later

// The records of one CTU: what 7.3.8 codes, without the bins. A decoder's slice-data reader fills them and the
// reconstruction consumes them; an encoder's mode decision fills them and the slice-data writer codes them.

/// CuPredMode (7.4.9.5). Skipped CUs are `inter` with `cuSkipFlag` set.
package enum PredMode: UInt8, Sendable {
    case inter = 0
    case intra = 1
}

/// PartMode (Table 7-10).
package enum PartMode: UInt8, Sendable {
    case part2Nx2N = 0
    case part2NxN = 1
    case partNx2N = 2
    case partNxN = 3
    case part2NxnU = 4
    case part2NxnD = 5
    case partnLx2N = 6
    case partnRx2N = 7
}

/// One coding unit (7.3.8.5). Positions are luma samples from the picture's top-left corner.
package struct CodingUnit {
    package var x0: Int32 = 0
    package var y0: Int32 = 0
    package var log2CbSize: UInt8 = 0
    package var predMode: PredMode = .intra
    package var partMode: PartMode = .part2Nx2N
    package var cuSkipFlag = false
    package var cuTransquantBypassFlag = false
    package var pcmFlag = false
    /// Whether a transform tree is coded: always for intra (unless PCM), rqt_root_cbf for inter.
    package var rqtRootCbf = false
    /// True for the first CU of a quantization group (8.6.1), whose origin is (xQg, yQg).
    package var startsQuantizationGroup = false
    /// CuQpDeltaVal in force at the end of the CU: deltas are coded in the first transform unit with residual of a
    /// group.
    package var cuQpDeltaVal: Int8 = 0
    /// IntraPredModeY of each partition (one for 2Nx2N, four for NxN), 8.4.2.
    package var intraPredModeY: (UInt8, UInt8, UInt8, UInt8) = (1, 1, 1, 1)
    /// intra_chroma_pred_mode as coded, 0...4.
    package var intraChromaPredMode: UInt8 = 4
    /// IntraPredModeC (8.4.3), derived; one per CU but for 4:4:4.
    package var intraPredModeC: UInt8 = 1
    package var xQg: Int32 = 0
    package var yQg: Int32 = 0
    /// Ranges into the CTU's `pus` and `tus`.
    package var firstPU: Int32 = 0
    package var puCount: Int32 = 0
    package var firstTU: Int32 = 0
    package var tuCount: Int32 = 0
    /// PCM: index of the first sample in `pcmSamples`: luma, then Cb, then Cr, each in raster order.
    package var pcmStart: Int32 = 0

    package init() {}

    /// One at (x, y) of a size, with nothing decided but how it is predicted.
    package init(x: Int, y: Int, log2: Int, _ predMode: PredMode, _ partMode: PartMode) {
        x0 = Int32(truncatingIfNeeded: x)
        y0 = Int32(truncatingIfNeeded: y)
        log2CbSize = UInt8(truncatingIfNeeded: log2)
        self.predMode = predMode
        self.partMode = partMode
    }
}

/// A motion vector or vector difference in quarter luma samples.
package struct MotionVector: Equatable, Sendable {
    package var x: Int16
    package var y: Int16
    @inlinable package init(x: Int16 = 0, y: Int16 = 0) {
        self.x = x
        self.y = y
    }
}

/// One prediction unit (7.3.8.6).
package struct PredictionUnit {
    package var x0: Int32 = 0
    package var y0: Int32 = 0
    package var width: UInt8 = 0
    package var height: UInt8 = 0
    package var mergeFlag = false
    package var mergeIdx: UInt8 = 0
    /// 0 PRED_L0, 1 PRED_L1, 2 PRED_BI (Table 7-11). Meaningless when merged.
    package var interPredIdc: UInt8 = 0
    package var mvpL0Flag: UInt8 = 0
    package var mvpL1Flag: UInt8 = 0
    package var refIdxL0: Int8 = 0
    package var refIdxL1: Int8 = 0
    package var mvdL0 = MotionVector()
    package var mvdL1 = MotionVector()

    package init() {}
}

/// The coefficients of one transform block. A reader stores sparse entries (`CoefficientEntry`) at `start ..< start +
/// count` of the CTU's `coefficients`; a writer takes a dense raster block of levels at `start` of the CTU's `levels`
/// (`count` is then ignored).
package struct ResidualBlock {
    package var start: Int32 = 0
    package var count: Int32 = 0
    package init() {}
}

/// A non-zero TransCoeffLevel and its raster position (y << log2TrafoSize | x) within the block.
package struct CoefficientEntry {
    package var position: UInt16
    package var level: Int16
    @inlinable package init(position: UInt16, level: Int16) {
        self.position = position
        self.level = level
    }
}

/// One transform unit (7.3.8.8, 7.3.8.10), with its luma block and, when `hasChroma`, its two chroma blocks.
///
/// For a 8x8 CU split into four 4x4 luma blocks the chroma blocks (4x4) belong to the fourth TU and lie at the first
/// one's position.
package struct TransformUnit {
    package var x0: Int32 = 0
    package var y0: Int32 = 0
    package var log2TrafoSize: UInt8 = 0
    /// Index of the intra partition (0...3) the luma block belongs to: selects intraPredModeY.
    package var partition: UInt8 = 0
    /// Whether the TU carries chroma blocks.
    package var hasChroma = false
    package var log2TrafoSizeC: UInt8 = 0
    /// Luma position of the chroma blocks (xBase, yBase); halve it for chroma samples.
    package var xBase: Int32 = 0
    package var yBase: Int32 = 0
    /// Coded block flags and transform_skip_flags, bit cIdx (0 luma, 1 Cb, 2 Cr).
    package var cbf: UInt8 = 0
    package var transformSkip: UInt8 = 0
    package var residual: (ResidualBlock, ResidualBlock, ResidualBlock) = (.init(), .init(), .init())

    package init() {}
}

/// What the range extensions add to a transform unit. Blocks are told by bits: 0 luma, 1 and 2 Cb (of 4:2:2 the upper
/// and the lower one), 3 and 4 Cr.
package struct TransformUnitExtension {
    package var cbf: UInt8 = 0
    package var transformSkip: UInt8 = 0
    /// Blocks with residual DPCM, and those of them where it goes down.
    package var rdpcm: UInt8 = 0
    package var rdpcmIsVertical: UInt8 = 0
    /// predModeIntra of the chroma blocks.
    package var intraPredModeC: UInt8 = 0
    /// Entry of the chroma QP offset lists in force, from 1; 0 for none.
    package var cuChromaQpOffset: UInt8 = 0
    /// ResScaleVal of Cb and Cr.
    package var resScaleVal: (Int8, Int8) = (0, 0)
    /// The lower blocks of 4:2:2.
    package var lower: (ResidualBlock, ResidualBlock) = (.init(), .init())

    package init() {}
}

/// SAO parameters of one CTB (7.3.8.3), per component 0...2.
package struct SAOParameters: Equatable, Sendable {
    package struct Component: Equatable, Sendable {
        /// SaoTypeIdx: 0 off, 1 band, 2 edge.
        package var saoTypeIdx: UInt8 = 0
        package var saoBandPosition: UInt8 = 0
        package var saoEoClass: UInt8 = 0
        /// SaoOffsetVal[1...4], not scaled by << log2OffsetScale.
        package var offsets: (Int16, Int16, Int16, Int16) = (0, 0, 0, 0)
        package init() {}

        package static func == (a: Component, b: Component) -> Bool {
            a.saoTypeIdx == b.saoTypeIdx && a.saoBandPosition == b.saoBandPosition && a.saoEoClass == b.saoEoClass
                && a.offsets == b.offsets
        }
    }
    package var components: (Component, Component, Component) = (.init(), .init(), .init())
    /// How it was (or is to be) coded.
    package var saoMergeLeftFlag = false
    package var saoMergeUpFlag = false
    package init() {}

    package static func == (a: SAOParameters, b: SAOParameters) -> Bool { a.components == b.components }
}

/// The records of one CTU. Capacities fit a 64x64 CTU of the smallest blocks. Not thread-safe: one per worker, which
/// is also why the counters lie in memory of their own, without run-time exclusivity checks: they are touched for every
/// block, by other modules.
package final class CodingTreeUnit {
    /// Raster-scan address and luma position.
    @inlinable package var ctbAddrRs: Int { counters[6] }
    @inlinable package var xCtb: Int { counters[7] }
    @inlinable package var yCtb: Int { counters[8] }
    @inlinable package var sao: SAOParameters {
        @inline(__always) unsafeAddress { UnsafePointer(saoStorage.base) }
        @inline(__always) unsafeMutableAddress { saoStorage.base }
    }
    @usableFromInline let saoStorage = Buffer(repeating: SAOParameters(), count: 1)
    @usableFromInline let counters: Buffer<Int>

    package let cus: Buffer<CodingUnit>
    package let pus: Buffer<PredictionUnit>
    package let tus: Buffer<TransformUnit>
    /// Beside `tus`, where `SliceParameters.extendsRecords` says so (readers).
    package let extensions: Buffer<TransformUnitExtension>
    /// Sparse coefficients (readers).
    package let coefficients: Buffer<CoefficientEntry>
    /// Dense levels (writers).
    package let levels: Buffer<Int16>
    package let pcmSamples: Buffer<UInt16>
    @inlinable package var cuCount: Int {
        @inline(__always) get { counters[0] }
        @inline(__always) set { counters[0] = newValue }
    }
    @inlinable package var puCount: Int {
        @inline(__always) get { counters[1] }
        @inline(__always) set { counters[1] = newValue }
    }
    @inlinable package var tuCount: Int {
        @inline(__always) get { counters[2] }
        @inline(__always) set { counters[2] = newValue }
    }
    @inlinable package var coefficientCount: Int {
        @inline(__always) get { counters[3] }
        @inline(__always) set { counters[3] = newValue }
    }
    /// Entries of `levels` in use.
    @inlinable package var levelCount: Int {
        @inline(__always) get { counters[4] }
        @inline(__always) set { counters[4] = newValue }
    }
    @inlinable package var pcmCount: Int {
        @inline(__always) get { counters[5] }
        @inline(__always) set { counters[5] = newValue }
    }

    package static let maxCUs = 64
    package static let maxPUs = 256
    package static let maxTUs = 256
    /// Three blocks of 64x64: 4:4:4.
    package static let maxSamples = 12288

    /// `levelCapacity`: entries of `levels`, more than a CTU's samples where alternatives are kept beside each other.
    package init(levelCapacity: Int = CodingTreeUnit.maxSamples) {
        counters = Buffer(repeating: 0, count: 9)
        cus = Buffer(repeating: .init(), count: Self.maxCUs)
        pus = Buffer(repeating: .init(), count: Self.maxPUs)
        tus = Buffer(repeating: .init(), count: Self.maxTUs)
        extensions = Buffer(repeating: .init(), count: Self.maxTUs)
        coefficients = Buffer(repeating: .init(position: 0, level: 0), count: Self.maxSamples)
        levels = Buffer(repeating: 0, count: levelCapacity)
        pcmSamples = Buffer(repeating: 0, count: Self.maxSamples)
    }

    /// Empties the record for the CTU at the given address and luma position.
    package func reset(ctbAddrRs: Int, xCtb: Int, yCtb: Int) {
        counters.view.update(repeating: 0, count: 6)
        counters[6] = ctbAddrRs
        counters[7] = xCtb
        counters[8] = yCtb
        sao = SAOParameters()
    }
}
