// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilSystem

/// Reads frames one after the other from y4m, raw yuv, a pipe, or (through ffmpeg) any container; or from whatever else
/// makes them.
public final class VideoSource {
    public private(set) var format: VideoFormat
    /// What is not carried on, a line each.
    public package(set) var notes: [String] = []
    /// What of its samples could be coded that are read as others: 4:2:2 as 4:2:0.
    package private(set) var lostSamples: SampleFormat?
    /// Its luma is a plane of alpha.
    package private(set) var isAlphaPlane = false
    /// When its frames are shown, where they are not evenly apart and this was asked for.
    package var times: FrameTimes?
    /// Seconds before the first frame in which other tracks of its file may play already.
    package var start = 0.0
    /// Whether it comes out of a container whose other tracks a pipe does not give.
    package var isPipedContainer = false
    private let path: String
    private let input: InputFile?
    /// Makes the frames, where they are not read here.
    private let makeFrame: (() throws -> VideoFrame?)?
    private let process: ChildProcess?
    private let isY4M: Bool
    private var offset = 0
    private var frameIndex = 0
    /// Bytes of a frame before and behind the planes that are taken.
    private var before = 0
    private var behind = 0
    /// Where the last frame's samples began.
    private var frameOffset = 0
    /// Bytes read: the ones not used yet are `bufferAt..<bufferEnd`. Keeps its size, like `kept`, so that a frame
    /// touches no fresh memory.
    private var buffer: [UInt8] = []
    private var bufferAt = 0
    private var bufferEnd = 0
    /// The last frame's, for the next one if nobody else has it by then.
    private var kept: VideoFrame?
    private var ended = false
    /// What the source ended with in place of a whole frame. The frames before it are good.
    public private(set) var damage: MediaError?

    /// Opens a source. `path` may be "-" for standard input. `size` and `fps` describe raw video (a .yuv file, or
    /// a pipe that is not y4m); `bitDepth` and `samples` likewise, and what ffmpeg is asked to deliver: without, 4:2:0.
    public static func open(
        path: String, size: (width: Int, height: Int)? = nil, fps: (numerator: Int, denominator: Int)? = nil,
        bitDepth: Int? = nil, samples: SampleFormat? = nil
    ) throws -> VideoSource {
        try open(InputFile(path: path), size: size, fps: fps, bitDepth: bitDepth, samples: samples)
    }

    /// - Parameter keepsTimes: frames that are not evenly apart stay as they are, and ``times`` tells; else they are
    ///   resampled, and ``notes`` says so.
    /// - Parameter takesAlpha: of what ffmpeg reads the plane of alpha alone, as luma; of what has none, luma.
    package static func open(
        _ input: InputFile, size: (width: Int, height: Int)? = nil, fps: (numerator: Int, denominator: Int)? = nil,
        bitDepth: Int? = nil, samples given: SampleFormat? = nil, takesAlpha: Bool = false, keepsTimes: Bool = false
    ) throws -> VideoSource {
        var samples = given
        if try isRaw(input, size: size) || input.kind() == .y4m {
            let source = try VideoSource(input: input, process: nil, size, fps, bitDepth, samples)
            source.separateAlpha(taken: takesAlpha)
            return source
        }
        // Of standard input nothing tells what it is if it is neither y4m nor raw.
        if input.path == "-" && FFmpeg.program == nil { throw MediaError.needsSize(path: input.name) }
        let probe = try SourceProbe(input, samples: samples)
        if let order = probe.fieldOrder {
            throw MediaError.notSupported(
                path: input.name, what: "interlaced video (field order \(order)) is not supported: deinterlace it first"
            )
        }
        if takesAlpha { try checkAlpha(probe, input) }
        var notes = takesAlpha ? [] : probe.notes
        if takesAlpha { samples = SampleFormat(.monochrome, bitDepth: probe.bitDepth) }
        let times = try FrameTimes(of: input, decoded: true)
        let varies = times?.varies ?? (probe.varyingRate != nil)
        // Frames as they are; or as many as a constant rate takes, some of them left out or repeated.
        let passes = times != nil && (!varies || keepsTimes)
        if varies && !passes {
            let rate = (probe.varyingRate ?? times?.frameRate).map { "\($0.numerator)/\($0.denominator)" } ?? "one"
            notes.append("its frame rate varies: it is resampled to \(rate) a second")
        }
        // Where they begin behind other tracks ffmpeg would repeat the first for as long.
        let filters = [
            takesAlpha ? (probe.hasAlpha ? "alphaextract" : "scale=in_range=full:out_range=full") : probe.conversion,
            passes ? nil : "setpts=PTS-STARTPTS",
        ].compactMap { $0 }
        let process = try FFmpeg.read(
            input,
            as: (filters.isEmpty ? [] : ["-vf", filters.joined(separator: ",")])
                + (passes ? ["-fps_mode", "passthrough"] : []) + [
                    "-f", "yuv4mpegpipe", "-strict", "-1", "-pix_fmt",
                    samples?.description ?? ((bitDepth ?? probe.bitDepth) > 8 ? "yuv420p10le" : "yuv420p"), "-",
                ], missing: .noFFmpeg(path: input.path))
        let source = try VideoSource(input: input, process: process, nil, nil, bitDepth, samples)
        source.lostSamples = probe.lostSamples
        source.isAlphaPlane = takesAlpha && probe.hasAlpha
        source.format.colour = probe.colour.completed(by: source.format.colour)
        // ffmpeg calls all grey full range.
        if samples?.chromaFormat == .monochrome { source.format.colour.isFullRange = probe.colour.isFullRange }
        source.notes = notes
        if varies && passes { source.times = times }
        // On the clock of the other tracks, which begins where the container's does.
        switch try input.kind() {
        case .isoMedia: source.start = times?.start ?? 0
        case .matroska, .transportStream:
            if let times, let contents = try FFmpeg.contents(of: input) {
                source.start = max(times.start - contents.start, 0)
            }
        default: break
        }
        source.isPipedContainer = !input.isRegular || input.path == "-"
        return source
    }

    /// Throws where there may be alpha that ffmpeg does not give: luma in its place would not be it.
    private static func checkAlpha(_ probe: SourceProbe, _ input: InputFile) throws {
        if probe.hasAlpha { return }
        if probe.hasAlphaBeside {
            throw MediaError.notSupported(
                path: input.name,
                what: "its alpha is in a stream beside the pictures, which is not read: make a file of it first "
                    + "(ffmpeg -c:v libvpx-vp9 -i FILE -vf alphaextract alpha.y4m)")
        }
        if probe.hasPalette {
            throw MediaError.notSupported(
                path: input.name,
                what: "has a palette, of which nothing tells whether it has alpha: make rgba of it first, or gray "
                    + "where its luma is meant (ffmpeg -i FILE -pix_fmt rgba OUT)")
        }
    }

    /// What a container says of pictures that are decoded here, where the stream itself is silent, and what is not
    /// carried on of it.
    /// - Parameter format: of the pictures.
    package static func meaning(
        of input: InputFile, decodedAs format: VideoFormat
    ) throws -> (colour: ColourDescription, notes: [String]) {
        let probe = try SourceProbe(input, samples: SampleFormat(format.chromaFormat, bitDepth: format.bitDepth))
        // Messages of the pictures go along.
        let kept = ["2094-40", "Closed Captions"]
        return (probe.colour, probe.notes.filter { note in !kept.contains { note.contains($0) } })
    }

    /// Whether a source is samples without a header: by a file's name, and of a pipe because its size is given.
    package static func isRaw(_ input: InputFile, size: (width: Int, height: Int)?) throws -> Bool {
        if try input.kind() == .y4m { return false }
        return input.path.suffixOfPath.lowercased() == "yuv"
            || (size != nil && (!input.isRegular || input.path == "-"))
    }

    /// How many frames a regular file holds, by its size; nil for pipes and what ffmpeg reads.
    public var expectedFrames: Int? {
        guard process == nil, makeFrame == nil, let size = input?.size else { return nil }
        let header = isY4M ? 6 : 0
        return (size - (isY4M ? offset : 0)) / (format.frameBytes + header)
    }

    /// Frames that something else makes.
    package init(path: String, format: VideoFormat, frames: @escaping () throws -> VideoFrame?) {
        self.path = path
        self.format = format
        makeFrame = frames
        input = nil
        process = nil
        isY4M = false
    }

    private init(
        input: InputFile, process: ChildProcess?, _ size: (width: Int, height: Int)?,
        _ fps: (numerator: Int, denominator: Int)?, _ bitDepth: Int?, _ samples: SampleFormat?
    ) throws {
        path = input.name
        self.input = input
        self.process = process
        makeFrame = nil
        var header: [UInt8] = []
        var pending: [UInt8] = []
        func more() throws -> Bool {
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let got =
                try chunk.withUnsafeMutableBytes {
                    try process?.output?.readAvailable(into: $0) ?? input.read(into: $0)
                }
            pending += chunk[..<got]
            return got > 0
        }
        while pending.count < 10 { if try !more() { break } }
        if pending.starts(with: Array("YUV4MPEG2".utf8)) {
            while true {
                if let end = pending.firstIndex(of: 10) {
                    header = Array(pending[..<end].last == 13 ? pending[..<end].dropLast() : pending[..<end])
                    pending.removeFirst(end + 1)
                    offset = end + 1
                    break
                }
                if pending.count > 4096 {
                    throw MediaError.notSupported(path: path, what: "y4m header line is too long")
                }
                if try !more() { throw MediaError.truncated(path: path, frame: 0, offset: pending.count) }
            }
            isY4M = true
            let line = String(decoding: header, as: UTF8.self)
            format = try Self.parse(header: line, path: path)
            if line.split(separator: " ").contains("C444alpha") { behind = format.width * format.height }
        } else {
            if let process {
                process.terminate()
                try process.wait()
                throw MediaError.ffmpegFailed(path: path, reason: process.lastMessage ?? "gave no video")
            }
            guard let size else { throw MediaError.needsSize(path: path) }
            guard (1...16384).contains(size.width), (1...16384).contains(size.height) else {
                throw MediaError.notSupported(path: path, what: "size \(size.width)x\(size.height) is out of range")
            }
            isY4M = false
            format = VideoFormat(
                width: size.width, height: size.height, fps: fps ?? (25, 1),
                bitDepth: samples?.bitDepth ?? bitDepth ?? 8, chromaFormat: samples?.chromaFormat ?? .yuv420)
        }
        buffer = pending
        bufferEnd = pending.count
    }

    /// Of y4m whose frames end with a plane of alpha: takes that alone, as luma, or the rest.
    private func separateAlpha(taken: Bool) {
        guard behind > 0 else { return }
        guard taken else {
            notes.append("its alpha (444alpha) is left out")
            return
        }
        isAlphaPlane = true
        before = format.frameBytes
        behind = 0
        format.chromaFormat = .monochrome
        format.colour = ColourDescription()
    }

    private static func parse(header: String, path: String) throws -> VideoFormat {
        var format = VideoFormat(width: 0, height: 0)
        for field in header.split(separator: " ").dropFirst() {
            let value = field.dropFirst()
            switch field.first {
            case "W": format.width = Int(value) ?? 0
            case "H": format.height = Int(value) ?? 0
            case "F":
                // 0:0 is a rate that is not known.
                if value == "0:0" { continue }
                let parts = value.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
                guard parts.count == 2 else {
                    throw MediaError.notSupported(
                        path: path, what: "frame rate '\(value)' of its y4m header is no F25:1")
                }
                guard let rate = FrameRate(parts[0], parts[1]) else {
                    throw MediaError.notSupported(
                        path: path, what: "frame rate \(value) is out of range (up to \(FrameRate.highest) a second)")
                }
                format.fps = (rate.numerator, rate.denominator)
            case "I": if value != "p" && value != "?" { throw interlaced(value, path) }
            case "A":
                let parts = value.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
                // What most programs write says nothing: 1:1, as 420jpeg below.
                if parts.count == 2, parts.allSatisfy({ (1...65535).contains($0) }), parts[0] != parts[1] {
                    format.colour.sampleAspect = (parts[0], parts[1])
                }
            case "X":
                if value == "COLORRANGE=FULL" { format.colour.isFullRange = true }
                if value == "COLORRANGE=LIMITED" { format.colour.isFullRange = false }
            case "C":
                guard let sampling = sampling(value) else {
                    throw MediaError.notSupported(path: path, what: "colour space C\(value) is not supported")
                }
                format.chromaFormat = sampling.format
                format.bitDepth = sampling.bitDepth
                if value == "420mpeg2" { format.colour.chromaLocation = 0 }
                if value == "420paldv" { format.colour.chromaLocation = 2 }
            default: break
            }
        }
        guard (1...16384).contains(format.width), (1...16384).contains(format.height) else {
            throw MediaError.notSupported(path: path, what: "y4m size \(format.width)x\(format.height) is out of range")
        }
        return format
    }

    /// What a colour space tag says: 420jpeg, 422p10, mono12.
    private static func sampling(_ tag: Substring) -> (format: ChromaFormat, bitDepth: Int)? {
        if ["420jpeg", "420mpeg2", "420paldv"].contains(tag) { return (.yuv420, 8) }
        if tag == "444alpha" { return (.yuv444, 8) }
        let formats: [(String, ChromaFormat)] = [
            ("420", .yuv420), ("422", .yuv422), ("444", .yuv444), ("mono", .monochrome),
        ]
        guard let (name, format) = formats.first(where: { tag.hasPrefix($0.0) }) else { return nil }
        let rest = tag.dropFirst(name.count)
        if rest.isEmpty { return (format, 8) }
        guard rest.hasPrefix("p") != (format == .monochrome),
            let depth = Int(rest.drop { $0 == "p" }), (9...12).contains(depth)
        else { return nil }
        return (format, depth)
    }

    private static func interlaced(_ value: Substring, _ path: String) -> MediaError {
        .notSupported(path: path, what: "interlaced video (y4m tag I\(value)) is not supported")
    }

    /// Makes at least `count` bytes available from `bufferAt`, as far as the source has them.
    private func fill(_ count: Int) throws {
        if bufferEnd - bufferAt >= count || ended { return }
        // With room for the next frame's header, so that little is moved.
        let room = count + (1 << 16)
        if bufferAt + count > buffer.count {
            let used = bufferAt
            let left = bufferEnd - used
            buffer.withUnsafeMutableBytes {
                if let base = $0.baseAddress { base.copyMemory(from: base + used, byteCount: left) }
            }
            bufferAt = 0
            bufferEnd = left
        }
        while bufferEnd - bufferAt < count && !ended {
            // Grows with what is really there: a header may claim any size.
            if bufferEnd == buffer.count {
                buffer.append(
                    contentsOf: repeatElement(0, count: min(max(bufferEnd, 1 << 20), bufferAt + room - bufferEnd)))
            }
            let end = bufferEnd
            do {
                let got = try buffer.withUnsafeMutableBytes {
                    let room = UnsafeMutableRawBufferPointer(rebasing: $0[end...])
                    return try process?.output?.readAvailable(into: room) ?? input?.read(into: room) ?? 0
                }
                bufferEnd += got
                ended = got == 0
            } catch { throw MediaError.cannotOpen(path: path, reason: "read error at byte \(offset)") }
        }
    }

    /// The next frame, or nil at the end. A source that ends inside a frame has ended before it, with ``damage``; in
    /// its first, that is an error, unless the user asked to stop.
    public func nextFrame() throws -> VideoFrame? {
        if damage != nil || Interruption.isRequested { return nil }
        do {
            guard let makeFrame else { return try readFrame() }
            let frame = try makeFrame()
            if frame != nil { frameIndex += 1 }
            return frame
        } catch let error as MediaError {
            if Interruption.isRequested { return nil }
            switch error {
            case .truncated where frameIndex > 0, .noFrame where frameIndex > 0, .ffmpegFailed where frameIndex > 0,
                .cutOff where frameIndex > 0, .damaged:
                damage = error
            default: throw error
            }
            return nil
        }
    }

    /// Bytes; those that there are in files have a few dozen.
    private static let longestFrameHeader = 1024

    private func readFrame() throws -> VideoFrame? {
        if isY4M {
            try fill(6)
            if bufferEnd - bufferAt == 0 {
                try checkProcess()
                return nil
            }
            var length = 0
            while true {
                let available = bufferEnd - bufferAt
                let line = buffer[bufferAt..<bufferEnd].prefix(Self.longestFrameHeader + 1)
                if let at = line.firstIndex(of: 10) {
                    length = at - bufferAt + 1
                    break
                }
                if available > Self.longestFrameHeader {
                    throw MediaError.noFrame(path: path, frame: frameIndex, offset: offset)
                }
                if ended {
                    throw MediaError.truncated(path: path, frame: frameIndex, offset: offset + available)
                }
                try fill(available + 1)
            }
            let header = buffer[bufferAt..<(bufferAt + length)]
            // Parameters come behind a space: without one, samples stand where the line should end.
            guard header.starts(with: Array("FRAME".utf8)), [0x0A, 0x20].contains(header[bufferAt + 5]) else {
                throw MediaError.noFrame(path: path, frame: frameIndex, offset: offset)
            }
            // A frame's own header may tell that its fields are of two times (t, T, b, B).
            let fields = String(decoding: buffer[(bufferAt + 5)..<(bufferAt + length - 1)], as: UTF8.self)
            for field in fields.split(separator: " ") where field.first == "I" {
                let value = field.dropFirst()
                if let order = value.first, "tTbB".contains(order) { throw Self.interlaced(value, path) }
            }
            bufferAt += length
            offset += length
        }
        let bytes = before + format.frameBytes + behind
        try fill(bytes)
        let available = bufferEnd - bufferAt
        if available == 0 && !isY4M { return nil }
        if available < bytes { throw MediaError.truncated(path: path, frame: frameIndex, offset: offset + available) }
        let frame = freeFrame()
        var at = bufferAt + before
        for c in 0..<format.chromaFormat.planeCount {
            let s = format.size(ofComponent: c)
            let start = at
            frame.planes[c].withUnsafeMutableBufferPointer { out in
                buffer.withUnsafeBytes {
                    RawSamples.read(
                        $0.baseAddress! + start, bitDepth: format.bitDepth, into: out.baseAddress!, stride: s.width,
                        width: s.width,
                        height: s.height)
                }
            }
            at += s.width * s.height * format.bytesPerSample
        }
        bufferAt = at + behind
        frameOffset = offset + before
        offset += bytes
        frameIndex += 1
        return frame
    }

    /// Where the last frame can be read again, nil for a pipe.
    public var lastFrameInFile: FrameInFile? {
        guard let input, input.isRegular, process == nil, frameIndex > 0 else { return nil }
        return FrameInFile(file: input, path: path, index: frameIndex - 1, offset: frameOffset, format: format)
    }

    /// A frame to be written over: the last one, unless it is still in use.
    private func freeFrame() -> VideoFrame {
        if kept != nil, isKnownUniquelyReferenced(&kept) { return kept! }
        let frame = VideoFrame(format: format)
        kept = frame
        return frame
    }

    private func checkProcess() throws {
        guard let process else { return }
        let status = try process.wait().status
        if status != 0 {
            throw MediaError.ffmpegFailed(path: path, reason: process.lastMessage ?? "exit status \(status)")
        }
        if let what = try input.flatMap(ContainerEnd.damage(of:)) {
            throw MediaError.cutOff(path: path, what: what)
        }
        if let said = process.damageOfInput { throw MediaError.ffmpegFailed(path: path, reason: said) }
    }
}
