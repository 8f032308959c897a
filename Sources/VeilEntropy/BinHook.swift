// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// The bypass-coded syntax elements whose bins a ``BinHook`` is shown (H.265 7.3.8).
public enum BinElement: UInt8, Sendable, CaseIterable {
    /// Suffix bins of the EG1 code of abs_mvd_minus2 (9.3.3.6).
    case mvdSuffix = 0
    /// mvd_sign_flag.
    case mvdSign = 1
    /// The coeff_sign_flags of one 4x4 sub-block, in coding order, as one run.
    case coeffSign = 2
    /// Suffix bins of coeff_abs_level_remaining: the truncated Rice part or the escape (9.3.3.11).
    case coeffSuffix = 3
    /// cu_qp_delta_sign_flag.
    case dqpSign = 4
    /// rem_intra_luma_pred_mode (5 bins), or the second bin of mpm_idx (1 bin).
    case intraLumaMode = 5
    /// sao_offset_sign.
    case saoOffsetSign = 6
    /// sao_band_position.
    case saoBandPosition = 7
    /// sao_eo_class_luma and sao_eo_class_chroma.
    case saoEoClass = 8
    /// pcm_sample_luma and pcm_sample_chroma (at most 32 bins a run).
    case pcmSample = 9
    /// The last bin of a sao_offset_abs whose bins before are all ones: it tells cMax from cMax - 1.
    case saoOffset = 10
    /// intra_chroma_pred_mode's two bypass bins.
    case intraChromaMode = 11
    /// The last bin of a merge_idx whose bins before are all ones: it tells the last candidate from the last but one.
    case mergeIdx = 12
    /// The last bin of a ref_idx_l0 or ref_idx_l1 whose bins before are all ones, where it is a bypass bin (cMax of 3
    /// or more).
    case refIdx = 13
    /// The second bin of an asymmetric part_mode: which side the smaller partition lies on.
    case partMode = 14
    /// Suffix bins of the EG0 code of cu_qp_delta_abs beyond 5.
    case dqpSuffix = 15
}

/// A run of bypass bins of one syntax element (or one batch of equal elements), with what a rule needs to know to
/// decide which of them may change. The codec decides nothing about encryption: it hands over runs and codes what
/// comes back.
public struct BinRun: Sendable {
    /// Which element the bins belong to.
    public var element: BinElement
    /// How many bins, 1...32.
    public var count: UInt8
    /// coeffSuffix: cRiceParam before this element (0...4, more with ``Flags/persistentRice``). Otherwise 0.
    public var riceParam: UInt8
    /// coeffSuffix: baseLevel (1...3). dqpSuffix: the greatest |CuQpDeltaVal| of either sign. Otherwise 0.
    public var baseLevel: UInt8
    /// coeffSuffix: length of the prefix (number of ones, at most 3 means truncated Rice, more means escape).
    /// mvdSuffix: number of ones of the EG1 prefix; the suffix then has `count == prefix + 1` bins and
    /// |mvd| lies in 2^count ... 2^(count+1)-1.
    public var prefix: UInt8
    /// See ``Flags``.
    public var flags: Flags
    /// Element-dependent value: coeffSuffix: coeff_abs_level_remaining as coded (before the hook); mvdSuffix,
    /// mvdSign: |mvd|; dqpSign, dqpSuffix: cu_qp_delta_abs; pcmSample: bit depth; saoOffsetSign: |offset|; saoOffset,
    /// mergeIdx, refIdx: cMax.
    public var value: Int32
    /// The bins, the first one coded in the most significant of the `count` low bits.
    public var bins: UInt32
    /// Bins (same positions as in `bins`) that must not change although the element in general may: for example the
    /// sign of a coefficient of magnitude 32768.
    public var frozen: UInt32

    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// coeffSuffix: no further coeff_abs_level_remaining follows in this sub-block, so the Rice update has no
        /// effect.
        public static let lastInSubBlock = Flags(rawValue: 1)
        /// mvdSuffix, mvdSign: the vector refers to a long-term reference picture (an ILRP is one while the current
        /// picture is decoded).
        public static let longTermReference = Flags(rawValue: 2)
        /// saoOffsetSign and friends: the chroma components.
        public static let chroma = Flags(rawValue: 4)
        /// intraLumaMode, intraChromaMode: no block of the picture is small enough for its scan to depend on the mode
        /// (7.4.9.11), and no sign is coded or hidden because of a mode (implicit_rdpcm_enabled_flag is 0).
        public static let scanIndependent = Flags(rawValue: 8)
        /// coeffSuffix: persistent_rice_adaptation_enabled_flag is 1: cRiceParam has no upper limit.
        public static let persistentRice = Flags(rawValue: 16)
        /// coeffSuffix: extended_precision_processing_flag is 1: levels may have more than 16 bits, and the codec
        /// freezes the bins of classes that reach beyond what is allowed.
        public static let extendedPrecision = Flags(rawValue: 32)
    }

    @inlinable
    public init(
        _ element: BinElement, bins: UInt32, count: Int, value: Int32 = 0, riceParam: UInt8 = 0, baseLevel: UInt8 = 0,
        prefix: UInt8 = 0, flags: Flags = [], frozen: UInt32 = 0
    ) {
        self.element = element
        self.count = UInt8(truncatingIfNeeded: count)
        self.riceParam = riceParam
        self.baseLevel = baseLevel
        self.prefix = prefix
        self.flags = flags
        self.value = value
        self.bins = bins
        self.frozen = frozen
    }
}

/// A unit that one thread codes from beginning to end: one substream (WPP row, tile, or whole slice segment) of one
/// picture of one layer.
public struct BinUnit: Sendable, Hashable {
    /// nuh_layer_id.
    public var layer: Int
    /// Number of the period of the layer that the picture belongs to: as a rule how many IRAP pictures of the layer
    /// came before the one this picture follows in decoding order.
    public var period: Int
    /// PicOrderCntVal minus that of the period's first picture.
    public var pocDelta: Int
    /// Raster-scan address of the first CTU of the substream.
    public var ctuAddress: Int
    /// nuh_temporal_id_plus1 - 1.
    public var temporalId: Int
    /// Whether the picture is an IRAP picture.
    public var isIRAP: Bool
    /// Width and height of a CTB in luma samples.
    public var ctbSize = 64

    public init(layer: Int, period: Int, pocDelta: Int, ctuAddress: Int, temporalId: Int = 0, isIRAP: Bool = false) {
        self.layer = layer
        self.period = period
        self.pocDelta = pocDelta
        self.ctuAddress = ctuAddress
        self.temporalId = temporalId
        self.isIRAP = isIRAP
    }
}

/// Sees the bypass bins of one unit, in coding order, and says what to code (encoding side) or what was meant
/// (decoding side).
///
/// One object serves one unit at a time, from one thread. It may be used again after `begin`.
public protocol BinHook: AnyObject {
    /// The next runs belong to `unit`; called at the first CTU of each substream (again, when an encoder codes a row
    /// once more).
    func begin(_ unit: BinUnit)
    /// A CTU begins. `address` is its raster-scan address, `x`, `y` its luma position.
    func beginCTU(address: Int, x: Int, y: Int)
    /// The replacement for `run.bins`: only the low `run.count` bits count, and the number of bins never changes.
    func replace(_ run: BinRun) -> UInt32
}

extension BinHook {
    public func beginCTU(address: Int, x: Int, y: Int) {}
}

/// Makes hooks: the codec asks for one per substream being coded, so that substreams may run on several threads.
public protocol BinHookProvider: AnyObject, Sendable {
    /// A hook for substreams of `layer`, or nil when that layer is left alone.
    func makeHook(layer: Int) -> (any BinHook)?
    /// Makes the hooks of one picture of `layer`, which begins now, on any thread and as long as it is worked on.
    func pictureHooks(layer: Int) -> @Sendable () -> (any BinHook)?
    /// What the stream said of the period that the next picture of `layer` in decoding order begins; nil: nothing, it
    /// goes on with the period, or if it is an IRAP picture begins the next one. Called once for each picture, in
    /// decoding order.
    func periodStart(layer: Int, isIRAP: Bool) -> PeriodStart?
}

extension BinHookProvider {
    public func pictureHooks(layer: Int) -> @Sendable () -> (any BinHook)? { { self.makeHook(layer: layer) } }
    public func periodStart(layer: Int, isIRAP: Bool) -> PeriodStart? { nil }
}
