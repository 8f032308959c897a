// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Foundation
import Testing
import VeilBitstream
import VeilRecon

@testable import VeilDecoder

/// The folder of shared material beside the repository, or nil.
let sharedFolder: URL? = {
    let path = ProcessInfo.processInfo.environment["VEIL_SHARED"]
    let url =
        path.map { URL(fileURLWithPath: $0) }
        ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../shared")
    return FileManager.default.fileExists(atPath: url.appendingPathComponent("vectors").path)
        ? url.standardizedFileURL : nil
}()

/// MD5 of every layer's planar output in output order, and the report.
func decodeAllLayers(
    _ bytes: [UInt8], threads: Int = 1
) throws -> (md5: [Int: String], frames: [Int: Int], report: DecodeReport) {
    var hashes: [Int: Insecure.MD5] = [:]
    var frames: [Int: Int] = [:]
    var options = Decoder.Options()
    options.output = .all
    options.verify = true
    options.threads = threads
    let decoder = Decoder(options: options) { frame in
        let id = frame.info.nuhLayerId
        frames[id, default: 0] += 1
        let buffer = frame.picture.frame
        for cIdx in 0..<3 {
            let shift = cIdx == 0 ? 0 : 1
            let plane = buffer.plane(cIdx)
            let w = frame.info.window
            for y in (w.top >> shift)..<(plane.height - (w.bottom >> shift)) {
                let row = plane.row(y)
                var line: [UInt8] = []
                for x in (w.left >> shift)..<(plane.width - (w.right >> shift)) {
                    line.append(UInt8(truncatingIfNeeded: row[x]))
                    if buffer.bitDepth(cIdx) > 8 { line.append(UInt8(row[x] >> 8)) }
                }
                hashes[id, default: Insecure.MD5()].update(data: line)
            }
        }
    }
    for nal in try AnnexBReader.units(of: bytes) { try decoder.push(nal) }
    try decoder.finish()
    return (hashes.mapValues { $0.finalize().map { String(format: "%02x", $0) }.joined() }, frames, decoder.report)
}

/// Name and layer MD5s of each stream in the manifest.
private func manifest() -> [(name: String, md5: [String])] {
    guard let folder = sharedFolder,
        let text = try? String(contentsOf: folder.appendingPathComponent("vectors/MANIFEST.md"), encoding: .utf8)
    else { return [] }
    return text.split(separator: "\n").compactMap { line in
        guard let name = line.split(whereSeparator: { "| `".contains($0) }).first, name.hasSuffix(".bit") else {
            return nil
        }
        let words = line.split(whereSeparator: { !$0.isHexDigit }).filter { $0.count == 32 }.map(String.init)
        return words.isEmpty ? nil : (String(name), words)
    }
}

@Test(.enabled(if: sharedFolder != nil, "shared/vectors is missing"), arguments: manifest().map(\.name))
func referenceStreamDecodes(name: String) throws {
    let folder = try #require(sharedFolder)
    let expected = try #require(manifest().first { $0.name == name }).md5
    let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent("vectors/\(name)")))
    for threads in [1, 3] {
        let result = try decodeAllLayers(bytes, threads: threads)
        for (layer, md5) in expected.enumerated() {
            #expect(result.md5[layer] == md5, "layer \(layer), \(threads) threads")
        }
        #expect(result.report.isClean, "\(result.report)")
        #expect(result.report.hashesChecked == result.report.picturesDecoded)
    }
}
