// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilProtection

@testable import VeilEncoder

/// Groups of eight pictures whose B pictures refer to one another on two levels, which takes a patched libx265.
@Suite(.enabled(if: BaseLayerEncoder.hasHook, "libx265 is not patched"))
struct PyramidTests: LayeredClips {
    private func encode(
        frames: Int, options: [(name: String, value: String?)] = [("qp", "28")], depth: Int = 8, threads: Int = 2,
        encryption: Encryption? = nil
    ) throws -> CodedClip {
        let layers = [ClipLayer(width: 64, height: 48, depth: depth), ClipLayer(width: 128, height: 96, depth: depth)]
        // Without weighted prediction, as in the other tests of pictures this small.
        let all = BaseLayerSettings.sharing(among: threads) + [("weightp", "0")] + options
        return try encode(layers, frames: frames, threads: threads, options: all) { settings in
            guard let encryption else { return }
            settings.hooks = encryption
            settings.base.hooks = encryption
            settings.message = { layer, index in
                encryption.message(layer: layer, period: index).map { ProtectionSEI.unit($0) }
            }
        }
    }

    @Test("Every middle is coded before its halves, to the end of a clip that is no multiple of eight")
    func middlesComeFirst() throws {
        let coded = try encode(frames: 22)
        #expect(coded.displayOrder == [0, 8, 4, 2, 1, 3, 6, 5, 7, 16, 12, 10, 9, 11, 14, 13, 15, 21, 19, 18, 17, 20])
        // Both layers: the leaves are those that may be left out.
        for layer in 0..<2 {
            let slices = coded.nals.filter { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId == layer }
            let leaves = zip(coded.displayOrder, slices).filter { $1.header.nalUnitType.isSubLayerNonReference }.map(
                \.0)
            #expect(leaves.prefix(8) == [1, 3, 5, 7, 9, 11, 13, 15])
        }
        try check(coded, layers: 2)
    }

    @Test("The stream says how many pictures wait to be shown")
    func reorderingIsSignalled() throws {
        let coded = try encode(frames: 17)
        let set = try #require(coded.nals.first { $0.header.nalUnitType == .sps && $0.header.nuhLayerId == 0 })
        let sps = try SequenceParameterSet(rbsp: set.rbsp, nuhLayerId: 0)
        let most = coded.displayOrder.indices.map { i in
            coded.displayOrder[..<i].filter { $0 > coded.displayOrder[i] }.count
        }.max()
        #expect(most == 3)
        #expect(sps.subLayerOrdering.last?.maxNumReorderPics == 3)
        // And how many are kept, by any layer: no more than level 4 has room for at 1920x1080.
        let kept = try #require(sps.subLayerOrdering.last?.maxDecPicBufferingMinus1)
        #expect(kept == 5)
        let sets = ParameterSetCollection()
        var pictures = 0
        for nal in coded.nals {
            if [.vps, .sps, .pps].contains(nal.header.nalUnitType) { try sets.insert(nal) }
            guard nal.header.nalUnitType.isSlice else { continue }
            let set = try SliceSegmentHeader(nal: nal.header, rbsp: nal.rbsp, sets: sets, previous: nil)
                .shortTermRefPicSet
            #expect(set.s0.count + set.s1.count <= kept)
            pictures += 1
        }
        #expect(pictures == 34)
    }

    @Test(
        """
        Closed and open groups, rates of every kind, 8 and 10 bit, one thread and two: what is decoded is what was \
        coded
        """,
        arguments: [
            ["qp=28", "keyint=12"], ["qp=28", "keyint=12", "no-open-gop="], ["crf=26", "keyint=20"],
            ["bitrate=60", "vbv-maxrate=60", "vbv-bufsize=60"],
        ])
    func groupsDecode(arguments: [String]) throws {
        let options = arguments.map { argument in
            let parts = argument.split(separator: "=").map(String.init)
            return (name: parts[0], value: parts.count > 1 ? parts[1] : nil)
        }
        for depth in [8, 10] {
            let coded = try encode(frames: 30, options: options, depth: depth)
            #expect(coded.displayOrder.starts(with: [0, 8, 4, 2, 1, 3, 6, 5, 7]))
            try check(coded, layers: 2)
            if arguments[0] != "bitrate=60" {
                #expect(
                    bytes(try encode(frames: 30, options: options, depth: depth, threads: 1).nals) == bytes(coded.nals))
            }
        }
    }

    @Test("Encrypted in the loop is encrypted after it, and decrypts to the clear stream")
    func encryptionIsTheSame() throws {
        let keys = KeyRing(
            layers: (0..<2).map { LayerKey(layer: $0, id: "k\($0)", key: SecretBytes((0..<32).map { UInt8($0 * 3) })) })
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
        #expect(
            try transcode(clear.nals, .encrypt(Encryption(options: options, layers: [0, 1], keys: keys)))
                == bytes(inLoop.nals))
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
            try encode(
                frames: 41,
                options: [("bitrate", "50"), ("keyint", "20"), ("pass", String(pass)), ("stats", statistics)])
        }
        #expect(passes[0].displayOrder == passes[1].displayOrder)
        #expect(passes[0].displayOrder.starts(with: [0, 8, 4, 2, 1, 3, 6, 5, 7]))
        try check(passes[1], layers: 2)
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
            ("bframes", "0"), ("bframes", "4"), ("b-adapt", "2"), ("no-b-pyramid", nil), ("rc-lookahead", "5"),
            ("ref", "6"),
        ]
        for option in others { #expect(levels([option]) == 1, "\(option)") }
        #expect(levels([], tune: "zerolatency") == 1)
        #expect(levels([], pyramid: false) == 1)
        #expect(levels([("bframes", "5")], pyramid: true) == 2)
    }
}
