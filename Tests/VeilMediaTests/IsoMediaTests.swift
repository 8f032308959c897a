// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import TestSupport
import Testing
import VeilBitstream

@testable import VeilMedia

/// Layers out of ISO base media files, in every form that they are stored in, and files that lie.
@Suite struct IsoMediaTests {
    typealias W = IsoMediaWriting
    static let vps: [UInt8] = [0x40, 1, 0xAA]
    static let sps: [UInt8] = [0x42, 1, 0xBB]
    /// A parameter set of layer 1.
    static let upper: [UInt8] = [0x44, 9, 0xCC]
    static func base(_ n: UInt8) -> [UInt8] { [0x02, 1, 0x80, n + 1] }
    static func above(_ n: UInt8) -> [UInt8] { [0x02, 9, 0x80, n + 1] }

    /// Both layers in the samples of one track, the upper one's parameter sets in `lhvC`.
    static var oneTrack: [UInt8] {
        let samples = (0..<5).map { W.sample([base($0), above($0)]) }
        let entry = W.sampleEntry("hvc1", W.configuration("hvcC", [vps, sps]), W.configuration("lhvC", [upper]))
        let data = W.box("mdat", samples.flatMap { $0 })
        let tables = W.tables(sizes: samples.map(\.count), offset: W.fileType.count + 8)
        return W.fileType + data + W.box("moov", W.track(id: 1, entries: [entry], tables: tables))
    }

    static let wanted = [vps, sps, upper] + (0..<5).flatMap { [base($0), above($0)] }

    @Test func layersOfOneTrack() throws {
        #expect(try W.read(Self.oneTrack) == Self.wanted)
    }

    /// A track a layer, with time scales of their own; the upper one lacks a picture and holds an extractor.
    @Test func layersOfTwoTracks() throws {
        let lower = (0..<5).map { W.sample([Self.base($0)]) }
        let higher = [0, 1, 3, 4].map { W.sample([[0x62, 9, 1, 2], Self.above(UInt8($0))]) }
        let start = W.fileType.count + 8
        let data = W.box("mdat", lower.flatMap { $0 } + higher.flatMap { $0 })
        let sizes = higher.map(\.count)
        // The second picture of the upper layer lasts two ticks of 25, which are four of 50.
        let tables =
            W.fullBox(
                "stts", W.number(3, 4), W.number(1, 4), W.number(2, 4), W.number(1, 4), W.number(4, 4),
                W.number(2, 4), W.number(2, 4))
            + W.tables(sizes: sizes, offset: start + lower.joined().count).dropFirst(24)
        let entries = [
            W.sampleEntry("hvc1", W.configuration("hvcC", [Self.vps, Self.sps])),
            W.sampleEntry("lhv1", W.configuration("lhvC", [Self.upper])),
        ]
        let reference = W.box("tref", W.box("sbas", W.number(1, 4)))
        let file =
            W.fileType + data
            + W.box(
                "moov",
                W.track(id: 2, timeScale: 50, entries: [entries[1]], references: reference, tables: Array(tables)),
                W.track(id: 1, entries: [entries[0]], tables: W.tables(sizes: lower.map(\.count), offset: start)))
        let expected =
            [Self.vps, Self.sps, Self.base(0), Self.upper, Self.above(0), Self.base(1), Self.above(1), Self.base(2)]
            + [Self.base(3), Self.above(3), Self.base(4), Self.above(4)]
        #expect(try W.read(file) == expected)
    }

    /// Fragments whose samples are told by `trun`, in the defaults of `trex` and `tfhd`, with other parameter sets in
    /// the second fragment.
    @Test func fragments() throws {
        let entries = [
            W.sampleEntry("hev1", W.configuration("hvcC", [Self.vps, Self.sps])),
            W.sampleEntry("hev1", W.configuration("hvcC", [Self.sps])),
        ]
        let empty = W.tables(sizes: [], offset: 0)
        let moov = W.box(
            "moov", W.track(id: 7, entries: entries, tables: empty),
            W.box("mvex", W.fullBox("trex", [7, 1, 1, 0, 0].flatMap { W.number($0, 4) })))
        func fragment(_ numbers: [UInt8], entry: Int) -> [UInt8] {
            let samples = numbers.map { W.sample([Self.base($0)]) }
            func moof(_ offset: Int) -> [UInt8] {
                W.box(
                    "moof",
                    W.box(
                        "traf", W.fullBox("tfhd", flags: 0x20002, W.number(7, 4), W.number(entry, 4)),
                        W.fullBox("tfdt", version: 1, W.number(Int(numbers[0]), 8)),
                        W.fullBox(
                            "trun", flags: 0x201, W.number(samples.count, 4), W.number(offset, 4),
                            samples.flatMap { W.number($0.count, 4) })))
            }
            return moof(moof(0).count + 8) + W.box("mdat", samples.flatMap { $0 })
        }
        let file = W.fileType + moov + fragment([0, 1], entry: 1) + fragment([2, 3, 4], entry: 2)
        let expected =
            [Self.vps, Self.sps, Self.base(0), Self.base(1), Self.sps] + (2..<5).map { Self.base(UInt8($0)) }
        #expect(try W.read(file) == expected)
    }

    /// QuickTime and others write negative offsets into version 0 of the tables, in fragments as well.
    @Test func negativeOffsets() throws {
        let samples = (0..<3).map { W.sample([Self.base(UInt8($0))]) }
        let entry = W.sampleEntry("hvc1", W.configuration("hvcC", [Self.vps, Self.sps]))
        let start = W.fileType.count + 8
        let offsets = [0, 1, -1]
        let table = W.fullBox("ctts", W.number(3, 4), offsets.flatMap { W.number(1, 4) + W.number($0, 4) })
        let tables = W.tables(sizes: samples.map(\.count), offset: start) + table
        let data = W.fileType + W.box("mdat", samples.flatMap { $0 })
        func read(_ file: [UInt8]) throws -> [Int] {
            try W.reading(file) { $0.movie.samples.map(\.compositionOffset) }
        }
        #expect(try read(data + W.box("moov", W.track(id: 1, entries: [entry], tables: tables))) == offsets)
        let run = W.fullBox(
            "trun", flags: 0xA00, W.number(3, 4),
            zip(samples, offsets).flatMap { W.number($0.count, 4) + W.number($1, 4) })
        let moof = W.box(
            "moof",
            W.box(
                "traf", W.fullBox("tfhd", flags: 1, W.number(1, 4), W.number(start, 8)),
                W.fullBox("tfdt", version: 1, W.number(0, 8)), run))
        #expect(try read(data + Self.moov + moof) == offsets)
    }

    /// A recording that was cut off gives the fragments that are whole, and says where it ends.
    @Test func fragmentsThatEnd() throws {
        func fragment(_ n: UInt8) -> [UInt8] {
            let sample = W.sample([Self.base(n)])
            func moof(_ offset: Int) -> [UInt8] {
                W.box(
                    "moof",
                    W.box(
                        "traf", W.fullBox("tfhd", flags: 0x20000, W.number(1, 4)),
                        W.fullBox("trun", flags: 0x201, [1, offset, sample.count].flatMap { W.number($0, 4) })))
            }
            return moof(moof(0).count + 8) + W.box("mdat", sample)
        }
        let whole = W.fileType + Self.moov + fragment(0) + fragment(1)
        #expect(try W.reading(whole) { $0.damage.isEmpty })
        for missing in 1..<fragment(1).count {
            let file = Array(whole.dropLast(missing))
            #expect(try W.read(file) == [Self.vps, Self.base(0)], "\(missing)")
            // Fewer bytes than the header of a box are padding that some writers leave.
            let isTold = fragment(1).count - missing >= 8
            #expect(try W.reading(file) { !$0.damage.isEmpty } == isTold, "\(missing)")
        }
        #expect(throws: IsoMediaError.self) { try W.read(Array(whole.dropLast(fragment(1).count + 1))) }
    }

    /// Tables that say more than the file holds are refused at once.
    @Test(arguments: [
        // A size in common for 2^32 - 1 samples.
        W.fullBox("stsz", W.number(1, 4), W.number(0xFFFF_FFFF, 4)),
        W.fullBox("stsz", W.number(0, 4), W.number(0xFFFF_FFFF, 4)),
        W.fullBox("stz2", W.number(4, 4), W.number(0xFFFF_FFFF, 4)),
        W.fullBox("stsz", W.number(0x7FFF_FFFF, 4), W.number(2, 4)),
    ])
    func tablesThatLie(sizes: [UInt8]) throws {
        let entry = W.sampleEntry("hvc1", W.configuration("hvcC", [Self.vps]))
        let tables =
            W.fullBox("stts", W.number(1, 4), W.number(0xFFFF_FFFF, 4), W.number(0xFFFF_FFFF, 4))
            + W.fullBox("stsc", W.number(1, 4), W.number(1, 4), W.number(0xFFFF_FFFF, 4), W.number(1, 4))
            + W.fullBox("stco", W.number(2, 4), W.number(0, 4), W.number(0, 4)) + sizes
        let file = W.fileType + W.box("moov", W.track(id: 1, entries: [entry], tables: tables))
        let start = ContinuousClock.now
        #expect(throws: IsoMediaError.self) { try W.read(file) }
        #expect(ContinuousClock.now - start < .seconds(1))
    }

    private static let moov = W.box(
        "moov",
        W.track(
            id: 1, entries: [W.sampleEntry("hvc1", W.configuration("hvcC", [vps]))],
            tables: W.tables(sizes: [], offset: 0)),
        W.box("mvex", W.fullBox("trex", [1, 1, 1, 0, 0].flatMap { W.number($0, 4) })))

    private static func fragment(time: Int, _ runs: [[UInt8]]) -> [UInt8] {
        W.box(
            "moof",
            W.box(
                "traf", W.fullBox("tfhd", flags: 0x20000, W.number(1, 4)),
                W.fullBox("tfdt", version: 1, W.number(time, 8)), runs.flatMap { $0 }))
    }

    /// Runs of samples without a byte, each of as many as the file is long, and times at the end of their range.
    @Test(arguments: [
        fragment(time: 0, [[UInt8]](repeating: W.fullBox("trun", W.number(4000, 4)), count: 400)),
        fragment(time: .max - 2, [W.fullBox("trun", W.number(9, 4))]),
        fragment(time: 1 << 62, [W.fullBox("trun", W.number(9, 4))]),
    ])
    func fragmentsThatLie(_ moof: [UInt8]) throws {
        let start = ContinuousClock.now
        // What is in front of the damage is given, if there is anything.
        let isTold: Bool
        do {
            isTold = try W.reading(W.fileType + Self.moov + moof) { reader in
                while try reader.nextUnit() != nil {}
                return !reader.damage.isEmpty
            }
        } catch is IsoMediaError { isTold = true }
        #expect(isTold)
        #expect(ContinuousClock.now - start < .seconds(1))
    }

    /// Edits that last for ever, and times that have no opposite.
    @Test func timesAreBounded() throws {
        #expect(OutputTrack.scaled(.max, 3, 2) == MediaTicks.most)
        #expect(OutputTrack.scaled(0x5555_5555_5555_5555, 3, 2) == MediaTicks.most)
        #expect(OutputTrack.scaled(.max, 1, 1) == MediaTicks.most && OutputTrack.scaled(7, 1, 1) == 7)
        #expect(OutputTrack.scaled(-5, 1, 1) == 0 && OutputTrack.scaled(5, 1000, 90000) == 0)
        #expect(OutputTrack.scaled(1 << 40, 90000, 1000) == 90 << 40)
        #expect(FrameTimes([.min, 0], timeScale: 1) == nil)
        #expect(FrameTimes([0, 40, 80], timeScale: 1000)?.shown == [0, 40, 80])
        // Counts that leap, at a frame in 68 years.
        let leaps = SampleTimeline(indices: [0, 1 << 50], rate: (1, 1 << 31))
        #expect(leaps.duration(0) > 0 && leaps.shown.max() ?? .max <= MediaTicks.most)
        #expect(SampleTimeline(indices: [0, 1], rate: (25, 1)).duration(0) == 512)
    }

    /// A time scale in which durations do not fit 32 bits takes boxes of version 1.
    @Test func longTimesTakeLongBoxes() throws {
        func mdhd(_ duration: Int) throws -> Box {
            var track = OutputTrack.video(in: .null)
            track.timeScale = 10_000_000
            track.samples = (0..<2).map { _ in
                .init(offset: 0, size: 0, duration: duration, compositionOffset: 0, isSync: true)
            }
            var w = BoxWriter()
            track.box(id: 1, chunks: [], chapters: [], movieScale: 1000, into: &w)
            let trak = try #require(try Box(type: "file", bytes: w.bytes[...], offset: 0).children().first)
            return try trak.required("mdia").required("mdhd")
        }
        var short = try mdhd(400_000)
        #expect(try short.versionAndFlags().version == 0)
        try short.skip(12)
        #expect(try short.u32() == 800_000)
        var long = try mdhd(3_000_000_000)
        #expect(try long.versionAndFlags().version == 1)
        try long.skip(20)
        #expect(try long.u64() == 6_000_000_000)
    }

    /// Two sample entries in turn, whose parameter sets would come out again and again.
    @Test func entriesThatAlternate() throws {
        let sets = [[UInt8]](repeating: Self.vps + [UInt8](repeating: 1, count: 60), count: 200)
        let entry = W.sampleEntry("hvc1", W.configuration("hvcC", sets))
        let count = 4000
        let tables =
            W.fullBox("stts", W.number(1, 4), W.number(count, 4), W.number(1, 4))
            + W.fullBox(
                "stsc", W.number(count, 4),
                (0..<count).flatMap { W.number($0 + 1, 4) + W.number(1, 4) + W.number($0 & 1 + 1, 4) })
            + W.fullBox("stsz", W.number(0, 4), W.number(count, 4), [UInt8](repeating: 0, count: 4 * count))
            + W.fullBox("stco", W.number(count, 4), [UInt8](repeating: 0, count: 4 * count))
        let file = W.fileType + W.box("moov", W.track(id: 1, entries: [entry, entry], tables: tables))
        #expect(throws: IsoMediaError.self) { try W.read(file) }
    }

    /// Of sets with the same identifier the last one is in force, whatever layers they came with: the others do not go
    /// into a sample entry, which would have them in another order.
    @Test func supersededParameterSets() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Vectors/ldp_2x.bit")
        let units = try AnnexBReader.units(of: [UInt8](try Data(contentsOf: path)))
        let first = try #require(units.firstIndex { $0.header.nalUnitType.isSlice && $0.header.nuhLayerId == 0 })
        let pps = try #require(units[..<first].lastIndex { $0.header.nalUnitType == .pps })
        var rbsp = units[pps].rbsp
        rbsp[0] ^= 1
        let other = NALUnit(
            header: NALUnitHeader(nalUnitType: .pps, nuhLayerId: units[pps].header.nuhLayerId + 1), rbsp: rbsp)
        var entries = SampleEntries()
        let sample = try entries.addSample(
            Array(units[..<pps]) + [other] + Array(units[pps...first]), beginsAnew: true, path: "p")
        #expect(sample.allSatisfy { $0.header.nalUnitType != .pps })
        let written = try entries.descriptions()[0].entry
        func holds(_ unit: NALUnit) -> Bool {
            written.indices.contains { written[$0...].starts(with: unit.bytes) }
        }
        #expect(holds(units[pps]) && !holds(other))
    }

    /// Cut at any byte, or with bytes changed, a file gives an error or fewer units, and never a trap.
    @Test func damage() {
        let whole = Self.oneTrack
        var refused = 0
        for count in stride(from: 0, to: whole.count, by: 5) where (try? W.read(Array(whole[..<count]))) == nil {
            refused += 1
        }
        // The tables come last: nothing can be read before they are whole.
        #expect(refused > whole.count / 5 - 3)
        var random = SplitMix(state: 5)
        for _ in 0..<400 {
            var file = whole
            for _ in 0..<1 + Int(random.next() % 3) {
                file[Int(random.next() % UInt64(file.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let units = try? W.read(file) else { continue }
            #expect(units.joined().count <= 3 * whole.count)
        }
    }
}
