// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream
import VeilEntropy

@testable import VeilDecoder

/// Rows, tiles and slices of one picture on several threads.
@Suite struct ParallelPictureTests {
    static let streams: [(name: String, bytes: [UInt8], pictures: Int)] = [
        ("tiles", ParallelStreams.tiles, 4), ("tile slices", ParallelStreams.tileSlices, 4),
        ("WPP segments", ParallelStreams.wppSegments, 6),
        ("dependent slices", ParallelStreams.dependentSlices, 6),
    ]

    @Test(arguments: streams.map(\.name))
    func outputIsThatOfOneThread(name: String) throws {
        let stream = try #require(Self.streams.first { $0.name == name })
        let one = try decodeAllLayers(stream.bytes)
        #expect(one.report.isClean && one.report.hashesChecked == stream.pictures, "\(one.report)")
        for threads in [2, 3, 4, 8] {
            for _ in 0..<3 {
                let other = try decodeAllLayers(stream.bytes, threads: threads)
                #expect(other.md5 == one.md5 && other.report.isClean, "\(threads) threads")
            }
        }
    }

    /// What is left of a damaged picture is the same on every number of threads.
    @Test(arguments: streams.map(\.name))
    func damageIsThatOfOneThread(name: String) throws {
        let stream = try #require(Self.streams.first { $0.name == name })
        var random = SeededRandom(seed: 11)
        var damaged = 0
        for _ in 0..<12 {
            var bytes = stream.bytes
            // Parameter sets stay whole.
            for _ in 0..<2 { bytes[bytes.count / 3 + random.below(bytes.count * 2 / 3)] ^= UInt8(1 << random.below(8)) }
            guard let one = try? decodeAllLayers(bytes) else { continue }
            damaged += one.report.isClean ? 0 : 1
            for threads in [2, 4] {
                let other = try decodeAllLayers(bytes, threads: threads)
                #expect(other.md5 == one.md5, "\(threads) threads")
                #expect(
                    other.report.concealedCTUs == one.report.concealedCTUs
                        && other.report.failedSlices == one.report.failedSlices)
            }
        }
        #expect(damaged > 3)
    }

    /// The jobs of a picture: rows of their own with WPP, tiles of their own, segments that go on amid a row behind
    /// their predecessors.
    @Test func jobsFollowTheHeaders() throws {
        #expect(try jobs(of: ParallelStreams.tiles).first == 8)
        #expect(try jobs(of: ParallelStreams.tileSlices).first == 4)
        // Layer 0: 4 rows of 8 CTUs; no slice of 40 CTUs begins amid a row.
        #expect(try jobs(of: ParallelStreams.wppSegments).first == 4)
    }

    /// How many jobs each picture of a stream is divided into.
    private func jobs(of bytes: [UInt8]) throws -> [Int] {
        let sets = ParameterSetCollection()
        var pictures: [[SliceSegmentJob]] = []
        var active: [ActiveParameterSets] = []
        var previous: SliceSegmentHeader?
        for nal in try AnnexBReader.units(of: bytes) {
            try sets.insert(nal)
            guard nal.header.nalUnitType.isSlice else { continue }
            let (rbsp, removed) = nal.payload()
            let header = try SliceSegmentHeader(nal: nal.header, rbsp: rbsp, sets: sets, previous: previous)
            previous = header
            let own = try ActiveParameterSets(
                sets, ppsId: header.slicePicParameterSetId, layerId: nal.header.nuhLayerId)
            if header.firstSliceSegmentInPicFlag {
                pictures.append([])
                active.append(own)
            }
            let parameters = SliceParameters(header: header, sps: own.sps, pps: own.pps, grid: own.grid)
            pictures[pictures.count - 1].append(
                SliceSegmentJob(
                    header: header, parameters: parameters, context: .init(constants: .init(parameters)), rbsp: rbsp,
                    removedBytes: removed,
                    beginsSlice: !header.dependentSliceSegmentFlag))
        }
        return zip(pictures, active).map { SubstreamPlan($0.map(\.substreams), grid: $1.grid).jobs.count }
    }
}

/// Repeatable numbers.
private struct SeededRandom {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func below(_ n: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % n
    }
}
