// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import Foundation

/// The last error of each thread as a C string.
enum LastError {
    private final class Text {
        let pointer: UnsafeMutablePointer<CChar>
        init(_ text: String) { pointer = strdup(text) }
        deinit { free(pointer) }
    }

    private static let key = "veil.last-error"

    static var pointer: UnsafePointer<CChar>? {
        (Thread.current.threadDictionary[key] as? Text).map { UnsafePointer($0.pointer) } ?? none
    }

    private nonisolated(unsafe) static let none: UnsafePointer<CChar>? = UnsafePointer(strdup(""))

    static func set(_ error: any Error) { Thread.current.threadDictionary[key] = Text("\(error)") }
}

/// What a caller of the C functions did wrong.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// 0, or -1 with the error kept.
func status(_ body: () throws -> Void) -> Int32 {
    do {
        try body()
        return 0
    } catch {
        LastError.set(error)
        return -1
    }
}

/// An object for C to hold, or nil with the error kept.
func handle<T: AnyObject>(_ body: () throws -> T) -> OpaquePointer? {
    do { return OpaquePointer(Unmanaged.passRetained(try body()).toOpaque()) } catch {
        LastError.set(error)
        return nil
    }
}

/// The object behind a handle.
func object<T: AnyObject>(_ handle: OpaquePointer?, _ type: T.Type) throws -> T {
    guard let handle else { throw UsageError("a null handle was given") }
    return Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

func release<T: AnyObject>(_ handle: OpaquePointer?, _ type: T.Type) {
    if let handle { Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).release() }
}

func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws -> String {
    guard let pointer else { throw UsageError("\(what) is missing") }
    return String(cString: pointer)
}

func bytes(_ data: UnsafePointer<UInt8>?, _ size: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: data, count: data == nil ? 0 : size)
}
