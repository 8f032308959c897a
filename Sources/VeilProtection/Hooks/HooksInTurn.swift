// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilEntropy

/// Shows each run to two providers' hooks in turn: the second sees what the first replaced it by.
package final class HooksInTurn: BinHookProvider {
    private let first: any BinHookProvider
    private let second: any BinHookProvider

    package init(_ first: any BinHookProvider, _ second: any BinHookProvider) {
        self.first = first
        self.second = second
    }

    package func makeHook(layer: Int) -> (any BinHook)? { pictureHooks(layer: layer)() }

    package func pictureHooks(layer: Int) -> @Sendable () -> (any BinHook)? {
        HookInTurn.pictureHooks(first, second, layer: layer)
    }

    package func periodStart(layer: Int, isIRAP: Bool) -> PeriodStart? {
        first.periodStart(layer: layer, isIRAP: isIRAP) ?? second.periodStart(layer: layer, isIRAP: isIRAP)
    }
}

final class HookInTurn: BinHook {
    private let first: any BinHook
    private let second: any BinHook
    /// Runs that the second replaced by other bins than it was shown.
    private(set) var changes = 0

    init(_ first: any BinHook, _ second: any BinHook) {
        self.first = first
        self.second = second
    }

    static func pictureHooks(
        _ first: any BinHookProvider, _ second: any BinHookProvider, layer: Int
    ) -> @Sendable () -> (any BinHook)? {
        let one = first.pictureHooks(layer: layer)
        let two = second.pictureHooks(layer: layer)
        return {
            guard let one = one() else { return two() }
            return two().map { HookInTurn(one, $0) } ?? one
        }
    }

    func begin(_ unit: BinUnit) {
        first.begin(unit)
        second.begin(unit)
    }

    func beginCTU(address: Int, x: Int, y: Int) {
        first.beginCTU(address: address, x: x, y: y)
        second.beginCTU(address: address, x: x, y: y)
    }

    func replace(_ run: BinRun) -> UInt32 {
        var plain = run
        plain.bins = first.replace(run)
        plain.complete()
        let replaced = second.replace(plain)
        if replaced != plain.bins { changes &+= 1 }
        return replaced
    }
}
