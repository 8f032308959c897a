// SPDX-License-Identifier: GPL-2.0-or-later
import CPictures
import VeilMedia

/// Why a picture could not be written.
package struct PictureFileError: Error, CustomStringConvertible {
    package let description: String
}

extension RGBImage {
    /// The image as a PNG file (ISO/IEC 15948), by libpng.
    package func png() throws -> [UInt8] {
        try file("PNG", library: "libpng (libpng-dev)") { veil_png($0, $1, $2, $3, $4) }
    }

    /// The image as a JPEG file (ITU-T T.81), 4:2:0, by libjpeg-turbo; `quality` 1 ... 100. What reports embed, so that
    /// a page of many pictures stays small.
    package func jpeg(quality: Int = 78) throws -> [UInt8] {
        try file("JPEG", library: "libjpeg-turbo (libturbojpeg0-dev)") {
            veil_jpeg($0, $1, $2, Int32(min(max(quality, 1), 100)), $3, $4)
        }
    }

    private typealias Result = UnsafeMutablePointer<UInt8>?

    private func file(
        _ name: String, library: String,
        _ write: (UnsafePointer<UInt8>?, Int32, Int32, UnsafeMutablePointer<Result>, UnsafeMutablePointer<Int>) -> Int32
    ) throws -> [UInt8] {
        guard samples.count == width * height * 3, let columns = Int32(exactly: width),
            let rows = Int32(exactly: height)
        else { throw PictureFileError(description: "\(name): \(width)x\(height) is no size of a picture") }
        var bytes: Result = nil
        var size = 0
        let status = samples.withUnsafeBufferPointer { write($0.baseAddress, columns, rows, &bytes, &size) }
        defer { veil_picture_free(bytes) }
        switch status {
        case Int32(VEIL_PICTURE_OK): return Array(UnsafeBufferPointer(start: bytes, count: size))
        case Int32(VEIL_PICTURE_MISSING):
            throw PictureFileError(description: "\(name): built without \(library)")
        default: throw PictureFileError(description: "\(name): a picture of \(width)x\(height) could not be written")
        }
    }
}
