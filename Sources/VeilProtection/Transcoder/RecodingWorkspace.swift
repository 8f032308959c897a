// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilCore
import VeilEntropy

/// What one worker needs for itself.
final class RecodingWorkspace {
    let ctu = CodingTreeUnit()
    let scratch = SyntaxScratch()
    let contexts = ContextSet()
}

/// Workspaces that are not in use.
final class RecodingWorkspacePool: @unchecked Sendable {
    private let lock = NSLock()
    private var free: [RecodingWorkspace] = []
    func take() -> RecodingWorkspace { lock.withLock { free.popLast() } ?? RecodingWorkspace() }
    func giveBack(_ workspace: RecodingWorkspace) { lock.withLock { free.append(workspace) } }
}

/// The hooks of one picture's units that are not in use; there is one to begin with.
final class HookPool: @unchecked Sendable {
    private let lock = NSLock()
    private var free: [HookBox]
    private let make: () -> (any BinHook)?

    init(_ first: any BinHook, make: @escaping () -> (any BinHook)?) {
        free = [HookBox(first)]
        self.make = make
    }

    func take() -> HookBox? { lock.withLock { free.popLast() } ?? make().map(HookBox.init) }
    func giveBack(_ hook: HookBox) { lock.withLock { free.append(hook) } }
}
