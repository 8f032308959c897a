// SPDX-License-Identifier: GPL-2.0-or-later
import TestSupport
import Testing
import VeilBitstream

@testable import VeilProtection

/// Bytes that make start codes, escapes and what looks like them often.
private func bytes(_ count: Int, _ random: inout SplitMix) -> [UInt8] {
    (0..<count).map { _ in
        let r = random.next()
        return r & 7 < 5 ? UInt8(r >> 8 & 3) & (r & 7 < 3 ? 0 : 3) : UInt8(truncatingIfNeeded: r >> 16)
    }
}

@Suite struct ByteStreamTests {
    /// Whatever follows the first start code, and however it is cut, no byte is lost.
    @Test func nothingIsLost() throws {
        var random = SplitMix(state: 1)
        for round in 0..<400 {
            let stream =
                [UInt8](repeating: 0, count: 2 + round % 4) + [1] + bytes(Int(random.next() % 200), &random)
            var whole: [UInt8] = []
            let units = try AnnexBReader.units(of: stream, for: .passingOn)
            for unit in units { whole.append(annexB: unit) }
            #expect(whole == stream)
            for unit in units where !unit.isMalformed { #expect(unit.offset < stream.count && unit.bytes.count >= 2) }
            var cut: [UInt8] = []
            var splitter = ByteStreamSplitter(.passingOn)
            var rest = stream[...]
            while !rest.isEmpty {
                let size = 1 + Int(random.next() % 9)
                for unit in try splitter.push(rest.prefix(size)) { cut.append(annexB: unit) }
                rest = rest.dropFirst(size)
            }
            if let last = try splitter.finish() { cut.append(annexB: last) }
            #expect(cut == stream)
        }
    }

    /// Readers see the same units, but for those that are none.
    @Test func readersSkipWhatIsNoUnit() throws {
        let stream: [UInt8] = [0, 0, 1, 0, 0, 1, 0x40, 0, 0, 0, 1, 0x40, 1, 7, 0, 0, 0, 1, 0x42, 1, 9, 0, 0]
        let all = try AnnexBReader.units(of: stream, for: .passingOn)
        #expect(all.map(\.bytes) == [[], [0x40], [0x40, 1, 7], [0x42, 1, 9]])
        #expect(all.map(\.isMalformed) == [true, true, false, false])
        #expect(all.map(\.startCodeLength) == [3, 3, 4, 4] && all.last?.trailingZeros == 2)
        let read = try AnnexBReader.units(of: stream)
        #expect(read.map(\.bytes) == [[0x40, 1, 7], [0x42, 1, 9]] && read.map(\.offset) == [11, 18])
    }

    @Test func errorsComeAfterTheUnitsBeforeThem() throws {
        let stream: [UInt8] = [0, 0, 1, 0x40, 1, 7, 0, 0, 1, 0x42, 1] + [UInt8](repeating: 7, count: 40)
        var splitter = ByteStreamSplitter(limit: 30)
        #expect(try splitter.push(stream).map(\.bytes) == [[0x40, 1, 7]])
        #expect(throws: StreamError.self) { try splitter.push([1]) }
        #expect(throws: StreamError.self) { try AnnexBReader.units(of: [1, 2, 3]) }
        #expect(throws: StreamError.self) { try AnnexBReader.units(of: [0, 0, 0]) }
        #expect(throws: StreamError.self) { try AnnexBReader.units(of: [0, 9, 0, 0, 1, 0x40, 1], for: .passingOn) }
        #expect(try AnnexBReader.units(of: []).isEmpty)
    }

    /// Garbage before the first start code, and units whose header cannot be, are passed over and counted, however
    /// the stream is cut; of what is no stream not everything is read.
    @Test func readersSkipGarbage() throws {
        let stream: [UInt8] = [
            9, 0, 7, 0, 0, 0, 1, 0x40, 1, 7, 0, 0, 1, 0xC0, 1, 7, 0, 0, 1, 0x42, 0, 0, 0, 1, 0x42, 1,
        ]
        for size in 1...stream.count {
            var splitter = ByteStreamSplitter()
            var units: [NALUnit] = []
            for from in stride(from: 0, to: stream.count, by: size) {
                units += try splitter.push(stream[from..<min(from + size, stream.count)])
            }
            units += try splitter.finish().map { [$0] } ?? []
            #expect(units.map(\.bytes) == [[0x40, 1, 7], [0x42, 1]] && units.map(\.offset) == [7, 24])
            #expect(splitter.skipped.beforeFirstUnit == 3 && splitter.skipped.badHeaders == 1)
            #expect(splitter.skipped.messages.count == 2)
        }
        let edited = try AnnexBReader.units(of: stream, for: .editing)
        #expect(edited.map(\.isMalformed) == [false, true, true, false])
        for byte in [UInt8(0), 9] {
            var splitter = ByteStreamSplitter()
            let chunk = [UInt8](repeating: byte, count: 1 << 19)
            for _ in 0..<2 { #expect(try splitter.push(chunk).isEmpty) }
            #expect(throws: StreamError.self) { try splitter.push(chunk) }
        }
    }

    /// The quick look at emulation prevention says what taking it out and putting it in again shows.
    @Test func canonicalEmulationPrevention() throws {
        var random = SplitMix(state: 2)
        var seen = [0, 0]
        for _ in 0..<20_000 {
            var payload = bytes(Int(random.next() % 14), &random)
            while payload.last == 0 { payload.removeLast() }
            let unit = NALUnit(header: NALUnitHeader(nalUnitType: .trailR), bytes: [2, 1] + payload)
            let again = NALUnit(header: unit.header, rbsp: unit.rbsp)
            #expect(unit.isCanonical == (again.bytes == unit.bytes), "\(payload)")
            seen[unit.isCanonical ? 1 : 0] += 1
        }
        #expect(seen[0] > 1000 && seen[1] > 1000)
    }

    /// SEI that is damaged or holds more than one message is nobody's encryption message.
    @Test func onlyWholeMessagesAreTaken() throws {
        var message = ProtectionMessage()
        message.keyId = "k"
        let unit = ProtectionSEI.unit(message)
        #expect(try ProtectionSEI.message(in: unit) == message)
        let payload = SEIMessage(payloadType: SEIMessage.userDataUnregistered, payload: message.payload)
        let other = SEIMessage(payloadType: 1, payload: [3])
        let alone = SEIMessage.rbsp([payload])
        let others: [[UInt8]] = [
            SEIMessage.rbsp([payload, other]), SEIMessage.rbsp([other, payload]), alone + [0x80],
            Array(alone.dropLast(1)), Array(alone.dropLast(9)), [5, 255], [],
        ]
        for rbsp in others {
            #expect(try ProtectionSEI.message(in: NALUnit(header: unit.header, rbsp: rbsp)) == nil)
        }
    }
}
