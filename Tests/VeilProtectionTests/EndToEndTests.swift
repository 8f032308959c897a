// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilBitstream
import VeilCore
import VeilDecoder
import VeilEncoder
import VeilEntropy
import VeilRecon

@testable import VeilProtection

/// A moving picture with edges, texture and noise, drawn here.
private func drawing(_ width: Int, _ height: Int, frame n: Int) -> FrameBuffer {
    let buffer = FrameBuffer(width: width, height: height, bitDepthLuma: 8, bitDepthChroma: 8)
    var noise: UInt32 = UInt32(n) &* 7919 &+ 1
    for c in 0..<3 {
        let plane = buffer.plane(c)
        let scale = c == 0 ? 1 : 2
        for y in 0..<plane.height {
            let row = plane.row(y)
            for x in 0..<plane.width {
                let px = x * scale - n * 3
                let py = y * scale + n
                noise = noise &* 1_664_525 &+ 1_013_904_223
                let texture = ((px >> 3) ^ (py >> 3)) & 7
                let disc = (px - 60) * (px - 60) + (py - 40) * (py - 40) < 900
                row[x] = UInt16(clamping: (disc ? 200 : 60 + x / 2) + texture * (c == 0 ? 8 : 3) + Int(noise >> 30))
            }
        }
    }
    return buffer
}

private struct Coded {
    var nals: [NALUnit] = []
    var base: [[UInt16]] = []
    var enhancement: [[UInt16]] = []
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for nal in nals { bytes.append(annexB: nal) }
        return bytes
    }
}

private func samples(_ frame: FrameBuffer, width: Int, height: Int) -> [UInt16] {
    var result: [UInt16] = []
    for c in 0..<3 {
        let plane = frame.plane(c)
        let s = c == 0 ? 0 : 1
        for y in 0..<(height >> s) { result += plane.values(row: y).prefix(width >> s) }
    }
    return result
}

private enum Structure: CaseIterable { case double, oneAndAHalf, snr, single }

private let enhancementSize = (144, 96)
private func baseSize(_ s: Structure) -> (Int, Int) {
    s == .double ? (72, 48) : s == .oneAndAHalf ? (96, 64) : (144, 96)
}

private func encode(
    _ structure: Structure, preset: String, encryption: Encryption?, threads: Int, frames: Int = 7
) throws -> Coded {
    var settings = ScalableSettings()
    let (baseWidth, baseHeight) = baseSize(structure)
    settings.base.width = baseWidth
    settings.base.height = baseHeight
    settings.base.preset = preset
    // Without weighted prediction: in pictures as small as these libx265's analysis now and then finds other weights
    // for the same pictures, whatever the number of threads, and its base layer is then another.
    settings.base.options = [
        ("qp", "24"), ("pools", "\(threads)"), ("keyint", "4"), ("min-keyint", "4"), ("frame-threads", "\(threads)"),
        ("weightp", "0"),
    ]
    if structure != .single {
        var layer = EnhancementSettings(
            format: LayerFormat(width: enhancementSize.0, height: enhancementSize.1, bitDepth: 8))
        layer.rate = .offset(-2, initial: 22)
        if let preset = EncoderPreset(name: preset) {
            layer.effort = preset.effort
            layer.tools = preset.tools
        }
        settings.enhancements = [layer]
    }
    settings.threads = threads
    if let encryption {
        settings.hooks = encryption
        settings.message = { layer, index in
            encryption.message(layer: layer, period: index).map { ProtectionSEI.unit($0) }
        }
        let isPaper = encryption.message(layer: 0, period: 0)?.elements == .paper
        let isChained = encryption.options.resynchronization == .stream
        if BaseLayerEncoder.hasHook && !isChained && (isPaper || BaseLayerEncoder.hookShowsAll(bitDepth: 8)) {
            settings.base.hooks = encryption
        } else {
            var result: [NALUnit] = []
            let transcoder = StreamTranscoder(mode: .encrypt(encryption), threads: 1, signals: false) {
                result.append($0)
            }
            settings.protectBase = { nals in
                result.removeAll()
                for nal in nals { try transcoder.push(nal) }
                try transcoder.finish()
                return result
            }
        }
    }
    let encoder = try ScalableEncoder(settings: settings)
    var coded = Coded()
    var pictures: [Int: (FrameBuffer, FrameBuffer?)] = [:]
    func take(_ unit: CodedAccessUnit) {
        coded.nals += unit.nals
        pictures[unit.displayIndex] = (unit.pictures[0].frame, unit.pictures.count > 1 ? unit.pictures[1].frame : nil)
    }
    for n in 0..<frames {
        let whole = drawing(enhancementSize.0, enhancementSize.1, frame: n)
        let small = drawing(baseWidth, baseHeight, frame: n)
        if let unit = try encoder.push(structure == .single ? [small] : [small, whole]) { take(unit) }
    }
    while let unit = try encoder.flush() { take(unit) }
    for n in 0..<frames {
        let (base, enhancement) = try #require(pictures[n])
        coded.base.append(samples(base, width: baseWidth, height: baseHeight))
        if let enhancement {
            coded.enhancement.append(samples(enhancement, width: enhancementSize.0, height: enhancementSize.1))
        }
    }
    return coded
}

private func decode(_ nals: [NALUnit], layer: Int, threads: Int, decryption: Decryption? = nil) throws -> [[UInt16]] {
    var options = Decoder.Options()
    options.output = .layer(layer)
    options.threads = threads
    options.hooks = decryption
    options.prefixSEI = { nal in
        if let message = try ProtectionSEI.message(in: nal) { try decryption?.add(message) }
    }
    var frames: [[UInt16]] = []
    let decoder = Decoder(options: options) { frame in
        frames.append(samples(frame.picture.frame, width: frame.width, height: frame.height))
    }
    for nal in nals { try decoder.push(nal) }
    try decoder.finish()
    #expect(decoder.report.isClean)
    return frames
}

private func transcode(_ nals: [NALUnit], _ mode: StreamTranscoder.Mode, threads: Int) throws -> Coded {
    var result = Coded()
    let transcoder = StreamTranscoder(mode: mode, threads: threads) { result.nals.append($0) }
    for nal in nals { try transcoder.push(nal) }
    try transcoder.finish()
    #expect(transcoder.report.failedSlices == 0)
    return result
}

private func psnr(_ a: [[UInt16]], _ b: [[UInt16]], luma: Int) -> Double {
    var sum = 0.0
    for (x, y) in zip(a, b) {
        for i in 0..<luma { sum += Double((Int(x[i]) - Int(y[i])) * (Int(x[i]) - Int(y[i]))) }
    }
    return 10 * log10(255 * 255 * Double(a.count * luma) / max(sum, 1e-9))
}

private let keys = KeyRing(
    layers: (0..<2).map {
        LayerKey(layer: $0, id: "k\($0)", key: SecretBytes((0..<32).map { UInt8($0 * 5) }))
    })

@Suite(.enabled(if: BaseLayerEncoder.isAvailable, "libx265 is not built in"))
struct EndToEndTests {
    @Test(arguments: Structure.allCases, ["ultrafast", "medium"])
    fileprivate func reconstructionEqualsDecoding(structure: Structure, preset: String) throws {
        let coded = try encode(structure, preset: preset, encryption: nil, threads: 1)
        #expect(try encode(structure, preset: preset, encryption: nil, threads: 2).bytes == coded.bytes)
        for threads in [1, 3] {
            #expect(try decode(coded.nals, layer: 0, threads: threads) == coded.base)
            if structure != .single { #expect(try decode(coded.nals, layer: 1, threads: threads) == coded.enhancement) }
        }
    }

    /// Partitions, transform trees, offsets and all.
    @Test(arguments: ["fast", "slow", "veryslow"])
    func slowPresetsDecode(preset: String) throws {
        let coded = try encode(.double, preset: preset, encryption: nil, threads: 1, frames: 4)
        #expect(try encode(.double, preset: preset, encryption: nil, threads: 3, frames: 4).bytes == coded.bytes)
        #expect(try decode(coded.nals, layer: 1, threads: 2) == coded.enhancement)
    }

    @Test(
        arguments: [Scheme.bl, .all, .el],
        [(CipherKind.chaotic, ElementProfile.paper), (.aes128, .maximal), (.chacha20, .paper)])
    func encryptionInTheLoopEqualsEncryptionAfter(scheme: Scheme, pair: (CipherKind, ElementProfile)) throws {
        var options = Encryption.Options()
        options.scheme = scheme
        options.cipher = pair.0
        options.profile = pair.1
        options.nonce = Array(repeating: 9, count: 16)
        let clear = try encode(.double, preset: "medium", encryption: nil, threads: 2)
        let encryption = try Encryption(options: options, layers: [0, 1], keys: keys)
        let encrypted = try encode(.double, preset: "medium", encryption: encryption, threads: 2)
        // The coder still works on clear pictures.
        #expect(encrypted.base == clear.base)
        #expect(encrypted.enhancement == clear.enhancement)
        for threads in [1, 3] {
            let after = try transcode(
                clear.nals, .encrypt(try Encryption(options: options, layers: [0, 1], keys: keys)), threads: threads)
            #expect(after.bytes == encrypted.bytes)
            #expect(
                try transcode(encrypted.nals, .decrypt(Decryption(keys: keys)), threads: threads).bytes == clear.bytes)
            #expect(
                try decode(encrypted.nals, layer: 1, threads: threads, decryption: Decryption(keys: keys))
                    == clear.enhancement)
        }
        // RBSPs keep their sizes; only emulation prevention moves.
        func slices(_ nals: [NALUnit]) -> [Int] { nals.filter { $0.header.nalUnitType.isSlice }.map(\.rbsp.count) }
        #expect(slices(encrypted.nals) == slices(clear.nals))
        // Without keys the stream still decodes, to something else.
        let blind = try decode(encrypted.nals, layer: 1, threads: 2)
        let luma = enhancementSize.0 * enhancementSize.1
        let quality = psnr(blind, clear.enhancement, luma: luma)
        #expect(quality < (scheme == .el ? 40 : 30))
        let base = try decode(encrypted.nals, layer: 0, threads: 2)
        #expect((base == clear.base) == (scheme == .el))
    }

    /// Every profile, cipher, scheme and way of resynchronizing, in the loop and after it: all of them with
    /// VEIL_FULL_MATRIX=1 in the environment, otherwise a selection in which each pair of values occurs.
    @Test func theWholeMatrix() throws {
        let isFull = ProcessInfo.processInfo.environment["VEIL_FULL_MATRIX"] == "1"
        let clear = try encode(.double, preset: "medium", encryption: nil, threads: 1, frames: 5)
        var compared = 0
        for (p, profile) in ElementProfile.allCases.enumerated() {
            for (c, cipher) in CipherKind.allCases.enumerated() {
                for (s, scheme) in [Scheme.bl, .all, .el].enumerated() {
                    for (r, resynchronization) in Resynchronization.allCases.enumerated()
                    where isFull || (p + c + s + r) % 3 == 0 {
                        var options = Encryption.Options()
                        (options.profile, options.cipher, options.scheme) = (profile, cipher, scheme)
                        options.resynchronization = resynchronization
                        options.nonce = Array(repeating: 5, count: 16)
                        let make = { try Encryption(options: options, layers: [0, 1], keys: keys) }
                        let name = "\(profile), \(cipher), \(scheme), \(resynchronization)"
                        var first: [UInt8]?
                        for threads in isFull ? [1, 2, 4] : [1 + (c + s) % 3] {
                            let inLoop = try encode(
                                .double, preset: "medium", encryption: make(),
                                threads: resynchronization == .stream ? 1 : threads, frames: 5)
                            let after = try transcode(clear.nals, .encrypt(make()), threads: threads)
                            #expect(
                                inLoop.bytes == after.bytes && inLoop.bytes != clear.bytes,
                                "\(name), \(threads) threads")
                            #expect(first == nil || first == after.bytes)
                            first = after.bytes
                            #expect(
                                try transcode(after.nals, .decrypt(Decryption(keys: keys)), threads: threads).bytes
                                    == clear.bytes)
                            compared += 1
                        }
                    }
                }
            }
        }
        #expect(compared == (isFull ? 144 : 16))
        print("in the loop and after it: \(compared) streams are the same")
    }

    @Test func aSingleChainIsInOrder() throws {
        var options = Encryption.Options()
        options.resynchronization = .stream
        options.nonce = Array(repeating: 3, count: 16)
        let clear = try encode(.snr, preset: "medium", encryption: nil, threads: 1)
        let encrypted = try transcode(
            clear.nals, .encrypt(try Encryption(options: options, layers: [0, 1], keys: keys)), threads: 3)
        #expect(encrypted.bytes != clear.bytes)
        #expect(try transcode(encrypted.nals, .decrypt(Decryption(keys: keys)), threads: 3).bytes == clear.bytes)
    }

    /// Units decrypt alone: the same loss on the clear and on the encrypted stream gives the same pictures.
    @Test(arguments: 0..<12)
    func lossDoesNotSpread(seed: Int) throws {
        var options = Encryption.Options()
        options.nonce = Array(repeating: 1, count: 16)
        let clear = try encode(.double, preset: "medium", encryption: nil, threads: 1, frames: 13)
        let encrypted = try transcode(
            clear.nals, .encrypt(try Encryption(options: options, layers: [0, 1], keys: keys)), threads: 1)
        var state = UInt64(seed) &* 977 &+ 5
        func lose(_ nals: [NALUnit]) -> [NALUnit] {
            var slice = 0
            return nals.filter { nal in
                guard nal.header.nalUnitType.isSlice else { return true }
                slice += 1
                // IRAP pictures arrive: what follows a lost one has no reference in either stream.
                return nal.header.nalUnitType.isIRAP || (slice &* 2_654_435_761 &+ Int(state)) % 7 != 0
            }
        }
        state = state &* 31
        func pictures(_ nals: [NALUnit], _ decryption: Decryption?) throws -> [[UInt16]] {
            var options = Decoder.Options()
            options.output = .layer(1)
            options.hooks = decryption
            options.prefixSEI = { nal in
                if let message = try ProtectionSEI.message(in: nal) { try decryption?.add(message) }
            }
            var frames: [[UInt16]] = []
            let decoder = Decoder(options: options) {
                frames.append(samples($0.picture.frame, width: $0.width, height: $0.height))
            }
            for nal in nals { try decoder.push(nal) }
            try decoder.finish()
            return frames
        }
        #expect(try pictures(lose(encrypted.nals), Decryption(keys: keys)) == pictures(lose(clear.nals), nil))
    }
}
