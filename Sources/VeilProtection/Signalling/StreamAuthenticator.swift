// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Puts a tag after the slices of each picture of the layers that an encryption authenticates, and marks the end. It
/// is given the stream as it leaves, messages included.
package final class StreamAuthenticator {
    private var encryption: Encryption
    private let deliver: (NALUnit) throws -> Void
    private var follower = PictureFollower()
    /// Pictures by layer, in all runs so far.
    private var counts: [Int: UInt32] = [:]
    /// Layers that a message or picture of this run came of.
    private var present: Set<Int> = []
    /// Another run came before this one, and said so.
    private var follows = false
    /// What came behind a picture and may be the next access unit's already: the run's end comes before it.
    private var held: [NALUnit] = []

    package init(_ encryption: Encryption, deliver: @escaping (NALUnit) throws -> Void) {
        self.encryption = encryption
        self.deliver = deliver
    }

    /// How parameter sets took each other's places in what was pushed: a verifier counts the same.
    var exchanges: ParameterSetHistory.Counts { follower.history.counts }

    package func push(_ nal: NALUnit) throws {
        if nal.isMalformed {
            try release()
            try deliver(nal)
            return
        }
        if follower.ends(before: nal) { try finishPicture() }
        let type = nal.header.nalUnitType
        var isMessage = false
        do {
            if type == .prefixSEI, let message = try ProtectionSEI.message(in: nal) {
                isMessage = true
                follower.observe(message)
                // Layers without any picture end too: there may be sealed units.
                present.insert(message.layer)
            }
            try follower.observe(nal)
        } catch is SyntaxError {
            // What cannot be parsed is not encrypted either.
        }
        // The run's own messages come before its end, also of a run without pictures.
        if !isMessage && (type == .endOfSequence || type == .endOfBitstream || type.opensAccessUnit) {
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
        follows = follows || !present.isEmpty
        try finish(as: .runEnd)
        self.encryption = encryption
    }

    /// Tags the picture that is being followed: all of its slices came.
    package func finishPicture() throws {
        guard let open = follower.open else { return }
        follower.close()
        guard var message = message(.picture, of: open.layer),
            let key = encryption.authenticationKey(layer: message.layer)
        else { return }
        guard message.index < UInt32.max else { throw PositionError.periodsExhausted(layer: open.layer) }
        counts[open.layer] = message.index + 1
        present.insert(open.layer)
        message.sliceCount = UInt32(truncatingIfNeeded: open.slices.count)
        message.followsEnd = open.followsEnd
        message.lowerDigest = open.lowerDigest
        message.lowerIsHidden = open.lowerHeaders.contains(where: encryption.hides)
        message.sign(open, sealed: follower.takeSealed(for: message).map(\.hash), key: key)
        try deliver(ProtectionSEI.unit(message, temporalId: open.temporalId))
    }

    /// Tags the last picture and marks the end of the stream.
    package func finish() throws { try finish(as: .end) }

    private func finish(as kind: AuthenticationMessage.Kind) throws {
        try finishPicture()
        // Layers without any picture end too.
        let silent = encryption.layerIds.filter { encryption.tagging(layer: $0) != nil }
        for layer in silent where !present.contains(layer) && (!present.isEmpty || follows) {
            present.insert(layer)
            // Those below that are clear have no message of their own.
            if let message = encryption.message(layer: layer, period: 0) { try deliver(ProtectionSEI.unit(message)) }
        }
        for layer in present.sorted() {
            guard var message = message(kind, of: layer), let key = encryption.authenticationKey(layer: message.layer)
            else { continue }
            message.sign(sealed: follower.takeSealed(for: message).map(\.hash), key: key)
            try deliver(ProtectionSEI.unit(message, temporalId: 0))
        }
        present = []
        try release()
    }

    /// A message about a layer, to be signed; nil where the encryption tags nothing of it.
    private func message(_ kind: AuthenticationMessage.Kind, of layer: Int) -> AuthenticationMessage? {
        guard let tagging = encryption.tagging(layer: layer) else { return nil }
        var message = AuthenticationMessage(layer: tagging, tag: [])
        message.kind = kind
        message.index = counts[layer, default: 0]
        if tagging != layer { message.lowerLayer = layer }
        return message
    }
}
