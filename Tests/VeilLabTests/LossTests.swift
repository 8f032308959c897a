// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilBitstream
import VeilDecoder
import VeilEncoder
import VeilRecon

/// Lost and damaged units: what is missing is concealed, counted and reported, and decoding is exact again from the
/// next IRAP picture on.
@Suite struct LossTests {
    /// Samples of the pictures of a layer by access unit, and the report.
    private func decode(_ units: [NALUnit], layer: Int) throws -> (pictures: [Int: [UInt16]], report: DecodeReport) {
        var options = Decoder.Options()
        options.output = .layer(layer)
        options.verify = true
        var pictures: [Int: [UInt16]] = [:]
        let decoder = Decoder(options: options) { frame in
            var samples: [UInt16] = []
            for c in 0..<3 {
                let plane = frame.picture.frame.plane(c)
                for y in 0..<plane.height { samples += plane.values(row: y) }
            }
            pictures[Int(frame.info.accessUnit)] = samples
        }
        for unit in units { try decoder.push(unit) }
        try decoder.finish()
        return (pictures, decoder.report)
    }

    private func slices(_ units: [NALUnit], layer: Int) -> [Int] {
        units.indices.filter { units[$0].header.nalUnitType.isSlice && units[$0].header.nuhLayerId == layer }
    }

    private static let stream = Result { try smallStream(frames: 9) }
    /// The access unit of the second IRAP picture in the streams of these tests, and how many there are.
    private func irapUnits(_ units: [NALUnit]) -> [Int] {
        slices(units, layer: 0).enumerated().filter { units[$0.element].header.nalUnitType.isIRAP }.map(\.offset)
    }

    @Test(arguments: [0, 1]) func truncatedSliceIsConcealed(layer: Int) throws {
        var units = try Self.stream.get()
        let clean = try decode(units, layer: 1)
        #expect(clean.report.isClean)
        let victim = slices(units, layer: layer)[1]
        let bytes = units[victim].bytes
        units[victim] = NALUnit(header: units[victim].header, bytes: Array(bytes.prefix(bytes.count / 2)))
        let damaged = try decode(units, layer: 1)
        #expect(damaged.pictures.count == clean.pictures.count)
        #expect(damaged.report.failedSlices == 1)
        #expect(damaged.report.concealedCTUs > 0)
        #expect(damaged.report.hashMismatches > 0)
        #expect(damaged.report.messages.contains { $0.contains("lost and concealed") })
        let resumed = try #require(irapUnits(units).dropFirst().first)
        for (unit, samples) in clean.pictures where unit > resumed {
            #expect(damaged.pictures[unit] == samples, "access unit \(unit)")
        }
    }

    @Test func lostReferenceIsReplaced() throws {
        var units = try Self.stream.get()
        let clean = try decode(units, layer: 1)
        // The second picture in decoding order is a reference of the ones after it.
        units.remove(at: slices(units, layer: 1)[1])
        let damaged = try decode(units, layer: 1)
        #expect(damaged.report.missingReferences > 0)
        // What stands in for it is the base layer's picture, and is put out in its place.
        #expect(damaged.pictures.count == clean.pictures.count)
        #expect(damaged.report.concealedPictures == 1)
        #expect(damaged.report.messages.contains { $0.contains("reference picture POC") })
    }

    @Test func lostBasePictureIsReplaced() throws {
        var units = try Self.stream.get()
        let clean = try decode(units, layer: 1)
        units.remove(at: slices(units, layer: 0)[1])
        let damaged = try decode(units, layer: 1)
        #expect(damaged.report.missingReferences > 0)
        #expect(damaged.pictures.count == clean.pictures.count)
        #expect(damaged.report.messages.contains { $0.contains("no picture of layer 0 in the access unit") })
    }

    /// An enhancement layer without the pictures that nothing refers to is one of a lower frame rate: nothing is
    /// missing.
    @Test func layersOfDifferentFrameRates() throws {
        let units = try Self.stream.get()
        let clean = try decode(units, layer: 1)
        var accessUnit = -1
        var dropped: Set<Int> = []
        let sparse = units.filter { unit in
            let type = unit.header.nalUnitType
            if type.isSlice && unit.header.nuhLayerId == 0 { accessUnit += 1 }
            // And its hash.
            if unit.header.nuhLayerId == 1 && type == .suffixSEI { return !dropped.contains(accessUnit) }
            guard unit.header.nuhLayerId == 1 && type.isSubLayerNonReference else { return true }
            dropped.insert(accessUnit)
            return false
        }
        try #require(!dropped.isEmpty)
        let half = try decode(sparse, layer: 1)
        #expect(half.report.isClean, "\(half.report)")
        #expect(half.pictures.count == clean.pictures.count - dropped.count)
        let base = try decode(sparse, layer: 0)
        #expect(base.pictures.count == clean.pictures.count && base.report.isClean)
        for (unit, samples) in half.pictures { #expect(clean.pictures[unit] == samples) }
    }

    /// Losing the first IRAP picture costs everything up to the next one, and no more.
    @Test func decodingBeginsAtAnIRAPPicture() throws {
        var units = try Self.stream.get()
        let clean = try decode(units, layer: 0)
        units.remove(at: slices(units, layer: 0)[0])
        let damaged = try decode(units, layer: 0)
        #expect(!damaged.pictures.isEmpty && damaged.pictures.count < clean.pictures.count)
        #expect(damaged.report.hashMismatches == 0)
        #expect(damaged.report.messages.contains { $0.contains("before any IRAP picture, skipped") })
    }

    /// A stream without IRAP pictures but the first, refreshed column by column, is joined at a recovery point.
    @Test func gradualRefreshIsJoined() throws {
        var settings = ScalableSettings()
        settings.base.width = 96
        settings.base.height = 64
        settings.base.preset = "medium"
        settings.base.options = [
            ("qp", "30"), ("pools", "1"), ("keyint", "8"), ("intra-refresh", "1"), ("bframes", "0"), ("ctu", "16"),
            ("frame-threads", "1"),
        ]
        settings.base.pyramid = false
        settings.threads = 1
        let encoder = try ScalableEncoder(settings: settings)
        var units: [NALUnit] = []
        for n in 0..<32 { if let unit = try encoder.push([drawing(96, 64, frame: n)]) { units += unit.nals } }
        while let unit = try encoder.flush() { units += unit.nals }
        let whole = try decode(units, layer: 0)
        #expect(whole.pictures.count == 32 && whole.report.isClean)
        #expect(units.filter { $0.header.nalUnitType.isIRAP }.count == 1)
        let sets = units.filter { [.vps, .sps, .pps].contains($0.header.nalUnitType) }
        // libx265 announces no recovery points: recovery_poc_cnt 8, exact_match_flag 1, broken_link_flag 0.
        let recovery = slices(units, layer: 0)[8]
        let message = SEIMessage(payloadType: SEIMessage.recoveryPoint, payload: [0x08, 0x50])
        units.insert(
            NALUnit(header: NALUnitHeader(nalUnitType: .prefixSEI), rbsp: SEIMessage.rbsp([message])), at: recovery)
        let before = slices(units, layer: 0).filter { $0 < recovery }.count
        let joined = try decode(sets + units[recovery...], layer: 0)
        #expect(joined.pictures.count >= 32 - before - 1, "\(joined.report)")
        // Without one there is nothing to begin at.
        let lost = try decode(sets + units[(recovery + 1)...], layer: 0)
        #expect(lost.pictures.count < joined.pictures.count, "\(lost.pictures.count)")
    }
}
