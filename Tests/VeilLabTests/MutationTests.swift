// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilCore
import VeilEncoder
import VeilRecon

@testable import VeilLab

/// A small moving picture.
func drawing(_ width: Int, _ height: Int, frame n: Int) -> FrameBuffer {
    let buffer = FrameBuffer(width: width, height: height, bitDepthLuma: 8, bitDepthChroma: 8)
    for c in 0..<3 {
        let plane = buffer.plane(c)
        for y in 0..<plane.height {
            for x in 0..<plane.width {
                let u = (x + 2 * n) * (c == 0 ? 1 : 2) * 96 / width
                let v = y * (c == 0 ? 1 : 2) * 64 / height
                plane.row(y)[x] = UInt16(40 + u + ((u >> 3) ^ (v >> 3)) * 9 & 63)
            }
        }
    }
    return buffer
}

/// Two layers, pictures of 96x64 over 48x32 with B pictures.
func smallStream(frames: Int = 5) throws -> [NALUnit] {
    var settings = ScalableSettings()
    settings.base.width = 48
    settings.base.height = 32
    settings.base.preset = "medium"
    settings.base.options = [
        ("qp", "26"), ("pools", "1"), ("keyint", "4"), ("min-keyint", "4"), ("frame-threads", "1"), ("hash", "1"),
    ]
    // On one level: the tests that lose pictures know which ones matter.
    settings.base.pyramid = false
    settings.enhancements = [EnhancementSettings(format: LayerFormat(width: 96, height: 64, bitDepth: 8))]
    settings.sendsHashes = true
    settings.threads = 1
    let encoder = try ScalableEncoder(settings: settings)
    var units: [NALUnit] = []
    for n in 0..<frames {
        if let unit = try encoder.push([drawing(48, 32, frame: n), drawing(96, 64, frame: n)]) { units += unit.nals }
    }
    while let unit = try encoder.flush() { units += unit.nals }
    return units
}

@Suite struct MutationTests {
    /// Nothing selected leaves in the clear, and what encryption accepts decryption restores. The fuzz driver runs many
    /// more (`veil-fuzz --protection`).
    @Test(.timeLimit(.minutes(3))) func encryptionKeepsItsPromises() throws {
        let units = try smallStream()
        var sum = ProtectionCase.Outcome()
        for seed in 1...400 as ClosedRange<UInt64> {
            var random = CaseRandom(seed: seed)
            let stream = StreamMutator.mutate(units, &random)
            let outcome = ProtectionCase(stream: stream, variant: random.next()).run()
            #expect(outcome.violations.isEmpty, "seed \(seed): \(outcome.violations)")
            sum.add(outcome)
        }
        // What is whole is always accepted, whatever is selected, tagged or not.
        var clean: [UInt8] = []
        for unit in units { clean.append(annexB: unit) }
        for _ in 0..<100 {
            var random = CaseRandom(seed: UInt64(sum.encryptions))
            let variant = random.next()
            let outcome = ProtectionCase(stream: clean, variant: variant).run()
            #expect(
                outcome.violations.isEmpty && outcome.accepted == outcome.encryptions && outcome.sealed == 0,
                "variant \(variant): \(outcome)")
            sum.add(outcome)
        }
        // All that can happen did.
        #expect(sum.accepted > 300 && sum.sealed > 100 && sum.dropped > 20 && sum.passed > 20, "\(sum)")
    }

    /// Damaged streams end in errors and concealment, never in a trap. The fuzz driver runs many more.
    @Test(.timeLimit(.minutes(2))) func damagedStreamsAreSurvived() throws {
        let units = try smallStream()
        var pictures = 0
        var concealed = 0
        for seed in 1...1500 as ClosedRange<UInt64> {
            var random = CaseRandom(seed: seed)
            let stream = StreamMutator.mutate(units, &random)
            let outcome = FuzzCase(stream: stream, threads: seed % 8 == 0 ? 2 : 1).run()
            pictures += outcome.pictures
            concealed += outcome.concealedCTUs
        }
        // The damage is of a kind that leaves most of each stream to be decoded, and some of it to be concealed.
        #expect(pictures > 3000)
        #expect(concealed > 100)
    }

    private static let seeds = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Seeds")
    private func seed(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: Self.seeds.appendingPathComponent(name)))
    }
    private static let files = [
        "colour.y4m", "ten-bits.y4m", "keys.json", "master.json", "stream.sidecar", "movie.mp4",
    ]

    /// Files of other kinds are read whole, and damaged end in errors or are read all the same.
    @Test(.timeLimit(.minutes(2)), arguments: files) func damagedFilesAreSurvived(name: String) throws {
        let scratch = try FuzzScratch()
        let bytes = try seed(name)
        let target = FuzzTarget(bytes: bytes)
        guard case .file(let kind) = target else {
            Issue.record("\(name) is taken for a stream")
            return
        }
        let whole = FileFuzzCase(kind: kind, bytes: bytes, scratch: scratch).run()
        #expect(whole.errors == 0 && whole.pictures > 1 && whole.output > 1, "\(whole)")
        let others = try Self.files.map { try seed($0) }
        var total = FuzzCase.Outcome()
        for number in 1...2500 as ClosedRange<UInt64> {
            var random = CaseRandom(seed: number)
            let damaged = ByteMutator.mutate(bytes, with: others, &random)
            total.add(FileFuzzCase(kind: kind, bytes: damaged, scratch: scratch).run())
        }
        // One changed character of a sidecar is a wrong commitment at best.
        #expect(total.errors > 300 && total.pictures > 40, "\(total)")
    }

    /// Of containers that ffmpeg opens only the end is looked for: it is cut off, or not.
    @Test(.timeLimit(.minutes(2)), arguments: ["clip.mkv", "clip.ts"]) func damagedContainers(name: String) throws {
        let scratch = try FuzzScratch()
        let bytes = try seed(name)
        #expect(FuzzTarget(bytes: bytes) == .file(.container))
        let whole = FileFuzzCase(kind: .container, bytes: bytes, scratch: scratch).run()
        #expect(whole.errors == 0 && whole.pictures == 1, "\(whole)")
        var total = FuzzCase.Outcome()
        for number in 1...1000 as ClosedRange<UInt64> {
            var random = CaseRandom(seed: number)
            let damaged = ByteMutator.mutate(bytes, with: [bytes], &random)
            total.add(FileFuzzCase(kind: .container, bytes: damaged, scratch: scratch).run())
        }
        #expect(total.output > 900 && (100..<900).contains(total.pictures), "\(total)")
    }

    /// Encrypted and authenticated, with other streams' parts in it.
    @Test(.timeLimit(.minutes(2))) func damagedEncryptedStreamsAreSurvived() throws {
        let encrypted = try AnnexBReader.units(of: try seed("authenticated.hevc"))
        let others = [encrypted, try smallStream()]
        var errors = 0
        var outcome = ProtectionCase.Outcome()
        for number in 1...400 as ClosedRange<UInt64> {
            var random = CaseRandom(seed: number)
            let stream = StreamMutator.mutate(encrypted, with: others, &random)
            errors += FuzzCase(stream: stream).run().errors
            if number % 4 == 0 { outcome.add(ProtectionCase(stream: stream, variant: random.next()).run()) }
        }
        #expect(errors > 400 && outcome.violations.isEmpty, "\(outcome.violations)")
    }

    /// Regions scale with the highest layer's size. A picture of another size that is left out tells no size: who
    /// exchanges keys does not see it. And where all pictures of a first run are left out, parameter sets wait for the
    /// first picture of the next: new tags are of them too.
    @Test(
        arguments: [
            ("left-out.hevc", 9_169_464_074_984_819_627, 1), ("late-vps.hevc", 9_359_592_303_441_777_580, 4),
        ] as [(String, UInt64, Int)])
    func keysOfStreamsWithPicturesLeftOut(name: String, variant: UInt64, dropped: Int) throws {
        let outcome = ProtectionCase(stream: try seed(name), variant: variant).run()
        #expect(outcome.violations.isEmpty && outcome.dropped == dropped, "\(outcome)")
    }

    /// An end of sequence in front of the first slice that can be read, of a layer that the encryption does not know,
    /// is sealed as those behind it are: it is no forgery.
    @Test func endsInFrontOfAllSlices() throws {
        let outcome = ProtectionCase(stream: try seed("early-end.hevc"), variant: 13_994_108_924_280_069_180).run()
        #expect(outcome.violations.isEmpty && outcome.sealed == 5, "\(outcome)")
    }

    /// An undamaged stream passes without a complaint.
    @Test func wholeStreamIsClean() throws {
        var stream: [UInt8] = []
        for unit in try smallStream() { stream.append(annexB: unit) }
        let outcome = FuzzCase(stream: stream).run()
        #expect(outcome.pictures == 10 && outcome.output == 10)
        #expect(outcome.concealedCTUs == 0 && outcome.hashMismatches == 0 && outcome.errors == 0)
    }

    /// What a seed stands for never changes within a build.
    @Test func casesAreReproducible() throws {
        let units = [NALUnit(header: try NALUnitHeader(0x40, 1), bytes: Array(0...60))]
        var a = CaseRandom(seed: 9)
        var b = CaseRandom(seed: 9)
        #expect(StreamMutator.mutate(units, &a) == StreamMutator.mutate(units, &b))
    }
}
