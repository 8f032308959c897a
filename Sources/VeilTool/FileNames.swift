// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

/// Names of files that say another format than what is written.
enum FileNames {
    private static let video = [
        "avi", "webm", "flv", "f4v", "wmv", "asf", "mpg", "mpeg", "m2v", "vob", "ogv", "ogg", "3gp", "3g2", "mxf", "rm",
        "rmvb", "m2ts", "divx", "mk3d", "mka", "h264", "264", "avc", "h266", "266", "vvc", "av1", "ivf", "obu", "mjpeg",
        "gif", "png", "jpg", "jpeg", "webp", "heic", "avif", "wav", "mp3", "m4a", "mpd", "m3u8",
    ]
    private static let samples = ["y4m", "yuv"]
    private static let byteStreams = ["hevc", "h265", "265", "bit", "bin"]
    private static let streams = byteStreams + ["mp4", "m4v", "mov", "mkv", "ts", "mts"]

    /// Whether a name asks for a byte stream.
    static func isByteStream(_ path: String) -> Bool {
        byteStreams.contains(path.suffixOfPath.lowercased())
    }

    /// Throws where a coded stream would get another format's name.
    static func checkStream(_ path: String) throws {
        try check(path, video + samples, "a coded stream goes into .hevc, .mp4, .mov, .mkv or .ts")
    }

    /// Throws where decoded pictures would.
    static func checkPictures(_ path: String) throws {
        try check(path, video + streams, "decoded pictures go into .y4m or .yuv")
    }

    private static func check(_ path: String, _ others: [String], _ what: String) throws {
        let suffix = path.suffixOfPath.lowercased()
        if others.contains(suffix), !path.hasPrefix("/dev/") {
            throw MediaError.writeFailed(path: path, reason: "the name says \(suffix), and \(what)")
        }
    }
}
