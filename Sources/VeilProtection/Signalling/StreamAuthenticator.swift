// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Puts a tag after the slices of each picture of the layers that an encryption authenticates, and marks the end. It
/// is given the stream as it leaves, messages included.
package final class StreamAuthenticator {
    private var encryption: Encryption
    private let deliver: (NALUnit) throws -> Void
    private var follower = PictureFollower()
    /// Pictures by layer in this run.
    private var counts: [Int: UInt32] = [:]
    /// Ends of sequences, which have to be the last units of theirs.
    private var held: [NALUnit] = []

    package init(_ encryption: Encryption, deliver: @escaping (NALUnit) throws -> Void) {
        self.encryption = encryption
        self.deliver = deliver
    }

    package func push(_ nal: NALUnit) throws {
        if nal.isMalformed {
            try release()
            try deliver(nal)
            return
        }
        if follower.ends(before: nal) { try finishPicture() }
        let type = nal.header.nalUnitType
        do {
            if type == .prefixSEI, let message = try ProtectionSEI.message(in: nal) {
                follower.take(message)
                // Layers without any picture end too: there may be sealed units.
                counts[message.layer, default: 0] += 0
            }
            try follower.take(nal)
        } catch is SyntaxError {
            // What cannot be parsed is not encrypted either.
        }
        if type == .endOfSequence || type == .endOfBitstream {
            held.append(nal)
        } else {
            try release()
            try deliver(nal)
        }
    }

    private func release() throws {
        let units = held
        held = []
        for nal in units { try deliver(nal) }
    }

    /// What comes next is another encryption's.
    package func begin(_ encryption: Encryption) throws {
        try finish()
        self.encryption = encryption
    }

    /// Tags the picture that is being followed: all of its slices came.
    package func finishPicture() throws {
        guard let open = follower.open else { return }
        follower.close()
        guard let key = encryption.authenticationKey(layer: open.layer) else { return }
        var message = AuthenticationMessage(layer: open.layer, tag: [])
        message.index = counts[open.layer, default: 0]
        guard message.index < UInt32.max else { throw PositionError.periodsExhausted(layer: open.layer) }
        counts[open.layer] = message.index + 1
        message.sliceCount = UInt32(truncatingIfNeeded: open.slices.count)
        message.lowerDigest = open.lowerDigest
        message.sign(open, sealed: follower.takeSealed(layer: open.layer), key: key)
        try deliver(ProtectionSEI.unit(message, temporalId: open.temporalId))
    }

    /// Tags the last picture and marks the end of the run.
    package func finish() throws {
        try finishPicture()
        // Layers without any picture end too.
        for layer in encryption.encryptedLayers where counts[layer] == nil && !counts.isEmpty {
            guard let message = encryption.message(layer: layer, period: 0) else { continue }
            counts[layer] = 0
            try deliver(ProtectionSEI.unit(message))
        }
        for (layer, count) in counts.sorted(by: { $0.key < $1.key }) {
            guard let key = encryption.authenticationKey(layer: layer) else { continue }
            var message = AuthenticationMessage(layer: layer, tag: [])
            message.kind = .end
            message.index = count
            message.sign(sealed: follower.takeSealed(layer: layer), key: key)
            try deliver(ProtectionSEI.unit(message, temporalId: 0))
        }
        counts = [:]
        try release()
    }
}
