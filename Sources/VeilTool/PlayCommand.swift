// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

struct PlayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "play", abstract: "Show a stream in ffplay or mpv.",
        discussion: """
            Shows the highest layer that there are keys for or that is in the clear; the
            highest one as others see it where there is none and no keys are given. Pictures
            go through a pipe, decoded and decrypted here: the player never sees a key. There
            is no sound. Closing the player's window ends the program, which is no error.

            EXAMPLES
              veil play out.hevc --keys keys.json
              veil play out.hevc --keys keys.json --side-by-side
              veil play secret.mp4 --layer 0 --player mpv
              veil encode in.mp4 -o - --keys keys.json | veil play - --keys keys.json
            """)

    @Argument(help: "Stream: a byte stream, or a file that holds one; '-' for standard input.")
    var input: String
    @Option(help: "Key file, env:NAME or fd:N.")
    var keys: String?
    @Option(help: "nuh_layer_id to show, whether or not there are keys for it.")
    var layer: Int?
    @Option(help: "Show the view for one eye: left or right.")
    var view: VideoDecoder.StereoView?
    @Flag(help: "Show each picture twice: left as without keys, right with them.")
    var sideBySide = false
    @Option(help: "Player to take: ffplay or mpv; the first of them that is installed by default.")
    var player: Player.Name?
    @Option(help: "Sidecar file of a stream without messages.")
    var sidecar: String?
    @OptionGroup var verification: VerificationFlags
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Frames per second, in place of what the stream or its container tells.")
    var fps: FrameRate?
    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        guard layer.map({ (0...62).contains($0) }) ?? true else { throw ValidationError("--layer takes 0 to 62") }
        if layer != nil && view != nil { throw ValidationError("--layer and --view exclude each other") }
        if sideBySide && keys == nil { throw ValidationError("--side-by-side needs --keys") }
    }

    func run() throws {
        try CommandFiles.check(reads: [input, sidecar], keys: [keys], writes: [])
        let player = try Player.find(player)
        var options = VideoDecoder.Options()
        options.output = view.map { .view($0) } ?? layer.map { .layer($0) } ?? .highestLayer
        options.threads = max(threads, 1)
        options.keys = try keys.map { try KeyRing(reference: $0) }
        options.verification = verification.options
        options.sidecar = try sidecar.map(DecryptCommand.sidecar)
        let title = input == "-" ? "veil" : input.lastOfPath
        let window = PlayerWindow(
            player, title: sideBySide ? "\(title): without keys, with them" : title, input: input, frameRate: fps)
        var stream = PlayedStream(input, options, window, isTwice: sideBySide)
        do {
            try stream.play()
            if !window.isOpen, options.output == .highestLayer, let highest = try StreamInput.highestLayer(of: input) {
                // A base layer that came alone.
                options.output = .layer(highest)
                stream = PlayedStream(input, options, window, isTwice: sideBySide)
                try stream.play()
            }
            guard window.isOpen || Interruption.isRequested else {
                throw MediaError.notSupported(
                    path: input, what: layer.map { "no pictures of layer \($0)" } ?? "no pictures")
            }
        } catch is PlayerWindow.Closed { return try window.finish() }
        try window.finish()
        if !stream.tell() { throw ExitCode(2) }
    }
}

/// Decodes a stream for a player, as far up as keys reach. Which layer that is its first pictures tell: what came
/// before them is kept, to be decoded again.
private final class PlayedStream {
    private let input: String
    private let window: PlayerWindow
    private let isTwice: Bool
    private var options: VideoDecoder.Options
    /// Keys were given, or none are.
    private let hasKeys: Bool
    /// Nobody said which layer, and nothing was shown yet.
    private var choosesLayer: Bool
    private var held: [UInt8] = []
    /// Bytes that are kept: pictures of another layer may come and come.
    private static let mostHeld = 1 << 26
    private var decoder: VideoDecoder
    /// The same without keys.
    private var blind: VideoDecoder?
    private var waiting: (blind: [VideoPicture], seen: [VideoPicture]) = ([], [])

    init(_ input: String, _ options: VideoDecoder.Options, _ window: PlayerWindow, isTwice: Bool) {
        self.input = input
        self.window = window
        self.isTwice = isTwice
        self.options = options
        hasKeys = options.keys != nil
        choosesLayer = options.output == .highestLayer
        // Without keys a layer in the clear is looked for as with them.
        if choosesLayer && !hasKeys { self.options.keys = KeyRing(layers: []) }
        decoder = VideoDecoder(options: self.options)
        begin()
    }

    private func begin() {
        decoder = VideoDecoder(options: options)
        var without = options
        without.keys = nil
        blind = isTwice ? VideoDecoder(options: without) : nil
        waiting = ([], [])
    }

    func play() throws {
        try StreamInput.chunks(input, opened: opened) { chunk in
            for piece in stride(from: 0, to: chunk.count, by: 1 << 16) {
                let bytes = chunk[piece..<min(piece + 1 << 16, chunk.count)]
                if choosesLayer { hold(bytes) }
                try downward { try decode(bytes) }
            }
        }
        try StreamInput.named(input) { try downward(isEnd: true) { try finish() } }
    }

    private func hold(_ bytes: ArraySlice<UInt8>) {
        if held.count + bytes.count <= Self.mostHeld { held += bytes } else { choose() }
    }

    /// From now on it is this layer.
    private func choose() {
        choosesLayer = false
        held = []
    }

    private func opened(_ chunks: StreamChunks) {
        window.frameRate = window.frameRate ?? chunks.frameRate
        if let turning = chunks.movie?.turning {
            warn("\(input): players show its pictures \(turning); here they are as they are coded")
        }
        if chunks.times?.varies ?? false { warn("\(input): its frame rate varies: pictures are shown evenly apart") }
    }

    /// Begins again with a lower layer where there is no key for one.
    private func downward(isEnd: Bool = false, _ body: () throws -> Void) throws {
        do { try body() } catch let error as KeyError where error.isLocked && choosesLayer {
            try descend(error)
            try downward(isEnd: isEnd) {
                try decode(held[...])
                if isEnd { try finish() }
            }
        }
    }

    private func descend(_ error: KeyError) throws {
        let locked: Int
        switch error {
        case .missing(let layer, _, _), .noKeyForLayer(let layer, _): locked = layer
        default: throw error
        }
        let inspector = StreamInspector(countsSpace: false)
        try inspector.push(held)
        let below = try inspector.finish().layers.filter { $0.pictures > 0 && $0.layer < locked }.map(\.layer).max()
        if let below {
            if hasKeys {
                warn("\(error): layer \(below) is shown")
            } else {
                info("\(input): layer \(locked) is encrypted and there are no keys: layer \(below) is shown")
            }
            options.output = .layer(below)
        } else if hasKeys {
            throw error
        } else {
            info("\(input): is encrypted and there are no keys: it is shown as others see it")
            options.output = .highestLayer
            options.keys = nil
        }
        begin()
    }

    private func decode(_ bytes: ArraySlice<UInt8>) throws {
        try decoder.push(bytes) { try show($0) }
        try blind?.push(bytes) { try show(blind: $0) }
    }

    private func finish() throws {
        try decoder.finish(isCut: Interruption.hasCut) { try show($0) }
        try blind?.finish(isCut: Interruption.hasCut) { try show(blind: $0) }
        // Where one side has lost pictures, the other's are shown beside the last one.
        guard let left = waiting.blind.last ?? lastBlind, let right = waiting.seen.last ?? lastSeen else { return }
        for n in 0..<max(waiting.blind.count, waiting.seen.count) {
            try window.show(
                left: n < waiting.blind.count ? waiting.blind[n] : left,
                right: n < waiting.seen.count ? waiting.seen[n] : right)
        }
        waiting = ([], [])
    }

    private var lastBlind: VideoPicture?
    private var lastSeen: VideoPicture?

    private func show(_ picture: VideoPicture) throws {
        choose()
        if blind == nil { return try window.show(picture) }
        waiting.seen.append(picture)
        try showPairs()
    }

    private func show(blind picture: VideoPicture) throws {
        waiting.blind.append(picture)
        try showPairs()
    }

    private func showPairs() throws {
        // Both decoders hold as many pictures back: one that is far behind has lost some.
        let most = 32
        while true {
            let left = waiting.blind.first ?? (waiting.seen.count > most ? lastBlind : nil)
            let right = waiting.seen.first ?? (waiting.blind.count > most ? lastSeen : nil)
            guard let left, let right else { return }
            waiting.blind = Array(waiting.blind.dropFirst())
            waiting.seen = Array(waiting.seen.dropFirst())
            (lastBlind, lastSeen) = (left, right)
            try window.show(left: left, right: right)
        }
    }

    /// Says what was wrong with the stream. Returns whether nothing was.
    func tell() -> Bool {
        let report = decoder.report
        for message in report.messages { warn("\(input): \(message)") }
        let isWhole = VerificationFlags.tell(report.verification, of: input)
        return report.isClean && isWhole
    }
}
