// SPDX-License-Identifier: GPL-2.0-or-later

/// When the access units of a stream are decoded and shown.
struct SampleTimeline {
    private(set) var timeScale: Int
    private(set) var decoded: [Int]
    private(set) var shown: [Int]
    /// Of the last one.
    private let lastDuration: Int
    /// Ticks before the presentation begins, and such in which nothing is presented at its beginning.
    private(set) var mediaStart = 0
    private(set) var emptyStart = 0
    /// Of the ticks before the presentation, those that pictures are shown in when all are.
    private(set) var cut = 0
    /// The same of ticks behind the presentation.
    private(set) var cutEnd = 0

    func duration(_ index: Int) -> Int {
        index + 1 < decoded.count ? decoded[index + 1] - decoded[index] : lastDuration
    }

    /// Ticks of all access units.
    var length: Int { (decoded.last ?? 0) - (decoded.first ?? 0) + lastDuration }

    func compositionOffset(_ index: Int) -> Int { shown[index] - decoded[index] }

    /// At a constant rate.
    /// - Parameter indices: display order.
    init(indices: [Int], rate: (numerator: Int, denominator: Int)) {
        let ticks = Self.ticks(rate)
        // Where counts leap about, streams end far beyond what files can tell.
        let last = MediaTicks.most / ticks.frame
        self.init(shown: indices.map { min($0, last) * ticks.frame }, lastDuration: ticks.frame, timeScale: ticks.scale)
    }

    /// Ticks a frame and a second at a rate, fine enough for whole ticks a frame.
    static func ticks(_ rate: (numerator: Int, denominator: Int)) -> (frame: Int, scale: Int) {
        // An hour a frame is no video's.
        let rate = rate.denominator / 3600 > rate.numerator ? (numerator: 1, denominator: 3600) : rate
        let factor = max(1, (12800 + rate.numerator - 1) / max(rate.numerator, 1))
        return (rate.denominator * factor, rate.numerator * factor)
    }

    /// The same, seconds later; or so much earlier that its beginning is not presented.
    func delayed(by seconds: Double) -> SampleTimeline {
        var result = self
        result.emptyStart += Int(min(max(seconds, 0) * Double(timeScale), 1e15).rounded())
        result.mediaStart += Int(min(max(-seconds * Double(timeScale), 0), Double(length)).rounded())
        return result
    }

    /// Pictures of a part of a presentation, in ticks of its own: later by what comes before them, and without those
    /// that it cuts off, which are decoded only.
    static func part(
        shown times: [Int], lastDuration: Int, of source: any PresentedSource, delay: Bool
    ) -> SampleTimeline {
        let first = times.min() ?? 0
        var result = SampleTimeline(shown: times, lastDuration: lastDuration, timeScale: source.timeScale)
        if delay { result = result.delayed(by: source.presented(first)) }
        // Of a part that is cut off as a whole, the last picture stays.
        result.cut = min(source.cut(before: first), (times.max() ?? 0) - first)
        result.mediaStart += result.cut
        let last = (times.max() ?? 0) + lastDuration
        result.cutEnd = max(min(source.cut(after: last), last - first - result.cut - lastDuration), 0)
        return result
    }

    /// As in another file. Access units that were left out make the ones before last longer.
    init(_ times: [SourceMovie.Time], of source: SourceMovie) {
        timeScale = source.timeScale
        decoded = times.map(\.decode)
        shown = times.map(\.shown)
        lastDuration = times.last?.duration ?? 1
        (mediaStart, emptyStart) = (source.mediaStart, source.emptyStart)
        // Before the first of them is nothing, in fragments that do not begin at 0 as well.
        mediaStart -= decoded.first ?? 0
        if mediaStart < 0 {
            emptyStart -= mediaStart
            mediaStart = 0
        }
    }

    /// As in another file, of which only such samples are there. Its presentation begins when it did.
    init(_ indices: [Int], of source: SourceMovie) { self.init(indices.map { source.samples[$0] }, of: source) }

    /// Pictures are decoded as far apart as they are shown, as much earlier as reordering takes: as much of the track
    /// lies before the presentation.
    init(shown times: [Int], lastDuration: Int, timeScale: Int) {
        self.timeScale = timeScale
        self.lastDuration = lastDuration
        let sorted = times.sorted()
        let delay = zip(sorted, times).map { $0 - $1 }.max() ?? 0
        let first = sorted.first ?? 0
        decoded = sorted.map { $0 - first }
        shown = times.map { $0 - first + delay }
        mediaStart = delay
    }
}
