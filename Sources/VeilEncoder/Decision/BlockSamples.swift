// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilRecon

/// Samples of one coding block in all three components: luma rows of 64, chroma rows of 32 samples.
final class BlockSamples {
    let y: UnsafeMutablePointer<UInt16>
    let cb: UnsafeMutablePointer<UInt16>
    let cr: UnsafeMutablePointer<UInt16>

    init() {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 2 * (4096 + 2048), alignment: 64)
            .bindMemory(to: UInt16.self, capacity: 6144)
        memory.initialize(repeating: 0, count: 6144)
        y = memory
        cb = memory + 4096
        cr = memory + 5120
    }

    deinit { y.deallocate() }

    @inline(__always)
    func plane(_ cIdx: Int) -> UnsafeMutablePointer<UInt16> { cIdx == 0 ? y : cIdx == 1 ? cb : cr }

    @inline(__always)
    static func stride(_ cIdx: Int) -> Int { cIdx == 0 ? 64 : 32 }

    /// Copies a block of `size` luma samples into a frame at a luma position.
    func store(to frame: FrameBuffer, x: Int, y: Int, size: Int) {
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let plane = frame.plane(cIdx)
            veil_copy(plane.at(x >> s, y >> s), plane.stride, self.plane(cIdx), Self.stride(cIdx), Int32(size >> s), Int32(size >> s))
        }
    }

    /// Copies a block out of a frame.
    func load(from frame: FrameBuffer, x: Int, y: Int, size: Int) {
        for cIdx in 0..<3 {
            let s = cIdx == 0 ? 0 : 1
            let plane = frame.plane(cIdx)
            veil_copy(self.plane(cIdx), Self.stride(cIdx), plane.at(x >> s, y >> s), plane.stride, Int32(size >> s), Int32(size >> s))
        }
    }
}
