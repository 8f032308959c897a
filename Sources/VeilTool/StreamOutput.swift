// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilBitstream
import VeilMedia
import VeilSystem

/// How streams are written, of commands that write any.
struct StreamOutputOptions: ParsableArguments {
    @Flag(
        help: """
            Write MP4 in fragments, one for the pictures from one IRAP picture to the next, as they come: for pipes \
            ('-' is standard output) and what goes on air. Video only, at a constant rate.
            """)
    var fragmented = false
}

/// Where a command writes a stream: a byte stream, an MP4 file with all layers, whole or in fragments, or by way of
/// ffmpeg another container with one; as the name says.
final class StreamOutput {
    private enum Form {
        case byteStream(OutputFile)
        case movie(MovieOutput)
        case fragments(FragmentedMovieWriter)
        case container(ContainerOutput)
    }

    private let path: String
    private let form: Form
    private var grouping = AccessUnitGrouping()
    /// Of a stream that goes into the samples it came in.
    private var carrier: SampleCarrier?
    /// Of a byte stream: the rate of the container that it comes out of, until it is known what the stream tells.
    private var lostRate: LostFrameRate?
    /// Of a byte stream that comes out of a file whose units have lengths.
    private var startCodes: StartCodes?
    /// The file whose sound goes along, read once more at the end.
    private var soundSource: String?
    /// What is not carried along, told once something is written: before it may turn out that nothing is.
    private var untold: [String] = []
    /// The source of a stream of which sub-layers are left out, and the highest that stays.
    private var thinned: (movie: SourceMovie, maxTemporalId: Int)?

    /// - Parameters:
    ///   - fps: frames a second in a container, where the stream does not tell.
    ///   - fragmented: as ``StreamOutputOptions`` says.
    init(path: String, fps: (numerator: Int, denominator: Int)? = nil, fragmented: Bool = false) throws {
        self.path = path
        try FileNames.checkStream(path)
        if fragmented {
            if ContainerOutput.isContainer(path) || FileNames.isByteStream(path) {
                throw ValidationError("--fragmented is of MP4: \(path) is named otherwise")
            }
            form = .fragments(try FragmentedMovieWriter(path: path, frameRate: fps))
        } else if MovieOutput.isMovie(path) {
            form = .movie(try MovieOutput(path: path, frameRate: fps))
        } else if ContainerOutput.isContainer(path) {
            form = .container(
                try ContainerOutput(path: path, fps: fps.flatMap { FrameRate($0.numerator, $0.denominator) }))
        } else {
            form = .byteStream(try OutputFile(path: path))
        }
    }

    var bytesWritten: Int {
        switch form {
        case .byteStream(let file): file.bytesWritten
        case .movie(let movie): movie.bytesWritten
        case .fragments(let writer): writer.bytesWritten
        case .container(let container): container.bytesWritten
        }
    }

    /// The stream was opened.
    /// - Parameters:
    ///   - maxTemporalId: the sub-layers that are kept.
    ///   - first: the access unit that the output begins with, of a part.
    ///   - keepsSamples: all units come, with the offsets they have in the stream: samples are those of the source.
    func begin(
        from chunks: StreamChunks, maxTemporalId: Int = 6, first: Int? = nil, keepsSamples: Bool = false
    ) throws {
        var left = chunks.others
        startCodes = chunks.movie.map { _ in StartCodes() }
        if keepsSamples { carrier = chunks.movie.map { SampleCarrier($0) } }
        switch form {
        case .movie(let movie):
            if let title = chunks.title { movie.keep(title) }
            if let source = chunks.movie {
                movie.keep(source, maxTemporalId: maxTemporalId, from: first)
                left = []
            } else if let first {
                if let carried = try chunks.carried(beside: path) {
                    try movie.keep(carried, from: first)
                    left = []
                }
            } else if let file = chunks.file, !left.isEmpty {
                // What ffmpeg does not take out of it is named at the end.
                (soundSource, movie.start) = (file, chunks.start)
                left = []
            }
        case .fragments(let writer): if let source = chunks.movie { writer.keep(source) }
        case .container(let container):
            container.keep(chunks.movie, maxTemporalId: maxTemporalId, from: first)
            if let title = chunks.title { container.keep(title) }
            if first == nil, !left.isEmpty { left = try container.carryOver(othersOf: chunks) ?? left }
            left += chunks.movie?.meaning ?? []
        case .byteStream: left += chunks.movie?.meaning ?? []
        }
        if !left.isEmpty, first ?? 0 == 0 { untold.append("left out: \(left.joined(separator: ", "))") }
        tellUnknownBoxes(of: chunks)
        if maxTemporalId < 6 { thinned = chunks.movie.map { ($0, maxTemporalId) } }
        keepTimes(of: chunks)
    }

    /// Where pictures of sub-layers were left out, nothing tells that others are further apart now.
    private func tellThinning() {
        switch form {
        case .movie, .container: return
        case .fragments, .byteStream: break
        }
        guard let (movie, maxTemporalId) = thinned,
            movie.times(maxTemporalId: maxTemporalId).count < movie.times(maxTemporalId: 6).count
        else { return }
        warn(
            "\(path): pictures that stay are evenly apart and play faster: .mp4 without --fragmented, and .mkv, keep "
                + "their times")
    }

    private func tellUnknownBoxes(of chunks: StreamChunks) {
        guard let types = chunks.movie?.unknownBoxes, !types.isEmpty else { return }
        untold.append(
            "left out: boxes of the sample entry of \(chunks.name) that are not known "
                + "(\(types.prefix(8).joined(separator: ", ")))")
    }

    /// What comes next is of another stream, which is joined to the ones before.
    func join(_ chunks: StreamChunks) throws {
        if let unit = grouping.finish() { try write(unit) }
        tellUnknownBoxes(of: chunks)
        var left = chunks.others
        startCodes = chunks.movie.map { _ in StartCodes() }
        if case .movie(let movie) = form {
            if let carried = try chunks.carried(beside: path) {
                movie.join(carried)
                left = []
            } else {
                movie.join(chunks.movie)
                // What parts that are such files differ in is named at the end.
                if chunks.movie != nil { left = [] }
            }
        } else {
            left += chunks.movie?.meaning ?? []
            keepTimes(of: chunks, isJoined: true)
        }
        if !left.isEmpty {
            untold.append("of \(chunks.name) this is left out: \(left.joined(separator: ", "))")
        }
    }

    /// Pictures are shown when the source shows them, or at its rate; a byte stream has neither.
    private func keepTimes(of chunks: StreamChunks, isJoined: Bool = false) {
        guard let times = chunks.times else { return }
        switch form {
        case .byteStream:
            if times.varies {
                untold.append("its frame rate varies: a byte stream does not tell when")
            } else if let rate = times.frameRate {
                lostRate = LostFrameRate(rate)
            }
            return
        case .movie(let movie):
            if chunks.movie == nil { movie.keep(times) }
            return
        case .fragments(let writer): writer.frameRate = writer.frameRate ?? times.frameRate?.fraction
        case .container(let container):
            if !isJoined {
                container.keep(times, start: chunks.start)
                return
            }
            container.setRate(times.frameRate)
        }
        if times.varies { untold.append("its frame rate varies: pictures are shown at a constant one") }
    }

    /// When the frames of what is encoded are shown, where they are not evenly apart: MP4 files keep that.
    /// - Parameter start: seconds before the first one in which sound may play already.
    func keep(_ times: FrameTimes?, start: Double) {
        switch form {
        case .movie(let movie):
            if let times { movie.keep(times) }
            movie.start = start
        case .container(let container): container.keep(times, start: start)
        case .byteStream, .fragments: break
        }
    }

    /// The video is encrypted, and nothing else may show it.
    func leaveCoverOut() { if case .movie(let movie) = form { movie.leaveCoverOut() } }

    private func tell() {
        for line in untold { warn("\(path): \(line)") }
        untold = []
    }

    /// Takes the next NAL unit.
    func write(_ nal: NALUnit) throws {
        tell()
        switch form {
        case .byteStream(let file):
            if let note = lostRate?.observe(nal) {
                warn("\(path): \(note)")
                lostRate = nil
            }
            var bytes: [UInt8] = []
            bytes.append(annexB: startCodes?.placed(nal) ?? nal)
            try file.write(bytes)
        case .movie, .fragments:
            if carrier != nil {
                try write(carrier?.push(nal) ?? [])
            } else if let unit = grouping.push(nal) {
                try write(unit)
            }
        case .container(let container): try container.write(nal)
        }
    }

    private func write(_ samples: [CarriedSample]) throws {
        for sample in samples {
            switch form {
            case .movie(let movie): try movie.write(sample)
            case .fragments(let writer): try writer.write(sample)
            case .byteStream, .container: break
            }
        }
    }

    /// What was written is all that there is for now: whoever reads a pipe gets it.
    func flush() throws { if case .byteStream(let file) = form { try file.endUnit() } }

    /// Takes a whole access unit, in decoding order.
    /// - Parameter index: its place in display order.
    func write(_ unit: [NALUnit], displayIndex index: Int? = nil) throws {
        tell()
        switch form {
        case .byteStream(let file):
            for nal in unit { try write(nal) }
            try file.endUnit()
        case .movie(let movie): try movie.write(unit, displayIndex: index)
        case .fragments(let writer): try writer.write(unit, displayIndex: index)
        case .container(let container): for nal in unit { try container.write(nal) }
        }
    }

    /// - Parameters:
    ///   - encoded: the path of what was encoded, whose sound goes along.
    ///   - isCut: not to its end.
    func finish(soundOf encoded: String? = nil, isCut: Bool = false) throws {
        if let unit = grouping.finish() { try write(unit) }
        try write(carrier?.finish() ?? [])
        tellThinning()
        switch form {
        case .byteStream(let file): try file.finish()
        case .movie(let movie):
            let isInterrupted = soundSource != nil && Interruption.isRequested
            try movie.finish(soundOf: encoded ?? soundSource, isCut: isCut || isInterrupted)
        case .fragments(let writer): for note in try writer.finish() { warn("\(path): \(note)") }
        case .container(let container):
            if let encoded, let left = try container.carryOver(ofEncoded: encoded, isCut: isCut), !left.isEmpty {
                warn("\(path): left out: \(left.joined(separator: ", "))")
            }
            for note in try container.finish() { warn("\(path): \(note)") }
        }
    }
}
