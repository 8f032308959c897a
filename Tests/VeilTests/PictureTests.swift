// SPDX-License-Identifier: GPL-2.0-or-later
import Dispatch
import Foundation
import Testing
import VeilCore
import VeilRecon

@testable import Veil

/// Pictures: sizes are checked, and components of different depths are brought to one in one way.
struct PictureTests {
    @Test func sizesAreChecked() throws {
        let luma = [UInt16](repeating: 1, count: 15)
        let chroma = [UInt16](repeating: 2, count: 6)
        let picture = try VideoPicture(width: 5, height: 3, planes: [luma, chroma, chroma])
        #expect(picture.planes == [luma, chroma, chroma])
        #expect(picture.i420 == Array(repeating: 1, count: 15) + Array(repeating: 2, count: 12))
        #expect(try VideoPicture(i420: picture.i420, width: 5, height: 3).planes == picture.planes)
        for planes in [[luma, chroma], [luma, chroma, luma], [luma, chroma, []], []] {
            #expect(throws: PictureError.self) { try VideoPicture(width: 5, height: 3, planes: planes) }
        }
        #expect(throws: PictureError.sample(component: 2, value: 256, bitDepth: 8)) {
            try VideoPicture(width: 5, height: 3, planes: [luma, chroma, [0, 0, 0, 256, 0, 0]])
        }
        #expect(throws: PictureError.bitDepth(9)) { try VideoPicture(width: 2, height: 2, bitDepth: 9, planes: []) }
        for (width, height) in [(0, 3), (-1, 3), (5, 1 << 40)] {
            #expect(throws: PictureError.self) { try VideoPicture(i420: [UInt8](), width: width, height: height) }
        }
    }

    /// Pictures whose samples have one byte, as decoders make them, give the same as those of two.
    @Test func samplesOfOneByte() throws {
        func picture(isNarrow: Bool) -> VideoPicture {
            let frame = FrameBuffer(width: 16, height: 8, bitDepthLuma: 8, bitDepthChroma: 8, isNarrow: isNarrow)
            for c in 0..<3 {
                let plane = frame.plane(c)
                for y in 0..<plane.height {
                    for x in 0..<plane.width {
                        let value = (c * 90 + y * 40 + x * 3) & 255
                        if isNarrow {
                            plane.samples(x, y, as: UInt8.self).pointee = UInt8(value)
                        } else {
                            plane.at(x, y).pointee = UInt16(value)
                        }
                    }
                }
            }
            let coded = CodedPicture(frame: frame, motion: MotionField(width: 16, height: 8, ctbLog2Size: 4))
            return VideoPicture(coded, width: 13, height: 7, layer: 0, colour: .init())
        }
        let (wide, narrow) = (picture(isNarrow: false), picture(isNarrow: true))
        #expect(narrow.planes == wide.planes && narrow.i420 == wide.i420)
        #expect(wide.planes[0][13 + 2] == 46 && wide.planes[2][7 + 1] == 223)
        for c in 0..<3 {
            #expect(narrow.samples(ofComponent: c, bitDepth: 10) == wide.samples(ofComponent: c, bitDepth: 10))
            let size = narrow.size(ofComponent: c)
            let rows = narrow.withRawSamples(ofComponent: c) { samples, stride, bytes in
                #expect(bytes == 1)
                return (0..<size.height).flatMap { y in (0..<size.width).map { UInt16(samples[y * stride + $0]) } }
            }
            #expect(rows == wide.planes[c])
            narrow.withSamples(ofComponent: c) { samples, stride in
                let all = (0..<size.height).flatMap { y in (0..<size.width).map { samples[y * stride + $0] } }
                #expect(all == rows)
            }
        }
    }

    @Test func componentsOfFewerBitsAreScaled() {
        let frame = FrameBuffer(width: 8, height: 8, bitDepthLuma: 8, bitDepthChroma: 10)
        for c in 0..<3 {
            for y in 0..<frame.plane(c).height {
                for x in 0..<frame.plane(c).width { frame.plane(c).row(y)[x] = UInt16(c * 300 + y * 8 + x) }
            }
        }
        let coded = CodedPicture(frame: frame, motion: MotionField(width: 8, height: 8, ctbLog2Size: 4))
        let picture = VideoPicture(coded, width: 7, height: 5, layer: 1, colour: .init())
        #expect(picture.bitDepth == 10 && picture.bitDepthLuma == 8 && picture.bitDepthChroma == 10)
        let luma = (0..<5).flatMap { y in (0..<7).map { UInt16(y * 8 + $0) } }
        let chroma = [300, 600].map { first in (0..<3).flatMap { y in (0..<4).map { UInt16(first + y * 8 + $0) } } }
        #expect(picture.planes == [luma] + chroma)
        #expect(picture.samples(ofComponent: 0, bitDepth: 10) == luma.map { $0 << 2 })
        let bytes = (luma.map { $0 << 2 } + chroma.joined()).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        #expect(picture.i420 == bytes)
    }
}

/// Hooks of a program's own beside keys, and where work is done.
@Suite(.enabled(if: VideoEncoder.isAvailable, "libx265 is not built in"))
struct HookTests {
    /// Adds up what hooks see, by unit.
    private final class Recorder: BinHookProvider, @unchecked Sendable {
        private let lock = NSLock()
        private(set) var sums: [BinUnit: UInt64] = [:]

        func makeHook(layer: Int) -> (any BinHook)? { Hook(self) }

        private final class Hook: BinHook {
            let recorder: Recorder
            var unit: BinUnit?
            init(_ recorder: Recorder) { self.recorder = recorder }
            func begin(_ unit: BinUnit) {
                self.unit = unit
            }
            func replace(_ run: BinRun) -> UInt32 {
                guard let unit else { return run.bins }
                recorder.lock.withLock {
                    let sum = recorder.sums[unit, default: 0]
                    recorder.sums[unit] =
                        (sum ^ UInt64(run.bins) ^ UInt64(run.element.rawValue) << 40) &* 0x100_0000_01B3
                }
                return run.bins
            }
        }
    }

    private func stream(_ keys: KeyRing?) throws -> [UInt8] {
        var settings = VideoEncoder.Settings(width: 96, height: 64)
        settings.preset = "fast"
        settings.keys = keys
        let encoder = try VideoEncoder(settings: settings)
        var bytes: [UInt8] = []
        for n in 0..<4 {
            let luma = (0..<(96 * 64)).map { UInt16(($0 * 7 + n * 31 + $0 / 96 * 5) & 127 + 40) }
            let chroma = [UInt16](repeating: 128, count: 48 * 32)
            let picture = try VideoPicture(width: 96, height: 64, planes: [luma, chroma, chroma])
            bytes += try encoder.push(picture).flatMap(\.bytes)
        }
        return try bytes + encoder.finish().flatMap(\.bytes)
    }

    private func decode(_ stream: [UInt8], keys: KeyRing?) throws -> (pictures: [VideoPicture], sums: [BinUnit: UInt64])
    {
        let recorder = Recorder()
        var options = VideoDecoder.Options()
        options.output = .allLayers
        options.keys = keys
        options.hooks = recorder
        let decoder = VideoDecoder(options: options)
        let pictures = try decoder.push(stream) + decoder.finish()
        return (pictures, recorder.sums)
    }

    @Test func besideKeysTheySeeWhatIsDecrypted() throws {
        let keys = KeyRing.generate(layers: 2, cipher: .aes256)
        let clear = try decode(try stream(nil), keys: nil)
        let secret = try stream(keys)
        let open = try decode(secret, keys: keys)
        let blind = try decode(secret, keys: nil)
        #expect(clear.pictures.count == 8 && !clear.sums.isEmpty)
        #expect(open.pictures.map(\.planes) == clear.pictures.map(\.planes))
        #expect(Set(open.sums.values) == Set(clear.sums.values))
        #expect(Set(blind.sums.values) != Set(clear.sums.values))
    }

    /// Holds whoever begins a unit until it is let go, for 20 seconds at most.
    private final class Gate: BinHookProvider, @unchecked Sendable {
        private let lock = NSLock()
        private let opened = DispatchSemaphore(value: 0)
        private var held = 0
        private var isOpen = false
        private(set) var gaveUp = 0

        var holds: Int { lock.withLock { held } }

        func makeHook(layer: Int) -> (any BinHook)? { Hook(self) }

        func open() {
            let count = lock.withLock {
                isOpen = true
                return held
            }
            for _ in 0..<count { opened.signal() }
        }

        private func hold() {
            let waits = lock.withLock {
                if !isOpen { held += 1 }
                return !isOpen
            }
            if waits && opened.wait(timeout: .now() + 20) == .timedOut { lock.withLock { gaveUp += 1 } }
        }

        private final class Hook: BinHook {
            let gate: Gate
            init(_ gate: Gate) { self.gate = gate }
            func begin(_ unit: BinUnit) { gate.hold() }
            func replace(_ run: BinRun) -> UInt32 { run.bins }
        }
    }

    /// More sequences at work than there are threads for tasks: others' tasks go on all the same.
    @Test(.timeLimit(.minutes(2))) func sequencesBlockNoTask() async throws {
        let stream = try stream(nil)
        let gate = Gate()
        let count = ProcessInfo.processInfo.activeProcessorCount + 2
        let results = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<count {
                group.addTask {
                    let chunks = AsyncStream<[UInt8]> { continuation in
                        continuation.yield(stream)
                        continuation.finish()
                    }
                    var bytes: [UInt8] = []
                    for try await unit in VideoTranscoder.accessUnits(of: chunks, .hooks(gate)) { bytes += unit.bytes }
                    return bytes
                }
            }
            while gate.holds < count && gate.gaveUp == 0 { try await Task.sleep(for: .milliseconds(20)) }
            gate.open()
            var results: [[UInt8]] = []
            for try await result in group { results.append(result) }
            return results
        }
        #expect(gate.gaveUp == 0 && gate.holds == count)
        #expect(results == Array(repeating: stream, count: count))
    }
}
