// SPDX-License-Identifier: GPL-2.0-or-later
//
// veil-fuzz-cover CORPUS... [-max_len=N] [-max_total_time=S]
//
// libFuzzer's entry: inputs that reach new code are kept in the first folder and changed further. What an input is,
// its first bytes say (FuzzTarget). See https://llvm.org/docs/LibFuzzer.html for the options, and Docs/Coverage.md
// for how this is built.
import VeilLab

// nonisolated(unsafe): libFuzzer calls from one thread.
nonisolated(unsafe) private let scratch = try? FuzzScratch()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let scratch else { return -1 }
    let bytes = [UInt8](UnsafeBufferPointer(start: data, count: count))
    FuzzTarget(bytes: bytes).run(bytes, scratch: scratch)
    return 0
}

private typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<Arguments>,
    _ test: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

/// What SwiftPM has `main` stand for: the place of libFuzzer's own.
@_cdecl("veil_fuzz_cover_main")
public func start(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments) { testOneInput($0, $1) }
}
