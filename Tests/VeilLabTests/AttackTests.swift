// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilBitstream
import VeilEncoder
import VeilMedia
import VeilProtection

@testable import VeilLab

private func luma(_ frame: VideoFrame) -> [Double] { frame.planes[0].map(Double.init) }

private func correlation(_ a: [Double], _ b: [Double]) -> Double {
    var pairs = Correlation()
    for (x, y) in zip(a, b) { pairs.add(x, y) }
    return pairs.coefficient
}

private func samples(_ plane: SamplePlane, _ format: VideoFormat) -> [Double] {
    (0..<format.height).flatMap { y in (0..<format.width).map { x in Double(plane[x, y]) } }
}

private func field(_ frame: VideoFrame) -> GradientField {
    GradientField(frame.planes[0], width: frame.format.width, height: frame.format.height, bitDepth: 8)
}

/// Pictures of different scenes, of the size of the coded clip.
private func others(_ count: Int) throws -> [VideoFrame] {
    let clip = DemoClip(width: 128, height: 96)
    return try GalleryPictures.gather(
        count: count, clips: [], own: (0..<3).map { clip.frame(20 + 30 * $0) }, format: clip.format)
}

@Suite(.enabled(if: BaseLayerEncoder.isAvailable, "libx265 is not built in"))
struct AttackTests {
    private func encrypted(_ folder: Folder, _ stream: String, _ profile: ElementProfile) throws -> String {
        let encryption = try StreamWork.encryption(scheme: .all, cipher: .aes128, profile: profile, layers: [0])
        try StreamWork.transcode(stream, to: folder("e.hevc"), mode: .encrypt(encryption), threads: 1)
        return folder("e.hevc")
    }

    private func frames(_ stream: String) throws -> [VideoFrame] {
        var frames: [VideoFrame] = []
        let report = try StreamWork.decode(stream, threads: 1) { _, frame in frames.append(frame) }
        #expect(report.isClean)
        return frames
    }

    @Test func knownSignsGiveThePicture() throws {
        let folder = try Folder()
        let (stream, _) = try makeStream(folder, "drawn", frames: 1)
        let picture = try #require(try IntraPicture.read(stream, layer: 0, signsAreKnown: true)[0])
        let truth = try #require(try frames(stream).first)
        let found = SmoothnessAttack().run(picture)
        #expect(correlation(samples(found, truth.format), luma(truth)) > 0.97)
    }

    @Test(arguments: ElementProfile.allCases)
    func smoothnessFindsSigns(_ profile: ElementProfile) throws {
        let folder = try Folder()
        let (stream, _) = try makeStream(folder, "drawn", frames: 2)
        let truth = try #require(try frames(stream).first)
        let hidden = try encrypted(folder, stream, profile)
        let hooks = ReplacingHooks(layers: [0], profile: profile, replacement: .means)
        let picture = try #require(try IntraPicture.read(hidden, layer: 0, hooks: hooks)[0])
        // The attack is not told what it is to find.
        let clear = try #require(try IntraPicture.read(stream, layer: 0)[0])
        #expect(picture.blocks.count == clear.blocks.count)
        #expect(picture.blocks.contains { $0.coefficients.contains { $0.sign == 0 } })
        let guess = SmoothnessAttack().run(picture)
        try PictureInjection.run(
            hidden, to: folder("g.hevc"), pictures: [0: [0: guess]], stripped: [0], hooks: hooks)
        let shown = try frames(folder("g.hevc"))
        #expect(shown.count == 2)
        // The stream with the guess shows the guess.
        #expect(correlation(samples(guess, truth.format), luma(shown[0])) > 0.95)
        let bench = RecognitionBench(truths: [0: truth], others: try others(40))
        let attacked = try #require(bench.recognize([0: shown[0]]))
        #expect(attacked.gallery == 41 && attacked.meanRank < 10)
        #expect(attacked.edgesAboveChance > 0.05)
    }

    @Test func sketchesAreDrawnFromAnEncryptedStream() throws {
        let folder = try Folder()
        let (stream, _) = try makeStream(folder, "drawn", frames: 2)
        let truth = try frames(stream)
        let hidden = try encrypted(folder, stream, .maximal)
        let hooks = ReplacingHooks(layers: [0], profile: .maximal, replacement: .means)
        let found = try Sketch.read(hidden, layer: 0, pictures: [0, 1], hooks: hooks)
        let open = try Sketch.read(stream, layer: 0, pictures: [0, 1])
        #expect(found[0]?.isIntra == true && found[1]?.isIntra == false && found[1]?.poc == 1)
        for source in [SketchSource.partition, .counts, .directions] {
            // None of these is encrypted.
            #expect(found[0]?.sketch.field(source).strength == open[0]?.sketch.field(source).strength)
        }
        let bench = RecognitionBench(truths: [0: truth[0]], others: try others(40))
        let sketch = try #require(found[0]?.sketch)
        let result = try #require(
            bench.recognize([0: sketch.field(.combined)], width: sketch.width, height: sketch.height))
        #expect(result.meanRank < 12)
        #expect(sketch.image(.combined).samples.contains { $0 > 100 })
    }

    /// What more than bypass bins would take: streams that decode, with what is to be replaced replaced, and no other.
    @Test func elementsAreReplacedInStreamsThatDecode() throws {
        let folder = try Folder()
        let (stream, _) = try makeStream(folder, "drawn", frames: 3)
        let clear = try Sketch.read(stream, layer: 0, pictures: [0, 1, 2])
        func sum(_ sketch: Sketch?, _ source: SketchSource) -> Float {
            sketch?.field(source).strength.reduce(0, +) ?? -1
        }
        let (all, other) = (folder("r.hevc"), folder("r2.hevc"))
        #expect(try ElementReplacement.run(stream, to: all, layers: [0], []) == 0)
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: all)) == Data(contentsOf: URL(fileURLWithPath: stream)))
        for elements in ReplacedElements.allCases {
            let random = SplitMix(state: 3)
            #expect(try ElementReplacement.run(stream, to: other, layers: [0], [elements], random: random) == 0)
            #expect(try frames(other).count == 3)
            let found = try Sketch.read(other, layer: 0, pictures: [0, 1, 2])
            #expect(found.count == 3)
            for (number, picture) in found {
                let (mine, right) = (picture.sketch, clear[number]?.sketch)
                #expect(mine.field(.partition).strength == right?.field(.partition).strength)
                let isMoved = mine.field(.counts).strength != right?.field(.counts).strength
                #expect(elements == .blocks ? isMoved || number > 0 : !isMoved)
                if elements == .directions && number == 0 {
                    #expect(mine.field(.directions).strength != right?.field(.directions).strength)
                }
            }
            // Blocks are moved, not lost.
            #expect(abs(sum(found[0]?.sketch, .counts) - sum(clear[0]?.sketch, .counts)) < 16)
        }
        // Bits of all units are those of the slice.
        let bits = sum(clear[0]?.sketch, .bits) / 16
        var bytes = 0
        try StreamWork.units(stream) { nal in
            if bytes == 0 && nal.header.nalUnitType.isSlice { bytes = nal.rbsp.count }
        }
        #expect(bits > 0.8 * Float(bytes * 8) && bits < 1.1 * Float(bytes * 8))
    }

    @Test func intervalsAreWilsons() {
        func interval(_ rankOne: Double, _ queries: Int) -> ClosedRange<Double> {
            Recognition(
                queries: queries, gallery: 100, ranks: [], rankOne: rankOne, meanRank: 1, edges: 0, unrelatedEdges: 0
            ).rankOneInterval
        }
        func isNear(_ a: ClosedRange<Double>, _ low: Double, _ high: Double) -> Bool {
            abs(a.lowerBound - low) < 0.001 && abs(a.upperBound - high) < 0.001
        }
        #expect(isNear(interval(1, 9), 0.701, 1))
        #expect(isNear(interval(0.5, 10), 0.237, 0.763))
        #expect(isNear(interval(0, 63), 0, 0.0575))
    }

    @Test func directionsPointAcrossTheirLines() {
        // Mode 26 predicts along columns, 10 along rows, 18 and 34 along the diagonals.
        #expect(abs(Sketch.gradientAngle(mode: 26)) < 1e-6)
        #expect(abs(Sketch.gradientAngle(mode: 10) - .pi / 2) < 1e-6)
        #expect(abs(Sketch.gradientAngle(mode: 18) + .pi / 4) < 1e-6)
        #expect(abs(Sketch.gradientAngle(mode: 34) - .pi / 4) < 1e-6)
        #expect(abs(Sketch.gradientAngle(mode: 2) - .pi / 4) < 1e-6)
    }

    @Test func galleriesTellPicturesApart() throws {
        let clip = DemoClip(width: 128, height: 96)
        let truth = clip.frame(0)
        let gallery = PictureGallery([field(truth)] + (try others(60)).map { field($0) })
        #expect(gallery.count == 61)
        #expect(gallery.rank(of: 0, for: field(truth)) == 1)
        // Nothing tells nothing: the middle.
        #expect(gallery.rank(of: 0, for: GradientField(width: 128, height: 96)) == 31)
        // Nor does what is the same everywhere, however much of it there is.
        var even = GradientField(width: 128, height: 96)
        for block in 0..<(even.columns * even.rows) { even.add(1234.567, block: block) }
        #expect(gallery.rank(of: 0, for: even) == 31)
        var narrow = GradientField(width: 72, height: 56)
        for block in 0..<(narrow.columns * narrow.rows) { narrow.add(1, block: block) }
        #expect(narrow.descriptors().allSatisfy { $0.allSatisfy { $0 == 0 } })
        // Another picture is found where it stands, not at the first one.
        #expect(gallery.rank(of: 0, for: field(try others(60)[5])) > 1)
        // Inverted pictures have the same outlines.
        let inverted = VideoFrame(format: truth.format, planes: truth.planes.map { $0.map { 255 - $0 } })
        #expect(gallery.rank(of: 0, for: field(inverted)) == 1)
    }

    @Test func edgesAgainstUnrelatedOnes() throws {
        func maps(_ frame: VideoFrame) -> [[UInt8]] {
            EdgeLikeness.maps(frame.planes[0], width: frame.format.width, height: frame.format.height)
        }
        let truth = DemoClip(width: 128, height: 96).frame(0)
        let pictures = try others(3)
        #expect(EdgeLikeness.similarity(maps(truth), maps(truth)) == 1)
        #expect(EdgeLikeness.similarity(maps(truth), maps(pictures[0])) < 0.6)
        let grey = VideoFrame(format: truth.format, planes: truth.planes.map { $0.map { _ in 128 } })
        #expect(EdgeLikeness.similarity(maps(truth), maps(grey)) == 0)
    }

    @Test func transformsGoBackAndForth() {
        for (log2, isSine) in [(2, false), (2, true), (3, false), (5, false)] {
            let block = (0..<(1 << (2 * log2))).map { Float(($0 * 37 + 11) % 101) - 50 }
            let coefficients = TransformBasis.forward(block, log2Size: log2, isSine: isSine)
            let back = TransformBasis.inverse(coefficients, log2Size: log2, isSine: isSine)
            // The standard's sine transform is orthogonal to about a hundredth.
            #expect(zip(block, back).allSatisfy { abs($0 - $1) < (isSine ? 2 : 0.01) })
        }
    }

    @Test func attackFromEndToEnd() throws {
        let folder = try Folder()
        let (stream, _) = try makeStream(folder, "drawn", frames: 3)
        let (known, _) = try makeStream(folder, "known", first: 40, frames: 2, qp: 12)
        var settings = Attack.Settings()
        settings.folder = folder.path
        settings.figureFrame = 1
        settings.gallerySize = 30
        settings.keys = 2
        let (report, pictures) = try Attack(settings: settings, progress: Progress(steps: 1, quiet: true)).run(
            stream: stream, known: known, version: "test", command: "veil attack")
        #expect(report.attempts.allSatisfy { $0.recognition?.gallery == 30 && $0.recognition?.queries == 3 })
        for profile in ["paper", "maximal"] {
            let found = report.attempts.filter { $0.profile == profile }
            for name in ["as it stands", "signs by smoothness"] {
                let recognition = try #require(found.first { $0.attack == name }?.recognition)
                #expect(recognition.edgesAboveChance > 0.05)
            }
            // Nothing is left where all is hidden.
            let hidden = report.attempts.filter { $0.scheme == "all, --hide 3" }
            #expect(hidden.count == 4 && hidden.allSatisfy { $0.recognition?.edges == 0 })
            #expect(hidden.allSatisfy { $0.recognition?.rankOne == 0 && $0.recognition?.meanRank == 15.5 })
        }
        #expect(report.drawings.count == 4 * 2 * SketchSource.allCases.count)
        // Hidden pictures leave nothing to draw, and cost little.
        for drawing in report.drawings where drawing.hiding == 3 {
            #expect(drawing.recognition.rankOne == 0 && drawing.recognition.meanRank == 15.5)
        }
        #expect(report.attempts.count == 2 * report.means.count)
        for (mean, all) in report.means {
            #expect(all.map(\.key) == [0, 1] && mean.recognition?.ranks.count == 6)
            #expect(abs(mean.psnrY - (all[0].psnrY + all[1].psnrY) / 2) < 1e-9)
            let ranks = try #require(mean.recognition?.ranks)
            #expect(abs((mean.recognition?.rankOne ?? -1) - Double(ranks.filter { $0 == 1 }.count) / 6) < 1e-9)
        }
        // Nothing, each, all, and all with what no stream can be made of.
        #expect(report.replaced.count == ReplacedElements.allCases.count + 3)
        #expect(report.replaced[0].increase == 0 && report.replaced[0].seen != nil)
        #expect(report.replaced.allSatisfy { $0.intra != nil && $0.inter != nil })
        #expect(report.replaced.last?.seen == nil && report.replaced.last?.intra?.source == "bits a CTU")
        #expect(report.hidden.map(\.level) == [0, 1, 2, 3])
        #expect(zip(report.hidden, report.hidden.dropFirst()).allSatisfy { $0.bytes <= $1.bytes })
        #expect(report.keyBits.allSatisfy { $0.refused && $0.changed > 0.4 && $0.changed < 0.6 })
        let files = try AttackPage.write(report, pictures: pictures, folder: folder.made("report"))
        let shown = try FileManager.default.contentsOfDirectory(atPath: folder("report/pictures"))
        #expect(shown.count == pictures.attempts.count + pictures.maps.count && shown.contains("00-clear.png"))
        let again = try JSONDecoder().decode(
            AttackReport.self, from: Data(contentsOf: URL(fileURLWithPath: files.json)))
        #expect(again.attempts.count == report.attempts.count && again.drawings.count == report.drawings.count)
    }
}
