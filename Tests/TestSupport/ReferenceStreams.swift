// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// A stream of the reference encoder: those of Tests/Vectors always, and those of the folder `shared/vectors` beside
/// the repository (or in the folder that VEIL_SHARED names) where it is there.
package struct ReferenceStream: Sendable, CustomStringConvertible {
    /// The folder's name and the stream's: "Vectors/ldp_2x".
    package let name: String
    package let url: URL
    /// MD5 of each layer's samples in output order, from the reference decoder.
    package let md5: [String]

    package var description: String { name }

    package func bytes() throws -> [UInt8] { [UInt8](try Data(contentsOf: url)) }

    /// Tests/Vectors.
    package static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Vectors")

    private static let sharedFolder: URL = {
        if let path = ProcessInfo.processInfo.environment["VEIL_SHARED"] {
            return URL(fileURLWithPath: path).appendingPathComponent("vectors")
        }
        return folder.appendingPathComponent("../../../shared/vectors").standardizedFileURL
    }()

    /// The streams of the repository.
    package static let own = listed(in: folder, as: "Vectors")
    /// Streams of one layer with other chroma formats, more bits and the tools of the range extensions. MD5: of the
    /// samples of all pictures, three planes but for monochrome.
    package static let rangeExtensions = listed(
        in: folder.appendingPathComponent("RangeExtensions"), as: "RangeExtensions")
    /// Those beside the repository; none where the folder is missing.
    package static let shared = listed(in: sharedFolder, as: "shared")
    package static let all = own + shared

    /// The streams in a folder's MANIFEST.md: a line names a file first, and has an MD5 a layer.
    private static func listed(in folder: URL, as name: String) -> [ReferenceStream] {
        guard let text = try? String(contentsOf: folder.appendingPathComponent("MANIFEST.md"), encoding: .utf8) else {
            return []
        }
        return text.split(separator: "\n").compactMap { line in
            guard let file = line.split(whereSeparator: { "| `".contains($0) }).first, file.hasSuffix(".bit") else {
                return nil
            }
            let md5 = line.split(whereSeparator: { !$0.isHexDigit }).filter { $0.count == 32 }.map(String.init)
            return ReferenceStream(
                name: "\(name)/\(file.dropLast(4))", url: folder.appendingPathComponent(String(file)), md5: md5)
        }
    }
}
