// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Keeps the memory of pictures that are done with for the next ones of the same size: a fresh block of megabytes
/// costs the kernel a page fault for every 4 KiB. What is kept is bounded in number and size.
package final class MemoryPool: @unchecked Sendable {
    package static let shared = MemoryPool()

    private static let maxBlocks = 96
    private static let maxBytes = 384 << 20
    private static let huge = 2 << 20

    private let lock = Lock()
    /// Oldest first.
    private var blocks: [(byteCount: Int, memory: UnsafeMutableRawPointer)] = []
    private var bytes = 0

    /// Uninitialized memory on a 64-byte boundary.
    package func borrow(byteCount: Int) -> UnsafeMutableRawPointer {
        let kept: UnsafeMutableRawPointer? = lock.withLock {
            guard let i = blocks.lastIndex(where: { $0.byteCount == byteCount }) else { return nil }
            bytes -= byteCount
            return blocks.remove(at: i).memory
        }
        return kept ?? Self.allocate(byteCount)
    }

    /// Fresh memory, for `free`.
    package static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
        #if os(Linux)
            // Huge pages, where the system has them: one fault for 2 MiB. Not for an end that would leave much of one
            // unused: clearing a page that the machine had not touched before costs more than its fault.
            if byteCount >= huge {
                let whole = byteCount / huge * huge
                let advised = byteCount - whole >= huge * 3 / 4 ? whole + huge : whole
                var memory: UnsafeMutableRawPointer?
                if posix_memalign(&memory, huge, max(byteCount, advised)) == 0, let memory {
                    madvise(memory, advised, MADV_HUGEPAGE)
                    return memory
                }
            }
        #endif
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, max(byteCount, 64)) == 0, let memory else { fatalError("out of memory") }
        return memory
    }

    /// Takes back what `borrow` gave.
    package func giveBack(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
        let dropped: [UnsafeMutableRawPointer] = lock.withLock {
            blocks.append((byteCount, memory))
            bytes += byteCount
            var dropped: [UnsafeMutableRawPointer] = []
            while blocks.count > Self.maxBlocks || bytes > Self.maxBytes {
                let oldest = blocks.removeFirst()
                bytes -= oldest.byteCount
                dropped.append(oldest.memory)
            }
            return dropped
        }
        for memory in dropped { free(memory) }
    }
}
