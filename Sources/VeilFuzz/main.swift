// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilLab
//
// veil-fuzz [--seed N] [--cases N] [--seconds N] [--slices N] [--protection] [--dearest N] [--save FOLDER] file...
//
// Mutates streams and runs each through decoding, inspection, decryption, encryption, new keys, extraction, cutting and
// joining, and checks what encryption promises (ProtectionCase); --protection does the last alone. Files that are no
// streams (y4m, key files, sidecars, MP4) are mutated too, and read. A trap ends the process with the seed of the case
// printed before it (--verbose), a case of more than ten seconds or two gigabytes ends it with a message, a broken
// promise is printed with its seed; the exit status is then not zero. --dearest lists the cases that took the most time
// and memory. --save keeps these, and the streams of broken promises.
import VeilSystem

var seed: UInt64 = 1
var cases = 1000
var seconds = Double.infinity
var slices = 6
var verbose = false
var protectionOnly = false
var folder: String?
var dearest = Dearest(count: 0)
var paths: [String] = []
var arguments = CommandLine.arguments.dropFirst()

/// A line, at once: the next one may never come.
func say(_ line: String) { try? OpenFile.standardOutput.write(contentsOf: Data("\(line)\n".utf8)) }

func fail(_ message: String) -> Never {
    try? OpenFile.standardError.write(contentsOf: Data("veil-fuzz: \(message)\n".utf8))
    exit(2)
}

while let argument = arguments.popFirst() {
    func number() -> UInt64 {
        guard let value = arguments.popFirst().flatMap({ UInt64($0) }) else { fail("\(argument) takes a number") }
        return value
    }
    switch argument {
    case "--seed": seed = number()
    case "--cases": cases = Int(clamping: number())
    case "--seconds": seconds = Double(number())
    case "--slices": slices = Int(clamping: number())
    case "--dearest": dearest = Dearest(count: Int(clamping: number()))
    case "--verbose": verbose = true
    case "--protection": protectionOnly = true
    case "--save": folder = arguments.popFirst()
    default: paths.append(argument)
    }
}

/// What cases are made from.
var streams: [[NALUnit]] = []
var files: [(kind: FileFuzzCase.Kind, bytes: [UInt8])] = []
for path in paths {
    guard let data = FileManager.default.contents(atPath: path) else { fail("\(path): cannot be read") }
    let bytes = [UInt8](data)
    if case .file(let kind) = FuzzTarget(bytes: bytes) {
        files.append((kind, bytes))
    } else if let units = try? AnnexBReader.units(of: bytes), !units.isEmpty {
        streams.append(StreamMutator.head(of: units, slices: slices))
    } else {
        say("\(path): no stream, and nothing else that is known: left out")
    }
}
if protectionOnly { files = [] }
if streams.isEmpty && files.isEmpty { fail("no files given") }
guard let scratch = try? FuzzScratch() else { fail("no folder for temporary files") }

/// The case at hand, watched from another thread.
final class Watch: @unchecked Sendable {
    private let lock = Lock()
    private var seed: UInt64 = 0
    private var began = Date()
    private var ticks = clock()
    func begin(_ seed: UInt64) {
        lock.withLock {
            self.seed = seed
            began = Date()
            ticks = clock()
        }
    }
    func check() {
        let (seed, began, ticks) = lock.withLock { (self.seed, self.began, self.ticks) }
        // Time of this process, which others may keep waiting; a deadlock takes none.
        let isLong = Double(clock() - ticks) / Double(CLOCKS_PER_SEC) > 10
        if isLong || Date().timeIntervalSince(began) > 300 { fail("seed \(seed) takes more than 10 s") }
        if ProcessMemory.resident() > 2 << 30 { fail("seed \(seed): more than 2 GiB") }
    }
}

let watch = Watch()
SystemThread.start {
    while true {
        usleep(250_000)
        watch.check()
    }
}

let start = Date()
var total = FuzzCase.Outcome()
var fromFiles = FuzzCase.Outcome()
var kept = ProtectionCase.Outcome()
var done = 0

@MainActor
func save(_ name: String, _ bytes: [UInt8]) {
    if let folder { FileManager.default.createFile(atPath: "\(folder)/\(name)", contents: Data(bytes)) }
}

@MainActor
func runStream(_ own: UInt64, _ random: inout CaseRandom) -> [UInt8] {
    let stream = StreamMutator.mutate(streams[random.below(streams.count)], with: streams, &random)
    if verbose { say("seed \(own): \(stream.count) bytes") }
    let promises = ProtectionCase(stream: stream, variant: random.next()).run()
    for violation in promises.violations { say("seed \(own): \(violation)") }
    if !promises.violations.isEmpty { save("seed\(own).hevc", stream) }
    kept.add(promises)
    if !protectionOnly { total.add(FuzzCase(stream: stream, threads: own % 4 == 0 ? 2 : 1).run()) }
    return stream
}

@MainActor
func runFile(_ own: UInt64, _ random: inout CaseRandom) -> [UInt8] {
    let file = files[random.below(files.count)]
    let bytes = ByteMutator.mutate(file.bytes, with: files.map(\.bytes), &random)
    if verbose { say("seed \(own): \(file.kind.rawValue), \(bytes.count) bytes") }
    fromFiles.add(FileFuzzCase(kind: file.kind, bytes: bytes, scratch: scratch).run())
    return bytes
}

for i in 0..<cases {
    let own = seed &+ UInt64(i)
    if Date().timeIntervalSince(start) > seconds { break }
    var random = CaseRandom(seed: own)
    watch.begin(own)
    let isFile = !files.isEmpty && (streams.isEmpty || random.below(2) == 0)
    let began = Date()
    if dearest.count > 0 { ProcessMemory.resetPeak() }
    let before = dearest.count > 0 ? ProcessMemory.resident() : 0
    let bytes = isFile ? runFile(own, &random) : runStream(own, &random)
    if dearest.count > 0 {
        dearest.add(
            Dearest.Entry(
                seed: own, kind: isFile ? "file" : "stream", bytes: bytes.count,
                seconds: Date().timeIntervalSince(began), peak: max(ProcessMemory.peak() - before, 0)))
    }
    done += 1
    if done % 1000 == 0 { say("\(done) cases, next seed \(own &+ 1), \(Int(Date().timeIntervalSince(start))) s") }
}
say(
    "\(done) cases from seed \(seed) in \(Int(Date().timeIntervalSince(start))) s: \(total.pictures) pictures decoded, "
        + "\(total.output) put out, \(total.concealedCTUs) CTUs concealed, "
        + "\(total.hashMismatches) hashes differ, \(total.errors) errors reported")
if !files.isEmpty {
    say("files: \(fromFiles.pictures) pictures and entries read, \(fromFiles.errors) errors reported")
}
say(
    "\(kept.encryptions) encryptions, \(kept.accepted) accepted; slices: \(kept.sealed) sealed, \(kept.dropped) left "
        + "out, \(kept.passed) let through, \(kept.unchanged) without anything to encrypt; "
        + "\(kept.violations.count) broken promises")
for entry in dearest.slowest { say("slow: \(entry.line)") }
for entry in dearest.largest { say("large: \(entry.line)") }
if !kept.violations.isEmpty { exit(1) }
