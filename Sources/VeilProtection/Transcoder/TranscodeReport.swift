// SPDX-License-Identifier: GPL-2.0-or-later

/// What a transcode did.
package struct TranscodeReport: Sendable {
    package var pictures = 0
    package var recodedSlices = 0
    /// Slices, and what may be slices, that went through as they were though they were to be recoded.
    package var failedSlices = 0
    /// Those that were left out or sealed instead, and sealed ones that were opened.
    package var droppedSlices = 0
    package var sealedSlices = 0
    package var openedSlices = 0
    /// By layer: slices to be encrypted that leave as they are in the clear. No bin of theirs can be encrypted, or so
    /// few that the keystream may leave them as they are.
    package var unchangedSlices: [Int: Int] = [:]
    /// Bytes of slice NAL units by layer.
    package var layerBytes: [Int: Int] = [:]
    /// Bytes of encryption messages put in or taken out, start codes included.
    package var messageBytes = 0
    /// The first few messages about damage, one line each.
    package var messages: [String] = []
    package init() {}
    mutating func note(_ message: String) { if messages.count < 20 { messages.append(message) } }
}
