// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import Foundation
import TestSupport
import Testing
import VeilBitstream
import VeilRecon

@testable import VeilDecoder

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
        for cIdx in 0..<buffer.chromaFormat.planeCount {
            let shiftX = buffer.chromaFormat.shiftX(cIdx)
            let shiftY = buffer.chromaFormat.shiftY(cIdx)
            let plane = buffer.plane(cIdx)
            let w = frame.info.window
            for y in (w.top >> shiftY)..<(plane.height - (w.bottom >> shiftY)) {
                let row = plane.values(row: y)
                var line: [UInt8] = []
                for x in (w.left >> shiftX)..<(plane.width - (w.right >> shiftX)) {
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

/// Every chroma format and every tool of the range extensions, but for extended precision.
@Test(arguments: ReferenceStream.rangeExtensions) func rangeExtensionsDecode(stream: ReferenceStream) throws {
    let bytes = try stream.bytes()
    if stream.name.hasSuffix("/extended") {
        #expect(throws: SyntaxError.unsupported(element: "extended_precision_processing_flag", value: 1)) {
            _ = try decodeAllLayers(bytes)
        }
        return
    }
    for threads in [1, 3] {
        let result = try decodeAllLayers(bytes, threads: threads)
        #expect(result.md5 == [0: stream.md5[0]], "\(threads) threads")
        #expect(result.report.isClean, "\(result.report)")
        #expect(result.report.hashesChecked == result.report.picturesDecoded && result.report.hashMismatches == 0)
    }
}

/// The repository has its streams, and each is listed.
@Test func referenceStreamsAreThere() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: ReferenceStream.folder.path)
        .filter { $0.hasSuffix(".bit") }
    #expect(files.count >= 13)
    #expect(Set(files) == Set(ReferenceStream.own.map(\.url.lastPathComponent)))
    #expect(ReferenceStream.all.allSatisfy { $0.md5.count >= 2 })
}

@Test(arguments: ReferenceStream.all) func referenceStreamDecodes(stream: ReferenceStream) throws {
    let bytes = try stream.bytes()
    for threads in [1, 3] {
        let result = try decodeAllLayers(bytes, threads: threads)
        #expect(result.md5.count == stream.md5.count)
        for (layer, md5) in stream.md5.enumerated() {
            #expect(result.md5[layer] == md5, "layer \(layer), \(threads) threads")
        }
        #expect(result.report.isClean, "\(result.report)")
        #expect(result.report.hashesChecked == result.report.picturesDecoded)
    }
}

/// A layer infers its scaling lists from the sets in use below, whatever other sets there are.
@Test func unusedScalingListsAreNotInferred() throws {
    let stream = try #require(ReferenceStream.own.first { $0.name.hasSuffix("ldp_2x_dqp_sl") })
    let units = try AnnexBReader.units(of: stream.bytes())
    let base = try #require(units.first { $0.header.nalUnitType == .sps && $0.header.nuhLayerId == 0 })
    let sps = try SequenceParameterSet(rbsp: base.rbsp, nuhLayerId: 0)
    sps.spsSeqParameterSetId = 7
    sps.scalingListEnabledFlag = true
    var list = ScalingList.defaults
    for i in list.lists.indices {
        for j in list.lists[i].indices { list.lists[i][j] = list.lists[i][j].map { UInt8(255 - Int($0)) } }
    }
    sps.scalingList = list
    let unused = NALUnit(header: base.header, rbsp: sps.rbsp())
    var bytes: [UInt8] = []
    for nal in units {
        if nal.header.nalUnitType.isSlice { bytes.append(annexB: unused) }
        bytes.append(annexB: nal)
    }
    let result = try decodeAllLayers(bytes)
    #expect(result.md5.sorted { $0.key < $1.key }.map(\.value) == stream.md5 && result.report.isClean)
}
