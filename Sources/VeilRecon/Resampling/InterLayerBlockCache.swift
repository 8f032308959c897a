// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// The parts of inter-layer reference pictures that a worker is predicting from: one CTB of each of the last few, in
/// memory of its own.
package final class InterLayerBlockCache {
    private let slots: Int
    /// Rows are longer than a CTB: kernels read and write up to 16 samples further.
    private static let lumaStride = 96
    private static let chromaStride = 64
    private static let lumaSamples = lumaStride * 66
    private static let chromaSamples = chromaStride * 34
    private static let samples = lumaSamples + 2 * chromaSamples

    private struct Slot {
        var producer = 0
        var ctb = -1
    }

    /// Of samples of either size.
    private let memory: UnsafeMutableRawPointer
    private let entries: Buffer<Slot>
    /// Three of each slot.
    private let planes: Buffer<Plane>
    let between = LinesBetweenPasses()
    @exclusivity(unchecked) private var last = 0
    /// Found last: what is predicted from both may need it still.
    @exclusivity(unchecked) private var used = -1

    /// - Parameter slots: direct reference layers used in one CTU, as many as are remembered.
    package init(slots: Int = 4) {
        self.slots = slots
        memory = .allocate(byteCount: slots * Self.samples * 2, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: slots * Self.samples * 2)
        let empty = Plane(base: memory, isNarrow: false, stride: 0, width: 0, height: 0, margin: 0)
        entries = Buffer(repeating: Slot(), count: slots)
        planes = Buffer(repeating: empty, count: 3 * slots)
    }

    deinit {
        memory.deallocate()
    }

    /// The planes of a CTB made before.
    @inline(__always)
    func find(producer: Int, ctb: Int) -> BufferView<Plane>? {
        for i in 0..<slots where entries[i].ctb == ctb && entries[i].producer == producer {
            used = i
            return (planes + 3 * i).reading
        }
        return nil
    }

    /// Planes for a CTB at luma position (x, y), to be filled: only its own samples exist, at the positions that they
    /// have in `frame`, and of their size.
    func next(producer: Int, ctb: Int, x: Int, y: Int, frame: FrameBuffer) -> BufferView<Plane> {
        last = (last + 1) % slots
        if last == used && slots > 1 { last = (last + 1) % slots }
        used = last
        let base = memory + last * Self.samples * 2
        func plane(_ like: Plane, _ start: Int, _ stride: Int, _ x: Int, _ y: Int) -> Plane {
            Plane(
                base: base + (start - y * stride - x) * like.bytesPerSample, isNarrow: like.isNarrow, stride: stride,
                width: like.width, height: like.height, margin: like.margin)
        }
        let made = planes + 3 * last
        made[0] = plane(frame.planes.0, 0, Self.lumaStride, x, y)
        made[1] = plane(frame.planes.1, Self.lumaSamples, Self.chromaStride, x / 2, y / 2)
        made[2] = plane(frame.planes.2, Self.lumaSamples + Self.chromaSamples, Self.chromaStride, x / 2, y / 2)
        entries[last] = Slot(producer: producer, ctb: ctb)
        return made.reading
    }
}
