// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Veil
import VeilBitstream
import VeilMedia

/// A stream as an ISO base media file with all its layers, and the sound of its source where that is one too.
final class MovieOutput {
    private let path: String
    private let writer: IsoMediaWriter
    private var grouping = AccessUnitGrouping()
    private var source: SourceMovie?
    /// Whether what belongs to the source as a whole goes along.
    private var copiesTracks = true

    /// Whether a file's name asks for one.
    static func isMovie(_ path: String) -> Bool {
        ["mp4", "m4v", "mov"].contains((path as NSString).pathExtension.lowercased())
    }

    /// - Parameter frameRate: frames a second; nil: as the stream has them.
    init(path: String, frameRate: (numerator: Int, denominator: Int)?) throws {
        self.path = path
        writer = try IsoMediaWriter(path: path, frameRate: frameRate)
    }

    var bytesWritten: Int { writer.bytesWritten }

    /// The stream comes out of another such file.
    /// - Parameters:
    ///   - maxTemporalId: the sub-layers that are kept.
    ///   - range: the access units that are, where not all; sound is then left out.
    func keep(_ movie: SourceMovie, maxTemporalId: Int = 6, from first: Int? = nil) {
        source = movie
        writer.keep(movie)
        writer.maxTemporalId = maxTemporalId
        writer.firstSourceUnit = first
        copiesTracks = first == nil
    }

    func write(_ nal: NALUnit) throws { if let unit = grouping.push(nal) { try writer.write(unit) } }

    /// - Parameter index: its place in display order.
    func write(_ unit: [NALUnit], displayIndex index: Int? = nil) throws {
        try writer.write(unit, displayIndex: index)
    }

    /// - Parameter encoded: the path of what was encoded.
    func finish(soundOf encoded: String? = nil) throws {
        if let unit = grouping.finish() { try writer.write(unit) }
        if let source, copiesTracks { try copyTracks(source.file, of: path) }
        if let encoded { try copyTracks(of: encoded) }
        for note in try writer.finish() { warn("\(path): \(note)") }
    }

    private func copyTracks(of source: String) throws {
        // Opening a pipe once more would wait for another writer.
        let type = try? FileManager.default.attributesOfItem(atPath: source)[.type] as? FileAttributeType
        guard source != "-", type == .typeRegular else { return }
        let input = try InputFile(path: source)
        if try input.kind() == .isoMedia {
            try copyTracks(try input.seekable(), of: source)
        } else if !["y4m", "yuv", "hevc", "265", "bit"].contains((source as NSString).pathExtension.lowercased()) {
            warn("\(source): sound is kept of MP4 and QuickTime sources only")
        }
    }

    private func copyTracks(_ file: FileHandle, of source: String) throws {
        do {
            let left = try writer.copyTracks(from: file)
            if !left.isEmpty {
                warn(
                    "\(source): tracks of these kinds are left out: \(left.map(\.description).joined(separator: ", "))")
            }
        } catch let error as IsoMediaError { warn("\(source): its sound is left out: \(error)") }
    }
}

/// Where a command writes a stream: a byte stream, an MP4 file with all layers, or by way of ffmpeg another container
/// with one; as the name says.
final class StreamOutput {
    private let path: String
    private let file: OutputFile?
    private let movie: MovieOutput?
    private let container: ContainerOutput?

    /// - Parameter fps: frames a second in a container, where the stream does not tell.
    init(path: String, fps: FrameRate? = nil) throws {
        self.path = path
        movie =
            MovieOutput.isMovie(path)
            ? try MovieOutput(path: path, frameRate: fps.map { ($0.numerator, $0.denominator) }) : nil
        container =
            movie == nil && ContainerOutput.isContainer(path) ? try ContainerOutput(path: path, fps: fps) : nil
        file = movie == nil && container == nil ? try OutputFile(path: path) : nil
    }

    var bytesWritten: Int { file?.bytesWritten ?? movie?.bytesWritten ?? container?.bytesWritten ?? 0 }

    /// The stream was opened.
    /// - Parameters:
    ///   - maxTemporalId: the sub-layers that are kept.
    ///   - first: the access unit that the output begins with, of a part.
    func begin(from chunks: StreamChunks, maxTemporalId: Int = 6, first: Int? = nil) {
        if let source = chunks.movie {
            movie?.keep(source, maxTemporalId: maxTemporalId, from: first)
            if movie == nil || first != nil, !source.otherTracks.isEmpty, first ?? 0 == 0 {
                let kinds = source.otherTracks.map(\.description).joined(separator: ", ")
                warn("\(path): takes the video only; tracks of these kinds are left out: \(kinds)")
            }
        } else if chunks.isOtherContainer {
            warn("\(path): takes the video only: other tracks are kept of MP4 and QuickTime sources")
        }
    }

    func write(_ nal: NALUnit) throws {
        if let movie { return try movie.write(nal) }
        if let container { return try container.write(nal) }
        var bytes: [UInt8] = []
        bytes.append(annexB: nal)
        try file?.write(bytes)
    }

    func finish() throws {
        try file?.finish()
        try movie?.finish()
        try container?.finish()
    }
}
