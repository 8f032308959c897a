// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEntropy

/// Shows each run to two providers' hooks in turn: the second sees what the first replaced it by.
package final class HooksInTurn: BinHookProvider {
    private let first: any BinHookProvider
    private let second: any BinHookProvider

    package init(_ first: any BinHookProvider, _ second: any BinHookProvider) {
        self.first = first
        self.second = second
    }

    package func makeHook(layer: Int) -> (any BinHook)? {
        guard let one = first.makeHook(layer: layer) else { return second.makeHook(layer: layer) }
        guard let two = second.makeHook(layer: layer) else { return one }
        return HookInTurn(one, two)
    }

    package func irapIndex(layer: Int) -> Int? { first.irapIndex(layer: layer) ?? second.irapIndex(layer: layer) }
}

final class HookInTurn: BinHook {
    private let first: any BinHook
    private let second: any BinHook

    init(_ first: any BinHook, _ second: any BinHook) {
        self.first = first
        self.second = second
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
        return second.replace(plain)
    }
}
