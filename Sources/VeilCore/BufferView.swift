// SPDX-License-Identifier: GPL-2.0-or-later

/// Elements in memory that somebody else owns, to be read: a place in it, from where indices count. Debug builds know
/// where the memory begins and ends and check whatever is read or written; in others this is a pointer and nothing
/// else. A view may be moved beyond its memory, as one that walks along rows is after the last.
package struct BufferView<Element>: @unchecked Sendable {
    /// For kernels and their like, which ask with ``pointer(for:)`` where they can say how much they read.
    package let base: UnsafePointer<Element>
    #if DEBUG
        @usableFromInline let first: UnsafePointer<Element>
        @usableFromInline let end: UnsafePointer<Element>
    #endif

    /// `count` elements from `base` on.
    @inlinable @inline(__always)
    package init(_ base: UnsafePointer<Element>, count: Int) {
        self.base = base
        #if DEBUG
            first = base
            end = base + count
        #endif
    }

    @inlinable @inline(__always)
    package init(_ view: MutableBufferView<Element>) {
        base = UnsafePointer(view.base)
        #if DEBUG
            first = UnsafePointer(view.first)
            end = UnsafePointer(view.end)
        #endif
    }

    @inlinable @inline(__always)
    init(moving view: Self, by n: Int) {
        base = view.base + n
        #if DEBUG
            first = view.first
            end = view.end
        #endif
    }

    @inlinable @inline(__always)
    func check(_ i: Int, _ count: Int) {
        #if DEBUG
            assert(count >= 0 && base + i >= first && base + i + count <= end, "an index beyond a view's memory")
        #endif
    }

    @inlinable
    package subscript(i: Int) -> Element {
        @inline(__always) unsafeAddress {
            check(i, 1)
            return base + i
        }
    }

    /// The element at the view's place.
    @inlinable
    package var pointee: Element {
        @inline(__always) unsafeAddress {
            check(0, 1)
            return base
        }
    }

    @inlinable @inline(__always)
    package static func + (view: Self, n: Int) -> Self { Self(moving: view, by: n) }
    @inlinable @inline(__always)
    package static func - (view: Self, n: Int) -> Self { Self(moving: view, by: -n) }
    @inlinable @inline(__always)
    package static func += (view: inout Self, n: Int) { view = Self(moving: view, by: n) }
    /// How many elements lie between two places in the same memory.
    @inlinable @inline(__always)
    package static func - (view: Self, other: Self) -> Int { view.base - other.base }

    /// Where at least `count` elements stand.
    @inlinable @inline(__always)
    package func pointer(for count: Int) -> UnsafePointer<Element> {
        check(0, count)
        return base
    }

    /// Where at least `count` bytes stand, to be read as words.
    @inlinable @inline(__always)
    package func bytes(_ count: Int) -> UnsafeRawPointer {
        check(0, count / MemoryLayout<Element>.stride)
        return UnsafeRawPointer(base)
    }
}

/// The same for elements that may be written. Whoever has it may write, as with a pointer: it is the memory that
/// changes.
package struct MutableBufferView<Element>: @unchecked Sendable {
    package let base: UnsafeMutablePointer<Element>
    #if DEBUG
        @usableFromInline let first: UnsafeMutablePointer<Element>
        @usableFromInline let end: UnsafeMutablePointer<Element>
    #endif

    /// `count` elements from `base` on.
    @inlinable @inline(__always)
    package init(_ base: UnsafeMutablePointer<Element>, count: Int) {
        self.base = base
        #if DEBUG
            first = base
            end = base + count
        #endif
    }

    @inlinable @inline(__always)
    init(moving view: Self, by n: Int) {
        base = view.base + n
        #if DEBUG
            first = view.first
            end = view.end
        #endif
    }

    @inlinable @inline(__always)
    func check(_ i: Int, _ count: Int) {
        #if DEBUG
            assert(count >= 0 && base + i >= first && base + i + count <= end, "an index beyond a view's memory")
        #endif
    }

    /// `count` elements of memory that may hold elements of another kind at other times.
    @inlinable @inline(__always)
    package init(_ memory: UnsafeMutableRawPointer, as type: Element.Type, count: Int) {
        self.init(memory.assumingMemoryBound(to: type), count: count)
    }

    @inlinable
    package subscript(i: Int) -> Element {
        @inline(__always) unsafeAddress {
            check(i, 1)
            return UnsafePointer(base + i)
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            check(i, 1)
            return base + i
        }
    }

    /// The element at the view's place.
    @inlinable
    package var pointee: Element {
        @inline(__always) unsafeAddress {
            check(0, 1)
            return UnsafePointer(base)
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            check(0, 1)
            return base
        }
    }

    @inlinable @inline(__always)
    package static func + (view: Self, n: Int) -> Self { Self(moving: view, by: n) }
    @inlinable @inline(__always)
    package static func - (view: Self, n: Int) -> Self { Self(moving: view, by: -n) }
    @inlinable @inline(__always)
    package static func += (view: inout Self, n: Int) { view = Self(moving: view, by: n) }
    /// How many elements lie between two places in the same memory.
    @inlinable @inline(__always)
    package static func - (view: Self, other: Self) -> Int { view.base - other.base }

    /// Where at least `count` elements stand.
    @inlinable @inline(__always)
    package func pointer(for count: Int) -> UnsafeMutablePointer<Element> {
        check(0, count)
        return base
    }

    /// Whether both are the same place.
    @inlinable @inline(__always)
    package static func == (a: Self, b: Self) -> Bool { a.base == b.base }

    /// The same to be read only.
    @inlinable @inline(__always)
    package var reading: BufferView<Element> { BufferView(self) }

    @inlinable @inline(__always)
    package func update(from source: BufferView<Element>, count: Int) {
        source.check(0, count)
        check(0, count)
        base.update(from: source.base, count: count)
    }

    @inlinable @inline(__always)
    package func update(from source: Self, count: Int) { update(from: source.reading, count: count) }

    @inlinable @inline(__always)
    package func update(repeating value: Element, count: Int) {
        check(0, count)
        base.update(repeating: value, count: count)
    }

    /// Where at least `count` bytes stand, to be read or written as words.
    @inlinable @inline(__always)
    package func bytes(_ count: Int) -> UnsafeMutableRawPointer {
        check(0, count / MemoryLayout<Element>.stride)
        return UnsafeMutableRawPointer(base)
    }
}

extension Buffer where Element: Copyable {
    /// All elements, for as long as the buffer is there.
    @inlinable @inline(__always)
    package var view: MutableBufferView<Element> { MutableBufferView(base, count: count) }

    @inlinable @inline(__always)
    package static func + (buffer: borrowing Self, n: Int) -> MutableBufferView<Element> { buffer.view + n }

    /// The first element: of those that have one only.
    @inlinable
    package var pointee: Element {
        @inline(__always) unsafeAddress { UnsafePointer(base) }
        @inline(__always) nonmutating unsafeMutableAddress { base }
    }
}

/// A table that never changes once it is made, and that stays for as long as the program runs: hot loops look things
/// up in it without bounds checks (but in debug builds) or reference counts.
package struct ConstantTable<Element: BitwiseCopyable>: Sendable {
    package let view: BufferView<Element>

    /// - Parameter alignment: in bytes.
    package init(_ elements: [Element], alignment: Int = MemoryLayout<Element>.alignment) {
        precondition(!elements.isEmpty, "a table of nothing")
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: elements.count * MemoryLayout<Element>.stride, alignment: alignment)
        elements.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        view = BufferView(memory.bindMemory(to: Element.self, capacity: elements.count), count: elements.count)
    }

    @inlinable @inline(__always)
    package subscript(i: Int) -> Element { view[i] }

    /// The rest of the table from an element on.
    @inlinable @inline(__always)
    package static func + (table: Self, n: Int) -> BufferView<Element> { table.view + n }
}

/// Samples of a rectangle: its first one, and how many elements lie from a row to the next.
package struct BlockView<Sample> {
    package let samples: MutableBufferView<Sample>
    package let stride: Int
    package let width: Int
    package let height: Int

    @inlinable @inline(__always)
    package init(_ samples: MutableBufferView<Sample>, stride: Int, width: Int, height: Int) {
        self.samples = samples
        self.stride = stride
        self.width = width
        self.height = height
    }

    /// Where a row begins.
    @inlinable @inline(__always)
    package func row(_ y: Int) -> MutableBufferView<Sample> { samples + y &* stride }
}
