// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import Foundation

/// A frame of a file, to be read when it is needed: one that waits takes no memory.
public struct FrameInFile: @unchecked Sendable {
    /// Read with offsets only, so that nobody's position moves.
    let file: FileHandle
    let path: String
    let index: Int
    /// Of the first luma sample, in bytes.
    let offset: Int
    public let format: VideoFormat

    /// Samples read at a time: no more than stays in a near cache.
    private static let chunk = 1 << 15

    /// Reads one component into memory with a row every `stride` samples.
    public func read(component c: Int, into plane: UnsafeMutablePointer<UInt16>, stride: Int) throws {
        let size = format.size(ofComponent: c)
        let bytes = format.bytesPerSample
        var at = offset
        for before in 0..<c {
            let s = format.size(ofComponent: before)
            at += s.width * s.height * bytes
        }
        let rowsAtOnce = max(Self.chunk / (size.width * bytes), 1)
        let limit = UInt16((1 << format.bitDepth) - 1)
        try withUnsafeTemporaryAllocation(byteCount: rowsAtOnce * size.width * bytes, alignment: 64) { chunk in
            guard let from = chunk.baseAddress else { return }
            for y in Swift.stride(from: 0, to: size.height, by: rowsAtOnce) {
                let rows = min(rowsAtOnce, size.height - y)
                try fill(UnsafeMutableRawBufferPointer(rebasing: chunk[..<(rows * size.width * bytes)]), at: at + y * size.width * bytes)
                let to = plane + y * stride
                if bytes == 1 {
                    veil_widen(to, stride, from.assumingMemoryBound(to: UInt8.self), size.width, Int32(size.width), Int32(rows))
                } else {
                    for row in 0..<rows {
                        for x in 0..<size.width {
                            let sample = from.loadUnaligned(fromByteOffset: 2 * (row * size.width + x), as: UInt16.self)
                            to[row * stride + x] = min(UInt16(littleEndian: sample), limit)
                        }
                    }
                }
            }
        }
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer, at start: Int) throws {
        var done = 0
        while done < buffer.count {
            let got = pread(file.fileDescriptor, buffer.baseAddress! + done, buffer.count - done, off_t(start + done))
            if got > 0 {
                done += got
            } else if got == 0 {
                throw MediaError.truncated(path: path, frame: index, offset: start + done)
            } else if errno != EINTR {
                throw MediaError.cannotOpen(path: path, reason: "read error at byte \(start + done)")
            }
        }
    }
}
