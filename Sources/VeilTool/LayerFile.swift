// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

/// A layer file says what each layer of a stream is to be, bottom up, in YAML (or JSON, which is YAML as well):
///
///     layers:
///       - {ratio: 2x, qp: 28, keys: base.json}
///       - {qp: 26, keys: env:PREMIUM_KEYS, references: [0], preset: slow}
///
/// `size` (WxH) or `ratio` (of the next layer's size to this one's) may be left out of the top layer, which then has
/// the source's size. `view: true` makes a layer one of a second view: as many as there are of the first one come after
/// those; the last one's `source` is the right eye's.
struct LayerFile {
    private let path: String
    private let entries: [Entry]

    /// One layer as it was written.
    private struct Entry {
        var line: Int
        var hasRatio = false
        var hasSize = false
        var layer = LayerPlan.Layer()
    }

    /// Reads and checks a file; errors name it and the line.
    init(path: String) throws {
        try self.init(
            text: String(decoding: try InputFile(path: path).readAll(limit: 1 << 18), as: UTF8.self), path: path)
    }

    init(text: String, path: String) throws {
        self.path = path
        let root: YAMLNode?
        do { root = try YAMLReader.document(text) } catch let error as YAMLError {
            throw ValidationError("\(path):\(error.line): no valid YAML: \(error.problem)")
        }
        guard let map = root?.mapping, map.count == 1, let list = root?["layers"]?.sequence, !list.isEmpty else {
            throw ValidationError("\(path): a layer file holds one key, 'layers', with a list of layers, bottom up")
        }
        entries = try list.map { try Self.entry($0, path: path) }
    }

    private static func entry(_ node: YAMLNode, path: String) throws -> Entry {
        let line = node.line
        guard let map = node.mapping else {
            throw ValidationError("\(path):\(line): a layer is a list of keys and values")
        }
        var entry = Entry(line: line)
        for pair in map {
            let (key, value) = (pair.key, pair.value)
            let name = key.string ?? ""
            func fail(_ what: String) -> ValidationError {
                ValidationError("\(path):\(key.line): '\(name)' \(what)")
            }
            func number(_ range: ClosedRange<Double>) throws -> Double {
                guard let number = value.double, range.contains(number) else {
                    throw fail("takes a number of \(Int(range.lowerBound)) to \(Int(range.upperBound))")
                }
                return number
            }
            func text() throws -> String {
                guard let text = value.string, !text.isEmpty, !text.contains("\0") else { throw fail("takes a text") }
                return text
            }
            switch name {
            case "size":
                guard let size = value.string.flatMap(Size.init(argument:)) else { throw fail("takes WxH") }
                entry.layer.settings.size = .exactly(width: size.width, height: size.height)
                entry.hasSize = true
            case "ratio":
                guard let size = value.string.flatMap({ VideoEncoder.LayerSettings.size($0) }) else {
                    throw fail("takes 2x, 1.5x, any ratio of 1x to 16x, or snr")
                }
                entry.layer.settings.size = size
                entry.hasRatio = true
            case "depth":
                guard let depth = value.int, (8...12).contains(depth) else { throw fail("takes 8 to 12") }
                entry.layer.settings.bitDepth = depth
            case "qp":
                guard let qp = value.int, (0...51).contains(qp) else { throw fail("takes 0 to 51") }
                entry.layer.qp = qp
            case "crf": entry.layer.crf = try number(0...51)
            case "bitrate": entry.layer.bitrate = try number(1...1e6)
            case "vbv-maxrate": entry.layer.maxRate = try number(1...1e6)
            case "vbv-bufsize": entry.layer.buffer = try number(1...1e6)
            case "source": entry.layer.source = try text()
            case "view":
                guard value.bool == true else { throw fail("takes true, of another view than the base layer's") }
                entry.layer.settings.isView = true
            case "keys":
                entry.layer.keys = try text()
                ChildProcess.keepFromChildren(try text())
            case "preset":
                let preset = try text()
                guard VideoEncoder.hasPreset(preset) else { throw fail("names no preset: '\(preset)'") }
                entry.layer.settings.preset = preset
            case "references":
                guard let nodes = value.sequence, case let ids = nodes.compactMap(\.int), ids.count == nodes.count,
                    !ids.isEmpty,
                    Set(ids).count == ids.count
                else { throw fail("takes a list of lower layers, as [0, 1]") }
                entry.layer.settings.references = ids.sorted()
            default:
                throw fail(
                    "is unknown: size, ratio, depth, qp, crf, bitrate, vbv-maxrate, vbv-bufsize, source, view, keys, "
                        + "preset, references"
                )
            }
        }
        if [entry.layer.qp != nil, entry.layer.crf != nil, entry.layer.bitrate != nil].filter({ $0 }).count > 1 {
            throw ValidationError("\(path):\(line): 'qp', 'crf' and 'bitrate' exclude each other")
        }
        if (entry.layer.maxRate == nil) != (entry.layer.buffer == nil) {
            throw ValidationError("\(path):\(line): 'vbv-maxrate' and 'vbv-bufsize' go together")
        }
        if entry.layer.maxRate != nil && entry.layer.bitrate == nil && entry.layer.crf == nil {
            throw ValidationError("\(path):\(line): 'vbv-maxrate' needs 'bitrate' or 'crf'")
        }
        if entry.hasSize && entry.hasRatio {
            throw ValidationError("\(path):\(line): 'size' and 'ratio' exclude each other")
        }
        return entry
    }

    /// The layers; the top one has the source's size where the file names no other.
    func plan() throws -> LayerPlan {
        for (i, entry) in entries.enumerated() {
            let isTop = i == entries.count - 1
            if isTop && entry.hasRatio {
                throw ValidationError("\(path):\(entry.line): the top layer takes 'size', and no 'ratio'")
            }
            if isTop && entry.layer.settings.isView && entry.layer.source == nil {
                throw ValidationError("\(path):\(entry.line): a view needs 'source'")
            }
            // A view is as large as the other one, whatever that is.
            if entry.layer.settings.isView && !entry.hasSize && !entry.hasRatio { continue }
            let isSeenTwice = !isTop && entries[(i + 1)...].allSatisfy(\.layer.settings.isView)
            if !isTop && !entry.hasSize && !entry.hasRatio && !isSeenTwice {
                throw ValidationError("\(path):\(entry.line): layer \(i) needs 'size' or 'ratio'")
            }
        }
        return LayerPlan(layers: entries.map(\.layer))
    }
}
