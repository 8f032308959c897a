// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEncoder
import VeilMedia
import VeilSystem

/// Keeps what the enhancement layers' pictures cost in a first pass: a line a picture in decoding order, of baseQp
/// and, for each enhancement layer, QP and bits.
final class PassStatistics {
    private static let firstLine = "veil two-pass statistics 1"

    private let path: String
    private let file: OutputFile
    /// libx265 follows links that have the names it makes: it makes them where nobody else can.
    private let folder: PrivateFolder
    private static let own = "x265"

    init(path: String) throws {
        self.path = path
        file = try OutputFile(path: path)
        let names = ["", ".temp", ".cutree", ".cutree.temp"].map { Self.own + $0 }
        folder = try PrivateFolder(beside: path, names: names)
        try file.write("\(Self.firstLine)\n".utf8)
    }

    /// Where libx265 is to leave its own.
    var ownPath: String { folder.path(of: Self.own) }

    func add(_ unit: CodedAccessUnit) throws {
        let fields = zip(unit.layerQps, unit.layerBytes).dropFirst().flatMap { [$0.0, $0.1 * 8] }
        try file.write("\(unit.layerQps[0]) \(fields.map(String.init).joined(separator: " "))\n".utf8)
    }

    /// libx265 has ended.
    func finish() throws {
        for suffix in ["", ".cutree"] where folder.has(Self.own + suffix) {
            try folder.move(Self.own + suffix, to: "\(path).x265\(suffix)")
        }
        try file.finish()
    }

    /// The pictures of each enhancement layer.
    static func read(path: String, layers: Int) throws -> [[FirstPassPicture]] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw MediaError.cannotOpen(path: path, reason: "no first-pass statistics: run with --pass 1 first")
        }
        let lines = text.split(separator: "\n")
        guard let first = lines.first, first == Self.firstLine else {
            throw MediaError.notSupported(path: path, what: "is no file of first-pass statistics")
        }
        var result = [[FirstPassPicture]](repeating: [], count: layers - 1)
        for (n, line) in lines.enumerated().dropFirst() {
            let values = line.split(separator: " ").compactMap { Int($0) }
            guard values.count == 2 * layers - 1, values.allSatisfy({ $0 >= 0 }) else {
                throw MediaError.notSupported(path: path, what: "line \(n + 1) is not of a stream of \(layers) layers")
            }
            // Of pictures of 16384x16384, and QPs of 10 bits.
            let qps = values.indices.filter { $0 == 0 || $0 & 1 != 0 }.map { values[$0] }
            guard qps.allSatisfy({ $0 <= 63 }), values.allSatisfy({ $0 <= 1 << 40 }) else {
                throw MediaError.notSupported(path: path, what: "line \(n + 1) has numbers that no first pass gives")
            }
            for i in 0..<(layers - 1) {
                result[i].append(FirstPassPicture(baseQp: values[0], qp: values[1 + 2 * i], bits: values[2 + 2 * i]))
            }
        }
        return result
    }
}
