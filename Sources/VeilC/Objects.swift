// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import DequeModule
import Veil

/// What decoders, transcoders and encoders have in common: after an error, or after the end, nothing more is taken.
class StreamObject {
    private var isEnded = false
    private var failure: (any Error)?

    /// Takes input; `ends` where there will be no more.
    func work(ends: Bool = false, _ body: () throws -> Void) throws {
        if let failure { throw failure }
        if isEnded { throw UsageError("the stream has been ended with finish") }
        do {
            try body()
            isEnded = ends
        } catch {
            // What is wrong with the call leaves the object as it was.
            if !(error is UsageError || error is SettingsError || error is PictureError) { failure = error }
            throw error
        }
    }
}

/// Access units on their way out.
class PacketQueue: StreamObject {
    var ready: Deque<AccessUnit> = []
    private var current: UnsafeMutableBufferPointer<UInt8>?

    deinit { current?.deallocate() }

    func next(_ out: UnsafeMutablePointer<veil_packet>?) throws -> Bool {
        var packet = try veil_packet.read(out.map { UnsafePointer($0) }, "the packet")
        guard let unit = ready.popFirst() else { return false }
        let bytes = unit.bytes
        current?.deallocate()
        let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        _ = memory.initialize(from: bytes)
        current = memory
        packet.data = UnsafePointer(memory.baseAddress)
        packet.size = bytes.count
        packet.is_random_access = unit.isRandomAccessPoint ? 1 : 0
        packet.temporal_id = Int32(unit.temporalId)
        packet.layers = unit.layers.reduce(0) { $0 | 1 << UInt64($1) }
        packet.display_index = unit.displayIndex.map(Int64.init) ?? -1
        try packet.write(out, "the packet")
        return true
    }
}

@_cdecl("veil_picture_init")
public func veilPictureInit(_ picture: UnsafeMutablePointer<veil_picture>?, _ size: Int) -> Int32 {
    status { try veil_picture().initialize(picture, size: size) }
}

@_cdecl("veil_packet_init")
public func veilPacketInit(_ packet: UnsafeMutablePointer<veil_packet>?, _ size: Int) -> Int32 {
    status { try veil_packet().initialize(packet, size: size) }
}
