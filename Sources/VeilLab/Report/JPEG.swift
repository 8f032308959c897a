// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilMedia

/// Writes pictures as baseline JPEG (ITU-T T.81), 4:2:0, with the example tables of its Annex K: what reports embed,
/// so that a page of many pictures stays small.
struct JPEGEncoder {
    private var bytes: [UInt8] = []
    private var bitBuffer: UInt32 = 0
    private var bitCount = 0
    private let quantizers: [[Int]]

    /// The image as a JPEG file; `quality` 1 ... 100.
    static func encode(_ image: RGBImage, quality: Int = 78) -> [UInt8] {
        var encoder = JPEGEncoder(quality: quality)
        return encoder.run(image)
    }

    private init(quality: Int) {
        let q = min(max(quality, 1), 100)
        let scale = q < 50 ? 5000 / q : 200 - 2 * q
        quantizers = [Self.lumaQuantizer, Self.chromaQuantizer].map {
            $0.map { min(max(($0 * scale + 50) / 100, 1), 255) }
        }
    }

    private mutating func run(_ image: RGBImage) -> [UInt8] {
        segment(0xD8, nil)
        segment(0xE0, Array("JFIF\0".utf8) + [1, 1, 0, 0, 1, 0, 1, 0, 0])
        for t in 0..<2 { segment(0xDB, [UInt8(t)] + Self.zigzag.map { UInt8(quantizers[t][$0]) }) }
        let (w, h) = (image.width, image.height)
        segment(
            0xC0,
            [8, UInt8(h >> 8), UInt8(h & 255), UInt8(w >> 8), UInt8(w & 255), 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
        for (id, table) in [(0x00, Self.lumaDC), (0x10, Self.lumaAC), (0x01, Self.chromaDC), (0x11, Self.chromaAC)] {
            segment(0xC4, [UInt8(id)] + table.counts + table.values)
        }
        segment(0xDA, [3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0])
        scan(image)
        // Ones fill the last byte.
        put(0x7F, 7)
        bitCount = 0
        bytes += [0xFF, 0xD9]
        return bytes
    }

    private mutating func segment(_ marker: UInt8, _ data: [UInt8]?) {
        bytes += [0xFF, marker]
        if let data { bytes += [UInt8((data.count + 2) >> 8), UInt8((data.count + 2) & 255)] + data }
    }

    private mutating func put(_ value: Int, _ count: Int) {
        bitBuffer = bitBuffer << UInt32(count) | UInt32(value & ((1 << count) - 1))
        bitCount += count
        while bitCount >= 8 {
            let byte = UInt8(truncatingIfNeeded: bitBuffer >> UInt32(bitCount - 8))
            bytes.append(byte)
            if byte == 0xFF { bytes.append(0) }
            bitCount -= 8
        }
    }

    private mutating func scan(_ image: RGBImage) {
        let mcuColumns = (image.width + 15) / 16
        let mcuRows = (image.height + 15) / 16
        var previous = [0, 0, 0]
        let codes = [(Self.lumaDC.codes, Self.lumaAC.codes), (Self.chromaDC.codes, Self.chromaAC.codes)]
        var y = [Float](repeating: 0, count: 256)
        var cb = [Float](repeating: 0, count: 64)
        var cr = [Float](repeating: 0, count: 64)
        for my in 0..<mcuRows {
            for mx in 0..<mcuColumns {
                for i in 0..<64 {
                    cb[i] = 0
                    cr[i] = 0
                }
                for j in 0..<16 {
                    for i in 0..<16 {
                        let at =
                            (min(my * 16 + j, image.height - 1) * image.width + min(mx * 16 + i, image.width - 1)) * 3
                        let r = Float(image.samples[at])
                        let g = Float(image.samples[at + 1])
                        let b = Float(image.samples[at + 2])
                        y[j * 16 + i] = 0.299 * r + 0.587 * g + 0.114 * b - 128
                        cb[j / 2 * 8 + i / 2] += (-0.168736 * r - 0.331264 * g + 0.5 * b) / 4
                        cr[j / 2 * 8 + i / 2] += (0.5 * r - 0.418688 * g - 0.081312 * b) / 4
                    }
                }
                for block in 0..<4 {
                    let start = (block >> 1) * 128 + (block & 1) * 8
                    let samples = (0..<64).map { y[start + $0 / 8 * 16 + $0 % 8] }
                    self.block(samples, quantizers[0], codes[0], &previous[0])
                }
                block(cb, quantizers[1], codes[1], &previous[1])
                block(cr, quantizers[1], codes[1], &previous[2])
            }
        }
    }

    private mutating func block(
        _ samples: [Float], _ quantizer: [Int],
        _ codes: (dc: [(code: Int, length: Int)], ac: [(code: Int, length: Int)]), _ dc: inout Int
    ) {
        let transformed = Self.transform(samples)
        func level(_ k: Int) -> Int {
            let at = Self.zigzag[k]
            return Int((transformed[at] / Float(quantizer[at])).rounded())
        }
        func size(_ v: Int) -> Int { v == 0 ? 0 : Int.bitWidth - abs(v).leadingZeroBitCount }
        let value = level(0)
        let difference = value - dc
        dc = value
        let length = size(difference)
        put(codes.dc[length].code, codes.dc[length].length)
        if length > 0 { put(difference < 0 ? difference - 1 : difference, length) }
        var run = 0
        for k in 1..<64 {
            let v = level(k)
            if v == 0 {
                run += 1
                continue
            }
            while run > 15 {
                put(codes.ac[0xF0].code, codes.ac[0xF0].length)
                run -= 16
            }
            let bits = size(v)
            let symbol = run << 4 | bits
            put(codes.ac[symbol].code, codes.ac[symbol].length)
            put(v < 0 ? v - 1 : v, bits)
            run = 0
        }
        if run > 0 { put(codes.ac[0].code, codes.ac[0].length) }
    }

    /// basis[u * 8 + x] = C(u) / 2 * cos((2x + 1) u pi / 16).
    private static let basis: [Float] = (0..<64).map { i in
        let u = i / 8
        return Float((u == 0 ? 0.5.squareRoot() : 1) / 2 * cos(Double(2 * (i % 8) + 1) * Double(u) * .pi / 16))
    }

    private static func transform(_ s: [Float]) -> [Float] {
        var rows = [Float](repeating: 0, count: 64)
        var result = rows
        for y in 0..<8 {
            for u in 0..<8 {
                var sum: Float = 0
                for x in 0..<8 { sum += s[y * 8 + x] * basis[u * 8 + x] }
                rows[y * 8 + u] = sum
            }
        }
        for v in 0..<8 {
            for u in 0..<8 {
                var sum: Float = 0
                for y in 0..<8 { sum += rows[y * 8 + u] * basis[v * 8 + y] }
                result[v * 8 + u] = sum
            }
        }
        return result
    }

    private static let zigzag = [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14,
        21, 28, 35, 42, 49, 56, 57,
        50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ]
    private static let lumaQuantizer = [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
        51, 87, 80, 62, 18, 22,
        37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98,
        112, 100, 103, 99,
    ]
    private static let chromaQuantizer =
        [
            17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99,
            99, 99, 99, 99, 99,
        ] + Array(repeating: 99, count: 32)

    /// A Huffman table: how many codes of each length 1 ... 16, and the symbols in order.
    private struct Huffman {
        let counts: [UInt8]
        let values: [UInt8]

        /// Code and length by symbol.
        var codes: [(code: Int, length: Int)] {
            var result = [(code: Int, length: Int)](repeating: (0, 0), count: 256)
            var code = 0
            var next = 0
            for length in 1...16 {
                for _ in 0..<counts[length - 1] {
                    result[Int(values[next])] = (code, length)
                    code += 1
                    next += 1
                }
                code <<= 1
            }
            return result
        }
    }

    private static let lumaDC = Huffman(
        counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], values: Array(0...11))
    private static let chromaDC = Huffman(
        counts: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], values: Array(0...11))
    /// The frequent run/size symbols, which have codes of up to 15 bits; all others have 16, in rising order.
    private static let frequent: [UInt8] = [
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
        0x14, 0x32, 0x81, 0x91,
        0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72, 0x82,
    ]
    private static let lumaAC = Huffman(
        counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D],
        values: frequent + (0...255).map { UInt8($0) }.filter { (1...10).contains($0 & 15) && !frequent.contains($0) })
    /// Chroma shares luma's: the file is a little longer and the encoder shorter.
    private static let chromaAC = lumaAC
}
