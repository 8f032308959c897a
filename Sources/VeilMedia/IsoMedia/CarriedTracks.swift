// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// When a source presents its pictures, and what it plays beside them: what is cut, joined or packaged keeps both.
protocol PresentedSource {
    /// Ticks a second.
    var timeScale: Int { get }
    /// How many pictures are known so far.
    var count: Int { get }
    /// When pictures are shown, and how long the last one is, in ticks; nil where there are not so many.
    /// - Parameters:
    ///   - places: in decoding order.
    ///   - first: the source's access unit that they begin with.
    func shown(_ places: ArraySlice<DisplayOrder.Place>, from first: Int) -> (times: [Int], lastDuration: Int)?
    /// When ticks are presented, in seconds, none of them before the presentation begins.
    func presented(_ ticks: Int) -> Double
    /// Ticks between a time and the beginning of the presentation, where that is later: an edit list cuts pictures off.
    func cut(before ticks: Int) -> Int
    /// Likewise between the end of the presentation and a time behind it.
    func cut(after ticks: Int) -> Int
    /// Nil where it has none that can be read.
    func contents() throws -> CopiedTracks.Contents?

    /// What it says of the video and of the whole.
    var matrix: [UInt8]? { get }
    var isTurned: Bool { get }
    var language: Int { get }
    var videoName: [UInt8]? { get }
    /// What it is called, in messages.
    var name: String { get }
    /// Pieces that are presented, where there are several.
    var edits: EditList? { get }
    var entryBoxes: [(type: FourCC, bytes: [UInt8])] { get }
    var userData: [UInt8]? { get }
}

extension SourceMovie: PresentedSource {
    /// Pictures behind an IRAP picture in decoding order that may be shown before it.
    private static let mostReordered = 32

    var count: Int { min(samples.count, temporalIds.count) }

    func contents() throws -> CopiedTracks.Contents? {
        let contents = try CopiedTracks.read(file)
        for line in contents.damage { FoundDamage.note("\(name): \(line)") }
        return contents
    }

    func shown(
        _ places: ArraySlice<DisplayOrder.Place>, from first: Int
    ) -> (times: [Int], lastDuration: Int)? {
        let times = times(maxTemporalId: 6).dropFirst(first).prefix(places.count)
        guard times.count == places.count, let last = times.max(by: { $0.shown < $1.shown }) else { return nil }
        // Until the next picture is shown; those that come before it in decoding order are a few.
        let next = samples.dropFirst(first + places.count).prefix(Self.mostReordered).map(\.shown).min()
        let rest = next.map { $0 - last.shown } ?? 0
        return (times.map(\.shown), rest > 0 ? rest : durationAtEnd(of: last))
    }

    /// How long the picture that is shown last is. Durations of samples are those between decoding times, which are not
    /// in the order of the pictures: together they last as long, and the edit list says when all is over.
    private func durationAtEnd(of last: Time) -> Int {
        guard let first = samples.map(\.shown).min() else { return last.duration }
        let all = first + samples.reduce(0) { $0 + $1.duration } - last.shown
        let sum = all > 0 ? all : last.duration
        // Of a clock that may count milliseconds only.
        guard let shown, case let left = mediaStart + shown - last.shown, left > 0, abs(left - sum) > timeScale / 500
        else { return sum }
        return min(left, sum)
    }
}

/// The same of a container that ffmpeg opens.
package final class CarriedTracks: PresentedSource {
    private let times: FrameTimes
    /// Seconds before the first picture in which other tracks may play already.
    private let start: Double
    private let others: CopiedTracks.Contents?
    let name: String
    /// Of the video.
    private let title: FFmpeg.Contents.Title

    /// - Parameter file: an MP4 file of what plays beside the pictures (``FFmpeg/otherTracks(of:_:asMovieBeside:)``);
    ///   nil: nothing does.
    package init(
        times: FrameTimes, start: Double, file: OpenFile?, name: String, title: FFmpeg.Contents.Title
    ) throws {
        (self.times, self.start, self.name, self.title) = (times, start, name, title)
        others = try file.map(CopiedTracks.read)
    }

    var timeScale: Int { times.timeScale }
    var count: Int { times.shown.count }

    func shown(
        _ places: ArraySlice<DisplayOrder.Place>, from first: Int
    ) -> (times: [Int], lastDuration: Int)? {
        let all = times.shown
        guard !places.isEmpty, places.count <= all.count - first else { return nil }
        // Pictures before an IRAP picture in decoding order are shown before those behind it.
        let next = first + places.count
        let lastDuration = next < all.count ? all[next] - all[next - 1] : times.lastDuration
        return (DisplayOrder.ranks(Array(places)).map { all[first + $0] }, lastDuration)
    }

    func presented(_ ticks: Int) -> Double { start + Double(ticks) / Double(timeScale) }
    func cut(before ticks: Int) -> Int { 0 }
    func cut(after ticks: Int) -> Int { 0 }
    func contents() throws -> CopiedTracks.Contents? { others }

    /// What the tracks hold, in words.
    package var kinds: [String] { others?.kinds ?? [] }

    var matrix: [UInt8]? { nil }
    var isTurned: Bool { false }
    var language: Int { title.packedLanguage }
    var videoName: [UInt8]? { title.name.map { Array($0.utf8) } }
    var edits: EditList? { nil }
    var entryBoxes: [(type: FourCC, bytes: [UInt8])] { [] }
    var userData: [UInt8]? { others?.userData }
}
