// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilProtection

/// Opens hidden pictures, verifies a stream and shows a decoder's decrypting hooks its messages. Layers whose keystream
/// never restarts cannot be decrypted picture by picture while decoding: from the first message that says so, the
/// stream is decrypted before it reaches the decoder.
package final class DecryptingInput {
    private let decryption: Decryption
    private let threads: Int
    private let deliver: (NALUnit) throws -> Void
    private var parameterSets: [NALUnit] = []
    private var transcoder: StreamTranscoder?
    private var replays = false
    private var verified: VerifiedStream?
    private var opening: PictureOpening?

    package init(_ decryption: Decryption, threads: Int, deliver: @escaping (NALUnit) throws -> Void) {
        self.decryption = decryption
        self.threads = threads
        self.deliver = deliver
        verified = VerifiedStream(decryption) { [unowned self] in try decrypt($0) }
        opening = PictureOpening(decryption) { [unowned self] in try verified?.push($0) }
    }

    package func push(_ nal: NALUnit) throws { try opening?.push(nal) }

    /// - Parameter isCut: the stream ends in the middle of an access unit, which is given up if it has tags.
    package func finish(isCut: Bool = false) throws {
        try opening?.finish(isCut: isCut)
        try verified?.finish(isCut: isCut)
        try transcoder?.finish()
    }

    private func decrypt(_ nal: NALUnit) throws {
        if let transcoder {
            try transcoder.push(nal)
            return
        }
        if SealedUnit.isOne(nal) {
            // Of a layer that stays locked nobody misses it.
            guard var opened = try decryption.open(nal) else { return }
            opened.bypassesHooks = true
            try deliver(opened)
            return
        }
        switch nal.header.nalUnitType {
        case .vps, .sps, .pps: parameterSets.append(nal)
        case .prefixSEI:
            if let message = try ProtectionSEI.message(in: nal) {
                if message.resynchronization == .stream {
                    let made = StreamTranscoder(mode: .decrypt(decryption), threads: threads, verifies: false) {
                        [unowned self] in
                        if !self.replays { try self.deliver($0) }
                    }
                    replays = true
                    for set in parameterSets { try made.push(set) }
                    replays = false
                    transcoder = made
                    try made.push(nal)
                    return
                }
                try decryption.add(message)
            }
        default: break
        }
        try deliver(nal)
    }
}
