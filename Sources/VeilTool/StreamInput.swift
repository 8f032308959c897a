// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilBitstream
import VeilMedia
import VeilSystem

/// Streams from files, pipes and standard input: byte streams as they are, all layers of ISO base media files (MP4,
/// QuickTime), and what ffmpeg takes out of other containers (MPEG-TS, Matroska) without touching it.
enum StreamInput {
    /// Gives the bytes of a stream as they come.
    /// - Parameters:
    ///   - isExact: fails, at the end, where a byte stream does not tell all of it.
    ///   - namesGarbage: says what stands in front of it; whoever reads it does else.
    static func chunks(
        _ path: String, isExact: Bool = false, namesGarbage: Bool = true,
        opened: (StreamChunks) throws -> Void = { _ in },
        _ body: ([UInt8]) throws -> Void
    ) throws {
        let file = try InputFile(path: path)
        file.waitForEnd()
        if !isExact, namesGarbage, try [.byteStream, .other].contains(file.kind()),
            case let count = try file.bytesBeforeStartCode(), count > 0
        {
            warn("\(file.name): \(count) bytes before the first start code, left out")
        }
        let chunks = try StreamChunks(file)
        try opened(chunks)
        try named(path) { while let chunk = try chunks.next() { try body(chunk) } }
        if let what = chunks.movie?.irregularity {
            if isExact { throw MediaError.notSupported(path: path, what: what + ": it could not be restored as it is") }
            if let damage = chunks.movie?.damage {
                FoundDamage.note("\(file.name): \(damage)")
            } else {
                warn("\(path): \(what)")
            }
        }
    }

    /// Says which stream it is that an error is about.
    static func named<R>(_ path: String, _ body: () throws -> R) throws -> R {
        do { return try body() } catch let error as IsoMediaError {
            throw MediaError.notSupported(path: path, what: error.description)
        } catch let error as StreamError {
            throw MediaError.notSupported(path: path, what: error.description)
        } catch let error as SyntaxError {
            throw MediaError.notSupported(path: path, what: error.description)
        }
    }
}

/// The bytes of a stream, one piece after the other.
final class StreamChunks {
    let name: String
    private let nextChunk: () throws -> [UInt8]?
    private let process: ChildProcess?
    private let input: InputFile
    /// When pictures are shown, where the container tells.
    let times: FrameTimes?
    /// The same without pictures that decoders skip because the stream begins in the middle.
    private(set) lazy var decodedTimes = makeDecodedTimes()
    private let makeDecodedTimes: () -> FrameTimes?
    /// Pictures a second, likewise.
    var frameRate: FrameRate? { times?.frameRate }
    /// Of an MP4 or QuickTime file: what it says beside the stream.
    let movie: SourceMovie?
    /// Of another container, which ffmpeg takes the stream out of: kinds of tracks that are not taken, or that these
    /// cannot be told.
    private(set) var tracksLeft: [String] = []
    /// What the container holds beside the stream, in words.
    var others: [String] {
        movie?.others ?? tracksLeft + (container?.hasChapters ?? false ? ["chapters"] : [])
            + (container?.hasTitles ?? false ? ["titles"] : [])
    }
    /// What the container is and holds, where it is one.
    private(set) var container: ContainerContents?
    /// Of a container that ffmpeg opens: what it says of its video.
    private(set) var title: FFmpeg.Contents.Title?
    /// Files of which it was told what they miss: some are read more than once.
    private static let told = Mutex<Set<String>>([])
    /// The file, where it can be read once more: a container whose sound may be wanted.
    private(set) var file: String?
    /// What plays beside the pictures, once it was asked for.
    private var carriedTracks: CarriedTracks??

    /// The same, with the pictures' times; nil where these are not known, and of MP4, which is read as it is.
    /// - Parameter path: of what is being written.
    func carried(beside path: String) throws -> CarriedTracks? {
        if let carriedTracks { return carriedTracks }
        let made = try CarriedFile.tracks(of: self, beside: path)
        carriedTracks = .some(made)
        return made
    }

    /// Seconds before the first picture in which other tracks of such a container may play already.
    private(set) var start = 0.0

    init(_ input: InputFile) throws {
        name = input.path
        self.input = input
        if input.isRegular, input.path != "-" { file = input.path }
        switch try input.kind() {
        case .y4m:
            throw MediaError.notSupported(path: input.name, what: "is y4m, not a coded stream: encode it")
        case .isoMedia:
            let file = try input.seekable()
            var reader = try StreamInput.named(input.name) { try IsoMediaReader(file: file) }
            let unread = reader
            makeDecodedTimes = { unread.decodedTimes }
            if let layer = reader.layerWithoutSets(), Self.told.withLock({ $0.insert(input.name).inserted }) {
                warn(
                    "\(input.name): layer \(layer) cannot be decoded: its parameter sets are missing. They are in "
                        + "lhvC, a box that programs which know the base layer only (FFmpeg) leave out when they copy")
            }
            times = reader.times
            movie = reader.movie
            movie?.name = input.name
            Self.tell(of: reader, input.name)
            container = ContainerContents(reader.movie)
            process = nil
            nextChunk = {
                if Interruption.isRequested {
                    Interruption.cut()
                    return nil
                }
                guard let nal = try reader.nextUnit() else { return nil }
                var bytes: [UInt8] = []
                bytes.append(annexB: nal)
                return bytes
            }
        case .matroska, .transportStream:
            let child = try FFmpeg.read(
                // A first unit of 256 to 511 bytes has a length like a start code: ffmpeg is not left to guess.
                input, as: ["-map", "0:v:0", "-c", "copy", "-bsf:v", "hevc_mp4toannexb", "-f", "hevc", "-"],
                missing: .notSupported(
                    path: input.name, what: "is a container, and ffmpeg, which would open it, is not installed"))
            process = child
            let times = try FrameTimes(of: input)
            self.times = times
            makeDecodedTimes = { times }
            let contents = try FFmpeg.contents(of: input)
            if let codec = contents?.videoCodec, !codec.isEmpty, codec != "hevc" {
                throw MediaError.notSupported(path: input.name, what: "its video is \(codec), not HEVC")
            }
            title = contents?.title
            tracksLeft = contents?.tracks.map(\.kind) ?? ["what else a pipe's container holds"]
            let format = try input.kind() == .matroska ? "Matroska" : "MPEG-TS"
            container = contents.map { ContainerContents(format: format, $0) }
            start = max((times?.start ?? 0) - (contents?.start ?? 0), 0)
            movie = nil
            nextChunk = {
                let bytes = try [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
                    count = try child.output?.readAvailable(into: UnsafeMutableRawBufferPointer(buffer)) ?? 0
                }
                return bytes.isEmpty ? nil : bytes
            }
        case .byteStream, .other:
            process = nil
            times = nil
            makeDecodedTimes = { nil }
            movie = nil
            nextChunk = { try input.read(upTo: 1 << 20) }
        }
    }

    /// What is damaged of a movie, and what stands behind it.
    static func tell(of reader: IsoMediaReader, _ name: String) {
        for damage in reader.damage { FoundDamage.note("\(name): \(damage)") }
        if let passedOver = reader.passedOver {
            let line = "\(name): \(passedOver)"
            if told.withLock({ $0.insert(line).inserted }) { warn(line) }
        }
    }

    /// The next piece; nil at the end, and after a request to stop.
    func next() throws -> [UInt8]? {
        do {
            if let bytes = try nextChunk() { return bytes }
        } catch MediaError.cannotOpen(_, let reason) {
            throw MediaError.cannotOpen(path: name, reason: reason)
        }
        guard let process, !Interruption.isRequested else { return nil }
        let status = try process.wait().status
        if status != 0 {
            throw MediaError.ffmpegFailed(
                path: name, reason: "finds no HEVC stream in it (\(process.lastMessage ?? "exit status \(status)"))")
        }
        if let what = try ContainerEnd.damage(of: input) ?? process.damageOfInput {
            FoundDamage.note("\(input.name): \(what)")
        }
        return nil
    }
}

/// What a container is and holds, for people and programs.
struct ContainerContents: Encodable {
    struct Track: Encodable {
        var kind: String
        var format: String
    }

    /// A brand of ISO base media (14496-12, 4.3), or a name.
    var format: String
    var tracks: [Track]
    var hasChapters = false
    var hasTitles = false

    init(_ movie: SourceMovie) {
        format = movie.brand ?? "QuickTime"
        tracks = movie.tracks.map { Track(kind: $0.kind, format: $0.format) }
        hasChapters = movie.others.contains("chapters")
        hasTitles = movie.others.contains("titles")
    }

    init(format: String, _ contents: FFmpeg.Contents) {
        self.format = format
        tracks = [Track(kind: "video", format: "hevc")]
        tracks += contents.tracks.map { Track(kind: $0.kind, format: $0.codec) }
        (hasChapters, hasTitles) = (contents.hasChapters, contents.hasTitles)
    }

    var line: String {
        var parts = [format] + tracks.map { $0.format.isEmpty ? $0.kind : "\($0.kind) (\($0.format))" }
        if hasChapters, !tracks.contains(where: { $0.kind == "chapters" }) { parts.append("chapters") }
        if hasTitles { parts.append("titles") }
        return parts.joined(separator: ", ")
    }
}
