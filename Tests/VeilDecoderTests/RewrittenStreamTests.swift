// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilBitstream

@testable import VeilDecoder

/// Tools that no encoder at hand uses, put into reference streams by writing other slice headers: slice data parses
/// the same whatever the references and weights are. What comes out is not what the encoder meant, but every decoder
/// must make the same of it. The sums are those of the reference decoder; with long-term pictures, which it does not
/// survive, those that ffmpeg and libde265 agree on.
private struct Rewriter {
    var units: [NALUnit] = []
    private let sets = ParameterSetCollection()
    private var order: [Int: Int] = [:]

    enum Change {
        /// In the base layer, reference pictures whose POC is a multiple of this become long-term ones, with or
        /// without MSBs.
        case longTerm(every: Int, msb: Bool)
        /// All slices of a layer that predict get explicit weights.
        case weights(layer: Int)
    }

    init(_ bytes: [UInt8], _ change: Change) throws {
        for nal in try AnnexBReader.units(of: bytes) { units.append(try rewrite(nal, change)) }
    }

    var bytes: [UInt8] {
        var result: [UInt8] = []
        for unit in units { result.append(annexB: unit) }
        return result
    }

    private mutating func rewrite(_ nal: NALUnit, _ change: Change) throws -> NALUnit {
        let layer = nal.header.nuhLayerId
        let type = nal.header.nalUnitType
        switch type {
        case .vps, .sps, .pps:
            var result = nal
            if case .longTerm = change, type == .sps, layer == 0 {
                let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: 0)
                sps.longTermRefPicsPresentFlag = true
                result = NALUnit(header: nal.header, rbsp: sps.rbsp())
            }
            if case .weights(let wanted) = change, type == .pps, layer == wanted {
                let pps = try PictureParameterSet(rbsp: nal.rbsp, nuhLayerId: layer)
                pps.weightedPredFlag = true
                pps.weightedBipredFlag = true
                result = NALUnit(header: nal.header, rbsp: pps.rbsp())
            }
            originals.take(nal)
            try sets.insert(result)
            return result
        default:
            guard type.isSlice else { return nal }
            return try rewriteSlice(nal, change)
        }
    }

    private let originals = Originals()

    private mutating func rewriteSlice(_ nal: NALUnit, _ change: Change) throws -> NALUnit {
        let rbsp = nal.rbsp
        let layer = nal.header.nuhLayerId
        var h = try SliceSegmentHeader(nal: nal.header, rbsp: rbsp, sets: originals.sets, previous: nil)
        let data = rbsp[h.byteCount...]
        switch change {
        case .longTerm(let every, let msb):
            guard layer == 0, !nal.header.nalUnitType.isIDR else { return nal }
            // POCs of these short streams stay below the LSBs' range.
            let poc = h.slicePicOrderCntLsb
            let all = h.shortTermRefPicSet
            func isLong(_ delta: Int) -> Bool { (poc + delta) % every == 0 }
            h.shortTermRefPicSetSpsFlag = false
            h.shortTermRefPicSet = ShortTermRefPicSet()
            for entry in all.s0 where !isLong(entry.deltaPoc) { h.shortTermRefPicSet.s0.append(entry) }
            for entry in all.s1 where !isLong(entry.deltaPoc) { h.shortTermRefPicSet.s1.append(entry) }
            // Long-term pictures with equal LSBs would need their MSBs; here no two are equal.
            for entry in all.s0 + all.s1 where isLong(entry.deltaPoc) {
                var pic = LongTermRefPic()
                pic.pocLsbLt = poc + entry.deltaPoc
                pic.usedByCurrPicLt = entry.used
                pic.deltaPocMsbPresentFlag = msb
                h.longTermRefPics.append(pic)
            }
        case .weights(let wanted):
            guard layer == wanted, h.sliceType != .i else { return nal }
            h.lumaLog2WeightDenom = 5
            h.chromaLog2WeightDenom = 6
            func weight(_ i: Int) -> PredWeight {
                var w = PredWeight()
                w.lumaWeightFlag = i != 1
                w.chromaWeightFlag = i % 2 == 0
                w.luma = (weight: w.lumaWeightFlag ? 28 + 3 * i : 32, offset: w.lumaWeightFlag ? 10 - 7 * i : 0)
                w.chroma.0 = (weight: w.chromaWeightFlag ? 60 - i : 64, offset: w.chromaWeightFlag ? 5 : 0)
                w.chroma.1 = (weight: w.chromaWeightFlag ? 70 + i : 64, offset: w.chromaWeightFlag ? -9 : 0)
                return w
            }
            var lists: ([PredWeight], [PredWeight]) = ([], [])
            for i in 0..<h.numRefIdxActive.0 { lists.0.append(weight(i)) }
            for i in 0..<h.numRefIdxActive.1 { lists.1.append(weight(i + 2)) }
            h.predWeights = lists
        }
        var w = BitWriter()
        let pps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layer)
        h.write(to: &w, pps: pps, sps: sps, vps: sets.videoParameterSet(id: sps.spsVideoParameterSetId))
        return NALUnit(header: nal.header, rbsp: w.bytes + data)
    }

    /// The sets as they were, to read headers with.
    private final class Originals {
        let sets = ParameterSetCollection()
        func take(_ nal: NALUnit) { try? sets.insert(nal) }
    }
}

private typealias Rewritten = (name: String, stream: String, change: Rewriter.Change, layers: [Int: String])

private let rewritten: [Rewritten] = [
    ("own_lt_ldp", "Vectors/ldp_2x", .longTerm(every: 4, msb: false), [0: "a659479d2cce21d55b482d183223828b"]),
    ("own_lt_msb_ldb", "Vectors/ldb_15x", .longTerm(every: 4, msb: true), [0: "2f726b4cbdc799f47feb1f75de6b6a91"]),
    ("own_lt_ra", "Vectors/ra_2x", .longTerm(every: 8, msb: false), [0: "9c9f557bc63d5e92d6bdd0ee534984f9"]),
    (
        "own_wp_el_p", "Vectors/ldp_2x", .weights(layer: 1),
        [0: "3c7b6f730bec75f39e3a503a7ba7f896", 1: "30012fcabf03d9efd02f841a86d485d1"]
    ),
    (
        "own_wp_el_b", "Vectors/ra_2x", .weights(layer: 1),
        [0: "2fc59cead16dc1037ec8e417d4c0ecee", 1: "e15b9542956ddaf63237ca0dafff4c99"]
    ),
    (
        "own_wp_bl_p", "Vectors/ldp_snr", .weights(layer: 0),
        [0: "eb2a0efd49437561fe82454609732b16", 1: "7952979d9e60e482cb68915734bc19e7"]
    ),
    (
        "own_wp_bl_b", "Vectors/ra_15x_10bit", .weights(layer: 0),
        [0: "5267a540032783a3bc8872f0d82ff58c", 1: "c98b8b9be2bdbaa118f12b79e639efbe"]
    ),
    ("lt_ldp", "shared/ldp_2x", .longTerm(every: 4, msb: false), [0: "c62ec2ce0ce0d016fb7854e82eec349f"]),
    ("lt_msb_ldb", "shared/ldb_15x", .longTerm(every: 4, msb: true), [0: "260d799e4c311beed4a15f116403dd45"]),
    ("lt_ra", "shared/ra_2x", .longTerm(every: 8, msb: false), [0: "416ee802a23d5e31d8bc6635eeaff556"]),
    (
        "wp_el_p", "shared/ldp_2x", .weights(layer: 1),
        [0: "a7e0b7b0235feb8c297959e3a51fa950", 1: "caeb9c443125b17da230838e5eb7ca00"]
    ),
    (
        "wp_el_b", "shared/ra_2x", .weights(layer: 1),
        [0: "e61e2f6fc1a1b35503b6f06f6aca9bee", 1: "5c0e923fd60cbc20e42c5d80c83d505a"]
    ),
    (
        "wp_bl_p", "shared/ldp_snr", .weights(layer: 0),
        [0: "84e05d8e341f2398b77d519310694840", 1: "a0f277980ef620b12a8e4e13336d99d7"]
    ),
    (
        "wp_bl_b", "shared/ra_15x_10bit", .weights(layer: 0),
        [0: "0a3fd085264c8dada57efe67257573f3", 1: "252c5d07572ac18bb8773a3456d1e039"]
    ),
]

/// Those whose streams are there: the repository's always.
private let present = rewritten.filter { given in ReferenceStream.all.contains { $0.name == given.stream } }

@Test(arguments: present.map(\.name)) func rewrittenStreamDecodes(name: String) throws {
    let given = try #require(present.first { $0.name == name })
    let original = try #require(ReferenceStream.all.first { $0.name == given.stream }).bytes()
    let stream = try Rewriter(original, given.change).bytes
    // VEIL_REWRITTEN names a folder to put the streams in, for other decoders.
    if let out = ProcessInfo.processInfo.environment["VEIL_REWRITTEN"] {
        try Data(stream).write(to: URL(fileURLWithPath: out).appendingPathComponent("\(name).bit"))
    }
    for threads in [1, 3] {
        let result = try decodeAllLayers(stream, threads: threads)
        for (layer, md5) in given.layers { #expect(result.md5[layer] == md5, "layer \(layer), \(threads) threads") }
        #expect(
            result.report.failedSlices == 0 && result.report.concealedCTUs == 0 && result.report.missingReferences == 0)
    }
}
