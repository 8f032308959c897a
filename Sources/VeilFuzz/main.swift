// SPDX-License-Identifier: GPL-2.0-or-later
//
// veil-fuzz [--seed N] [--cases N] [--seconds N] [--slices N] [--protection] [--save FOLDER] stream...
//
// Mutates streams and runs each through decoding, inspection, decryption and encryption, and checks what encryption
// promises (ProtectionCase); --protection does the last alone. A trap ends the process with the seed of the case
// printed before it (--verbose), a case of more than ten seconds or two gigabytes ends it with a message, a broken
// promise is printed with its seed; the exit status is then not zero. --save keeps the streams of broken promises.
import Foundation
import VeilBitstream
import VeilLab

var seed: UInt64 = 1
var cases = 1000
var seconds = Double.infinity
var slices = 6
var verbose = false
var protectionOnly = false
var folder: String?
var paths: [String] = []
var arguments = CommandLine.arguments.dropFirst()

/// A line, at once: the next one may never come.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

func fail(_ message: String) -> Never {
    FileHandle.standardError.write(Data("veil-fuzz: \(message)\n".utf8))
    exit(2)
}

while let argument = arguments.popFirst() {
    func number() -> UInt64 {
        guard let value = arguments.popFirst().flatMap({ UInt64($0) }) else { fail("\(argument) takes a number") }
        return value
    }
    switch argument {
    case "--seed": seed = number()
    case "--cases": cases = Int(number())
    case "--seconds": seconds = Double(number())
    case "--slices": slices = Int(number())
    case "--verbose": verbose = true
    case "--protection": protectionOnly = true
    case "--save": folder = arguments.popFirst()
    default: paths.append(argument)
    }
}

let streams: [[NALUnit]] = paths.map { path in
    guard let data = FileManager.default.contents(atPath: path), let units = try? AnnexBReader.units(of: [UInt8](data)),
        !units.isEmpty
    else { fail("\(path): no stream") }
    return StreamMutator.head(of: units, slices: slices)
}
if streams.isEmpty { fail("no streams given") }

/// The case at hand, watched from another thread.
final class Watch: @unchecked Sendable {
    private let lock = NSLock()
    private var seed: UInt64 = 0
    private var began = Date()
    func begin(_ seed: UInt64) {
        lock.withLock {
            self.seed = seed
            began = Date()
        }
    }
    func check() {
        let (seed, began) = lock.withLock { (self.seed, self.began) }
        if Date().timeIntervalSince(began) > 10 { fail("seed \(seed) takes more than 10 s") }
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
            .dropFirst().first.flatMap { Int($0) }
        if let pages, pages * 4096 > 2 << 30 { fail("seed \(seed): more than 2 GiB") }
    }
}

let watch = Watch()
let thread = Thread {
    while true {
        Thread.sleep(forTimeInterval: 0.25)
        watch.check()
    }
}
thread.start()

let start = Date()
var total = FuzzCase.Outcome()
var kept = ProtectionCase.Outcome()
var done = 0
for i in 0..<cases {
    let own = seed &+ UInt64(i)
    if Date().timeIntervalSince(start) > seconds { break }
    var random = CaseRandom(seed: own)
    let stream = StreamMutator.mutate(streams[random.below(streams.count)], with: streams, &random)
    watch.begin(own)
    if verbose { say("seed \(own): \(stream.count) bytes") }
    let promises = ProtectionCase(stream: stream, variant: random.next()).run()
    for violation in promises.violations { say("seed \(own): \(violation)") }
    if let folder, !promises.violations.isEmpty {
        FileManager.default.createFile(atPath: "\(folder)/seed\(own).hevc", contents: Data(stream))
    }
    kept.add(promises)
    done += 1
    if done % 1000 == 0 { say("\(done) cases, next seed \(own &+ 1), \(Int(Date().timeIntervalSince(start))) s") }
    if protectionOnly { continue }
    let outcome = FuzzCase(stream: stream, threads: own % 4 == 0 ? 2 : 1).run()
    total.pictures += outcome.pictures
    total.output += outcome.output
    total.concealedCTUs += outcome.concealedCTUs
    total.hashMismatches += outcome.hashMismatches
    total.errors += outcome.errors
}
say(
    "\(done) cases from seed \(seed): \(total.pictures) pictures decoded, \(total.output) put out, "
        + "\(total.concealedCTUs) CTUs concealed, "
        + "\(total.hashMismatches) hashes differ, \(total.errors) errors reported")
say(
    "\(kept.encryptions) encryptions, \(kept.accepted) accepted; slices: \(kept.sealed) sealed, \(kept.dropped) left "
        + "out, \(kept.passed) let through, \(kept.unchanged) without anything to encrypt; "
        + "\(kept.violations.count) broken promises")
if !kept.violations.isEmpty { exit(1) }
