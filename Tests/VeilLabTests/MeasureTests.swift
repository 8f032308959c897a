// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilMedia

@testable import VeilLab

private func frame(_ width: Int, _ height: Int, _ luma: (Int, Int) -> Int) -> VideoFrame {
    let frame = VideoFrame(format: VideoFormat(width: width, height: height))
    for y in 0..<height { for x in 0..<width { frame.planes[0][y * width + x] = UInt16(luma(x, y)) } }
    return frame
}

private func textured(_ x: Int, _ y: Int) -> Int { 60 + ((x &* 37) ^ (y &* 53)) % 120 }

struct MeasureTests {
    @Test func encryptionQualityByHand() {
        // Counts: 0 four times, 7 four times, against 0 twice, 7 five times, 9 once: |4-2| + |4-5| + |0-1| = 4.
        let a: [UInt16] = [0, 0, 0, 0, 7, 7, 7, 7]
        let b: [UInt16] = [7, 7, 7, 7, 7, 0, 0, 9]
        #expect(ByteMeasures.encryptionQuality(a, b) == 4.0 / 256)
        #expect(ByteMeasures.encryptionQuality(a, a.reversed()) == 0)
        // Nothing in common: every sample counts twice.
        #expect(ByteMeasures.encryptionQuality(a, a.map { $0 + 1 }) == 16.0 / 256)
        #expect(ByteMeasures.largestEncryptionQuality(samples: 8) == 16.0 / 256)
        // Of ten bits the upper eight count.
        #expect(ByteMeasures.histogram([0, 3, 4, 1023], bitDepth: 10)[0] == 2)
        #expect(ByteMeasures.histogram([0, 3, 4, 1023], bitDepth: 10)[255] == 1)
    }

    @Test func hammingDistanceByHand() {
        #expect(ByteMeasures.hammingDistance([0, 255], [255, 255]) == 0.5)
        #expect(ByteMeasures.hammingDistance([0b1010_1010], [0b0101_0101]) == 1)
        #expect(ByteMeasures.hammingDistance([1, 2, 3, 4], [1, 2, 3, 5]) == 1.0 / 32)
    }

    @Test func psnrAndTheOthersOfAClip() {
        let a = frame(16, 16) { _, _ in 100 }
        let b = frame(16, 16) { _, _ in 105 }
        var metrics = Metrics(format: a.format)
        metrics.add(a, b)
        let m = metrics.result
        #expect(abs(m.psnrY - 10 * log10(255.0 * 255 / 25)) < 1e-9)
        #expect(m.psnrCb == 99)
        // Flat windows: SSIM is the luminance term alone.
        let c1 = 0.01 * 255 * 0.01 * 255
        #expect(abs(m.ssimY - (2 * 100.0 * 105 + c1) / (100.0 * 100 + 105.0 * 105 + c1)) < 1e-9)
        #expect(m.encryptionQuality == 2)
        // 100 xor 105 = 0b0001101.
        #expect(m.hammingDistance == 3.0 / 8)
        #expect(ByteMeasures.meanSquaredError(a.planes[0], b.planes[0]) == 25)
        #expect(ByteMeasures.encryptionQuality(a.planes[0], b.planes[0]) == m.encryptionQuality)
        #expect(ByteMeasures.hammingDistance(a.planes[0], b.planes[0]) == m.hammingDistance)
    }

    @Test func structuralSimilarityOfAnInvertedPicture() {
        // One window, b = 200 - a: equal means (100), covariance the negative of the variance v.
        let a = frame(8, 8) { x, _ in x < 4 ? 90 : 110 }
        let b = frame(8, 8) { x, _ in x < 4 ? 110 : 90 }
        let v = 100.0
        let c2 = 0.03 * 255 * 0.03 * 255
        #expect(
            abs(Metrics.ssim(a.planes[0], b.planes[0], width: 8, height: 8, bitDepth: 8) - (c2 - 2 * v) / (2 * v + c2))
                < 1e-9)
        #expect(Metrics.ssim(a.planes[0], a.planes[0], width: 8, height: 8, bitDepth: 8) == 1)
    }

    @Test func visualInformationAtItsEnds() throws {
        let a = frame(64, 48, textured).planes[0]
        let same = try #require(VisualInformation.fidelity(a, a, width: 64, height: 48))
        #expect(abs(same - 1) < 1e-3)
        // A flat picture tells nothing of a textured one.
        let flat = [UInt16](repeating: 100, count: a.count)
        #expect(try #require(VisualInformation.fidelity(a, flat, width: 64, height: 48)) < 1e-4)
        #expect(VisualInformation.fidelity(flat, flat, width: 64, height: 48) == 1)
        #expect(VisualInformation.fidelity(a, a, width: 16, height: 48) == nil)
        // Negative images: no gain is positive, nothing comes through.
        let negative = a.map { 255 - $0 }
        #expect(try #require(VisualInformation.fidelity(a, negative, width: 64, height: 48)) < 1e-3)
        // More contrast tells more.
        let stretched = a.map { UInt16(min(255, Int($0) + Int($0) / 4)) }
        #expect(try #require(VisualInformation.fidelity(a, stretched, width: 64, height: 48)) > 1)
        // Blur loses some.
        var blurred = a
        for y in 0..<48 {
            for x in 1..<63 { blurred[y * 64 + x] = (a[y * 64 + x - 1] + a[y * 64 + x] + a[y * 64 + x + 1]) / 3 }
        }
        let value = try #require(VisualInformation.fidelity(a, blurred, width: 64, height: 48))
        #expect(value > 0.01 && value < 0.9)
    }

    @Test func visualInformationOfOneScaleByHand() throws {
        // 17x17 samples: the first scale has one window and the second none (17 - 8 = 9 filtered, halved to 5, less
        // than 9 taps). b = a / 2 + 40 without rounding: gain 1/2, no residual: log(1 + v/4/2) / log(1 + v/2) with v
        // the window's variance.
        let width = 17
        func value(_ x: Int, _ y: Int) -> Int { (x + y) % 2 == 0 ? 60 : 180 }
        let a = frame(width, width) { value($0, $1) }.planes[0]
        let b = a.map { $0 / 2 + 40 }
        let sigma = 17.0 / 5
        var sum = 0.0
        var mean = 0.0
        var square = 0.0
        for y in 0..<17 {
            for x in 0..<17 {
                let d = Double((x - 8) * (x - 8) + (y - 8) * (y - 8))
                let w = exp(-d / (2 * sigma * sigma))
                sum += w
                mean += w * Double(value(x, y))
                square += w * Double(value(x, y) * value(x, y))
            }
        }
        let v = square / sum - mean / sum * mean / sum
        let expected = log2(1 + v / 4 / 2) / log2(1 + v / 2)
        #expect(abs(try #require(VisualInformation.fidelity(a, b, width: width, height: width)) - expected) < 1e-3)
    }

    @Test func edgesByHand() {
        // A vertical step between columns 3 and 4: columns 3 and 4 of the inner rows are edges.
        let a = frame(8, 8) { x, _ in x < 4 ? 0 : 200 }.planes[0]
        let edges = EdgeMeasures.edges(a, width: 8, height: 8)
        #expect(edges.reduce(0) { $0 + Int($1) } == 12)
        #expect((1..<7).allSatisfy { edges[$0 * 8 + 3] == 1 && edges[$0 * 8 + 4] == 1 })
        // Shifted by one column: columns 4 and 5; half of each is shared.
        let b = frame(8, 8) { x, _ in x < 5 ? 0 : 200 }.planes[0]
        #expect(EdgeMeasures.differentialRatio(a, b, width: 8, height: 8) == 0.5)
        #expect(EdgeMeasures.differentialRatio(a, a, width: 8, height: 8) == 0)
        #expect(EdgeMeasures.differentialRatio(a, [UInt16](repeating: 9, count: 64), width: 8, height: 8) == 1)
    }

    @Test func neighboursOfARampAndOfACheckerboard() {
        let ramp = frame(16, 16) { x, y in 4 * x + 3 * y }.planes[0]
        for direction in ByteMeasures.Direction.allCases {
            #expect(abs(ByteMeasures.neighbourCorrelation(ramp, width: 16, height: 16, direction) - 1) < 1e-9)
        }
        let board = frame(16, 16) { x, y in (x + y) % 2 * 100 }.planes[0]
        #expect(abs(ByteMeasures.neighbourCorrelation(board, width: 16, height: 16, .horizontal) + 1) < 1e-9)
        #expect(abs(ByteMeasures.neighbourCorrelation(board, width: 16, height: 16, .diagonal) - 1) < 1e-9)
        #expect(ByteMeasures.neighbourCorrelation(board.map { _ in 5 }, width: 16, height: 16, .vertical) == 0)
    }

    @Test func jpegHoldsThePicture() throws {
        let image = RGBImage(frame(40, 24) { x, y in 50 + 3 * x + 2 * y })
        let bytes = try image.jpeg(quality: 90)
        #expect(bytes.starts(with: [0xFF, 0xD8, 0xFF, 0xE0]) && bytes.suffix(2) == [0xFF, 0xD9])
        #expect(bytes.count < 3000)
    }

    /// What another program makes of the file is the picture, but for what JPEG loses.
    @Test(.enabled(if: FFmpeg.program != nil, "ffmpeg is not installed")) func jpegDecodesToThePicture() throws {
        let source = frame(40, 24) { x, y in 50 + 3 * x + 2 * y }
        for c in 1...2 { source.planes[c] = source.planes[c].map { _ in 128 } }
        let bytes = try RGBImage(source).jpeg(quality: 90)
        let path = NSTemporaryDirectory() + "/veil-jpeg-\(UInt32.random(in: 0 ... .max)).jpg"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        let decoded = try #require(try VideoSource.open(path: path).nextFrame())
        #expect(decoded.format.width == 40 && decoded.format.height == 24)
        // JPEG's luma has the full range, and stays so.
        let error =
            zip(source.planes[0], decoded.planes[0]).map { limited, full in
                abs(Double(full) - min(max((Double(limited) - 16) * 255 / 219, 0), 255))
            }.max() ?? 255
        #expect(error < 6)
    }

    /// Pictures smaller than a block have no gradients, and stand in a gallery all the same.
    @Test(arguments: [(2, 2), (8, 8), (6, 64), (64, 6), (8, 64), (16, 16)])
    func smallPictures(width: Int, height: Int) throws {
        let clip = DemoClip(width: width, height: height)
        let frames = (0..<2).map { clip.frame($0) }
        let gallery = try GalleryPictures.gather(count: 40, clips: [], own: frames, format: clip.format)
        #expect(gallery.count == 40)
        for frame in gallery { #expect(frame.planes[0].count == width * height) }
        let field = GradientField(frames[0].planes[0], width: width, height: height, bitDepth: 8)
        #expect(field.strength.count == (width / 8) * (height / 8) * GradientField.bins)
        #expect(field.strength.allSatisfy { $0.isFinite })
    }
}
