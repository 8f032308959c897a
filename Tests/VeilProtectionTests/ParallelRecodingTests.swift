// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilBitstream
import VeilCore
import VeilEntropy

@testable import VeilProtection

private let keys = KeyRing.generate(layers: 2)

/// Streams whose pictures have several substreams: tiles, slices that are tiles, WPP rows in slices and segments,
/// segments amid rows.
private let streams: [(name: String, bytes: [UInt8])] = [
    ("tiles", ParallelStreams.tiles), ("tile slices", ParallelStreams.tileSlices),
    ("WPP segments", ParallelStreams.wppSegments),
    ("dependent slices", ParallelStreams.dependentSlices),
]

private func transcode(
    _ bytes: [UInt8], _ mode: StreamTranscoder.Mode, threads: Int, damaged: DamagePolicy = .error
) throws -> (bytes: [UInt8], failed: Int) {
    var result: [UInt8] = []
    let transcoder = StreamTranscoder(mode: mode, threads: threads, damaged: damaged) { result.append(annexB: $0) }
    for nal in try AnnexBReader.units(of: bytes) { try transcoder.push(nal) }
    try transcoder.finish()
    return (result, transcoder.report.failedSlices)
}

private func encryption(
    _ profile: ElementProfile, _ change: (inout Encryption.Options) -> Void = { _ in }
) throws -> Encryption {
    var options = Encryption.Options()
    options.profile = profile
    options.cipher = profile == .paper ? .chaotic : .aes128
    options.nonce = Array(repeating: 7, count: 16)
    change(&options)
    return try Encryption(options: options, layers: [0, 1], keys: keys)
}

/// The bins of each CTU, by layer, picture and address, as a parser finds them.
private final class CTUBins: BinHookProvider, @unchecked Sendable {
    struct Place: Hashable {
        var layer: Int
        var poc: Int
        var x: Int
        var y: Int
    }
    private let lock = NSLock()
    private var storage: [Place: [UInt32]] = [:]
    var bins: [Place: [UInt32]] { lock.withLock { storage } }

    private final class Hook: BinHook {
        let owner: CTUBins
        var place = Place(layer: 0, poc: 0, x: 0, y: 0)
        init(_ owner: CTUBins) { self.owner = owner }
        func begin(_ unit: BinUnit) {
            place.layer = unit.layer
            place.poc = unit.pocDelta
        }
        func beginCTU(address: Int, x: Int, y: Int) { (place.x, place.y) = (x, y) }
        func replace(_ run: BinRun) -> UInt32 {
            owner.lock.withLock { owner.storage[place, default: []].append(run.bins) }
            return run.bins
        }
    }

    func makeHook(layer: Int) -> (any BinHook)? { Hook(self) }

    static func of(_ bytes: [UInt8]) throws -> [Place: [UInt32]] {
        let trace = CTUBins()
        let parsed = try transcode(bytes, .hooks(trace), threads: 3)
        #expect(parsed.bytes == bytes && parsed.failed == 0)
        return trace.bins
    }
}

struct ParallelRecodingTests {
    @Test(arguments: streams.indices, ElementProfile.allCases)
    func outputDoesNotDependOnThreads(stream: Int, profile: ElementProfile) throws {
        let clear = streams[stream].bytes
        let one = try transcode(clear, .encrypt(try encryption(profile)), threads: 1)
        #expect(one.failed == 0 && one.bytes != clear)
        for threads in [2, 3, 8] {
            let other = try transcode(clear, .encrypt(try encryption(profile)), threads: threads)
            #expect(other.bytes == one.bytes, "\(streams[stream].name), \(threads) threads")
            #expect(try transcode(one.bytes, .decrypt(Decryption(keys: keys)), threads: threads).bytes == clear)
        }
    }

    /// Pictures are divided as their headers say.
    @Test func substreamsBecomeTasks() throws {
        func tasks(_ bytes: [UInt8]) throws -> [Int] {
            let sets = ParameterSetCollection()
            var result: [Int] = []
            var segments: [RecodingSegment] = []
            var grid: CTBGrid?
            var previous: SliceSegmentHeader?
            func finish() {
                if let grid, !segments.isEmpty {
                    let parts = segments.map {
                        SubstreamPlan.Segment($0.header, $0.parameters, starts: $0.substreamStarts ?? [])
                    }
                    let plan = SubstreamPlan(parts, grid: grid)
                    #expect(plan.isRegular)
                    result.append(plan.jobs.count)
                }
                segments = []
            }
            for nal in try AnnexBReader.units(of: bytes) {
                try sets.insert(nal)
                guard nal.header.nalUnitType.isSlice else { continue }
                let payload = nal.parts
                let header = try SliceSegmentHeader(nal: nal.header, rbsp: payload.rbsp, sets: sets, previous: previous)
                previous = header
                if header.firstSliceSegmentInPicFlag { finish() }
                let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
                let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: header.nuhLayerId)
                let made = try CTBGrid(sps: sps, pps: pps)
                grid = made
                let parameters = SliceParameters(header: header, sps: sps, pps: pps, grid: made)
                segments.append(RecodingSegment(nal, header: header, payload: payload, parameters: parameters))
            }
            finish()
            return result
        }
        #expect(try tasks(ParallelStreams.tiles) == [8, 8, 8, 8])
        #expect(try tasks(ParallelStreams.tileSlices) == [4, 4, 4, 4])
        // 4 and 8 CTU rows, and slices that begin amid rows.
        for count in try tasks(ParallelStreams.wppSegments) { #expect(count >= 4) }
    }

    /// Damaged slice data and entry points that lie: still the same from any number of threads.
    @Test(arguments: streams.indices)
    func damageComesOutTheSame(stream: Int) throws {
        let clear = streams[stream].bytes
        var random: UInt32 = UInt32(stream) + 1
        var failures = 0
        for _ in 0..<40 {
            random = random &* 1_664_525 &+ 1_013_904_223
            // Behind the parameter sets.
            let at = 160 + Int(random >> 8) % (clear.count - 160)
            var damaged = clear
            damaged[at] ^= UInt8(truncatingIfNeeded: 1 << (random & 7))
            // A damaged NAL unit header ends it, with the same words.
            let outcomes = try [1, 3].map { threads in
                let mode = StreamTranscoder.Mode.encrypt(try encryption(.paper))
                do {
                    let result = try transcode(damaged, mode, threads: threads, damaged: .pass)
                    return (bytes: result.bytes, failed: result.failed, error: "")
                } catch { return (bytes: [], failed: 0, error: "\(error)") }
            }
            failures += outcomes[0].failed
            #expect(outcomes[0] == outcomes[1], "byte \(at)")
        }
        #expect(failures > 0)
    }

    /// CTUs outside a region stay as they are.
    @Test(arguments: ElementProfile.allCases)
    func regionsAreKept(profile: ElementProfile) throws {
        let region = EncryptionScope.Region(x: 70, y: 10, width: 60, height: 50)
        for stream in streams {
            let encrypted = try transcode(
                stream.bytes, .encrypt(try encryption(profile) { $0.selection.regions = [region] }), threads: 2)
            let before = try CTUBins.of(stream.bytes)
            let after = try CTUBins.of(encrypted.bytes.withoutMessages())
            #expect(before.keys == after.keys)
            var changed = 0
            for (place, bins) in before where after[place] != bins {
                changed += 1
                // CTUs are of 64 or 16 samples.
                #expect(
                    place.x < 130 && place.x + 64 > 70 && place.y < 60 && place.y + 64 > 10, "\(stream.name), \(place)")
            }
            #expect(changed > 0)
            #expect(try transcode(encrypted.bytes, .decrypt(Decryption(keys: keys)), threads: 3).bytes == stream.bytes)
        }
    }

    /// One tile of eight.
    @Test func tilesAreKept() throws {
        let layout = StreamLayout()
        for nal in try AnnexBReader.units(of: ParallelStreams.tiles) { layout.observe(nal) }
        let regions = try layout.regions(tiles: [5])
        #expect(regions[0] == [EncryptionScope.Region(x: 64, y: 64, width: 64, height: 64)])
        #expect(throws: KeyError.self) { try layout.regions(tiles: [8]) }
        // More than a message can tell, whether they are tiles or not.
        var options = Encryption.Options()
        let sizes = [0: (width: 4096, height: 64)]
        func rows(_ count: Int) -> [EncryptionScope.Region] {
            (0..<count).map { EncryptionScope.Region(x: 8 * $0, y: 0, width: 8, height: 8) }
        }
        #expect(try options.scopes(sizes, tiles: [0: rows(255)])[0]?.regions.count == 255)
        #expect(try options.scopes(sizes, tiles: [0: rows(255) + rows(255)])[0]?.regions.count == 255)
        #expect(throws: ProtectionError.self) { try options.scopes(sizes, tiles: [0: rows(256)]) }
        options.selection.regions = rows(1)
        #expect(throws: ProtectionError.self) { try options.scopes(sizes, tiles: [0: rows(255)]) }
        let clear = ParallelStreams.tiles
        let encrypted = try transcode(
            clear, .encrypt(try encryption(.paper) { $0.selection.regions = regions[0] ?? [] }), threads: 2)
        let before = try CTUBins.of(clear)
        let after = try CTUBins.of(encrypted.bytes.withoutMessages())
        let changed = before.filter { after[$0.key] != $0.value }.keys
        #expect(!changed.isEmpty && changed.allSatisfy { $0.x == 64 && $0.y == 64 })
    }

    /// New keys in one pass give what decrypting and encrypting gives.
    @Test(arguments: streams.indices)
    func rekeyingIsDecryptionAndEncryption(stream: Int) throws {
        let clear = streams[stream].bytes
        let old = try transcode(clear, .encrypt(try encryption(.paper)), threads: 2).bytes
        let new = try transcode(
            clear, .encrypt(try encryption(.maximal) { $0.nonce = Array(repeating: 8, count: 16) }), threads: 1
        ).bytes
        for threads in [1, 3] {
            let mode = StreamTranscoder.Mode.rekey(
                Rekeying(
                    from: Decryption(keys: keys),
                    to: try encryption(.maximal) { $0.nonce = Array(repeating: 8, count: 16) }))
            #expect(try transcode(old, mode, threads: threads).bytes == new)
        }
    }
}

extension [UInt8] {
    /// The stream without its encryption messages.
    fileprivate func withoutMessages() throws -> [UInt8] {
        var result: [UInt8] = []
        for nal in try AnnexBReader.units(of: self) {
            if nal.header.nalUnitType == .prefixSEI, try ProtectionSEI.message(in: nal) != nil { continue }
            result.append(annexB: nal)
        }
        return result
    }
}
