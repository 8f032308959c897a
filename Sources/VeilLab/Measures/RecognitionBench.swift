// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia

/// How recognizable the pictures of an attack are, figures for a report.
public struct Recognition: Codable, Sendable {
    /// Pictures that were looked for, and among how many clear ones each: the right one and others.
    public var queries: Int
    public var gallery: Int
    /// Ranks of the right ones among the clear pictures.
    public var ranks: [Double]
    /// Share of the pictures for which the right one was the likeliest of all; by chance 1 / gallery.
    public var rankOne: Double
    /// Mean rank of the right one: 1 at best, (gallery + 1) / 2 by chance.
    public var meanRank: Double
    /// Likeness of edges to the right picture's (``EdgeLikeness``); of sketches, whose lines are blocks', of the
    /// blocks that are strongest.
    public var edges: Double
    /// The same to other pictures: what likeness by chance is.
    public var unrelatedEdges: Double

    public var chanceRank: Double { Double(gallery + 1) / 2 }
    /// How much of the right picture's edges there is beyond chance.
    var edgesAboveChance: Double { edges - unrelatedEdges }

    /// Of the same pictures under several keys; nil where there is none.
    static func mean(_ all: [Recognition]) -> Recognition? {
        guard var result = all.first else { return nil }
        func mean(_ value: KeyPath<Recognition, Double>) -> Double {
            all.reduce(0) { $0 + $1[keyPath: value] } / Double(all.count)
        }
        result.ranks = all.flatMap(\.ranks)
        result.rankOne = mean(\.rankOne)
        result.meanRank = mean(\.meanRank)
        result.edges = mean(\.edges)
        result.unrelatedEdges = mean(\.unrelatedEdges)
        return result
    }

    /// Wilson's interval of 95 % for ``rankOne``, for as many trials as there are pictures: keys make no more of them,
    /// as a picture that is found under one is found under most.
    public var rankOneInterval: ClosedRange<Double> {
        let n = Double(max(queries, 1))
        let z = 1.959964
        let middle = (rankOne + z * z / (2 * n)) / (1 + z * z / n)
        let half = z * (rankOne * (1 - rankOne) / n + z * z / (4 * n * n)).squareRoot() / (1 + z * z / n)
        return max(middle - half, 0)...min(middle + half, 1)
    }
}

/// Looks for the pictures of a clip among others by what an attack gives of them.
package final class RecognitionBench {
    /// Frames of the clip that are looked for, by number.
    let truths: [Int: VideoFrame]
    private let others: [VideoFrame]
    private var fields: [FieldsKey: [GradientField]] = [:]
    private var otherEdges: [[[UInt8]]] = []
    private var truthEdges: [Int: [[UInt8]]] = [:]

    private struct FieldsKey: Hashable {
        var width: Int
        var height: Int
        var frame: Int
    }

    /// Pictures that edges are compared with by chance.
    private static let edgeOthers = 12

    /// - Parameters:
    ///   - truths: the clear frames that are looked for.
    ///   - others: clear frames of other moments, scenes and clips, of the same size.
    package init(truths: [Int: VideoFrame], others: [VideoFrame]) {
        self.truths = truths
        self.others = others
        let step = max(others.count / Self.edgeOthers, 1)
        otherEdges = Swift.stride(from: 0, to: others.count, by: step).map { Self.edges(others[$0]) }
        truthEdges = truths.mapValues(Self.edges)
    }

    private static func edges(_ frame: VideoFrame) -> [[UInt8]] {
        EdgeLikeness.maps(frame.planes[0], width: frame.format.width, height: frame.format.height)
    }

    private static func field(_ frame: VideoFrame, _ width: Int, _ height: Int) -> GradientField {
        var target = frame.format
        (target.width, target.height) = (width, height)
        let scaled =
            frame.format.width == width && frame.format.height == height
            ? frame : Downsampler(source: frame.format, target: target)(frame)
        return GradientField(scaled.planes[0], width: width, height: height, bitDepth: frame.format.bitDepth)
    }

    private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }

    /// The gallery for one frame of the clip: that one first; and where it and others are strongest.
    private func gallery(
        _ frame: Int, _ width: Int, _ height: Int
    ) -> (pictures: PictureGallery, right: [[UInt8]], others: [[[UInt8]]])? {
        guard let truth = truths[frame] else { return nil }
        let common = FieldsKey(width: width, height: height, frame: -1)
        let rest = fields[common] ?? others.map { Self.field($0, width, height) }
        fields[common] = rest
        let own = FieldsKey(width: width, height: height, frame: frame)
        let first = fields[own] ?? [Self.field(truth, width, height)]
        fields[own] = first
        let step = max(rest.count / Self.edgeOthers, 1)
        return (
            PictureGallery(first + rest), EdgeLikeness.maps(first[0]),
            Swift.stride(from: 0, to: rest.count, by: step).map { EdgeLikeness.maps(rest[$0]) }
        )
    }

    /// Looks for fields, by frame number, of pictures of the given size.
    func recognize(_ queries: [Int: GradientField], width: Int, height: Int) -> Recognition? {
        var ranks: [Double] = []
        var right = 0.0
        var chance = 0.0
        for (frame, field) in queries.sorted(by: { $0.key < $1.key }) {
            guard let gallery = gallery(frame, width, height) else { continue }
            ranks.append(gallery.pictures.rank(of: 0, for: field))
            let own = EdgeLikeness.maps(field)
            right += EdgeLikeness.similarity(gallery.right, own)
            chance += Self.mean(gallery.others.map { EdgeLikeness.similarity($0, own) })
        }
        guard !ranks.isEmpty else { return nil }
        return Recognition(
            queries: ranks.count, gallery: others.count + 1, ranks: ranks,
            rankOne: Double(ranks.filter { $0 <= 1 }.count) / Double(ranks.count),
            meanRank: ranks.reduce(0, +) / Double(ranks.count), edges: right / Double(ranks.count),
            unrelatedEdges: chance / Double(ranks.count))
    }

    /// Looks for pictures, by frame number.
    func recognize(_ pictures: [Int: VideoFrame]) -> Recognition? {
        guard let format = pictures.first?.value.format else { return nil }
        var result = recognize(
            pictures.mapValues { Self.field($0, format.width, format.height) }, width: format.width,
            height: format.height)
        var right = 0.0
        var chance = 0.0
        for (frame, picture) in pictures {
            let edges = Self.edges(picture)
            right += truthEdges[frame].map { EdgeLikeness.similarity($0, edges) } ?? 0
            chance += Self.mean(otherEdges.map { EdgeLikeness.similarity($0, edges) })
        }
        result?.edges = right / Double(pictures.count)
        result?.unrelatedEdges = chance / Double(pictures.count)
        return result
    }
}

/// The pictures that an attack's pictures are told from.
package enum GalleryPictures {
    /// Clear pictures of one format: frames of other clips, evenly spread, and to make up their number windows of the
    /// clip's own frames, at other places and mirrored, enlarged.
    package static func gather(
        count: Int, clips: [String], own: [VideoFrame], format: VideoFormat
    ) throws -> [VideoFrame] {
        var pictures: [VideoFrame] = []
        for (i, clip) in clips.enumerated() {
            let wanted = (count - pictures.count) / (clips.count - i)
            pictures += try frames(clip, count: wanted, format: format)
        }
        var windows = own.flatMap { frame in (0..<36).map { (frame, $0) } }[...]
        // Of every frame the same window first, so that few are needed of each.
        windows.sort { $0.1 < $1.1 }
        while pictures.count < count, let (frame, kind) = windows.popFirst() {
            pictures.append(window(frame, kind: kind))
        }
        return Array(pictures.prefix(count))
    }

    /// Frames of a clip, evenly spread, in the given format.
    private static func frames(_ path: String, count: Int, format: VideoFormat) throws -> [VideoFrame] {
        var total = 0
        let counting = try VideoSource.open(path: path)
        while try counting.nextFrame() != nil { total += 1 }
        let chosen = Set((0..<count).map { $0 * total / max(count, 1) })
        let source = try VideoSource.open(path: path)
        var target = format
        target.bitDepth = source.format.bitDepth
        target.chromaFormat = source.format.chromaFormat
        var format = format
        format.chromaFormat = source.format.chromaFormat
        let scale = Downsampler(source: source.format, target: target)
        var index = 0
        var frames: [VideoFrame] = []
        while let frame = try source.nextFrame() {
            if chosen.contains(index) { frames.append(converted(scale(frame), to: format)) }
            index += 1
        }
        return frames
    }

    private static func converted(_ frame: VideoFrame, to format: VideoFormat) -> VideoFrame {
        let shift = format.bitDepth - frame.format.bitDepth
        if shift == 0 { return frame }
        let planes = frame.planes.map { $0.map { shift > 0 ? $0 << UInt16(shift) : $0 >> UInt16(-shift) } }
        return VideoFrame(format: format, planes: planes)
    }

    /// One of 36 windows: nine places, each upright, mirrored, upside down and both.
    private static func window(_ frame: VideoFrame, kind: Int) -> VideoFrame {
        let format = frame.format
        var small = format
        small.width = min(max(format.width * 5 / 8 & ~1, 16), format.width)
        small.height = min(max(format.height * 5 / 8 & ~1, 16), format.height)
        let place = kind % 9
        let (mirrors, turns) = ((kind / 9 + 1) & 1 == 1, (kind / 9 + 1) & 2 == 2)
        let x = (format.width - small.width) * (place % 3) / 2 & ~1
        let y = (format.height - small.height) * (place / 3) / 2 & ~1
        let cut = VideoFrame(format: small)
        for c in 0..<format.chromaFormat.planeCount {
            let size = small.size(ofComponent: c)
            let whole = format.size(ofComponent: c)
            let left = x >> format.chromaFormat.shiftX(c)
            for j in 0..<size.height {
                let from = (y >> format.chromaFormat.shiftY(c)) + (turns ? size.height - 1 - j : j)
                for i in 0..<size.width {
                    let at = left + (mirrors ? size.width - 1 - i : i)
                    cut.planes[c][j * size.width + i] = frame.planes[c][from * whole.width + at]
                }
            }
        }
        return Downsampler(source: small, target: format)(cut)
    }
}
