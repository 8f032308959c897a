// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// Reads the HEVC layers of an ISO base media file (MP4, QuickTime; ISO/IEC 14496-12 and -15) as the NAL units of a
/// byte stream: those of one track, and of the tracks of upper layers that refer to it, in decoding order.
///
/// Parameter sets of the sample entries (`hvcC`, and `lhvC` of the upper layers) come before the first sample that uses
/// them, and again where the entry changes. Memory: the movie's tables, and one access unit.
package struct IsoMediaReader {
    private let file: OpenFile
    private let fileSize: Int
    /// The base layer's track first.
    private let tracks: [MediaTrack]
    /// Next sample of each track, and the entry whose parameter sets were given out last.
    private var next: [Int]
    private var entry: [Int]
    private var pending: [SourceUnit] = []
    /// What the file says beside the stream.
    package let movie: SourceMovie
    private var pendingAt = 0
    /// `pending` holds the next access unit, which was not handed on yet.
    private var isGathered = false
    /// What the file ends in the middle of, and what else is damaged; all that is whole is there.
    package let damage: [IsoMediaError]
    /// Bytes behind its last box that are no box, in words.
    package let passedOver: String?
    /// Bytes of parameter sets that came out of sample entries.
    private var entryBytes = 0

    /// nuh_layer_id 0 to 62.
    private static let mostLayers = 63
    /// What is read into memory of the movie's tables at most.
    private static let largestTable = 512 << 20

    /// Reads the tables of a regular file.
    /// Throws ``IsoMediaError``; `notSupported` when no track holds HEVC video.
    package init(file: OpenFile) throws {
        self.file = file
        fileSize = Int(truncatingIfNeeded: try file.seekToEnd())
        let size = fileSize
        var tracks: [MediaTrack] = []
        /// The box of each, and what is wrong with those that cannot be read.
        var boxes: [Int: Box] = [:]
        var refused: [IsoMediaError] = []
        var moov: Box?
        let found = try Self.movie(
            of: file, fileSize: size,
            tables: { box in
                moov = box
                for trak in try box.children() where trak.type == "trak" {
                    do {
                        guard let track = try MediaTrack(trak: trak, fileSize: size) else { continue }
                        if boxes[track.id] == nil { boxes[track.id] = trak }
                        tracks.append(track)
                    } catch let error as IsoMediaError {
                        if case .notSupported = error { throw error }
                        refused.append(error)
                    }
                }
            },
            sample: { id, sample in
                if let index = tracks.firstIndex(where: { $0.id == id }) { tracks[index].samples.append(sample) }
            })
        passedOver = found.passedOver
        damage = found.damage + refused + tracks.compactMap(\.cut).prefix(1)
        if let damage = damage.first, tracks.allSatisfy(\.samples.isEmpty) { throw refused.first ?? damage }
        guard let moov, let base = tracks.first(where: { !$0.isEnhancement }) ?? (refused.isEmpty ? tracks.first : nil),
            let trak = boxes[base.id]
        else { throw refused.first ?? IsoMediaError.notSupported(what: "no track holds HEVC video") }
        // Tracks of upper layers lead to the base layer's by their references, directly or through others.
        var chosen = [base]
        var ids: Set = [base.id]
        while chosen.count < Self.mostLayers,
            let more = tracks.first(where: { track in
                track.isEnhancement && !ids.contains(track.id) && track.references.contains(where: ids.contains)
            })
        {
            chosen.append(more)
            ids.insert(more.id)
        }
        self.tracks = chosen
        next = chosen.map { _ in 0 }
        entry = chosen.map { _ in 0 }
        movie = try SourceMovie(file: file, moov: moov, trak: trak, track: base, tracks: chosen)
    }

    /// Whether there are layers above the base layer, in tracks of their own or in its.
    package var hasSeveralLayers: Bool {
        tracks.count > 1
            || tracks[0].entries.contains { $0?.parameterSets.contains { $0.header.nuhLayerId > 0 } ?? false }
    }

    /// Whether a decoder alone makes of it what players show: upright 4:2:0 pictures of Main or Main 10, all of which
    /// are presented.
    package var isPlain: Bool {
        guard tracks.count == 1, !movie.isTurned, movie.edits == nil, let samples = tracks.first?.samples,
            !samples.isEmpty
        else { return false }
        let first = samples.map { $0.decodeTime + $0.compositionOffset }.min() ?? 0
        let last = samples.map { $0.decodeTime + $0.compositionOffset + $0.duration }.max() ?? 0
        if first < movie.mediaStart || movie.shown.map({ last - movie.mediaStart - $0 > samples[0].duration }) ?? false
        {
            return false
        }
        let sets = tracks[0].entries.flatMap { $0?.parameterSets ?? [] }.filter { $0.header.nalUnitType == .sps }
        return !sets.isEmpty
            && sets.allSatisfy {
                guard let sps = try? SequenceParameterSet(rbsp: $0.rbsp, nuhLayerId: 0) else { return false }
                return sps.chromaFormatIdc == 1 && sps.bitDepthLumaMinus8 <= 2 && sps.bitDepthChromaMinus8 <= 2
                    && !(sps.vui?.fieldSeqFlag ?? false)
            }
    }

    /// When the pictures of the base layer's track are shown; nil where two are at the same time.
    package var times: FrameTimes? { times(without: []) }

    /// The same of those that are decoded where the stream begins in the middle: pictures that refer to what was before
    /// are skipped. Before the first unit is read.
    package var decodedTimes: FrameTimes? {
        var copy = self
        var skipped: Set<Int> = []
        for index in 0..<tracks[0].samples.count {
            guard (try? copy.gatherAccessUnit()) ?? false,
                let type = copy.pending.map(\.nal.header).first(where: { $0.nalUnitType.isSlice && $0.nuhLayerId == 0 }
                )?
                .nalUnitType, index == 0 ? type.isIRAP : type.isRASL || type.isRADL
            else { break }
            if type.isRASL { skipped.insert(index) }
        }
        return times(without: skipped)
    }

    private func times(without skipped: Set<Int>) -> FrameTimes? {
        let shift = movie.emptyStart &- movie.mediaStart
        let samples = tracks[0].samples.enumerated().filter { !skipped.contains($0.offset) }
        return FrameTimes(
            samples.map { $0.element.decodeTime &+ $0.element.compositionOffset &+ shift },
            timeScale: tracks[0].timeScale)
    }

    /// The next NAL unit, or nil at the end.
    package mutating func nextUnit() throws -> NALUnit? {
        while pendingAt >= pending.count || isGathered {
            guard try readAccessUnit() else { return nil }
        }
        pendingAt += 1
        return pending[pendingAt - 1].nal
    }

    /// A layer of the first access unit whose slices refer to parameter sets that are nowhere before them. Files whose
    /// sample entries some program wrote again without `lhvC` are so.
    package mutating func layerWithoutSets() -> Int? {
        let before = self
        do { isGathered = try gatherAccessUnit() } catch {
            // Whoever reads on is told.
            self = before
            return nil
        }
        guard isGathered else { return nil }
        var known: Set<Int> = []
        for nal in pending.map(\.nal) {
            var r = BitReader(Array(nal.rbsp.prefix(32)))
            if nal.header.nalUnitType == .pps, let id = try? r.ue("pps_pic_parameter_set_id", in: 0...63) {
                known.insert(id)
            }
            guard nal.header.nuhLayerId > 0, nal.beginsPicture else { continue }
            _ = try? r.flag("first_slice_segment_in_pic_flag")
            if nal.header.nalUnitType.isIRAP { _ = try? r.flag("no_output_of_prior_pics_flag") }
            if let id = try? r.ue("slice_pic_parameter_set_id", in: 0...63), !known.contains(id) {
                return nal.header.nuhLayerId
            }
        }
        return nil
    }

    private mutating func readAccessUnit() throws -> Bool {
        if !isGathered { guard try gatherAccessUnit() else { return false } }
        isGathered = false
        let form = tracks[0].entries[entry[0] - 1]
        movie.read(
            pending,
            entry: SourceSamples.Entry(
                numbers: entry, lengthSize: form?.lengthSize ?? 4, inBand: form?.isInBand ?? false))
        return true
    }

    /// Gathers the base layer's next sample and those of upper layers that are decoded with it.
    private mutating func gatherAccessUnit() throws -> Bool {
        guard next[0] < tracks[0].samples.count else {
            for i in tracks.indices.dropFirst() where next[i] < tracks[i].samples.count { noteAlone(track: i) }
            return false
        }
        pendingAt = 0
        let time = tracks[0].samples[next[0]].decodeTime
        var parts = [try readSample(track: 0)]
        for i in tracks.indices.dropFirst() {
            // Time scales may differ between tracks.
            while next[i] < tracks[i].samples.count {
                let own = tracks[i].samples[next[i]].decodeTime.multipliedFullWidth(by: tracks[0].timeScale)
                let wanted = time.multipliedFullWidth(by: tracks[i].timeScale)
                if own == wanted {
                    parts.append(try readSample(track: i))
                } else if own < wanted {
                    noteAlone(track: i)
                    next[i] += 1
                } else {
                    break
                }
            }
        }
        pending = SourceUnit.accessUnit(parts)
        return true
    }

    private func noteAlone(track i: Int) {
        movie.note(
            irregularity: "sample \(next[i] + 1) of track \(tracks[i].id) comes at no time of the base layer's")
    }

    private mutating func readSample(track i: Int) throws -> [SourceUnit] {
        var units: [SourceUnit] = []
        let sample = tracks[i].samples[next[i]]
        next[i] += 1
        let form = try tracks[i].entry(of: sample)
        if entry[i] != sample.descriptionIndex {
            entry[i] = sample.descriptionIndex
            // Each change gives out all sets of an entry: more of them than the file has bytes are no video's.
            entryBytes += form.parameterSets.reduce(0) { $0 + $1.bytes.count }
            guard entryBytes <= max(fileSize, 1 << 16) else {
                throw IsoMediaError.invalid(
                    box: "stsc", offset: sample.offset, what: "the sample entry changes too often for the file's size")
            }
            units += form.parameterSets.map { SourceUnit(nal: $0, entryTrack: i) }
        }
        let bytes = try Self.read(file, from: sample.offset, count: sample.size, in: "mdat")
        var at = 0
        var isFirst = true
        while at < bytes.count {
            let lengthSize = min(form.lengthSize, bytes.count - at)
            var length = bytes[at..<at + lengthSize].reduce(0) { $0 << 8 | Int($1) }
            at += lengthSize
            if lengthSize < form.lengthSize || length > bytes.count - at {
                // What there is of it, as of a byte stream that ends in it.
                movie.note(damage: "the NAL unit at byte \(sample.offset + at) is longer than its sample")
                length = bytes.count - at
                if length == 0 { break }
            }
            let content = Array(bytes[at..<at + length])
            let unit =
                NALUnit(sampleBytes: content, startCodeLength: isFirst ? 4 : 3, offset: sample.offset + at)
                // A byte stream keeps what has no header, too.
                ?? NALUnit(malformed: content, startCodeLength: isFirst ? 4 : 3, offset: sample.offset + at)
            if !(form.isEnhancement && Self.isExtractor(unit)) {
                if Self.holdsStartCode(content) {
                    movie.note(irregularity: "the NAL unit at byte \(sample.offset + at) holds a start code")
                }
                let zeros = content.count - ((content.lastIndex { $0 != 0 } ?? -1) + 1)
                units.append(SourceUnit(nal: unit, zeros: zeros))
                isFirst = false
            }
            at += length
        }
        return units
    }

    /// In a byte stream it would end there: emulation prevention (7.4.2) has been left out.
    private static func holdsStartCode(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { ByteStreamSplitter.startCode(in: $0, from: 0) != nil }
    }

    /// Aggregators and extractors (14496-15, A.6 and A.7) stand for units of the tracks below, which come from there.
    private static func isExtractor(_ unit: NALUnit) -> Bool { [48, 49].contains(unit.header.nalUnitType.rawValue) }

    // MARK: The file

    /// What is damaged of a movie, and bytes behind its last box that are no box, in words.
    struct Findings {
        var damage: [IsoMediaError] = []
        var passedOver: String?

        /// Of a long film one of each kind would do.
        private static let most = 16

        fileprivate mutating func add(_ more: [IsoMediaError]) {
            damage += more.prefix(max(Self.most - damage.count, 0))
        }
    }

    /// Reads a file's `moov` box, and the samples of the fragments behind it, each with its track_ID. What is damaged,
    /// or ends in the middle because the file does, costs no more than itself, and is returned.
    static func movie(
        of file: OpenFile, fileSize: Int, tables: (Box) throws -> Void, sample: (Int, MediaSample) -> Void
    ) throws -> Findings {
        var found = Findings()
        var fragments: MovieFragments?
        var hasMedia = false
        var isFragmented = false
        var at = 0
        // Boxes may be many and small.
        var window: (start: Int, bytes: [UInt8]) = (0, [])
        func bytes(_ offset: Int) throws -> ArraySlice<UInt8> {
            let count = min(16, fileSize - offset)
            if offset < window.start || offset + count > window.start + window.bytes.count {
                window = (offset, try read(file, from: offset, count: min(1 << 16, fileSize - offset), in: "file"))
            }
            return window.bytes[(offset - window.start)..<(offset - window.start + count)]
        }
        while fileSize - at >= 8 {
            let header: (type: FourCC, length: Int, end: Int, isCut: Bool)
            do {
                guard let next = try boxHeader(at, fileSize: fileSize, bytes) else { break }
                header = next
            } catch let error as IsoMediaError {
                guard fragments != nil, hasMedia else { throw error }
                header = ("....", 8, fileSize, true)
            }
            let (type, end, isCut) = (header.type, header.end, header.isCut)
            if isCut, fragments != nil, hasMedia, !ContainerEnd.uppermostBoxes.contains(type) {
                // Tables tell where all samples are; fragments may lie in what follows.
                let rest = isFragmented ? try read(file, from: at, count: min(fileSize - at, 1 << 10), in: type) : []
                if isFragmented, fileSize - at > rest.count || rest.holds("moof") || rest.holds("mfhd") {
                    found.add([.invalid(box: type, offset: at, what: "is no box: what follows is not read")])
                } else {
                    found.passedOver = "\(fileSize - at) bytes behind its last box, passed over"
                }
                break
            }
            let holdsFragment = try bytes(at).dropFirst(12).elementsEqual("mfhd".utf8)
            if holdsFragment, type != "moof" {
                found.add([.invalid(box: type, offset: at, what: "holds what only 'moof' does")])
            }
            if type == "mdat", !isCut { hasMedia = true }
            if type == "moof" { isFragmented = true }
            if type == "moov" || type == "moof" {
                if isCut, type == "moof" {
                    found.add([.cut(box: type, offset: at, what: "the file ends in it")])
                    break
                }
                guard end - at <= largestTable else {
                    throw IsoMediaError.invalid(box: type, offset: at, what: "is larger than 512 MiB")
                }
                let payload = try read(file, from: at + header.length, count: end - at - header.length, in: type)
                var box = Box(type: type, bytes: payload[...], offset: at, isCut: isCut)
                if type == "moov", fragments == nil {
                    var flaws = MovieFlaws.of(box)
                    if !flaws.isEmpty { box = box.tolerant }
                    try tables(box)
                    fragments = try MovieFragments(moov: box, fileSize: fileSize, flaws: &flaws)
                    found.add(flaws)
                } else if type == "moof" {
                    guard fragments != nil else { throw IsoMediaError.missing(box: "moov", in: "file") }
                    found.add(try fragments?.read(box) { sample($0, $1) } ?? [])
                }
            }
            // Which samples are missing is told by what describes them.
            if isCut, type != "mdat" {
                found.add([.cut(box: type, offset: at, what: "the file ends in it")])
                break
            }
            at = end
        }
        return found
    }

    /// Type, size of the header, and end of the box at a place; nil at the end of the file.
    private static func boxHeader(
        _ at: Int, fileSize: Int, _ bytes: (Int) throws -> ArraySlice<UInt8>
    ) throws -> (type: FourCC, length: Int, end: Int, isCut: Bool)? {
        var box = Box(type: "file", bytes: try bytes(at), offset: at)
        var size = try box.u32()
        let type = try box.fourCC()
        var header = 8
        if size == 1 {
            if box.bytesLeft < 8 { return nil }
            size = try box.u64()
            header = 16
        } else if size == 0 {
            size = fileSize - at
        }
        guard size >= header else {
            throw IsoMediaError.invalid(box: type, offset: at, what: "is smaller than its header")
        }
        // The last box of a file that was cut short ends with it.
        let isCut = size > fileSize - at
        return (type, header, isCut ? fileSize : at + size, isCut)
    }

    private static func read(_ file: OpenFile, from offset: Int, count: Int, in box: FourCC) throws -> [UInt8] {
        guard count > 0 else { return [] }
        try file.seek(toOffset: UInt64(offset))
        let data = try file.read(upToCount: count) ?? Data()
        guard data.count == count else { throw IsoMediaError.truncated(box: box, offset: offset) }
        return [UInt8](data)
    }
}

extension [UInt8] {
    fileprivate func holds(_ type: StaticString) -> Bool {
        type.withUTF8Buffer { name in indices.dropLast(3).contains { self[$0..<$0 + 4].elementsEqual(name) } }
    }
}

extension MediaTrack {
    fileprivate var isEnhancement: Bool { entries.contains { $0?.isEnhancement ?? false } && !references.isEmpty }
}
