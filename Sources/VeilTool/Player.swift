// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilBitstream
import VeilMedia
import VeilSystem

/// A program that shows the video that it is given on its standard input.
struct Player {
    enum Name: String, CaseIterable, ExpressibleByArgument { case ffplay, mpv }

    let name: Name
    let program: String

    /// The one that is wanted, or the first that is installed.
    static func find(_ wanted: Name?) throws -> Player {
        for name in wanted.map({ [$0] }) ?? Name.allCases {
            if let program = ChildProcess.find(name.rawValue) { return Player(name: name, program: program) }
        }
        throw ChildError(
            description: wanted.map { "\($0.rawValue) is not installed (not found on PATH)" }
                ?? "neither ffplay nor mpv is installed (not found on PATH): one of them shows the pictures; "
                + "veil decode -o - hands them to any other program")
    }

    /// What it is started with, to show y4m with a colour of which y4m tells the range alone.
    func arguments(title: String, colour: ColourDescription) -> [String] {
        let transfer = colour.alternativeTransfer ?? colour.transfer
        switch name {
        case .ffplay:
            func set(_ what: String, _ value: Int?, _ names: ColourNames.Table) -> String? {
                guard let value, Int(names.name(of: value)) == nil else { return nil }
                return "\(what)=\(names.name(of: value))"
            }
            let known = [
                set("colorspace", colour.matrix, ColourNames.matrix),
                set("color_primaries", colour.primaries, ColourNames.primaries),
                set("color_trc", transfer, ColourNames.transfer),
            ].compactMap { $0 }
            return ["-v", "error", "-autoexit", "-window_title", title]
                + (known.isEmpty ? [] : ["-vf", "setparams=" + known.joined(separator: ":")])
                + ["-f", "yuv4mpegpipe", "-i", "pipe:0"]
        case .mpv:
            let known = [
                colour.matrix.flatMap { Self.mpvMatrices[$0] }.map { "colormatrix=\($0)" },
                colour.primaries.flatMap { Self.mpvPrimaries[$0] }.map { "primaries=\($0)" },
                transfer.flatMap { Self.mpvTransfers[$0] }.map { "gamma=\($0)" },
            ].compactMap { $0 }
            return ["--input-terminal=no", "--msg-level=all=error", "--idle=no", "--keep-open=no"]
                // "${...}" in a title would be looked up.
                + ["--title=" + title.with("$$", for: "$")]
                + (known.isEmpty ? [] : ["--vf=format:" + known.joined(separator: ":")])
                + ["--demuxer-lavf-format=yuv4mpegpipe", "-"]
        }
    }

    /// mpv's names of values of H.273.
    private static let mpvMatrices = [
        1: "bt.709", 5: "bt.601", 6: "bt.601", 7: "smpte-240m", 8: "ycgco", 9: "bt.2020-ncl", 10: "bt.2020-cl",
    ]
    private static let mpvPrimaries = [
        1: "bt.709", 4: "bt.470m", 5: "bt.601-625", 6: "bt.601-525", 7: "bt.601-525", 9: "bt.2020", 11: "dci-p3",
        12: "display-p3",
    ]
    private static let mpvTransfers = [
        1: "bt.1886", 4: "gamma2.2", 5: "gamma2.8", 6: "bt.1886", 7: "bt.1886", 8: "linear", 13: "srgb", 14: "bt.1886",
        15: "bt.1886", 16: "pq", 18: "hlg",
    ]

    /// Whether an exit status says that somebody closed it or a signal ended it, and not that something failed.
    func isRegular(_ status: Int32) -> Bool {
        // ffplay has a status of its own for signals, and so has mpv.
        status == 0 || status >= 128 || status == (name == .ffplay ? 123 : 4)
    }
}

/// A player's window, from the first picture to its end.
final class PlayerWindow {
    /// Nobody looks any more.
    struct Closed: Error {}

    private let player: Player
    private let title: String
    private let input: String
    /// Frames a second of the container, or as asked for.
    var frameRate: FrameRate?
    private var open: (process: ChildProcess, writer: VideoWriter, format: VideoFormat)?

    init(_ player: Player, title: String, input: String, frameRate: FrameRate?) {
        self.player = player
        self.title = title
        self.input = input
        self.frameRate = frameRate
    }

    var isOpen: Bool { open != nil }

    /// Shows a picture. Throws ``Closed`` where the player has ended.
    func show(_ picture: VideoPicture) throws {
        let writer = try writer(of: picture, width: picture.width)
        try whileOpen { try writer.write(picture) }
    }

    /// Shows two pictures of one size beside each other.
    func show(left: VideoPicture, right: VideoPicture) throws {
        let writer = try writer(of: right, width: left.width + right.width)
        let sides = [VideoFrame(left), VideoFrame(right)]
        var format = right.size(ofComponent: 0)
        format.width += left.width
        let frame = VideoFrame(
            format: VideoFormat(
                width: format.width, height: format.height, bitDepth: right.bitDepth,
                chromaFormat: right.chromaFormat))
        guard left.height == right.height, sides[0].format == sides[1].format else {
            throw MediaError.notSupported(path: input, what: "its pictures differ in size with and without keys")
        }
        for c in frame.planes.indices {
            let from = right.size(ofComponent: c)
            let to = frame.format.size(ofComponent: c).width
            for y in 0..<from.height {
                for (side, samples) in sides.enumerated() {
                    let row = samples.planes[c][(y * from.width)..<((y + 1) * from.width)]
                    let at = y * to + side * (to - from.width)
                    frame.planes[c].replaceSubrange(at..<(at + from.width), with: row)
                }
            }
        }
        try whileOpen { try writer.write(frame) }
    }

    private func writer(of picture: VideoPicture, width: Int) throws -> VideoWriter {
        if Interruption.isRequested { throw Closed() }
        let format = VideoFormat(
            width: width, height: picture.height, fps: frameRate?.fraction ?? picture.frameRate ?? (25, 1),
            bitDepth: picture.bitDepth, chromaFormat: picture.chromaFormat, colour: picture.colour)
        if let open {
            guard open.format == format else {
                throw MediaError.notSupported(
                    path: input, what: "the picture size or format changes in the stream, which players are not told")
            }
            return open.writer
        }
        if picture.colour.matrix == 0, picture.chromaFormat == .yuv444 {
            throw MediaError.notSupported(
                path: input, what: "its samples are green, blue and red, which y4m cannot tell a player")
        }
        let process = try ChildProcess(
            player.program, player.arguments(title: title, colour: picture.colour), input: .pipe)
        guard let descriptor = process.inputDescriptor else { throw Closed() }
        let writer = try VideoWriter(path: "/dev/fd/\(descriptor)", format: format)
        open = (process, writer, format)
        return writer
    }

    private func whileOpen(_ body: () throws -> Void) throws {
        do { try body() } catch MediaError.closedPipe { throw Closed() }
    }

    /// No more pictures come: waits until the player has shown those that it has, or is closed.
    func finish() throws {
        guard let (process, writer, _) = open else { return }
        defer { open = nil }
        do { try writer.finish() } catch MediaError.closedPipe {}
        process.endInput()
        while try !process.poll() {
            if Interruption.isRequested { process.terminate() }
            usleep(10_000)
        }
        let status = try process.wait().status
        if !player.isRegular(status) {
            throw ChildError(
                description: "\(player.name.rawValue): \(process.lastMessage ?? "nothing said") (status \(status))")
        }
    }
}
