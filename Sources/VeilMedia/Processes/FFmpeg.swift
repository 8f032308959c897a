// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilSystem

/// ffmpeg, which opens what Veil does not know itself, where it is installed.
package enum FFmpeg {
    package static var program: String? { ChildProcess.find("ffmpeg") }

    /// Throws where a file would make ffmpeg take far more memory than it has bytes.
    private static func check(_ input: InputFile) throws {
        if let claim = try claim(of: input) { throw MediaError.notSupported(path: input.name, what: claim) }
    }

    /// What a file claims that is impossible, in words; all its fragments are read for it, once.
    private static func claim(of input: InputFile) throws -> String? {
        let question = input.state.map { $0 + " claims" }
        let known = question.flatMap { question in answers.withLock { $0[question] } }
        let claim = try known ?? (IsoMediaReader.impossibleClaim(of: input)?.description ?? "")
        if known == nil, let question { answers.withLock { $0.keep(claim, to: question) } }
        return claim.isEmpty ? nil : claim
    }

    /// What ffprobe prints of a regular file, and of an MP4 file that comes through a pipe (in its "compact" form,
    /// without names, unless another is asked for); nil where it is not installed or the input is none.
    static func probe(
        _ input: InputFile, _ what: [String], form: String = "compact=nk=1", limit: Int = 1 << 20
    ) throws -> String? {
        guard let program = ChildProcess.find("ffprobe") else { return nil }
        let isNamed = input.isRegular && input.path != "-"
        guard try isNamed || input.kind() == .isoMedia else { return nil }
        let question = input.state.map { ([$0, form] + what).joined(separator: " ") }
        if let question, let known = answers.withLock({ $0[question] }) { return known }
        try check(input)
        let common = ["-v", "error", "-protocol_whitelist", "file,pipe"] + what + ["-of", form, "-i"]
        let answer: String
        do {
            if isNamed {
                let process = try ChildProcess(program, common + ["file:" + input.path], output: .pipe)
                answer = String(decoding: try process.outputBytes(limit: limit), as: UTF8.self)
            } else {
                // Its index may be at the end.
                let descriptor = try input.seekable().fileDescriptor
                let place = lseek(descriptor, 0, SEEK_CUR)
                defer { lseek(descriptor, place, SEEK_SET) }
                lseek(descriptor, 0, SEEK_SET)
                let process = try ChildProcess(
                    program, common + ["file:/dev/stdin"], input: .descriptor(descriptor), output: .pipe)
                answer = String(decoding: try process.outputBytes(limit: limit), as: UTF8.self)
            }
        } catch is ChildError { return nil }
        // The same is asked by whoever opens a source, and by whoever takes its sound.
        if let question { answers.withLock { $0.keep(answer, to: question) } }
        return answer
    }

    /// The answers of late, of which a program that runs on and opens file after file keeps few.
    struct Answers {
        static let most = 16
        static let longest = 4 << 20
        private var texts: [(question: String, answer: String)] = []

        subscript(question: String) -> String? { texts.first { $0.question == question }?.answer }
        var count: Int { texts.count }

        mutating func keep(_ answer: String, to question: String) {
            guard answer.utf8.count <= Self.longest else { return }
            texts.removeAll { $0.question == question }
            if texts.count == Self.most { texts.removeFirst() }
            texts.append((question, answer))
        }
    }

    private static let answers = Mutex(Answers())

    /// Kinds of the tracks of a container beside the first of video; nil where that cannot be told.
    package static func otherTracks(of input: InputFile) throws -> [String]? {
        try contents(of: input)?.tracks.map(\.kind)
    }

    /// What a container holds beside its first video.
    package struct Contents {
        package struct Track {
            /// ffmpeg's names of its kind and of its format.
            package var kind: String
            package var codec: String
            /// Sound that is announced, of which nothing came: without a rate no container takes it.
            package var isEmpty = false

            /// What it holds, in words.
            package var name: String {
                (codec.isEmpty ? kind : "\(kind) (\(codec))") + (isEmpty ? " of which no packet was found" : "")
            }
        }

        package var tracks: [Track] = []
        package var hasChapters = false
        /// ffmpeg's name of the format of the first video track.
        package var videoCodec: String?
        /// Title, artist, comment.
        package var hasTitles = false
        /// What a container says of its video.
        package struct Title {
            /// Of three letters.
            package var language: String?
            package var name: String?

            /// As `mdhd` has it.
            var packedLanguage: Int {
                let letters = Array((language ?? "").utf8)
                guard letters.count == 3, letters.allSatisfy({ (0x61...0x7A).contains($0) }) else {
                    return OutputTrack.undetermined
                }
                return letters.reduce(0) { $0 << 5 | Int($1 - 0x60) }
            }
        }
        package var title = Title()
        /// Of the container's clock, in seconds.
        package var start = 0.0
        /// What ffmpeg needs to be told in front of the file, to find all tracks.
        package var inputOptions: [String] = []
    }

    /// As far as is looked where a track has not begun after the few seconds that ffmpeg looks at of its own accord.
    private static let longLook = ["-probesize", "64M", "-analyzeduration", "3600M"]

    /// Nil where that cannot be told.
    package static func contents(of input: InputFile) throws -> Contents? {
        if let claim = try claim(of: input) {
            FoundDamage.note("\(input.name): \(claim)")
            return nil
        }
        let contents = try contents(of: input, looking: [])
        guard contents?.tracks.contains(where: \.isEmpty) ?? false else { return contents }
        return try self.contents(of: input, looking: longLook)
    }

    private static func contents(of input: InputFile, looking options: [String]) throws -> Contents? {
        let entries =
            "stream=index,codec_name,codec_type,sample_rate:stream_tags=language,title,handler_name:chapter=id"
            + ":format=start_time:format_tags=title,artist,comment"
        guard let text = try probe(input, options + ["-show_entries", entries], form: "compact") else { return nil }
        var result = Contents()
        result.inputOptions = options
        // Of a transport stream they are told once by program, and once more.
        var seen: Set<Substring> = []
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "|")
            func value(_ key: String) -> String? {
                fields.first { $0.hasPrefix(key + "=") }.map { String($0.dropFirst(key.count + 1)) }
            }
            switch fields.first {
            case "stream":
                guard let kind = value("codec_type"), seen.insert(fields[1]).inserted else { continue }
                if kind == "video", !result.tracks.contains(where: { $0.kind == "video" }) {
                    // Names of programs are no names of tracks.
                    let names = [value("tag:title"), value("tag:handler_name")].compactMap { $0 }
                    result.title.name = names.first { !$0.isEmpty && !$0.hasSuffix("Handler") }
                    result.title.language = value("tag:language")
                }
                result.tracks.append(
                    Contents.Track(
                        kind: kind, codec: value("codec_name") ?? "",
                        isEmpty: kind == "audio" && value("sample_rate") == "0"))
            case "chapter": result.hasChapters = true
            case "format":
                result.start = value("start_time").flatMap { Double($0) } ?? 0
                result.hasTitles = fields.contains { $0.hasPrefix("tag:") }
            default: break
            }
        }
        if let video = result.tracks.firstIndex(where: { $0.kind == "video" }) {
            result.videoCodec = result.tracks.remove(at: video).codec
        }
        return result
    }

    /// The sound, subtitles of text, chapters and titles of a container, as an MP4 file that is read here: ffmpeg makes
    /// it, in a file without a name. Nil where there is nothing of the kind.
    /// - Parameter path: of what is being written.
    package static func otherTracks(
        of input: InputFile, _ contents: Contents, asMovieBeside path: String
    ) throws -> OpenFile? {
        let texts = ["subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"]
        func maps(_ kind: String, _ isTaken: (Contents.Track) -> Bool) -> [String] {
            contents.tracks.filter { $0.kind == kind }.enumerated().filter { isTaken($0.element) }
                .flatMap { ["-map", "0:\(kind.prefix(1)):\($0.offset)"] }
        }
        let maps = maps("audio") { !$0.isEmpty } + maps("subtitle") { texts.contains($0.codec) }
        guard !maps.isEmpty, let program else { return nil }
        // Of a transport stream ffmpeg takes the first packet of what is taken for the beginning, not of all.
        let whole =
            try input.kind() == .transportStream ? ["-map", "0:v:0?", "-c", "copy", "-f", "null", "-"] : []
        let temporary = try TemporaryFile(replacing: path)
        let process: ChildProcess
        do {
            process = try ChildProcess(
                program,
                ["-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-y"] + contents.inputOptions
                    + ["-i", "file:" + input.path] + maps
                    + ["-c", "copy", "-c:s", "mov_text", "-map_metadata", "0", "-map_chapters", "0"]
                    + ["-strict", "-2", "-f", "mp4", "file:" + temporary.path] + whole)
        } catch let error as ChildError {
            throw MediaError.ffmpegFailed(path: input.name, reason: error.description)
        }
        let status = try process.wait().status
        guard status == 0, process.failureToWrite == nil, let file = OpenFile(forReadingAtPath: temporary.path) else {
            throw MediaError.ffmpegFailed(
                path: input.name, reason: process.failureToWrite ?? process.lastMessage ?? "exit status \(status)")
        }
        return file
    }

    /// Runs ffmpeg on a file, or on what a pipe gives.
    /// - Parameters:
    ///   - output: arguments of what it makes, on standard output.
    ///   - missing: thrown where it is not installed.
    package static func read(_ input: InputFile, as output: [String], missing: MediaError) throws -> ChildProcess {
        guard let program else { throw missing }
        try check(input)
        // A name is a file's, whatever it looks like; and what a playlist names is no reason to ask the network.
        let common = ["-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"]
        do {
            if input.isRegular && input.path != "-" {
                return try ChildProcess(
                    program, common + ["-i", "file:" + input.path] + output, output: .pipe)
            }
            if try input.isRegular || input.kind() == .isoMedia {
                // Its index may be at the end.
                let file = try input.seekable()
                lseek(file.fileDescriptor, 0, SEEK_SET)
                return try ChildProcess(
                    program, common + ["-i", "file:/dev/stdin"] + output, input: .descriptor(file.fileDescriptor),
                    output: .pipe)
            }
            let process = try ChildProcess(program, common + ["-i", "pipe:0"] + output, input: .pipe, output: .pipe)
            process.feed(input)
            return process
        } catch let error as ChildError {
            throw MediaError.ffmpegFailed(path: input.name, reason: error.description)
        }
    }
}
