// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// What prefix SEI messages say of the pictures of each layer.
struct PictureMessages {
    /// What samples mean. It holds until something else is said: encoders send it less often than the standard has it.
    private var described: [Int: ColourDescription] = [:]
    /// Registered user data (D.2.6: captions, HDR10+) of the next picture, and of the pictures of the access unit.
    private var arriving: [Int: [[UInt8]]] = [:]
    private var present: [Int: [[UInt8]]] = [:]

    /// Messages of a picture, at most: what more there is says nothing.
    private static let mostUserData = 64

    mutating func observe(_ nal: NALUnit) {
        guard let messages = try? SEIMessage.messages(rbsp: nal.rbsp) else { return }
        let layer = nal.header.nuhLayerId
        for message in messages {
            if message.payloadType == SEIMessage.userDataRegistered {
                if arriving[layer, default: []].count < Self.mostUserData {
                    arriving[layer, default: []].append(message.payload)
                }
            } else {
                message.describe(&described[layer, default: ColourDescription()])
            }
        }
    }

    mutating func endOfSequence() { described.removeAll() }

    /// A picture begins. Returns its registered user data; that of a layer without any is the base layer's, and so are
    /// the captions of one without.
    mutating func begin(layer: Int, beginsAccessUnit: Bool) -> [[UInt8]] {
        if beginsAccessUnit { present.removeAll() }
        present[layer] = arriving.removeValue(forKey: layer)
        let base = present[0] ?? []
        guard layer > 0, let own = present[layer] else { return present[layer] ?? base }
        return own.contains(where: SEIMessage.areCaptions) ? own : own + base.filter(SEIMessage.areCaptions)
    }

    func colour(ofLayer layer: Int) -> ColourDescription { described[layer] ?? ColourDescription() }
}
