// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBins
import VeilCrypto
import VeilDecoder
import VeilEncoder
import VeilRecon
import VeilSyntax
import VeilTranscoder

@testable import VeilBaseLayer

/// Groups of eight pictures whose B pictures refer to one another on two levels, which takes a patched libx265.
@Suite(.enabled(if: BaseLayerEncoder.hasHook, "libx265 is not patched"))
struct PyramidTests {
    private struct Coded {
        var nals: [NALUnit] = []
        var order: [Int] = []
        /// Samples of each layer in display order.
        var samples: [Int: [[UInt16]]] = [:]
    }

    private static func drawing(_ width: Int, _ height: Int, depth: Int, frame n: Int) -> FrameBuffer {
        let buffer = FrameBuffer(width: width, height: height, bitDepthLuma: depth, bitDepthChroma: depth)
        for c in 0..<3 {
            let plane = buffer.plane(c)
            for y in 0..<plane.height {
                for x in 0..<plane.width {
                    let u = Double(x - n) / Double(plane.width) * 11
                    let v = Double(y) / Double(plane.height) * 8 + Double(n) * 0.07
                    plane.row(y)[x] = UInt16((120 + 60 * sin(u) * cos(v) + 25 * sin(6 * u + 3 * v)) * Double(1 << (depth - 8)))
                }
            }
        }
        return buffer
    }

    private static func samples(_ frame: FrameBuffer) -> [UInt16] {
        (0..<3).flatMap { c in
            (0..<frame.plane(c).height).flatMap { y in UnsafeBufferPointer(start: frame.plane(c).row(y), count: frame.plane(c).width) }
        }
    }

    private func encode(
        frames: Int, options: [(name: String, value: String?)] = [("qp", "28")], depth: Int = 8, threads: Int = 2, encryption: Encryption? = nil
    ) throws -> Coded {
        var settings = ScalableSettings()
        settings.base.width = 64
        settings.base.height = 48
        settings.base.bitDepth = depth
        settings.base.preset = "fast"
        // Without weighted prediction, as in the other tests of pictures this small.
        settings.base.options = BaseLayerSettings.sharing(among: threads) + [("weightp", "0")] + options
        settings.enhancements = [EnhancementSettings(format: LayerFormat(width: 128, height: 96, bitDepth: depth))]
        settings.threads = threads
        if let encryption {
            settings.hooks = encryption
            settings.base.hooks = encryption
            settings.message = { layer, index in encryption.message(layer: layer, irapIndex: index).map { ProtectionSEI.unit($0) } }
        }
        let encoder = try ScalableEncoder(settings: settings)
        var coded = Coded()
        func take(_ unit: AccessUnit) {
            coded.nals += unit.nals
            coded.order.append(unit.displayIndex)
            coded.samples[unit.displayIndex] = unit.pictures.map { Self.samples($0.frame) }
        }
        for n in 0..<frames {
            let sources = [Self.drawing(64, 48, depth: depth, frame: n), Self.drawing(128, 96, depth: depth, frame: n)]
            if let unit = try encoder.push(sources) { take(unit) }
        }
        while let unit = try encoder.flush() { take(unit) }
        return coded
    }

    private func decode(_ coded: Coded, layer: Int) throws -> [[UInt16]] {
        var options = Decoder.Options()
        options.output = .layer(layer)
        options.threads = 2
        var frames: [[UInt16]] = []
        let decoder = Decoder(options: options) { frames.append(Self.samples($0.picture.frame)) }
        for nal in coded.nals { try decoder.push(nal) }
        try decoder.finish()
        #expect(decoder.report.isClean)
        return frames
    }

    private func bytes(_ nals: [NALUnit]) -> [UInt8] {
        var bytes: [UInt8] = []
        for nal in nals { bytes.append(annexB: nal) }
        return bytes
    }

    @Test("Every middle is coded before its halves, to the end of a clip that is no multiple of eight")
    func middlesComeFirst() throws {
        let coded = try encode(frames: 22)
        #expect(coded.order == [0, 8, 4, 2, 1, 3, 6, 5, 7, 16, 12, 10, 9, 11, 14, 13, 15, 21, 19, 18, 17, 20])
        // Both layers: the leaves are those that may be left out.
        for layer in 0..<2 {
            let slices = coded.nals.filter { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId == layer }
            let leaves = zip(coded.order, slices).filter { $1.header.nalUnitType.isSubLayerNonReference }.map(\.0)
            #expect(leaves.prefix(8) == [1, 3, 5, 7, 9, 11, 13, 15])
            let isSame = try decode(coded, layer: layer) == (0..<22).map { coded.samples[$0]![layer] }
            #expect(isSame, "layer \(layer)")
        }
    }

    @Test("The stream says how many pictures wait to be shown")
    func reorderingIsSignalled() throws {
        let coded = try encode(frames: 17)
        let set = try #require(coded.nals.first { $0.header.nalUnitType == .sps && $0.header.nuhLayerId == 0 })
        let sps = try SequenceParameterSet(rbsp: set.rbsp, nuhLayerId: 0)
        let most = coded.order.indices.map { i in coded.order[..<i].filter { $0 > coded.order[i] }.count }.max()
        #expect(most == 3)
        #expect(sps.subLayerOrdering.last?.maxNumReorderPics == 3)
        // And how many are kept, by any layer: no more than level 4 has room for at 1920x1080.
        let kept = try #require(sps.subLayerOrdering.last?.maxDecPicBufferingMinus1)
        #expect(kept == 5)
        let sets = ParameterSetCollection()
        var pictures = 0
        for nal in coded.nals {
            if [.vps, .sps, .pps].contains(nal.header.nalUnitType) { try sets.take(nal) }
            guard nal.header.nalUnitType.isSlice else { continue }
            let set = try SliceSegmentHeader(nal: nal.header, rbsp: nal.rbsp, sets: sets, previous: nil).shortTermRefPicSet
            #expect(set.s0.count + set.s1.count <= kept)
            pictures += 1
        }
        #expect(pictures == 34)
    }

    @Test("Closed and open groups, rates of every kind, 8 and 10 bit, one thread and two: what is decoded is what was coded", arguments: [
        ["qp=28", "keyint=12"], ["qp=28", "keyint=12", "no-open-gop="], ["crf=26", "keyint=20"], ["bitrate=60", "vbv-maxrate=60", "vbv-bufsize=60"],
    ])
    func groupsDecode(arguments: [String]) throws {
        let options = arguments.map { argument in
            let parts = argument.split(separator: "=").map(String.init)
            return (name: parts[0], value: parts.count > 1 ? parts[1] : nil)
        }
        for depth in [8, 10] {
            let coded = try encode(frames: 30, options: options, depth: depth)
            #expect(coded.order.starts(with: [0, 8, 4, 2, 1, 3, 6, 5, 7]))
            for layer in 0..<2 {
                let isSame = try decode(coded, layer: layer) == (0..<30).map { coded.samples[$0]![layer] }
                #expect(isSame, "layer \(layer), \(depth) bit")
            }
            if arguments[0] != "bitrate=60" { #expect(bytes(try encode(frames: 30, options: options, depth: depth, threads: 1).nals) == bytes(coded.nals)) }
        }
    }

    @Test("Encrypted in the loop is encrypted after it, and decrypts to the clear stream")
    func encryptionIsTheSame() throws {
        let keys = KeyRing(layers: (0..<2).map { LayerKey(layer: $0, id: "k\($0)", key: SecretBytes((0..<32).map { UInt8($0 * 3) })) })
        var options = Encryption.Options()
        options.nonce = Array(0..<16)
        let clear = try encode(frames: 19)
        let inLoop = try encode(frames: 19, encryption: Encryption(options: options, layers: [0, 1], keys: keys))
        func transcode(_ nals: [NALUnit], _ mode: StreamTranscoder.Mode) throws -> [UInt8] {
            var result: [NALUnit] = []
            let transcoder = StreamTranscoder(mode: mode, threads: 2) { result.append($0) }
            for nal in nals { try transcoder.push(nal) }
            try transcoder.finish()
            return bytes(result)
        }
        #expect(try transcode(clear.nals, .encrypt(Encryption(options: options, layers: [0, 1], keys: keys))) == bytes(inLoop.nals))
        #expect(try transcode(inLoop.nals, .decrypt(Decryption(keys: keys))) == bytes(clear.nals))
        #expect(bytes(inLoop.nals) != bytes(clear.nals))
    }

    @Test("A second pass finds the first one's groups")
    func twoPasses() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("veil-pyramid-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let statistics = folder.appendingPathComponent("stats").path
        let passes = try (1...2).map { pass in
            try encode(frames: 41, options: [("bitrate", "50"), ("keyint", "20"), ("pass", String(pass)), ("stats", statistics)])
        }
        #expect(passes[0].order == passes[1].order)
        #expect(passes[0].order.starts(with: [0, 8, 4, 2, 1, 3, 6, 5, 7]))
        let isSame = try decode(passes[1], layer: 1) == (0..<41).map { passes[1].samples[$0]![1] }
        #expect(isSame)
    }

    @Test("Options about groups, and those that leave no room for one of eight, prevail")
    func optionsPrevail() {
        func levels(_ options: [(name: String, value: String?)], tune: String? = nil, pyramid: Bool? = nil) -> Int {
            var settings = BaseLayerSettings()
            settings.options = options
            settings.tune = tune
            settings.pyramid = pyramid
            return settings.pyramidLevels
        }
        #expect(levels([("qp", "28"), ("rc-lookahead", "30"), ("ref", "5")]) == 2)
        let others: [(name: String, value: String?)] = [
            ("bframes", "0"), ("bframes", "4"), ("b-adapt", "2"), ("no-b-pyramid", nil), ("rc-lookahead", "5"), ("ref", "6"),
        ]
        for option in others { #expect(levels([option]) == 1, "\(option)") }
        #expect(levels([], tune: "zerolatency") == 1)
        #expect(levels([], pyramid: false) == 1)
        #expect(levels([("bframes", "5")], pyramid: true) == 2)
    }
}
