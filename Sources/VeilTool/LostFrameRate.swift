// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilMedia

/// Finds out whether a byte stream tells the frame rate of the container that it was in.
struct LostFrameRate {
    private let rate: FrameRate
    /// What the VPS and the base layer's SPS tell.
    private var told: (vps: FrameRate?, sps: FrameRate?)
    private var isKnown = false

    init(_ rate: FrameRate) { self.rate = rate }

    /// Reads along. What is to be said, once, when the first slice comes.
    mutating func observe(_ nal: NALUnit) -> String? {
        if isKnown { return nil }
        switch nal.header.nalUnitType {
        case .vps:
            told.vps = FrameRate(timing: (try? VideoParameterSet(rbsp: nal.rbsp))?.timing)
        case .sps where nal.header.nuhLayerId == 0:
            told.sps = FrameRate(timing: (try? SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: 0))?.vui?.timing)
        default: isKnown = nal.header.nalUnitType.isSlice
        }
        let stream = told.sps ?? told.vps
        // Containers round times.
        let isSame = stream.map { abs($0.seconds / rate.seconds - 1) < 0.0003 } ?? false
        guard isKnown, !isSame else { return nil }
        let known = stream.map { "the stream itself tells \($0.text)" } ?? "the stream itself tells none"
        return "its frame rate, \(rate.text), is not kept: \(known); --fps \(rate.text) gives it again"
    }
}

extension FrameRate {
    /// Of a frame.
    fileprivate var seconds: Double { Double(denominator) / Double(numerator) }

    /// As options take it.
    var text: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }
}
