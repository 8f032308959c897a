// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

/// One slice segment to be recoded.
struct RecodingSegment {
    let nal: NALUnit
    let header: SliceSegmentHeader
    let rbsp: [UInt8]
    /// RBSP positions before which emulation prevention bytes stood.
    let removed: [Int]
    let parameters: SliceParameters
    /// The slice data in the RBSP, without the cabac_zero_words after it, which stay as they are.
    let data: Range<Int>
    /// Its header may have an extension.
    var hasExtension = false
    /// Why it is not to be recoded at all.
    var failure: RecodingFailure?

    init(
        _ nal: NALUnit, header: SliceSegmentHeader, payload: EmulationPrevention.Parts, parameters: SliceParameters
    ) {
        self.nal = nal
        self.header = header
        rbsp = payload.rbsp
        removed = payload.removed
        self.parameters = parameters
        let end = (rbsp.lastIndex { $0 != 0 } ?? -1) + 1
        data = header.byteCount < end ? header.byteCount..<end : 0..<0
    }

    /// Bit position of byte_alignment(), which ends the header.
    var alignmentPosition: Int? {
        if !hasExtension { return header.afterEntryPointsPosition }
        var r = BitReader(rbsp)
        guard (try? r.skip(header.afterEntryPointsPosition, "slice_segment_header")) != nil,
            let length = try? r.ue("slice_segment_header_extension_length")
        else { return nil }
        return r.position + length * 8
    }

    /// Where in the slice data the substreams begin, as the entry points say; nil where they cannot be true.
    var substreamStarts: [Int]? {
        let starts = header.substreamStarts(removed: removed).map { $0 - header.byteCount }
        let ascend = zip(starts, starts.dropFirst()).allSatisfy { $0 < $1 && $1 < data.count }
        return ascend ? starts : nil
    }
}

/// Why a slice segment is not recoded.
enum RecodingFailure: Error, CustomStringConvertible {
    case sliceData
    case codeEnd
    case rest
    case emulationPrevention
    case entryPoints
    case overlap
    case sealed

    var description: String {
        switch self {
        case .sliceData: return "the slice data cannot be parsed to its end"
        case .codeEnd: return "its arithmetic code does not end as an encoder ends it"
        case .rest: return "there is more behind the end of the slice data"
        case .emulationPrevention: return "emulation prevention bytes stand where none belong, or are missing"
        case .entryPoints: return "its entry points could not be restored"
        case .overlap: return "it repeats coding tree units of a slice before it"
        case .sealed: return "it is sealed"
        }
    }
}

/// What came of a slice segment.
enum RecodedSegment {
    case recoded(NALUnit)
    case failed(RecodingFailure)
}
