// SPDX-License-Identifier: GPL-2.0-or-later
import VeilRecon

/// Marking of a picture as a reference (8.3.2).
package enum ReferenceMarking: UInt8, Sendable {
    case unused
    case shortTerm
    case longTerm
}

/// A picture in the DPB of one layer, with what output and reference marking need (C.5.2).
package final class DPBEntry {
    package internal(set) var picture: CodedPicture
    /// PicOrderCntVal as it is now.
    package private(set) var poc: Int32
    package var marking = ReferenceMarking.shortTerm
    package var neededForOutput: Bool
    /// True for pictures made up for missing references (8.3.3).
    package internal(set) var isGenerated: Bool
    package let temporalId: Int
    package let output: OutputInfo

    package init(
        picture: CodedPicture, poc: Int32, neededForOutput: Bool, isGenerated: Bool, temporalId: Int, output: OutputInfo
    ) {
        self.picture = picture
        self.poc = poc
        self.neededForOutput = neededForOutput
        self.isGenerated = isGenerated
        self.temporalId = temporalId
        self.output = output
    }

    /// A POC reset of the layer (F.8.3.1).
    package func decrementPoc(by decrement: Int32) {
        poc &-= decrement
        picture.pocDecrement &+= decrement
    }
}

/// What a consumer is told of an output picture besides its samples.
package struct OutputInfo: Sendable {
    package var nuhLayerId = 0
    package var poc: Int32 = 0
    /// Conformance window in luma samples: left, right, top, bottom.
    package var window = (left: 0, right: 0, top: 0, bottom: 0)
    /// How many access units came before in decoding order.
    package var accessUnit = 0
    /// Payloads of its registered user data messages (D.2.6).
    package var userData: [[UInt8]] = []
    package init() {}
}

/// The decoded picture buffer of one layer: storage, removal and "bumping" output (C.5.2). Touched by one thread only.
package struct DecodedPictureBuffer {
    package private(set) var entries: [DPBEntry] = []
    /// Limits of the highest sub-layer of the active SPS.
    package var maxNumReorderPics = 0
    package var maxDecPicBuffering = 16

    package init() {}

    package mutating func insert(_ entry: DPBEntry) { entries.append(entry) }

    /// Removes what is neither referenced nor waits for output.
    package mutating func removeUnused() {
        entries.removeAll { $0.marking == .unused && !$0.neededForOutput }
    }

    package mutating func removeAll() { entries.removeAll() }

    /// All pictures still to be output, by POC; they stay in the buffer only as references.
    package mutating func flush() -> [DPBEntry] {
        var result: [DPBEntry] = []
        while let next = bumpOne() { result.append(next) }
        return result
    }

    /// The picture of the smallest POC that waits for output.
    private func bumpOne() -> DPBEntry? {
        guard let first = entries.filter(\.neededForOutput).min(by: { $0.poc < $1.poc }) else { return nil }
        first.neededForOutput = false
        return first
    }

    /// The decoded picture whose count is nearest to one.
    package func nearest(to poc: Int32) -> CodedPicture? {
        entries.filter { !$0.isGenerated }.min { abs(Int($0.poc) - Int(poc)) < abs(Int($1.poc) - Int(poc)) }?.picture
    }

    private var outputCount: Int { entries.reduce(0) { $0 + ($1.neededForOutput ? 1 : 0) } }

    /// Before the current picture is decoded (C.5.2.2): output until it fits.
    package mutating func bumpBeforeDecoding() -> [DPBEntry] {
        removeUnused()
        var result: [DPBEntry] = []
        while outputCount > maxNumReorderPics || entries.count >= maxDecPicBuffering {
            guard let next = bumpOne() else { break }
            result.append(next)
            removeUnused()
        }
        return result
    }

    /// After the current picture is in the buffer (C.5.2.3). How long a picture may wait (sps_max_latency_increase)
    /// does not count: that changes when pictures of a right stream leave, not their order, and those of streams that
    /// tell too little would leave in another.
    package mutating func bumpAfterDecoding() -> [DPBEntry] {
        var result: [DPBEntry] = []
        while outputCount > maxNumReorderPics {
            guard let next = bumpOne() else { break }
            result.append(next)
        }
        return result
    }
}
