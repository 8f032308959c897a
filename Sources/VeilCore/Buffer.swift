// SPDX-License-Identifier: GPL-2.0-or-later

/// Memory for a fixed number of elements, for hot loops: no reference counting, no exclusivity checks, indices checked
/// in debug builds only. Whoever holds the buffer owns the memory, which goes with it.
package struct Buffer<Element: ~Copyable>: ~Copyable, @unchecked Sendable {
    /// For kernels and for code that walks through the memory: good as long as the buffer is there.
    package let base: UnsafeMutablePointer<Element>
    package let count: Int

    /// A buffer whose element `i` is `make(i)`.
    @inlinable
    package init(count: Int, _ make: (Int) -> Element) {
        precondition(count >= 0, "a buffer of a negative size")
        base = .allocate(capacity: count)
        self.count = count
        for i in 0..<count { (base + i).initialize(to: make(i)) }
    }

    deinit {
        base.deinitialize(count: count)
        base.deallocate()
    }

    @inlinable
    package subscript(i: Int) -> Element {
        @inline(__always) unsafeAddress {
            assert(i >= 0 && i < count, "index beyond a buffer")
            return UnsafePointer(base + i)
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            assert(i >= 0 && i < count, "index beyond a buffer")
            return base + i
        }
    }

    /// Where elements begin of which at least `count` more are there.
    @inlinable @inline(__always)
    package func pointer(at i: Int, for count: Int) -> UnsafeMutablePointer<Element> {
        assert(i >= 0 && count >= 0 && i + count <= self.count, "a run beyond a buffer")
        return base + i
    }
}

extension Buffer where Element: Copyable {
    /// - Parameter alignment: in bytes, where more is wanted than elements need.
    @inlinable
    package init(repeating value: Element, count: Int, alignment: Int = 0) {
        precondition(count >= 0, "a buffer of a negative size")
        if alignment > MemoryLayout<Element>.alignment {
            base = UnsafeMutableRawPointer.allocate(
                byteCount: count * MemoryLayout<Element>.stride, alignment: alignment
            ).bindMemory(to: Element.self, capacity: count)
        } else {
            base = .allocate(capacity: count)
        }
        Self.fill(base, value, count)
        self.count = count
    }

    /// Runs of bytes where elements are plain ones: the compiler does not specialize this type's initializers, and
    /// would copy each element by its type's witness.
    @usableFromInline
    static func fill(_ base: UnsafeMutablePointer<Element>, _ value: Element, _ count: Int) {
        guard count > 0, _isPOD(Element.self) else { return base.initialize(repeating: value, count: count) }
        base.initialize(to: value)
        let bytes = UnsafeMutableRawPointer(base)
        let size = count * MemoryLayout<Element>.stride
        var done = MemoryLayout<Element>.stride
        while done < size {
            let more = min(done, size - done, 4096)
            (bytes + done).copyMemory(from: bytes, byteCount: more)
            done += more
        }
    }
}

/// A buffer that copies of a value share; it goes with the last of them.
package final class SharedBuffer<Element> {
    package let buffer: Buffer<Element>

    package init(_ buffer: consuming Buffer<Element>) { self.buffer = buffer }
}
