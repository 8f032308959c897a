// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

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
        let width = format.size(ofComponent: c).width
        try read(component: c) { from, y, rows in
            RawSamples.read(
                from, bitDepth: format.bitDepth, into: plane + y * stride, stride: stride, width: width, height: rows)
        }
    }

    /// The same of 8-bit frames, whose samples then have one byte.
    public func read(component c: Int, into plane: UnsafeMutablePointer<UInt8>, stride: Int) throws {
        precondition(format.bitDepth == 8, "a frame of 8 bits")
        let width = format.size(ofComponent: c).width
        try read(component: c) { from, y, rows in
            for row in 0..<rows {
                UnsafeMutableRawPointer(plane + (y + row) * stride).copyMemory(
                    from: from + row * width, byteCount: width)
            }
        }
    }

    /// Gives what is stored of a component piece by piece: the first row of each and their number.
    private func read(component c: Int, _ body: (UnsafeRawPointer, Int, Int) -> Void) throws {
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
                body(from, y, rows)
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
