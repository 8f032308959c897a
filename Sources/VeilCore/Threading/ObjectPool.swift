// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Objects that workers use by turns and that are kept between uses, as they are costly to make.
package final class ObjectPool<Object>: @unchecked Sendable {
    private let lock = Lock()
    private var free: [Object]
    private let make: () -> Object

    /// - Parameter free: objects that are there already.
    package init(_ free: [Object] = [], make: @escaping () -> Object) {
        self.free = free
        self.make = make
    }

    /// A free object, or a new one.
    package func borrow() -> Object { lock.withLock { free.popLast() } ?? make() }

    package func giveBack(_ object: Object) { lock.withLock { free.append(object) } }
}
