// SPDX-License-Identifier: GPL-2.0-or-later
import Dispatch

/// Runs an object's work on a thread that is not one of the few that all tasks share, one piece after the other:
/// coding a picture takes long and waits for other threads.
final class WorkQueue<Object>: @unchecked Sendable {
    private let queue = DispatchQueue(label: "veil.work")
    /// Touched by the queue's work only.
    private let object: Object

    /// `object` must not be used by anybody else from now on.
    init(_ object: Object) { self.object = object }

    func run<Result: Sendable>(_ work: @escaping @Sendable (Object) throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try work(self.object) }) }
        }
    }
}
