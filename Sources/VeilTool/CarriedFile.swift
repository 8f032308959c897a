// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

/// What plays beside the pictures of a container that ffmpeg opens, for MP4: its sound, subtitles of text, chapters and
/// titles. What does not come along is told.
enum CarriedFile {
    /// What was encoded, where it is a container that can be read once more; nil for pipes and samples.
    static func container(_ path: String) throws -> InputFile? {
        // Opening a pipe once more would wait for another writer.
        let type = try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
        guard path != "-", type == .typeRegular else { return nil }
        let input = try InputFile(path: path)
        guard try [.isoMedia, .matroska, .transportStream, .other].contains(input.kind()),
            try !VideoSource.isRaw(input, size: nil)
        else { return nil }
        return input
    }

    /// An MP4 file without a name that ffmpeg makes of it; nil where there is nothing.
    /// - Parameter path: of what is being written.
    static func make(of input: InputFile, _ contents: FFmpeg.Contents, beside path: String) throws -> OpenFile? {
        do {
            if let file = try FFmpeg.otherTracks(of: input, contents, asMovieBeside: path) { return file }
            let left = (contents.hasChapters ? ["chapters"] : []) + (contents.hasTitles ? ["titles"] : [])
            if !left.isEmpty { warn("\(input.name): left out: \(left.joined(separator: ", "))") }
        } catch let error as MediaError { warn("its sound and subtitles are left out: \(error)") }
        return nil
    }

    /// Tells what does not come along.
    /// - Parameter kept: kinds of the tracks that do.
    static func tell(_ contents: FFmpeg.Contents, of name: String, kept: [String]) {
        let kept = kept.filter { $0 != "chapters" }.count
        if kept < contents.tracks.count {
            let kinds = contents.tracks.map(\.name)
            warn("\(name): of its other tracks \(kept) are kept: \(kinds.joined(separator: ", "))")
        }
    }

    /// The same of an opened stream, with the times of its pictures; nil where these are not known, or it comes out of
    /// no such container.
    /// - Parameter path: of what is being written.
    static func tracks(of chunks: StreamChunks, beside path: String) throws -> CarriedTracks? {
        guard chunks.movie == nil, let times = chunks.times, let name = chunks.file else { return nil }
        let input = try InputFile(path: name)
        guard let contents = try FFmpeg.contents(of: input) else { return nil }
        let file = try make(of: input, contents, beside: path)
        let result: CarriedTracks
        func tracks(_ file: OpenFile?) throws -> CarriedTracks {
            try CarriedTracks(times: times, start: chunks.start, file: file, name: name, title: contents.title)
        }
        do { result = try tracks(file) } catch let error
            as IsoMediaError
        {
            warn("\(name): its sound is left out: \(error)")
            result = try tracks(nil)
        }
        tell(contents, of: name, kept: result.kinds)
        return result
    }
}
