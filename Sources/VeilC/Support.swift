// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import Veil
import VeilSystem

/// The last error of each thread, its text as a C string.
enum LastError {
    private final class Kept {
        let text: UnsafeMutablePointer<CChar>
        let status: Int32
        init(_ text: String, _ status: Int32) {
            self.text = strdup(text)
            self.status = status
        }
        deinit { free(text) }
    }

    private static let kept = ThreadValue<Kept>()
    private nonisolated(unsafe) static let none: UnsafePointer<CChar>? = UnsafePointer(strdup(""))

    static var text: UnsafePointer<CChar>? { kept.value.map { UnsafePointer($0.text) } ?? none }
    static var status: Int32 { kept.value?.status ?? VEIL_OK.rawValue }

    /// Keeps an error and returns its status.
    static func keep(_ error: any Error) -> Int32 {
        let status = number(of: error).rawValue
        kept.value = Kept("\(error)", status)
        return status
    }

    private static func number(of error: any Error) -> veil_status {
        switch error {
        case is UsageError, is PictureError: VEIL_ERROR_USAGE
        case is SettingsError, is EncoderError: VEIL_ERROR_SETTINGS
        case BaseLayerError.unavailable: VEIL_ERROR_UNAVAILABLE
        case BaseLayerError.settings: VEIL_ERROR_SETTINGS
        case KeyError.tampered, KeyError.incomplete, KeyError.unsupported, KeyError.notEncrypted, is ProtectionError:
            VEIL_ERROR_PROTECTION
        case is KeyError: VEIL_ERROR_KEYS
        case is StreamError, is SyntaxError: VEIL_ERROR_STREAM
        case is MediaError: VEIL_ERROR_FILE
        default: VEIL_ERROR
        }
    }
}

/// What a caller of the C functions did wrong.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// VEIL_OK, or the number of the error, which is kept.
func status(_ body: () throws -> Void) -> Int32 {
    do {
        try body()
        return VEIL_OK.rawValue
    } catch { return LastError.keep(error) }
}

/// 1 or 0, or the number of the error, which is kept.
func answer(_ body: () throws -> Bool) -> Int32 {
    do { return try body() ? 1 : 0 } catch { return LastError.keep(error) }
}

/// Makes an object for C to hold. Where that fails, C gets NULL.
func open<T: AnyObject>(_ out: UnsafeMutablePointer<OpaquePointer?>?, _ make: () throws -> T) -> Int32 {
    out?.pointee = nil
    return status {
        guard let out else { throw UsageError("there is nowhere to put the object") }
        out.pointee = OpaquePointer(Unmanaged.passRetained(try make()).toOpaque())
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

// MARK: Texts and bytes

func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }

func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws -> String {
    guard let pointer else { throw UsageError("\(what) is missing") }
    return String(cString: pointer)
}

func bytes(_ data: UnsafePointer<UInt8>?, _ size: Int) throws -> UnsafeBufferPointer<UInt8> {
    guard size >= 0, data != nil || size == 0 else { throw UsageError("\(size) bytes were given without data") }
    return UnsafeBufferPointer(start: data, count: size)
}

/// What a flag says: 0 or 1.
func flag(_ value: Int32, _ name: String) throws -> Bool {
    guard value == 0 || value == 1 else { throw UsageError("\(name) is 0 or 1, not \(value)") }
    return value == 1
}

/// A number within bounds.
func number(_ value: Int32, _ range: ClosedRange<Int32>, _ name: String) throws -> Int {
    guard range.contains(value) else {
        throw UsageError("\(name) is \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
    return Int(value)
}

// MARK: Structures

/// A structure that tells its size. The first version's size is the least: whoever was built with a smaller one has no
/// program for this library; one built with a larger one asks for what this library does not know.
protocol SizedStructure {
    init()
    // The C structure's member.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    var struct_size: Int { get set }
    static var firstSize: Int { get }
}

extension SizedStructure {
    fileprivate static func check(_ size: Int) throws {
        guard (firstSize...MemoryLayout<Self>.size).contains(size) else {
            throw UsageError(
                "\(Self.self) has \(size) bytes, where this library knows \(firstSize) to \(MemoryLayout<Self>.size): "
                    + "is it initialized, and the header the library's?")
        }
    }

    /// What the caller's structure says, with zeros for the fields that it does not have.
    static func read(_ given: UnsafePointer<Self>?, _ what: String) throws -> Self {
        guard let given else { throw UsageError("\(what) is missing") }
        // The size comes first; more must not be looked at before it is known.
        let size = UnsafeRawPointer(given).load(as: Int.self)
        try check(size)
        var copy = Self()
        withUnsafeMutableBytes(of: &copy) { $0.copyMemory(from: UnsafeRawBufferPointer(start: given, count: size)) }
        return copy
    }

    /// Writes the fields that the caller's structure has.
    func write(_ out: UnsafeMutablePointer<Self>?, _ what: String) throws {
        guard let out else { throw UsageError("\(what) is missing") }
        let size = UnsafeRawPointer(out).load(as: Int.self)
        try Self.check(size)
        var copy = self
        copy.struct_size = size
        withUnsafeBytes(of: copy) {
            UnsafeMutableRawPointer(out).copyMemory(from: $0.baseAddress!, byteCount: size)
        }
    }

    /// Writes defaults over memory that was never written.
    func initialize(_ out: UnsafeMutablePointer<Self>?, size: Int) throws {
        guard let out else { throw UsageError("there is nowhere to put the defaults") }
        try Self.check(size)
        var copy = self
        copy.struct_size = size
        withUnsafeBytes(of: copy) {
            UnsafeMutableRawPointer(out).copyMemory(from: $0.baseAddress!, byteCount: size)
        }
    }
}

// Fields that come later are added behind these sizes, or where fields are reserved.
extension veil_picture: SizedStructure { static var firstSize: Int { MemoryLayout<Self>.size } }
extension veil_packet: SizedStructure { static var firstSize: Int { MemoryLayout<Self>.size } }
extension veil_decoder_settings: SizedStructure { static var firstSize: Int { MemoryLayout<Self>.size } }
extension veil_decoder_report: SizedStructure { static var firstSize: Int { MemoryLayout<Self>.size } }
extension veil_transcoder_settings: SizedStructure { static var firstSize: Int { MemoryLayout<Self>.size } }
extension veil_transcoder_report: SizedStructure { static var firstSize: Int { MemoryLayout<Self>.size } }
extension veil_encoder_settings: SizedStructure { static var firstSize: Int { MemoryLayout<Self>.size } }
