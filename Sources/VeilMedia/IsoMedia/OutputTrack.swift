// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// A track of a file that is being written: what its samples are, and where their bytes lie until then.
struct OutputTrack {
    struct Sample {
        /// In `file`.
        var offset: Int
        var size: Int
        /// Ticks to the next sample in decoding order, and from decoding to presentation.
        var duration: Int
        var compositionOffset: Int
        var isSync: Bool
        /// Its sample entry, from 1.
        var description = 1
    }

    var handler: FourCC
    var timeScale: Int
    /// Ticks of the media that lie before the presentation begins (edit list).
    var mediaStart = 0
    /// Ticks of the track that nothing is presented in at the beginning.
    var emptyStart = 0
    /// Ticks of the track that are presented; nil: all from `mediaStart` on.
    var shown: Int?
    /// Pieces that these three do not tell, in their place.
    var edits: EditList?
    /// When it was made and changed, in seconds since 1904; 0: not told.
    var creation = (made: 0, changed: 0)
    /// Shown size of video in 1/65536.
    var size = (width: 0, height: 0)
    /// The transformation of the track header, 36 bytes; nil: none.
    var matrix: [UInt8]?
    var isEnabled = true
    /// Of tracks with the same number, but 0, one is played.
    var alternateGroup = 0
    /// What `hdlr` calls it, without the zero at the end; nil: "Veil".
    var name: [UInt8]?
    /// track_ID in the file that it is copied from.
    var sourceId: Int?
    /// track_IDs of the tracks that hold the layers below (`sbas`).
    var bases: [Int] = []
    /// track_IDs, in the file that is copied from, of the tracks that hold its chapters.
    var chapters: [Int] = []
    /// `stsd`, whole.
    var descriptions: [UInt8]
    /// The media header box: `vmhd`, `smhd`, `sthd` or `nmhd`, whole.
    var mediaHeader: [UInt8]
    /// ISO 639-2/T code as `mdhd` packs it.
    var language = Self.undetermined
    /// "und".
    static let undetermined = 0x55C4
    /// The letters of a packed code; nil where it says nothing.
    static func language(of packed: Int) -> String? {
        let letters = [packed >> 10, packed >> 5, packed].map { UInt8($0 & 31) + 0x60 }
        guard packed != undetermined, letters.allSatisfy({ (0x61...0x7A).contains($0) }) else { return nil }
        return String(decoding: letters, as: UTF8.self)
    }
    var samples: [Sample] = []
    /// `tapt` of QuickTime, whole.
    var apertures: [UInt8] = []
    /// Further boxes of the sample tables.
    var sampleGroups: [UInt8] = []
    var file: OpenFile

    /// A video track without samples, which will wait in a file without a name.
    /// - Parameter path: of what is being written.
    static func video(beside path: String) throws -> OutputTrack {
        video(in: try IsoMediaWriter.scratch(beside: path))
    }

    /// - Parameter file: where its samples will wait.
    static func video(in file: OpenFile) -> OutputTrack {
        var header = BoxWriter()
        header.fullBox("vmhd", flags: 1) { $0.zeros(8) }
        return OutputTrack(handler: "vide", timeScale: 1, descriptions: [], mediaHeader: header.bytes, file: file)
    }

    /// A sample of NAL units, each behind its length in four bytes (ISO/IEC 14496-15, 4.3.3).
    static func bytes(of units: [NALUnit]) -> [UInt8] {
        var w = BoxWriter()
        for nal in units {
            w.u32(nal.bytes.count)
            w.append(nal.bytes)
        }
        return w.bytes
    }

    /// The same with lengths of so many bytes; nil where they cannot tell one.
    static func bytes(of units: [NALUnit], lengthSize: Int) -> [UInt8]? {
        var result: [UInt8] = []
        for nal in units {
            guard nal.bytes.count >> (8 * lengthSize) == 0 else { return nil }
            for i in 0..<lengthSize {
                result.append(UInt8(truncatingIfNeeded: nal.bytes.count >> (8 * (lengthSize - 1 - i))))
            }
            result += nal.bytes
        }
        return result
    }

    /// Puts a sample of NAL units behind the others. Its times come later.
    /// - Parameter path: of what is being written, for messages.
    mutating func append(_ units: [NALUnit], isSync: Bool, description: Int, path: String) throws {
        try append(Self.bytes(of: units), isSync: isSync, description: description, path: path)
    }

    mutating func append(_ bytes: [UInt8], isSync: Bool, description: Int, path: String) throws {
        do { try file.write(contentsOf: bytes) } catch {
            throw MediaError.writeFailed(path: path, reason: MediaError.reason(of: error))
        }
        samples.append(
            Sample(
                offset: samples.last.map { $0.offset + $0.size } ?? 0, size: bytes.count, duration: 0,
                compositionOffset: 0, isSync: isSync, description: description))
    }

    var duration: Int { samples.reduce(0) { $0 + $1.duration } }

    /// What is presented from one time of the presentation to another, in seconds; nil: nothing.
    func part(_ range: Range<Double>) -> OutputTrack? {
        func ticks(_ seconds: Double) -> Int { Int(min(seconds * Double(timeScale), 1e15).rounded()) }
        let from = ticks(range.lowerBound)
        let to = min(ticks(range.upperBound), emptyStart + (shown ?? max(duration - mediaStart, 0)))
        var time = emptyStart - mediaStart
        var result = self
        result.samples = []
        // They count samples from the first.
        result.sampleGroups = []
        result.edits = nil
        var start = from
        // What a decoder takes before the presentation begins goes along where that begins.
        let isBeginning = from <= emptyStart
        for sample in samples {
            // A text that shows nothing ends the one before, and need not last.
            let isEnd = handler != "soun" && time == to && sample.duration == 0
            if (time < to || isEnd) && (isBeginning || time + sample.duration > from) {
                if result.samples.isEmpty { start = time }
                result.samples.append(sample)
            }
            time += sample.duration
        }
        if result.samples.isEmpty { return nil }
        // A sample that began before is presented from its middle on; a text can begin there.
        let begin = max(from, emptyStart)
        if handler != "soun" {
            while result.samples.count > 1, start + result.samples[0].duration <= begin {
                start += result.samples.removeFirst().duration
            }
            result.samples[0].duration -= min(max(begin - start, 0), result.samples[0].duration)
            start = max(start, begin)
        }
        result.emptyStart = max(start, begin) - from
        result.mediaStart = max(begin - start, 0)
        result.shown = to - max(start, begin)
        return result
    }

    /// Samples in runs of about half a second, which the file interleaves with those of other tracks.
    func chunks() -> [(range: Range<Int>, start: Double)] {
        var result: [(range: Range<Int>, start: Double)] = []
        var first = 0
        var time = 0
        var start = 0
        for i in samples.indices {
            time += samples[i].duration
            let ends = i == samples.count - 1 || samples[i + 1].description != samples[i].description
            if ends || (time - start) * 2 >= timeScale {
                result.append((first..<i + 1, Double(start) / Double(timeScale)))
                first = i + 1
                start = time
            }
        }
        return result
    }

    /// Ticks of the movie in which nothing is presented at the beginning, and that are presented then.
    func presented(_ movieScale: Int) -> (empty: Int, shown: Int) {
        if let edits = pieces(movieScale) { return (0, edits.reduce(0) { min($0 + $1.duration, MediaTicks.most) }) }
        // Where decoding runs ahead of presentation the last pictures are shown as much later.
        let isReordered = samples.contains { $0.compositionOffset != 0 }
        let all = max(isReordered ? duration : duration - mediaStart, 0)
        return (
            Self.scaled(emptyStart, movieScale, timeScale), Self.scaled(self.shown ?? all, movieScale, timeScale)
        )
    }

    private func pieces(_ movieScale: Int) -> [EditList.Edit]? {
        edits?.edits(duration: duration, timeScale: timeScale, movieScale: movieScale)
    }

    /// The `trak` box.
    /// - Parameters:
    ///   - chunks: the samples of each chunk, and where it lies in the file.
    ///   - chapters: track_IDs of the tracks that hold its chapters.
    ///   - movieScale: ticks a second of the movie.
    func box(
        id: Int, chunks: [(range: Range<Int>, offset: Int)], chapters: [Int], movieScale: Int, into w: inout BoxWriter
    ) {
        let (empty, shown) = presented(movieScale)
        w.box("trak") {
            $0.timeBox("tkhd", flags: isEnabled ? 3 : 2, longest: empty + shown) {
                $0.time(creation.made)
                $0.time(creation.changed)
                $0.u32(id)
                $0.zeros(4)
                $0.time(empty + shown)
                $0.zeros(8)
                $0.u16(0)
                $0.u16(alternateGroup)
                $0.u16(handler == "soun" ? 0x100 : 0)
                $0.u16(0)
                if let matrix { $0.append(matrix) } else { $0.unityMatrix() }
                $0.u32(size.width)
                $0.u32(size.height)
            }
            $0.append(apertures)
            if !chapters.isEmpty || !bases.isEmpty {
                $0.box("tref") {
                    if !bases.isEmpty { $0.box("sbas") { for id in bases { $0.u32(id) } } }
                    if !chapters.isEmpty { $0.box("chap") { for id in chapters { $0.u32(id) } } }
                }
            }
            if let pieces = pieces(movieScale) {
                $0.box("edts") {
                    $0.timeBox("elst", longest: pieces.map { max($0.duration, $0.mediaTime) }.max() ?? 0) {
                        $0.u32(pieces.count)
                        for piece in pieces {
                            $0.time(piece.duration)
                            $0.time(piece.mediaTime)
                            $0.u32(piece.rate)
                        }
                    }
                }
            } else if mediaStart != 0 || empty != 0 || self.shown != nil {
                $0.box("edts") {
                    $0.timeBox("elst", longest: max(empty, shown, mediaStart)) {
                        $0.u32(empty > 0 ? 2 : 1)
                        if empty > 0 {
                            $0.time(empty)
                            $0.time(-1)
                            $0.u32(0x10000)
                        }
                        $0.time(shown)
                        $0.time(mediaStart)
                        $0.u32(0x10000)
                    }
                }
            }
            $0.box("mdia") {
                $0.timeBox("mdhd", longest: duration) {
                    $0.time(creation.made)
                    $0.time(creation.changed)
                    $0.u32(timeScale)
                    $0.time(duration)
                    $0.u16(language)
                    $0.u16(0)
                }
                $0.fullBox("hdlr") {
                    $0.u32(0)
                    $0.fourCC(handler)
                    $0.zeros(12)
                    $0.append(name ?? Array("Veil".utf8))
                    $0.u8(0)
                }
                $0.box("minf") {
                    $0.append(mediaHeader)
                    $0.box("dinf") {
                        $0.fullBox("dref") {
                            $0.u32(1)
                            $0.fullBox("url ", flags: 1) { _ in }
                        }
                    }
                    $0.box("stbl") { table(chunks, &$0) }
                }
            }
        }
    }

    /// Ticks of one scale in another, to the nearest, at most ``MediaTicks/most``: that lasts for ages.
    static func scaled(_ ticks: Int, _ to: Int, _ from: Int) -> Int {
        if ticks <= 0 || to <= 0 { return 0 }
        if Double(ticks) * Double(to) / Double(from) >= Double(MediaTicks.most) { return MediaTicks.most }
        let (quotient, remainder) = from.dividingFullWidth(ticks.multipliedFullWidth(by: to))
        return remainder >= from - remainder ? quotient + 1 : quotient
    }

    /// Sample tables (8.6 and 8.7).
    private func table(_ chunks: [(range: Range<Int>, offset: Int)], _ w: inout BoxWriter) {
        w.append(descriptions)
        func runs(_ values: [Int]) -> [(count: Int, value: Int)] {
            values.reduce(into: []) { result, value in
                if result.last?.value == value {
                    result[result.count - 1].count += 1
                } else {
                    result.append((1, value))
                }
            }
        }
        func write(_ type: FourCC, version: Int = 0, _ runs: [(count: Int, value: Int)]) {
            w.fullBox(type, version: version) { box in
                box.u32(runs.count)
                for run in runs {
                    box.u32(run.count)
                    box.u32(run.value)
                }
            }
        }
        write("stts", runs(samples.map(\.duration)))
        if samples.contains(where: { $0.compositionOffset != 0 }) {
            let isSigned = samples.contains { $0.compositionOffset < 0 }
            write("ctts", version: isSigned ? 1 : 0, runs(samples.map(\.compositionOffset)))
        }
        if samples.contains(where: { !$0.isSync }) {
            let sync = samples.indices.filter { samples[$0].isSync }
            w.fullBox("stss") { box in
                box.u32(sync.count)
                for i in sync { box.u32(i + 1) }
            }
        }
        let counts = chunks.map { [$0.range.count, samples[$0.range.lowerBound].description] }
        let firsts = counts.indices.filter { $0 == 0 || counts[$0] != counts[$0 - 1] }
        w.fullBox("stsc") { box in
            box.u32(firsts.count)
            for i in firsts {
                box.u32(i + 1)
                box.u32(counts[i][0])
                box.u32(counts[i][1])
            }
        }
        w.fullBox("stsz") { box in
            box.u32(0)
            box.u32(samples.count)
            for sample in samples { box.u32(sample.size) }
        }
        // Always of 64 bits: the size of the tables must not depend on where the samples come to lie.
        w.fullBox("co64") { box in
            box.u32(chunks.count)
            for chunk in chunks { box.u64(chunk.offset) }
        }
        w.append(sampleGroups)
    }
}
