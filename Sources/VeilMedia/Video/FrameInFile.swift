// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// A frame of a file, to be read when it is needed: one that waits takes no memory.
public struct FrameInFile: @unchecked Sendable {
    /// Read with offsets only, so that nobody's position moves.
    let file: InputFile
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
        try withUnsafeTemporaryAllocation(byteCount: rowsAtOnce * size.width * bytes, alignment: 64) { chunk in
            guard let from = chunk.baseAddress else { return }
            for y in Swift.stride(from: 0, to: size.height, by: rowsAtOnce) {
                let rows = min(rowsAtOnce, size.height - y)
                try fill(
                    UnsafeMutableRawBufferPointer(rebasing: chunk[..<(rows * size.width * bytes)]),
                    at: at + y * size.width * bytes)
                RawSamples.read(
                    from, bitDepth: format.bitDepth, into: plane + y * stride, stride: stride, width: size.width,
                    height: rows)
            }
        }
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer, at start: Int) throws {
        var done = 0
        while done < buffer.count {
            let got = pread(file.descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(start + done))
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
