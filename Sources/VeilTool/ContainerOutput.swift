// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilMedia
import VeilSystem

/// Puts a single-layer stream into Matroska or MPEG-TS by way of ffmpeg, which copies it. Encryption messages stay in.
final class ContainerOutput {
    /// ffmpeg's names of the formats by file name extension.
    private static let formats = ["mkv": "matroska", "ts": "mpegts", "mts": "mpegts"]

    /// Whether a file's name asks for such a container.
    static func isContainer(_ path: String) -> Bool { formats[path.suffixOfPath.lowercased()] != nil }

    private let path: String
    private let temporary: TemporaryFile
    private let format: String
    private let ffmpeg: String
    private var others: Others?
    /// Whether nothing is to play behind the last picture.
    private var endsWithPictures = false
    /// Of Matroska, which has it elsewhere than the MP4 that ffmpeg is given.
    private var videoName: String?
    private let writer: PipedMovieWriter
    private var grouping = AccessUnitGrouping()

    init(path: String, fps: FrameRate?) throws {
        guard let format = Self.formats[path.suffixOfPath.lowercased()] else {
            throw MediaError.writeFailed(path: path, reason: "unknown format")
        }
        guard let ffmpeg = FFmpeg.program else {
            throw MediaError.writeFailed(
                path: path,
                reason: "ffmpeg, which would make the container, is not installed; name it .hevc for a bare stream")
        }
        self.path = path
        self.format = format
        self.ffmpeg = ffmpeg
        temporary = try TemporaryFile(replacing: path)
        writer = try PipedMovieWriter(beside: path, fps: fps?.fraction)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Puts the stream beside what plays with it. Both keep the clock of the source: left to itself ffmpeg has each
    /// input begin at 0.
    /// - Parameters:
    ///   - start: seconds on the clock of the source at which that of the pictures begins.
    ///   - end: likewise at which all ends; nil: where it does.
    private func begin(start: Double, end: Double?) throws -> ChildProcess {
        func seconds(_ value: Double) -> String { String(printf: "%.6f", value) }
        let clock = others.map { ["-copyts", "-itsoffset", seconds($0.start + start)] } ?? []
        let source =
            others.map { ["-protocol_whitelist", "file,pipe"] + $0.inputOptions + ["-i", "file:" + $0.path] } ?? []
        let back = others.map { $0.start == 0 ? [] : ["-output_ts_offset", seconds(-$0.start)] } ?? []
        let named = videoName.map { ["-metadata:s:v:0", "title=" + $0] } ?? []
        do {
            let made = try ChildProcess(
                ffmpeg,
                ["-nostdin", "-v", "error", "-y"] + clock + ["-f", "mp4", "-i", "pipe:0"] + source
                    + ["-map", "0:v:0"] + (others?.maps ?? []) + ["-c", "copy"] + (others?.codecs ?? []) + named
                    + back + (end.map { ["-to", seconds($0)] } ?? []) + ["-f", format, "file:" + temporary.path],
                input: .pipe)
            return made
        } catch let error as ChildError {
            throw MediaError.ffmpegFailed(path: path, reason: error.description)
        }
    }

    /// What of a file goes along, as ffmpeg is told.
    private struct Others {
        var path: String
        /// Where its clock begins, in seconds.
        var start: Double
        var inputOptions: [String] = []
        var maps: [String] = []
        var codecs: [String] = []
    }

    /// Formats that the two containers hold; what is not among them would make ffmpeg give up.
    private static let transportedSound = ["aac", "mp3", "mp2", "ac3", "eac3", "dts", "opus"]
    private static let texts = ["subrip", "srt", "ass", "ssa", "webvtt", "text"]
    private static let pictures = ["hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"]

    /// Before the first unit: sound, subtitles, chapters and titles of the file that the stream comes out of go along,
    /// by way of ffmpeg. Returns what does not, in words; nil where nothing can be told of the file.
    func carryOver(othersOf chunks: StreamChunks) throws -> [String]? {
        guard let file = chunks.file else { return nil }
        let input = try InputFile(path: file)
        guard let contents = try FFmpeg.contents(of: input) else { return nil }
        return try carryOver(contents, of: input, isMovie: chunks.movie != nil)
    }

    /// The same of what was encoded, at the end. Returns nil, too, where it is a pipe.
    /// - Parameter isCut: it was not encoded to its end, and nor does what is beside it go on.
    func carryOver(ofEncoded path: String, isCut: Bool) throws -> [String]? {
        guard let input = try CarriedFile.container(path), let contents = try FFmpeg.contents(of: input) else {
            return nil
        }
        endsWithPictures = isCut
        keep(contents.title)
        return try carryOver(contents, of: input, isMovie: try input.kind() == .isoMedia)
    }

    private func carryOver(_ contents: FFmpeg.Contents, of input: InputFile, isMovie: Bool) throws -> [String] {
        if isMovie { try CopiedTracks.noteDamage(of: input) }
        var taken = Others(
            path: input.path, start: isMovie ? 0 : contents.start, inputOptions: contents.inputOptions)
        var left: [String] = []
        var counts: [String: Int] = [:]
        let isMatroska = format == "matroska"
        // Beside the tracks that ffprobe tells of, chapters of MP4 are one, of data.
        var chapters = contents.hasChapters
        for track in contents.tracks {
            let index = counts[track.kind, default: 0]
            counts[track.kind] = index + 1
            switch track.kind {
            case "audio" where track.isEmpty: left.append(track.name)
            case "audio" where isMatroska || Self.transportedSound.contains(track.codec):
                taken.maps += ["-map", "1:a:\(index)"]
            case "subtitle" where isMatroska && track.codec == "mov_text":
                taken.codecs += ["-c:s:\(taken.maps.filter { $0.hasPrefix("1:s") }.count)", "srt"]
                taken.maps += ["-map", "1:s:\(index)"]
            case "subtitle" where isMatroska && (Self.texts + Self.pictures).contains(track.codec):
                taken.maps += ["-map", "1:s:\(index)"]
            case "data" where chapters && isMovie: chapters = false
            default: left.append(track.name)
            }
        }
        var isWanted = !taken.maps.isEmpty
        if isMatroska {
            isWanted = isWanted || contents.hasChapters || contents.hasTitles
            taken.maps += ["-map_metadata:g", "1:g", "-map_chapters", "1"]
        } else {
            left += (contents.hasChapters ? ["chapters"] : []) + (contents.hasTitles ? ["titles"] : [])
        }
        if isWanted { others = taken }
        return left
    }

    /// Before the first unit: when the source shows its pictures.
    /// - Parameter start: seconds before the first one in which other tracks may play already.
    func keep(_ times: FrameTimes?, start: Double) {
        writer.fps = writer.fps ?? times?.frameRate?.fraction
        writer.keep(times, start: start)
    }

    /// Before the first unit: the source is joined to others, at its rate.
    func setRate(_ rate: FrameRate?) { writer.fps = writer.fps ?? rate?.fraction }

    /// Before the first unit: what the stream was taken out of.
    /// - Parameters:
    ///   - maxTemporalId: the sub-layers that are kept.
    ///   - first: the access unit that a part begins with.
    func keep(_ movie: SourceMovie?, maxTemporalId: Int, from first: Int?) {
        writer.keep(movie, maxTemporalId: maxTemporalId, from: first)
    }

    /// What another container says of the video.
    func keep(_ title: FFmpeg.Contents.Title) {
        writer.keep(title)
        videoName = title.name
    }

    /// Of the stream, without what the container adds.
    private(set) var bytesWritten = 0

    func write(_ nal: NALUnit) throws {
        if nal.header.nuhLayerId > 0 && nal.header.nalUnitType.isSlice {
            throw MediaError.writeFailed(
                path: path,
                reason:
                    "Matroska and MPEG-TS hold one layer, the stream has more: name it .mp4, or .hevc for a bare "
                    + "stream, or extract --layer 0"
            )
        }
        bytesWritten += nal.bytes.count + 4
        if let unit = grouping.push(nal) { try write(unit) }
    }

    private func write(_ unit: [NALUnit]) throws {
        do { try writer.add(unit) } catch let error as SyntaxError {
            throw MediaError.notSupported(path: path, what: "\(error)")
        } catch let error as MediaError {
            throw error
        } catch {
            throw MediaError.writeFailed(path: path, reason: MediaError.reason(of: error))
        }
    }

    /// Puts the file together. Returns what could not be kept, a line each.
    func finish() throws -> [String] {
        if let unit = grouping.finish() { try write(unit) }
        let times = writer.times()
        let end = others.flatMap { endsWithPictures ? $0.start + times.end : nil }
        let process = try begin(start: times.start, end: end)
        do { try writer.write(times, to: process.write) } catch let error as MediaError {
            throw error
        } catch {
            throw MediaError.ffmpegFailed(path: path, reason: process.lastMessage ?? "ended before the stream did")
        }
        process.endInput()
        let status = try process.wait().status
        guard status == 0, process.failureToWrite == nil else {
            throw MediaError.ffmpegFailed(
                path: path, reason: process.failureToWrite ?? process.lastMessage ?? "exit status \(status)")
        }
        try temporary.finish()
        return times.notes
    }
}
