// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the Swift library does, in three small programs:
//
//     veil-examples roundtrip     encode pictures, encrypted; decode them with and without the keys
//     veil-examples statistics    a hook of your own: count the bins of a stream by syntax element
//     veil-examples cipher        a keystream of your own
import Foundation
import Veil

/// A picture with a slope and a moving bar.
func drawing(_ n: Int, width: Int = 192, height: Int = 128) throws -> VideoPicture {
    let luma = (0..<(width * height)).map { i -> UInt16 in
        let (x, y) = (i % width, i / width)
        return UInt16(abs(x - 20 - n * 6) < 12 ? 210 : 40 + (x + y) / 3 + ((x >> 2 ^ y >> 2) & 3) * 6)
    }
    let chroma = [UInt16](repeating: 128, count: width * height / 4)
    return try VideoPicture(width: width, height: height, planes: [luma, chroma, chroma])
}

func psnr(_ a: VideoPicture, _ b: VideoPicture) -> Double {
    let sum = zip(a.planes[0], b.planes[0]).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    return sum == 0 ? .infinity : 10 * log10(255 * 255 * Double(a.planes[0].count) / sum)
}

/// An encrypted stream of twelve pictures, made access unit by access unit. The encoder pulls pictures as it is asked
/// for access units.
func encode(keys: KeyRing?) async throws -> [[UInt8]] {
    var settings = VideoEncoder.Settings(width: 192, height: 128)
    settings.layers = .double
    settings.layers.setRates(.qp(24))
    settings.keys = keys
    let clip = try (0..<12).map { try drawing($0) }
    let pictures = AsyncStream { continuation in
        for picture in clip { continuation.yield(picture) }
        continuation.finish()
    }
    var chunks: [[UInt8]] = []
    for try await unit in try VideoEncoder.accessUnits(of: pictures, settings: settings) { chunks.append(unit.bytes) }
    return chunks
}

func decode(_ chunks: [[UInt8]], keys: KeyRing?) async throws -> [VideoPicture] {
    var options = VideoDecoder.Options()
    options.keys = keys
    let source = AsyncStream { continuation in
        for chunk in chunks { continuation.yield(chunk) }
        continuation.finish()
    }
    var pictures: [VideoPicture] = []
    for try await picture in VideoDecoder.pictures(of: source, options: options) { pictures.append(picture) }
    return pictures
}

func roundtrip() async throws {
    let keys = KeyRing.generate(layers: 2, cipher: .aes256)
    let stream = try await encode(keys: keys)
    for (what, ring) in [("without keys", nil), ("with keys", keys)] {
        let pictures = try await decode(stream, keys: ring)
        let mean =
            try pictures.enumerated().map { psnr(try drawing($0.offset), $0.element) }.reduce(0, +)
            / Double(pictures.count)
        print("\(what): \(pictures.count) pictures, \(String(format: "%.1f", mean)) dB")
    }
    // Decrypted without decoding, it is the stream that would have been written without keys.
    let decryptor = VideoTranscoder(.decrypt(keys: keys, partial: false))
    var clear: [UInt8] = []
    for chunk in stream { for unit in try decryptor.push(chunk) { clear += unit.bytes } }
    for unit in try decryptor.finish() { clear += unit.bytes }
    print("decrypted: \(clear == (try await encode(keys: nil)).flatMap { $0 } ? "the clear stream" : "something else")")
}

/// Counts runs and bins by element. Hooks of several pictures may run at once, so the totals are locked.
final class Statistics: BinHookProvider, @unchecked Sendable {
    private let lock = NSLock()
    private(set) var bins: [BinElement: Int] = [:]

    func makeHook(layer: Int) -> (any BinHook)? { Counter(self) }
    func add(_ element: BinElement, _ count: Int) { lock.withLock { bins[element, default: 0] += count } }

    private final class Counter: BinHook {
        let totals: Statistics
        init(_ totals: Statistics) { self.totals = totals }
        func begin(_ unit: BinUnit) {}
        func replace(_ run: BinRun) -> UInt32 {
            totals.add(run.element, Int(run.count))
            return run.bins
        }
    }
}

func statistics() async throws {
    let stream = try await encode(keys: nil)
    let statistics = Statistics()
    let transcoder = VideoTranscoder(.hooks(statistics))
    var out: [UInt8] = []
    for chunk in stream { for unit in try transcoder.push(chunk) { out += unit.bytes } }
    for unit in try transcoder.finish() { out += unit.bytes }
    for (element, count) in statistics.bins.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        print("\(element): \(count) bins")
    }
    print("unchanged: \(out == stream.flatMap { $0 })")
}

/// A generator that is no cipher at all: a counter, stirred. It shows where yours goes.
struct StirredCounter: Keystream {
    private let seed: UInt64
    private var state: UInt64 = 0

    init(key: [UInt8]) { seed = key.reduce(0) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 } }

    mutating func start(_ nonce: UnitNonce) {
        state = seed ^ UInt64(nonce.period) << 40 ^ UInt64(nonce.pocDelta) << 20 ^ UInt64(nonce.ctuAddress)
    }

    mutating func fill(_ words: UnsafeMutableBufferPointer<UInt32>) {
        for i in words.indices {
            state &+= 0x9E37_79B9_7F4A_7C15
            let stirred = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
            words[i] = UInt32(truncatingIfNeeded: stirred >> 32)
        }
    }
}

func cipher() async throws {
    var ring = KeyRing.generate(layers: 2, cipher: .custom)
    ring.generator = StirredCounter.self
    let stream = try await encode(keys: ring)
    let pictures = try await decode(stream, keys: ring)
    let clear = try await decode(try await encode(keys: nil), keys: nil)
    print("decrypted: \(pictures.map(\.planes) == clear.map(\.planes) ? "the clear pictures" : "something else")")
    let blind = try await decode(stream, keys: nil)
    print("without keys: \(blind.map(\.planes) == clear.map(\.planes) ? "the clear pictures" : "something else")")
}

switch CommandLine.arguments.dropFirst().first {
case "roundtrip": try await roundtrip()
case "statistics": try await statistics()
case "cipher": try await cipher()
default:
    print("usage: veil-examples roundtrip | statistics | cipher")
    exit(64)
}
