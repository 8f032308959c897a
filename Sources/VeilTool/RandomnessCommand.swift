// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Dispatch
import VeilLab
import VeilMedia
import VeilProtection
import VeilSystem

struct RandomnessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "randomness",
        abstract: "Run the fifteen tests of NIST SP 800-22 on a keystream generator or on a file.",
        discussion: """
            veil randomness --cipher chaotic --sequences 100
            veil randomness random.bin --sequences 10

            A generator's sequences each have a key of their own, made from --seed. Bits of a file are
            taken from each byte's highest on.
            """)

    @Argument(help: "File of random bytes, '-' for standard input; none: test a generator.")
    var input: String?
    @Option(help: "Generator to test: chaotic, aes-128-ctr, aes-256-ctr, chacha20.")
    var cipher = Named(CipherKind.chaotic)
    @Option(help: "Number of sequences.")
    var sequences: Int = 100
    @Option(help: "Bits a sequence.")
    var bits: Int = 1_000_000
    @Option(help: "Seed that a generator's keys are made from.")
    var seed: UInt64 = 1
    @Option(help: "Worker threads.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Flag(help: "Print every p-value's row, not one row a test.")
    var all = false
    @Flag(help: "Print JSON.")
    var json = false
    @Flag(help: "Measure the speed of all generators, and of the encryption's hook, in place of testing.")
    var speed = false
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        Interruption.endAtOnce()
        if speed {
            try printSpeeds()
            return
        }
        guard (1...1_000_000).contains(sequences), (1000...100_000_000).contains(bits) else {
            throw ValidationError("--sequences takes 1 to 1000000, --bits 1000 to 100000000")
        }
        let gathering = Gathering(count: sequences)
        let plan = FourierPlan(count: bits)
        if let input {
            var file = try ByteFile(input)
            for i in 0..<sequences {
                guard let bytes = try file.next((bits + 7) / 8) else {
                    throw MediaError.notSupported(path: input, what: "only \(i) sequences of \(bits) bits in it")
                }
                gathering.set(
                    i,
                    StatisticalTests.all(
                        BitSequence(bits: Array(BitSequence(bytes: bytes).bits.prefix(bits))), plan: plan))
            }
        } else {
            let (bits, seed, cipher) = (self.bits, self.seed, self.cipher.value)
            let (sequences, threads) = (self.sequences, min(max(self.threads, 1), self.sequences))
            DispatchQueue.concurrentPerform(iterations: threads) { worker in
                for i in stride(from: worker, to: sequences, by: threads) {
                    // Not of a cipher that the command line cannot name.
                    guard
                        let words = try? KeystreamSample.words(cipher, seed: seed, index: i, count: (bits + 31) / 32)
                    else { return }
                    gathering.set(i, StatisticalTests.all(BitSequence(words: words, count: bits), plan: plan))
                }
            }
        }
        let report = gathering.report
        let without = report.notApplicable
        if !without.isEmpty {
            warn("sequences of \(bits) bits are too short for, or do not suit: \(without.joined(separator: ", "))")
        }
        if json {
            struct Output: Codable {
                var source: String
                var sequences: Int
                var bits: Int
                var summary: [RandomnessReport.Summary]
                var rows: [RandomnessReport.Row]
                var notApplicable: [String]
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            let output = Output(
                source: input ?? cipher.value.name, sequences: sequences, bits: bits, summary: report.summaries,
                rows: report.rows, notApplicable: without)
            print(String(decoding: try encoder.encode(output), as: UTF8.self))
            return
        }
        print("\(input ?? cipher.value.name): \(sequences) sequences of \(bits) bits, significance 0.01")
        let width = { (text: String, n: Int) in text + String(repeating: " ", count: max(0, n - text.count)) }
        if all {
            for row in report.rows {
                let uniformity = row.uniformity.map { String(printf: "%.6f", $0) } ?? "-"
                print(
                    width("\(row.test) \(row.variant)", 36) + width("\(row.passed)/\(row.sequences)", 12)
                        + width("least \(row.least)", 12)
                        + uniformity + (row.proportionHolds && row.uniformityHolds ? "" : "  *"))
            }
        } else {
            print(
                width("test", 26) + width("p-values", 10) + width("worst proportion", 22)
                    + width("worst uniformity", 18) + "missed")
            for s in report.summaries {
                let uniformity = s.worstUniformity.map { String(printf: "%.6f", $0) } ?? "-"
                print(
                    width(s.test, 26) + width("\(s.rows)", 10)
                        + width("\(s.worst.passed)/\(s.worst.sequences) (least \(s.worst.least))", 22)
                        + width(uniformity, 18)
                        + "\(s.missedProportions) proportions, \(s.missedUniformities) uniformities")
            }
        }
    }

    /// Bits a second and cycles a byte of each generator; time to begin a unit; what the hook takes a bin.
    private func printSpeeds() throws {
        let frequency = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).split(separator: "\n")
            .first { $0.hasPrefix("cpu MHz") }?.split(separator: ":").last.flatMap {
                Double($0.trimmed)
            }
        let mhz = frequency ?? nil
        func cycles(_ seconds: Double) -> String { mhz.map { String(printf: "%.2f", seconds * $0 * 1e6) } ?? "-" }
        print("generator      Mbit/s   cycles/byte   ns to begin a unit   hook: ns/bin   cycles/bin")
        for cipher in CipherKind.allCases {
            let m = try KeystreamSample.speed(cipher)
            print(
                cipher.name.padded(to: 13)
                    + String(printf: "%8.0f", 8e-6 / m.secondsPerByte) + "   " + cycles(m.secondsPerByte) + "          "
                    + String(printf: "%8.0f", 1e9 * m.secondsPerUnit) + "             "
                    + String(printf: "%6.2f", 1e9 * m.secondsPerBin)
                    + "         " + cycles(m.secondsPerBin))
        }
        if let mhz { print(String(printf: "cycles at %.0f MHz; user time of one thread", mhz)) }
    }

    /// Results by sequence, so that the report does not depend on threads.
    private final class Gathering: @unchecked Sendable {
        private let lock = Lock()
        private var results: [[TestResult]]
        init(count: Int) { results = Array(repeating: [], count: count) }
        func set(_ i: Int, _ result: [TestResult]) { lock.withLock { results[i] = result } }
        var report: RandomnessReport {
            var report = RandomnessReport()
            for result in results { report.add(result) }
            return report
        }
    }
}

/// A file or standard input, read in pieces of equal size.
private struct ByteFile {
    private let handle: OpenFile
    private let path: String

    init(_ path: String) throws {
        self.path = path
        if path == "-" {
            handle = .standardInput
        } else {
            var info = stat()
            let isFolder = stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
            guard !isFolder, let opened = OpenFile(forReadingAtPath: path) else {
                throw MediaError.cannotOpen(path: path, reason: isFolder ? "is a folder" : "cannot be read")
            }
            handle = opened
        }
    }

    /// Nil at the end, also in the middle of a piece.
    mutating func next(_ count: Int) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            do {
                guard let more = try handle.read(upToCount: count - bytes.count), !more.isEmpty else { return nil }
                bytes += more
            } catch { throw MediaError.cannotOpen(path: path, reason: "cannot be read") }
        }
        return bytes
    }
}
