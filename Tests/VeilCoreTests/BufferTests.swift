// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import Testing
import VeilCore

@Suite struct BufferTests {
    /// Counts how many of its like there are.
    private final class Counted {
        nonisolated(unsafe) static var alive = 0
        init() { Self.alive += 1 }
        deinit { Self.alive -= 1 }
    }

    @Test func elementsGoWithTheBuffer() {
        do {
            let buffer = Buffer<Counted>(count: 5) { _ in Counted() }
            #expect(Counted.alive == 5 && buffer.count == 5)
            buffer[2] = buffer[3]
            #expect(Counted.alive == 4 && buffer[2] === buffer[3])
        }
        #expect(Counted.alive == 0)
    }

    @Test func readsAndWritesInPlace() {
        let buffer = Buffer<UInt16>(repeating: 7, count: 40)
        buffer[39] &+= 65_530
        #expect(buffer[39] == 1 && buffer.base[39] == 1 && buffer[0] == 7)
        buffer.pointer(at: 10, for: 3).update(repeating: 2, count: 3)
        #expect((0..<40).map { buffer[$0] } == (0..<40).map { $0 == 39 ? 1 : (10...12).contains($0) ? 2 : 7 })
        let aligned = Buffer<UInt8>(repeating: 3, count: 100, alignment: 64)
        #expect(Int(bitPattern: aligned.base) % 64 == 0 && (0..<100).allSatisfy { aligned[$0] == 3 })
        let atomics = Buffer<Atomic<Int>>(count: 3) { Atomic($0) }
        atomics[2].add(5, ordering: .relaxed)
        #expect(atomics[2].load(ordering: .relaxed) == 7)
    }

    @Test func copiesShareAndKeepTheirBuffer() {
        let pointer: UnsafeMutablePointer<Int>
        let kept: SharedBuffer<Int>
        do {
            let first = SharedBuffer(Buffer(repeating: 4, count: 8))
            pointer = first.buffer.base
            kept = first
        }
        pointer[7] = 9
        #expect(kept.buffer[7] == 9 && kept.buffer[0] == 4)
    }

    /// Memory of pictures comes back for the next ones of the same size, and only for those.
    @Test func memoryIsBorrowedAgain() {
        let pool = MemoryPool.shared
        let size = 1_234_560
        let first = pool.borrow(byteCount: size)
        #expect(Int(bitPattern: first) % 64 == 0)
        pool.giveBack(first, byteCount: size)
        let other = pool.borrow(byteCount: size + 64)
        #expect(other != first)
        let second = pool.borrow(byteCount: size)
        #expect(second == first)
        pool.giveBack(second, byteCount: size)
        pool.giveBack(other, byteCount: size + 64)
    }
}
