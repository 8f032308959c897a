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

    @Test func viewsAreOfTheSameMemory() {
        let buffer = Buffer<UInt16>(count: 40) { UInt16($0) }
        var view = buffer + 10
        #expect(view[0] == 10 && view[-10] == 0 && view.pointee == 10 && (view - 3)[29] == 36)
        view += 5
        view.pointee = 99
        view[1] = 98
        #expect(buffer[15] == 99 && buffer[16] == 98 && view.reading[1] == 98 && (view + 4) - (buffer + 2) == 17)
        (buffer + 20).update(from: view, count: 2)
        (buffer + 30).update(repeating: 7, count: 10)
        #expect(buffer[20] == 99 && buffer[21] == 98 && buffer[22] == 22 && buffer[39] == 7 && buffer[29] == 29)
        #expect(view.bytes(4).loadUnaligned(as: UInt32.self) == 98 << 16 | 99)
        #expect(view.pointer(for: 25)[24] == 7)
        let block = BlockView(buffer + 1, stride: 8, width: 4, height: 3)
        #expect(block.row(2)[1] == 18)
    }

    @Test func tablesHoldWhatTheyWereMadeOf() {
        let table = ConstantTable((0..<100).map { UInt32($0 * $0) }, alignment: 64)
        #expect((0..<100).allSatisfy { table[$0] == UInt32($0 * $0) } && (table + 90)[9] == 99 * 99)
        #expect(Int(bitPattern: table.view.base) % 64 == 0)
    }

    #if DEBUG
        /// Debug builds trap at places beyond the memory, before and behind.
        @Test func placesBeyondTheMemoryAreNoticed() async {
            await #expect(processExitsWith: .failure) { _ = Buffer<Int>(repeating: 0, count: 4).view[4] }
            await #expect(processExitsWith: .failure) { _ = (Buffer<Int>(repeating: 0, count: 4) + 2)[-3] }
            await #expect(processExitsWith: .failure) { _ = (Buffer<Int>(repeating: 0, count: 4) + 5).pointee }
            await #expect(processExitsWith: .failure) { Buffer<Int>(repeating: 0, count: 4)[-1] = 1 }
            await #expect(processExitsWith: .failure) { _ = ConstantTable<UInt8>([1, 2])[2] }
        }
    #endif

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
