// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// When the frames of a source are shown.
package struct FrameTimes: Sendable {
    /// Ticks a second.
    package let timeScale: Int
    /// In display order, ascending.
    package let shown: [Int]

    /// The first frame's, in seconds.
    package let start: Double

    /// Ticks that the last frame lasts: as long as the one before.
    var lastDuration: Int { shown.count > 1 ? shown[shown.count - 1] - shown[shown.count - 2] : 1 }

    /// Ticks from one frame to the next: what most of them last.
    private let usualDuration: Int
    /// Whether frames are not evenly apart.
    package let varies: Bool

    /// Frames a second, where they are evenly apart, and nominally where they are not: a tick more or less, as coarse
    /// time scales make it, counts as even.
    package var frameRate: FrameRate? {
        guard shown.count > 1 else { return nil }
        let usual = usualDuration
        if varies { return FrameRate(timeScale, usual) }
        let total = shown[shown.count - 1] - shown[0]
        let (frames, product) = (shown.count - 1, usual.multipliedReportingOverflow(by: shown.count - 1))
        if product.overflow || total == product.partialValue { return FrameRate(timeScale, usual) }
        return FrameRate.nearest(Double(timeScale) * Double(frames) / Double(total))
    }

    /// As many frames of a file as have times of their own.
    private static let most = 1 << 24

    /// - Parameter times: of all frames, in any order.
    /// Nil where two have the same, or they are beyond all reason.
    init?(_ times: [Int], timeScale: Int, unit: Int = 1) {
        let times = times.sorted()
        let most = Int.max / 4 / max(unit, 1)
        guard let first = times.first, let last = times.last, timeScale > 0, first >= -most / 2,
            last <= most / 2, zip(times, times.dropFirst()).allSatisfy(<)
        else { return nil }
        self.timeScale = timeScale
        shown = times.map { ($0 - first) * unit }
        let durations = zip(shown.dropFirst(), shown).map { $0 - $1 }
        let usual = durations.isEmpty ? 1 : durations.sorted()[durations.count / 2]
        // As coarse as the source's own clock.
        let margin = max(usual / 10, unit)
        usualDuration = usual
        varies = durations.contains { abs($0 - usual) > margin }
        start = Double(first) * Double(unit) / Double(timeScale)
    }

    /// Packets among which pictures are that can be decoded.
    private static let beginning = 64

    /// As ffprobe tells of a file's first video; nil where it does not, or tells the same time twice.
    /// - Parameter decoded: without pictures that are skipped because the stream begins in the middle, and they refer
    ///   to what was before.
    package init?(of input: InputFile, decoded: Bool = false) throws {
        guard
            let text = try FFmpeg.probe(
                input, ["-select_streams", "v:0", "-show_entries", "stream=time_base:packet=pts,flags"],
                limit: Self.most * 16)
        else { return nil }
        var times: [Int] = []
        var base: FrameRate?
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "|")
            if fields.first == "packet", fields.count >= 3, let time = Int(fields[1]) {
                // Decoded, but not shown: what an edit list leaves out.
                if !fields[2].contains("D") { times.append(time) }
            } else if fields.first == "stream", fields.count >= 2 {
                let parts = fields[1].split(separator: "/").compactMap { Int($0) }
                if parts.count == 2 { base = FrameRate(parts[1], parts[0]) }
            }
        }
        guard let base, times.count <= Self.most else { return nil }
        // Where nothing is shown before what comes first, nothing is skipped.
        if decoded, let first = times.first, times.contains(where: { $0 < first }),
            let text = try FFmpeg.probe(
                input,
                ["-select_streams", "v:0", "-show_entries", "frame=pts", "-read_intervals", "%+#\(Self.beginning)"])
        {
            let shown = text.split(separator: "\n").compactMap { line -> Int? in
                let fields = line.split(separator: "|")
                return fields.first == "frame" && fields.count > 1 ? Int(fields[1]) : nil
            }
            if let begin = shown.min() { times.removeAll { $0 < begin } }
        }
        self.init(times, timeScale: base.numerator, unit: base.denominator)
    }
}
