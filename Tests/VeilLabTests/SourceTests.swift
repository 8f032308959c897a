// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing
import VeilMedia

/// Frames of files: read, read again, made smaller.
struct SourceTests {
    private static func clip(_ format: VideoFormat, frames: Int) -> Data {
        var data = Data(
            "YUV4MPEG2 W\(format.width) H\(format.height) F25:1 C420\(format.bitDepth == 10 ? "p10" : "jpeg")\n".utf8)
        for n in 0..<frames {
            data += Data("FRAME\n".utf8)
            for c in 0..<3 {
                let s = format.size(ofComponent: c)
                for i in 0..<(s.width * s.height) {
                    let v = UInt16((i * 37 + n * 11 + c * 5) & ((1 << format.bitDepth) - 1))
                    data.append(UInt8(v & 255))
                    if format.bitDepth == 10 { data.append(UInt8(v >> 8)) }
                }
            }
        }
        return data
    }

    private func file(_ name: String, _ data: Data) throws -> String {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "veil-source-\(ProcessInfo.processInfo.processIdentifier)-\(name)")
        try data.write(to: url)
        return url.path
    }

    @Test(arguments: [(33, 17, 8), (64, 48, 10), (300, 200, 8)])
    func framesAreReadAgain(width: Int, height: Int, depth: Int) throws {
        let format = VideoFormat(width: width, height: height, bitDepth: depth)
        let path = try file("\(width).y4m", Self.clip(format, frames: 4))
        defer { unlink(path) }
        let source = try VideoSource.open(path: path)
        #expect(source.lastFrameInFile == nil)
        var frames: [([[UInt16]], FrameInFile)] = []
        while let frame = try source.nextFrame() { frames.append((frame.planes, try #require(source.lastFrameInFile))) }
        #expect(frames.count == 4)
        for (planes, stored) in frames.reversed() {
            for c in 0..<3 {
                let s = format.size(ofComponent: c)
                let stride = s.width + 5
                var memory = [UInt16](repeating: 9999, count: stride * s.height)
                try memory.withUnsafeMutableBufferPointer {
                    try stored.read(component: c, into: $0.baseAddress!, stride: stride)
                }
                for y in 0..<s.height {
                    #expect(
                        Array(memory[y * stride..<y * stride + s.width])
                            == Array(planes[c][y * s.width..<(y + 1) * s.width]))
                    #expect(memory[y * stride + s.width] == 9999)
                }
            }
        }
        // A file that shrinks meanwhile is an error that names the frame.
        let last = try #require(frames.last?.1)
        truncate(path, off_t(100 + width * height))
        var memory = [UInt16](repeating: 0, count: width * height)
        let error = #expect(throws: MediaError.self) {
            try memory.withUnsafeMutableBufferPointer {
                try last.read(component: 0, into: $0.baseAddress!, stride: width)
            }
        }
        #expect(error?.description.contains("ends inside frame 3") == true)
    }

    @Test func smallerFramesAreWrittenOver() throws {
        let format = VideoFormat(width: 96, height: 64)
        let path = try file("down.y4m", Self.clip(format, frames: 2))
        defer { unlink(path) }
        let source = try VideoSource.open(path: path)
        let downsampler = Downsampler(source: format, target: VideoFormat(width: 48, height: 32))
        let small = VideoFrame(format: downsampler.target)
        while let frame = try source.nextFrame() {
            downsampler(frame, into: small)
            #expect(small.planes == downsampler(frame).planes)
        }
        // Flat pictures stay what they are.
        let flat = VideoFrame(format: format)
        for c in 0..<3 { flat.planes[c] = Array(repeating: UInt16(60 + c * 50), count: flat.planes[c].count) }
        downsampler(flat, into: small)
        for c in 0..<3 { #expect(small.planes[c].allSatisfy { $0 == UInt16(60 + c * 50) }) }
    }
}
