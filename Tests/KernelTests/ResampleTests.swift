// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import TestSupport
import Testing

/// Resampling (H.8.1.4).
@Suite struct ResampleTests {
    /// Reference positions and phases of `length` samples from `from` reference samples, as H.8.1.4.2 derives them
    /// with phase 0.
    static func axis(from: Int, to length: Int, phase: Int = 0) -> (position: [Int32], phase: [UInt8]) {
        let scale = ((from << 16) + (length >> 1)) / length
        let add = (phase * scale + 8) >> 4
        let at = (0..<length).map { (($0 * scale + add) + (1 << 11)) >> 12 }
        return (at.map { Int32($0 >> 4) }, at.map { UInt8($0 & 15) })
    }

    struct Ratio: CustomTestStringConvertible {
        let from: Int, to: Int, phase: Int
        var testDescription: String { "\(from) to \(to), phase \(phase)" }
    }

    static let ratios = [
        Ratio(from: 40, to: 80, phase: 0), Ratio(from: 64, to: 96, phase: 0), Ratio(from: 64, to: 96, phase: -4),
        Ratio(from: 40, to: 80, phase: -4),
        Ratio(from: 50, to: 83, phase: 0), Ratio(from: 33, to: 160, phase: 3), Ratio(from: 90, to: 91, phase: 0),
        Ratio(from: 7, to: 14, phase: 0), Ratio(from: 8, to: 16, phase: 0), Ratio(from: 64, to: 128, phase: 0),
        Ratio(from: 24, to: 48, phase: 8),
        Ratio(from: 120, to: 100, phase: 0), Ratio(from: 100, to: 151, phase: 0), Ratio(from: 60, to: 60, phase: 8),
    ]

    @Test(arguments: ratios, [true, false]) func passes(ratio: Ratio, luma: Bool) {
        var random = Random(40)
        let (position, phase) = Self.axis(from: ratio.from, to: ratio.to, phase: ratio.phase)
        let taps = luma ? 8 : 4, before = taps / 2 - 1
        func tap(_ phase: Int, _ i: Int) -> Int {
            luma ? Int(Self.lumaTaps[phase * 8 + i]) : Int(Self.chromaTaps[phase * 4 + i])
        }
        let stride = 256
        for depth in depths {
            for content in [Content.noise, .extremes] {
                let src = samples(stride * 136, depth: depth, content, &random)
                let origin = 8 * stride + 16
                let rows = 5
                var h = [Int](repeating: 0, count: rows * ratio.to)
                for y in 0..<rows {
                    for x in 0..<ratio.to {
                        let s = src.base + origin + y * stride + Int(position[x]) - before
                        h[y * ratio.to + x] =
                            (0..<taps).reduce(0) { $0 + tap(Int(phase[x]), $1) * Int(s[$1]) } >> (Int(depth) - 8)
                    }
                }
                let middle = Residuals(stride * 136)
                middle.fill(-6138, 22522, content, &random)
                let width = [64, 8, 37, 100].randomElement(using: &random)!
                var v = [Int](repeating: 0, count: width * ratio.to)
                let shift = 20 - Int(depth)
                for y in 0..<ratio.to {
                    for x in 0..<width {
                        let s = middle.base + origin + x + (Int(position[y]) - before) * stride
                        let sum = (0..<taps).reduce(1 << (shift - 1)) {
                            $0 + tap(Int(phase[y]), $1) * Int(s[$1 * stride])
                        }
                        v[y * width + x] = min((1 << Int(depth)) - 1, max(0, sum >> shift))
                    }
                }
                for k in [plain, simd].compactMap({ $0 }) {
                    let hs = 192
                    let out = Residuals(rows * hs, 77)
                    (luma ? k.pointee.resample_h_luma : k.pointee.resample_h_chroma)!(
                        out.base + 4, hs, src.base + origin, stride, Int32(ratio.to), Int32(rows), position, phase,
                        depth - 8)
                    let wanted = Residuals(rows * hs, 77)
                    for i in h.indices { wanted.base[4 + i / ratio.to * hs + i % ratio.to] = Int16(h[i]) }
                    #expect(out.difference(wanted) == nil, "horizontal, path \(k.pointee.level), \(depth) bits")
                    let vertical = Samples(ratio.to * 128, 7777), wantedV = Samples(ratio.to * 128, 7777)
                    (luma ? k.pointee.resample_v_luma : k.pointee.resample_v_chroma)!(
                        vertical.base + 4, 128, middle.base + origin, stride, Int32(width), Int32(ratio.to), position,
                        phase, depth)
                    for i in v.indices { wantedV.base[4 + i / width * 128 + i % width] = UInt16(v[i]) }
                    #expect(
                        vertical.difference(wantedV) == nil,
                        "vertical, path \(k.pointee.level), \(depth) bits, width \(width)")
                }
            }
        }
    }

    static let lumaTaps: [Int8] = [
        0, 0, 0, 64, 0, 0, 0, 0, 0, 1, -3, 63, 4, -2, 1, 0, -1, 2, -5, 62, 8, -3, 1, 0, -1, 3, -8, 60, 13, -4, 1, 0,
        -1, 4, -10, 58, 17, -5, 1, 0, -1, 4, -11, 52, 26, -8, 3, -1, -1, 3, -9, 47, 31, -10, 4, -1, -1, 4, -11, 45, 34,
        -10, 4, -1,
        -1, 4, -11, 40, 40, -11, 4, -1, -1, 4, -10, 34, 45, -11, 4, -1, -1, 4, -10, 31, 47, -9, 3, -1, -1, 3, -8, 26,
        52, -11, 4, -1,
        0, 1, -5, 17, 58, -10, 4, -1, 0, 1, -4, 13, 60, -8, 3, -1, 0, 1, -3, 8, 62, -5, 2, -1, 0, 1, -2, 4, 63, -3, 1,
        0,
    ]
    static let chromaTaps: [Int8] = [
        0, 64, 0, 0, -2, 62, 4, 0, -2, 58, 10, -2, -4, 56, 14, -2, -4, 54, 16, -2, -6, 52, 20, -2, -6, 46, 28, -4, -4,
        42, 30, -4,
        -4, 36, 36, -4, -4, 30, 42, -4, -4, 28, 46, -6, -2, 20, 52, -6, -2, 16, 54, -4, -2, 14, 56, -4, -2, 10, 58, -2,
        0, 4, 62, -2,
    ]

    /// Every filter has unit gain.
    @Test func tapsAreNormalized() {
        for p in 0..<16 {
            #expect((0..<8).reduce(0) { $0 + Int(Self.lumaTaps[p * 8 + $1]) } == 64, "luma phase \(p)")
            #expect((0..<4).reduce(0) { $0 + Int(Self.chromaTaps[p * 4 + $1]) } == 64, "chroma phase \(p)")
        }
    }
}

/// Making sources smaller.
@Suite struct ScaleTests {
    @Test(arguments: [(8, 0), (16, 0), (16, 5), (16, 16), (24, 1)], [1, 7, 8, 15, 16, 37, 64])
    func passes(filter: (taps: Int, zeros: Int), width: Int) {
        let taps = filter.taps
        var random = Random(41)
        // Filters end with zeros where they are shorter than their taps.
        let weights = (0..<(taps * width)).map {
            $0 % taps < taps - filter.zeros ? Int16.random(in: -1500...2500, using: &random) : 0
        }
        let first = (0..<width).map { Int32($0 * 2) }
        let rows = (0..<taps).map { _ in (0..<(width + 16)).map { _ in UInt16.random(in: 0...1023, using: &random) } }
        let line = (0..<(2 * width + taps)).map { _ in Int16.random(in: -3000...20000, using: &random) }
        var across = [Int](repeating: 0, count: width)
        var along = across
        for x in 0..<width {
            across[x] = Int(
                Int16(truncatingIfNeeded: (0..<taps).reduce(512) { $0 + Int(weights[$1]) * Int(rows[$1][x]) } >> 10))
            let sum =
                (0..<taps).reduce(1 << 17) { $0 + Int(weights[x * taps + $1]) * Int(line[Int(first[x]) + $1]) } >> 18
            along[x] = min(max(sum, 0), 1023)
        }
        let memory = UnsafeMutablePointer<UInt16>.allocate(capacity: taps * (width + 16))
        defer { memory.deallocate() }
        let pointers = (0..<taps).map { k -> UnsafePointer<UInt16>? in
            (memory + k * (width + 16)).initialize(from: rows[k], count: width + 16)
            return UnsafePointer(memory + k * (width + 16))
        }
        for k in [plain, simd].compactMap({ $0 }) {
            var v = [Int16](repeating: 0, count: width)
            var h = [UInt16](repeating: 0, count: width)
            pointers.withUnsafeBufferPointer {
                k.pointee.scale_v(&v, $0.baseAddress, weights, Int32(taps), Int32(width))
            }
            k.pointee.scale_h(&h, line, first, weights, Int32(taps), Int32(width), 1023)
            if taps <= 16 { #expect(v.map(Int.init) == across) }
            #expect(h.map(Int.init) == along)
        }
    }

    /// Filters that are the same from either end, with or without a row in the middle, nearly so, with zeros amid them
    /// and before them, and of so many taps that none but the plain way takes them.
    @Test(arguments: [3, 4, 11, 12, 23, 79, 255, 300], [16, 40])
    func symmetricFilters(taps: Int, width: Int) {
        var random = Random(42)
        let rows = (0..<taps + 5).map { _ in (0..<width).map { _ in UInt16.random(in: 0...1023, using: &random) } }
        let memory = UnsafeMutablePointer<UInt16>.allocate(capacity: rows.count * width)
        defer { memory.deallocate() }
        let pointers = rows.indices.map { k -> UnsafePointer<UInt16>? in
            (memory + k * width).initialize(from: rows[k], count: width)
            return UnsafePointer(memory + k * width)
        }
        let most = Int16(16384 / taps)
        for (before, spoiled) in [(0, false), (2, false), (3, false), (1, true)] {
            var half = (0..<(taps + 1) / 2).map { _ in Int16.random(in: -most...most, using: &random) }
            for k in half.indices where k % 3 == 1 { half[k] = 0 }
            half[0] = most
            let filter = half + half.reversed().dropFirst(taps % 2)
            var weights = [Int16](repeating: 0, count: before) + filter + [Int16](repeating: 0, count: 5 - before)
            if spoiled { weights[before + taps - 1] -= 1 }
            let wanted = (0..<width).map { x in
                weights.indices.reduce(512) { $0 + Int(weights[$1]) * Int(rows[$1][x]) } >> 10
            }
            for k in [plain, simd].compactMap({ $0 }) {
                var v = [Int16](repeating: 0, count: width)
                pointers.withUnsafeBufferPointer {
                    k.pointee.scale_v(&v, $0.baseAddress, weights, Int32(weights.count), Int32(width))
                }
                #expect(v.map(Int.init) == wanted, "path \(k.pointee.level), \(before) zeros before")
            }
        }
    }
}
