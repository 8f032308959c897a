// SPDX-License-Identifier: GPL-2.0-or-later
import Veil
import VeilBitstream
import VeilMedia
import VeilSystem

/// A stream as an ISO base media file with all its layers, and the sound of its source where that is one too.
final class MovieOutput {
    private let path: String
    private let writer: IsoMediaWriter
    private var source: SourceMovie?

    /// Whether a file's name asks for one.
    static func isMovie(_ path: String) -> Bool {
        ["mp4", "m4v", "mov"].contains(path.suffixOfPath.lowercased())
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
    ///   - first: the access unit that a part begins with, which takes its part of the sound along.
    func keep(_ movie: SourceMovie, maxTemporalId: Int = 6, from first: Int? = nil) {
        source = movie
        writer.keep(movie)
        writer.maxTemporalId = maxTemporalId
        writer.firstSourceUnit = first
    }

    /// A part of what ffmpeg takes out of another container, from an access unit on.
    func keep(_ container: CarriedTracks, from first: Int) throws {
        writer.firstSourceUnit = first
        try writer.keep(container)
    }

    /// What another container says of the video.
    func keep(_ title: FFmpeg.Contents.Title) { writer.keep(title) }

    /// What comes next is of another file that is joined.
    func join(_ movie: SourceMovie?) { writer.join(movie) }
    func join(_ container: CarriedTracks) { writer.join(container) }

    /// Seconds before the first picture of what is encoded in which its sound may play already.
    var start: Double {
        get { writer.start }
        set { writer.start = newValue }
    }

    /// The video is encrypted, and nothing else may show it.
    func leaveCoverOut() { writer.leavesCoverOut = true }

    /// When pictures are shown, in display order.
    func keep(_ times: FrameTimes) { writer.frameTimes = times }

    /// - Parameter index: its place in display order.
    func write(_ unit: [NALUnit], displayIndex index: Int? = nil) throws {
        try writer.write(unit, displayIndex: index)
    }

    func write(_ sample: CarriedSample) throws { try writer.write(sample) }

    /// - Parameters:
    ///   - encoded: the path of what was encoded.
    ///   - isCut: not to its end.
    func finish(soundOf encoded: String? = nil, isCut: Bool = false) throws {
        writer.cutsOthers = isCut
        if let source { try copyTracks(source.file, of: path, name: source.name) }
        if let encoded { try copyTracks(of: encoded) }
        for note in try writer.finish() { warn("\(path): \(note)") }
    }

    private func copyTracks(of source: String) throws {
        guard let input = try CarriedFile.container(source) else { return }
        if try input.kind() == .isoMedia {
            try copyTracks(try input.seekable(), of: source, name: source)
        } else if let contents = try FFmpeg.contents(of: input) {
            writer.keep(contents.title)
            if let file = try CarriedFile.make(of: input, contents, beside: path) {
                try copyTracks(file, of: source, name: source)
            }
            CarriedFile.tell(contents, of: source, kept: writer.copiedKinds)
        }
    }

    /// - Parameter name: of what is read, for what is missing there.
    private func copyTracks(_ file: OpenFile, of source: String, name: String) throws {
        do {
            let (left, damage) = try writer.copyTracks(from: file)
            for line in damage { FoundDamage.note("\(name): \(line)") }
            if !left.isEmpty {
                warn("\(source): left out: \(left.map(\.kind).joined(separator: ", "))")
            }
        } catch let error as IsoMediaError { FoundDamage.note("\(name): its sound is left out: \(error)") }
    }
}
