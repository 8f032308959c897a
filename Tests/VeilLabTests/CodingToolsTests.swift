// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilBitstream
import VeilCore
import VeilDecoder
import VeilEncoder
import VeilEntropy
import VeilProtection
import VeilRecon

@testable import VeilLab

private let width = 192
private let height = 128

/// Even areas with the sharp strokes of a made-up script, which move over them.
private func text(_ n: Int) -> FrameBuffer {
    make { x, y in
        let (column, row) = ((x + 3 * n) / 10, y / 14)
        let stroke = UInt32(truncatingIfNeeded: column * 7919 + row * 104_729) &* 2_654_435_761
        let (dx, dy) = ((x + 3 * n) % 10, y % 14)
        let bit = UInt32(truncatingIfNeeded: dx / 2 * 5 + dy / 2) % 32
        return dx < 8 && dy < 11 && stroke >> bit & 1 != 0 ? 30 : 220
    }
}

/// Edges in many directions, texture and noise, which move at two speeds.
private func scene(_ n: Int) -> FrameBuffer {
    var noise = UInt32(n) &* 7919 &+ 1
    return make { x, y in
        noise = noise &* 1_664_525 &+ 1_013_904_223
        let (px, py) = (x * 4 - n * 7, y * 4 + n * 5)
        let texture = ((px >> 5) ^ (py >> 5)) & 7
        let disc = (px - 300) * (px - 300) + (py - 240) * (py - 240) < 40_000
        return (disc ? 190 - (px * py >> 10) % 40 : 60 + x / 3) + texture * 9 + Int(noise >> 30)
    }
}

private func make(_ sample: (Int, Int) -> Int) -> FrameBuffer {
    let buffer = FrameBuffer(width: width, height: height, bitDepthLuma: 8, bitDepthChroma: 8)
    for c in 0..<3 {
        let plane = buffer.plane(c)
        let s = c == 0 ? 0 : 1
        for y in 0..<plane.height {
            let row = plane.row(y)
            for x in 0..<plane.width {
                row[x] = UInt16(clamping: c == 0 ? sample(x, y) : 128 + (sample(x << s, y << s) - 128) / (2 + c))
            }
        }
    }
    return buffer
}

private func samples(_ frame: FrameBuffer) -> [UInt16] {
    (0..<3).flatMap { c in
        (0..<frame.plane(c).height).flatMap { frame.plane(c).values(row: $0) }
    }
}

private struct Coded {
    var nals: [NALUnit] = []
    var pictures: [Int: [UInt16]] = [:]
    var bytes: [UInt8] { nals.reduce(into: []) { $0.append(annexB: $1) } }
}

/// Codes six pictures in two layers of one size.
private func encode(
    _ source: (Int) -> FrameBuffer, preset: EncoderPreset, options: [(String, String)] = [], interLayer: Bool = true,
    threads: Int = 1,
    encryption: Encryption? = nil
) throws -> Coded {
    var settings = ScalableSettings()
    settings.base.width = width
    settings.base.height = height
    settings.base.preset = "medium"
    settings.base.options = [("qp", "34"), ("pools", "1"), ("frame-threads", "1"), ("weightp", "0")] + options
    var layer = EnhancementSettings(format: LayerFormat(width: width, height: height))
    layer.rate = .offset(-8, initial: 26)
    layer.effort = preset.effort
    layer.tools = preset.tools
    layer.interLayerPrediction = interLayer
    settings.enhancements = [layer]
    settings.threads = threads
    if let encryption {
        settings.hooks = encryption
        settings.message = { layer, index in
            encryption.message(layer: layer, period: index).map { ProtectionSEI.unit($0) }
        }
    }
    let encoder = try ScalableEncoder(settings: settings)
    var coded = Coded()
    func take(_ unit: CodedAccessUnit) {
        coded.nals += unit.nals
        coded.pictures[unit.displayIndex] = samples(unit.pictures[1].frame)
    }
    for n in 0..<6 { if let unit = try encoder.push([source(n), source(n)]) { take(unit) } }
    while let unit = try encoder.flush() { take(unit) }
    return coded
}

/// Decodes the enhancement layer and compares it with the encoder's pictures.
private func checkDecoding(_ coded: Coded) throws {
    var options = Decoder.Options()
    options.output = .layer(1)
    options.threads = 2
    var frames: [[UInt16]] = []
    let decoder = Decoder(options: options) { frames.append(samples($0.picture.frame)) }
    for nal in coded.nals { try decoder.push(nal) }
    try decoder.finish()
    #expect(decoder.report.isClean)
    // One truth value, as a difference would print all samples.
    let isSame = frames == (0..<6).map { coded.pictures[$0] ?? [] }
    #expect(isSame)
}

/// What the enhancement layer's slices use.
private struct Usage {
    var skippedLuma = 0
    var skippedChroma = 0
    var plainSmall = 0
    var intraParts = 0
    var partsOfOneMode = 0
    var splitIntra = 0
    var explicitChroma = 0
    var halves = 0
    var quarters = 0
    /// Coded vectors into an earlier picture alone, and into two of them.
    var searched = 0
    var pairs = 0

    init(_ coded: Coded) throws {
        let walk = SliceWalk()
        walk.layers = [1]
        var own = Usage.none
        // Pictures of the layer's own in list 0, picture by picture.
        var earlier: [Int] = []
        walk.visit = { ctu, position in
            for i in 0..<ctu.tuCount {
                let tu = ctu.tus[i]
                if tu.transformSkip & 1 != 0 {
                    own.skippedLuma += 1
                } else if tu.log2TrafoSize == 2 && tu.cbf & 1 != 0 {
                    own.plainSmall += 1
                }
                if tu.transformSkip & 6 != 0 { own.skippedChroma += 1 }
            }
            for i in 0..<ctu.cuCount { own.count(ctu.cus[i], ctu, earlier: earlier[position.picture]) }
        }
        let sets = ParameterSetCollection()
        for nal in coded.nals {
            switch nal.header.nalUnitType {
            case .vps, .sps, .pps: try sets.insert(nal)
            case let type where type.isSlice && nal.header.nuhLayerId == 1:
                let header = try SliceSegmentHeader(nal: nal.header, rbsp: nal.rbsp, sets: sets, previous: nil)
                earlier.append(
                    header.refPicList(0).count {
                        if case .interLayer = $0 { return false }
                        return true
                    })
            default: break
            }
            try walk.push(nal)
        }
        #expect(walk.failedSlices == 0)
        self = own
    }

    private init() {}
    private static let none = Usage()

    private mutating func count(_ cu: CodingUnit, _ ctu: CodingTreeUnit, earlier: Int) {
        if cu.predMode == .intra {
            let m = cu.intraPredModeY
            if cu.partMode == .partNxN {
                intraParts += 1
                if m.0 == m.1 && m.1 == m.2 && m.2 == m.3 { partsOfOneMode += 1 }
            } else if cu.tuCount > 1 {
                splitIntra += 1
            }
            if cu.intraChromaPredMode != 4 { explicitChroma += 1 }
            return
        }
        switch cu.partMode {
        case .part2NxN, .partNx2N: halves += 1
        case .part2NxnU, .part2NxnD, .partnLx2N, .partnRx2N: quarters += 1
        default: break
        }
        for i in 0..<Int(cu.puCount) {
            let pu = ctu.pus[Int(cu.firstPU) + i]
            if pu.mergeFlag { continue }
            // List 0 ends with the inter-layer picture; list 1 is without.
            if pu.interPredIdc == 0 && Int(pu.refIdxL0) < earlier { searched += 1 }
            if pu.interPredIdc == 2 && Int(pu.refIdxL0) < earlier { pairs += 1 }
        }
    }
}

@Suite(.enabled(if: BaseLayerEncoder.isAvailable, "libx265 is not built in"))
struct CodingToolsTests {
    /// Slow presets code blocks of drawn pictures without a transform, and never those of others.
    @Test func transformSkip() throws {
        let drawn = try encode(text, preset: .slow)
        try checkDecoding(drawn)
        #expect(try encode(text, preset: .slow, threads: 3).bytes == drawn.bytes)
        let used = try Usage(drawn)
        #expect(used.skippedLuma > 100 && used.skippedChroma > 10)
        let filmed = try Usage(encode(scene, preset: .slow))
        #expect(filmed.plainSmall > 20)
        #expect(filmed.skippedLuma == 0 && filmed.skippedChroma == 0)
    }

    /// Intra units in four parts of different modes, and in several transform blocks of one mode.
    @Test(arguments: [EncoderPreset.slow, .veryslow])
    func intraPartsAndTrees(preset: EncoderPreset) throws {
        let coded = try encode(scene, preset: preset, options: [("keyint", "1")], interLayer: false)
        try checkDecoding(coded)
        #expect(
            try encode(scene, preset: preset, options: [("keyint", "1")], interLayer: false, threads: 3).bytes
                == coded.bytes)
        let used = try Usage(coded)
        #expect(used.intraParts > 20 && used.partsOfOneMode < used.intraParts / 2)
        #expect(used.splitIntra > 20)
        #expect(used.explicitChroma > 20)
        let plain = try Usage(encode(scene, preset: .medium, options: [("keyint", "1")], interLayer: false))
        #expect(plain.intraParts == 0 && plain.splitIntra == 0 && plain.explicitChroma == 0)
    }

    /// Partitions of inter units, and pairs of earlier pictures where the base layer has no B pictures.
    @Test func partitionsAndPairs() throws {
        let options = [("bframes", "0"), ("scenecut", "0")]
        let plain = try Usage(encode(scene, preset: .medium, options: options))
        #expect(plain.pairs == 0 && plain.halves == 0 && plain.searched > 20)
        for preset in [EncoderPreset.slow, .slower, .veryslow] {
            let coded = try encode(scene, preset: preset, options: options)
            try checkDecoding(coded)
            #expect(try encode(scene, preset: preset, options: options, threads: 3).bytes == coded.bytes)
            let used = try Usage(coded)
            #expect(used.halves > 20 && used.pairs > 0)
            #expect((used.quarters > 0) == (preset == .veryslow))
        }
    }

    /// The bins of these tools are encrypted in the loop as they are afterwards.
    @Test(arguments: [ElementProfile.paper, .maximal])
    func encryption(profile: ElementProfile) throws {
        let keys = KeyRing(
            layers: (0..<2).map { LayerKey(layer: $0, id: "k\($0)", key: SecretBytes((0..<32).map { UInt8($0 * 5) })) })
        var options = Encryption.Options()
        options.scheme = .el
        options.profile = profile
        options.nonce = Array(repeating: 9, count: 16)
        for (source, preset) in [(text, EncoderPreset.slow), (scene, .veryslow)] {
            let clear = try encode(source, preset: preset)
            let encrypted = try encode(
                source, preset: preset, encryption: Encryption(options: options, layers: [0, 1], keys: keys))
            #expect(encrypted.pictures == clear.pictures && encrypted.bytes != clear.bytes)
            func transcode(_ nals: [NALUnit], _ mode: StreamTranscoder.Mode) throws -> [UInt8] {
                var bytes: [UInt8] = []
                let transcoder = StreamTranscoder(mode: mode, threads: 2) { bytes.append(annexB: $0) }
                for nal in nals { try transcoder.push(nal) }
                try transcoder.finish()
                #expect(transcoder.report.failedSlices == 0)
                return bytes
            }
            #expect(
                try transcode(clear.nals, .encrypt(Encryption(options: options, layers: [0, 1], keys: keys)))
                    == encrypted.bytes)
            #expect(try transcode(encrypted.nals, .decrypt(Decryption(keys: keys))) == clear.bytes)
        }
    }
}
