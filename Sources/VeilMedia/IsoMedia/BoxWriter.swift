// SPDX-License-Identifier: GPL-2.0-or-later

/// The bytes of boxes (ISO/IEC 14496-12, 4.2), put together from the inside out.
struct BoxWriter {
    private(set) var bytes: [UInt8] = []
    /// See ``timeBox(_:flags:longest:_:)``.
    private var timeBytes = 4

    init() {}

    mutating func u8(_ value: Int) { bytes.append(UInt8(truncatingIfNeeded: value)) }
    mutating func u16(_ value: Int) { put(value, 2) }
    mutating func u32(_ value: Int) { put(value, 4) }
    mutating func u64(_ value: Int) { put(value, 8) }
    mutating func fourCC(_ code: FourCC) { put(Int(code.value), 4) }
    mutating func zeros(_ count: Int) { bytes += repeatElement(0, count: count) }
    mutating func append(_ more: some Sequence<UInt8>) { bytes += more }

    private mutating func put(_ value: Int, _ count: Int) {
        for i in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * i))) }
    }

    /// A box whose payload `body` writes. Not for payloads of 4 GiB and more.
    mutating func box(_ type: FourCC, _ body: (inout BoxWriter) throws -> Void) rethrows {
        var inner = BoxWriter()
        try body(&inner)
        u32(inner.bytes.count + 8)
        fourCC(type)
        bytes += inner.bytes
    }

    mutating func fullBox(_ type: FourCC, version: Int = 0, flags: Int = 0, _ body: (inout BoxWriter) -> Void) {
        box(type) {
            $0.u32(version << 24 | flags)
            body(&$0)
        }
    }

    /// A full box with times: of version 1, in which they have 64 bits, where the longest takes them.
    mutating func timeBox(_ type: FourCC, flags: Int = 0, longest: Int, _ body: (inout BoxWriter) -> Void) {
        let isLong = longest > Int(Int32.max)
        fullBox(type, version: isLong ? 1 : 0, flags: flags) {
            $0.timeBytes = isLong ? 8 : 4
            body(&$0)
        }
    }

    /// A time of the box at hand.
    mutating func time(_ ticks: Int) { put(ticks, timeBytes) }

    /// The identity matrix of 6.2.2.
    mutating func unityMatrix() { for value in [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000] { u32(value) } }
    static let unity: [UInt8] = {
        var w = BoxWriter()
        w.unityMatrix()
        return w.bytes
    }()
}
