// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEncoder
import VeilMedia
import VeilProtection
import VeilRecon
import VeilSystem

/// What `veil compare` found: encryption inside the encoding loop against the ways around it.
public struct ComparisonReport: Codable, Sendable {
    /// Median, lowest and highest of several runs.
    public struct Spread: Codable, Sendable {
        public var median: Double
        public var low: Double
        public var high: Double

        public init(_ values: [Double]) {
            let sorted = values.sorted()
            low = sorted.first ?? .nan
            high = sorted.last ?? .nan
            let n = sorted.count
            median = n == 0 ? .nan : n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2
        }
    }

    public struct Method: Codable, Sendable {
        /// "clear", "a", "b", "c", "d".
        public var id: String
        public var name: String
        public var commands: [String]
        /// From source clip to this stream, all steps.
        public var wallSeconds: Spread
        public var cpuSeconds: Spread
        /// Over the clear encode of the same round.
        public var wallRatio: Spread
        public var cpuRatio: Spread
        public var peakBytes: Spread
        /// The steps after the clear encode alone; nil where there are none.
        public var stepCpuSeconds: Spread?
        /// What encryption adds to the delay of a picture: its time in the further steps, and pictures that must
        /// arrive after it first.
        public var addedMilliseconds: Spread
        public var addedPictures: Int
        public var bytes: Int
        public var middlebox: MiddleboxChecks
    }

    public var version: String
    public var command: String
    public var machine: String
    public var clip: String
    public var width: Int
    public var height: Int
    public var frames: Int
    public var rounds: Int
    public var layers: String
    public var qp: String
    public var scheme: String
    public var cipher: String
    public var profile: String
    public var methods: [Method]
    /// (a) and (b) are the same, byte for byte.
    public var inLoopEqualsPostHoc: Bool
    /// First byte that differs, where they are not.
    public var firstDifference: Int?
}

/// Runs the methods, each step as a process of its own, round by round.
package final class Comparison {
    package struct Settings {
        package var clip = ""
        package var layers = "2x"
        package var qp = "26,26"
        package var scheme = Scheme.all
        package var cipher = CipherKind.aes128
        package var profile = ElementProfile.paper
        package var frames = 25
        package var rounds = 5
        package var preset = "medium"
        package var x265Options = ""
        package var threads = 1
        package var folder = "."
        package var keepsStreams = false
        /// Further arguments of `encode` that describe raw input.
        package var inputArguments: [String] = []
        package init() {}
    }

    private let settings: Settings
    private let progress: Progress
    /// Runs `veil` with arguments.
    private let runner: ([String]) throws -> ProcessUsage

    package init(
        settings: Settings, progress: Progress,
        runner: @escaping ([String]) throws -> ProcessUsage = { try MeasuredProcess.runSelf($0) }
    ) {
        self.settings = settings
        self.progress = progress
        self.runner = runner
    }

    package static func steps(rounds: Int) -> Int { 6 * rounds + 5 }

    private func path(_ name: String) -> String { "\(settings.folder)/\(name)" }

    package func run(version: String, command: String) throws -> ComparisonReport {
        let s = settings
        let keyPath = path("compare-keys.json")
        unlink(keyPath)
        let keys = KeyRing.generate(layers: 2, cipher: s.cipher, profile: s.profile)
        try keys.write(path: keyPath)
        let nonce = SecretBytes.random(16).bytes
        let nonceText = nonce.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let names = ["clear.hevc", "a.hevc", "b.hevc", "c.hevc", "d.hevc", "d.y4m"]
        defer {
            unlink(keyPath)
            if !s.keepsStreams { for name in names { unlink(path(name)) } }
        }
        func encode(_ input: String, _ output: String, _ protection: [String]) -> [String] {
            [
                "encode", input, "-o", path(output), "--layers", s.layers, "--qp", s.qp, "--frames", String(s.frames),
                "--preset", s.preset,
                "--threads", String(s.threads),
            ] + (s.x265Options.isEmpty ? [] : ["--x265-options", s.x265Options])
                + (input == s.clip ? s.inputArguments : []) + protection
        }
        let protect = ["--scheme", s.scheme.name, "--keys", keyPath, "--nonce", nonceText]
        let steps: [(id: String, arguments: [String])] = [
            ("clear", encode(s.clip, "clear.hevc", ["--scheme", "none"])),
            ("a", encode(s.clip, "a.hevc", protect)),
            ("b", ["encrypt", path("clear.hevc"), "-o", path("b.hevc"), "--threads", String(s.threads)] + protect),
            ("c", ["nal-cipher", path("clear.hevc"), "-o", path("c.hevc"), "--keys", keyPath, "--nonce", nonceText]),
            ("d1", ["decode", path("clear.hevc"), "-o", path("d.y4m"), "--threads", String(s.threads)]),
            ("d2", encode(path("d.y4m"), "d.hevc", protect)),
        ]
        var usage: [String: [ProcessUsage]] = [:]
        for round in 0..<s.rounds {
            for step in steps {
                progress.step("round \(round + 1): \(step.id)")
                usage[step.id, default: []].append(try runner(step.arguments))
            }
        }
        let source = try VideoSource.open(path: path("d.y4m"))
        var frames = 0
        while try source.nextFrame() != nil { frames += 1 }
        let layers = try StreamWork.layers(path("clear.hevc"))
        let delay = encoderDelay(width: source.format.width, height: source.format.height)
        let difference = try Self.firstDifference(path("a.hevc"), path("b.hevc"))
        func text(_ ids: [String]) -> [String] {
            steps.filter { ids.contains($0.id) }.map { "veil " + $0.arguments.joined(separator: " ") }
        }
        var methods: [ComparisonReport.Method] = []
        let definitions: [(id: String, name: String, steps: [String], pictures: Int)] = [
            ("clear", "encode, no encryption", ["clear"], 0),
            ("a", "encrypted in the encoding loop", ["a"], 0),
            ("b", "encode, then encrypt the stream's bins", ["clear", "b"], 1),
            ("c", "encode, then AES over every NAL payload", ["clear", "c"], 0),
            ("d", "encode, decode, encode again encrypted", ["clear", "d1", "d2"], delay),
        ]
        for method in definitions {
            progress.step("what a middlebox can do with \(method.id)")
            let rounds = (0..<s.rounds).map { r in
                method.steps.reduce(ProcessUsage()) { $0 + (usage[$1]?[r] ?? .init()) }
            }
            let clear = usage["clear"] ?? []
            let further = method.steps.filter { $0 != "clear" }
            let added = (0..<s.rounds).map { r -> Double in
                if method.id == "clear" { return 0 }
                if method.id == "a" {
                    return 1000 * (rounds[r].wallSeconds - clear[r].wallSeconds) / Double(max(frames, 1))
                }
                return 1000 * further.reduce(0) { $0 + (usage[$1]?[r].wallSeconds ?? 0) } / Double(max(frames, 1))
            }
            let stream = path("\(method.id).hevc")
            methods.append(
                ComparisonReport.Method(
                    id: method.id, name: method.name, commands: text(method.steps),
                    wallSeconds: .init(rounds.map(\.wallSeconds)),
                    cpuSeconds: .init(rounds.map(\.cpuSeconds)),
                    wallRatio: .init((0..<s.rounds).map { rounds[$0].wallSeconds / max(clear[$0].wallSeconds, 1e-9) }),
                    cpuRatio: .init((0..<s.rounds).map { rounds[$0].cpuSeconds / max(clear[$0].cpuSeconds, 1e-9) }),
                    peakBytes: .init(rounds.map { Double($0.peakBytes) }),
                    stepCpuSeconds: method.id == "a" || further.isEmpty
                        ? nil
                        : .init((0..<s.rounds).map { r in further.reduce(0) { $0 + (usage[$1]?[r].cpuSeconds ?? 0) } }),
                    addedMilliseconds: .init(added), addedPictures: method.pictures, bytes: StreamWork.size(stream),
                    middlebox: try MiddleboxChecks.run(
                        stream, pictures: frames * layers.count,
                        keys: method.id == "clear" || method.id == "d" ? nil : keys,
                        clear: path("clear.hevc"), folder: s.folder, threads: s.threads)))
        }
        return ComparisonReport(
            version: version, command: command, machine: Machine.description, clip: s.clip, width: source.format.width,
            height: source.format.height, frames: frames, rounds: s.rounds, layers: s.layers, qp: s.qp,
            scheme: s.scheme.name,
            cipher: s.cipher.name, profile: s.profile.name, methods: methods, inLoopEqualsPostHoc: difference == nil,
            firstDifference: difference)
    }

    /// How many pictures the base layer encoder takes in before the first comes out, beyond that one.
    private func encoderDelay(width: Int, height: Int) -> Int {
        var base = BaseLayerSettings()
        base.width = max(width / 8 * 4, 64)
        base.height = max(height / 8 * 4, 64)
        base.preset = settings.preset
        base.options = [("qp", "30")] + BaseLayerSettings.sharing(among: settings.threads)
        base.options += X265Options.parse(settings.x265Options)
        guard let encoder = try? BaseLayerEncoder(settings: base) else { return 0 }
        for pushed in 0..<300 {
            let frame = FrameBuffer(
                width: (base.width + 7) & ~7, height: (base.height + 7) & ~7, bitDepthLuma: 8, bitDepthChroma: 8)
            for c in 0..<3 {
                let plane = frame.plane(c)
                for y in 0..<plane.height {
                    plane.row(y).update(repeating: UInt16(60 + pushed % 8), count: plane.width)
                }
            }
            if let coded = try? encoder.encode(frame) {
                _ = coded
                return pushed
            }
        }
        return 300
    }

    /// Offset of the first byte that differs between two files (or at which one ends), nil when they are equal.
    package static func firstDifference(_ a: String, _ b: String) throws -> Int? {
        guard let x = OpenFile(forReadingAtPath: a) else {
            throw MediaError.cannotOpen(path: a, reason: "cannot be read")
        }
        guard let y = OpenFile(forReadingAtPath: b) else {
            throw MediaError.cannotOpen(path: b, reason: "cannot be read")
        }
        var offset = 0
        while true {
            let p = try x.read(upToCount: 1 << 20) ?? Data()
            let q = try y.read(upToCount: 1 << 20) ?? Data()
            if p != q {
                let n = zip(p, q).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(p.count, q.count)
                return offset + n
            }
            if p.isEmpty { return nil }
            offset += p.count
        }
    }
}
