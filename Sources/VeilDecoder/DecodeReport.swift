// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilRecon

/// A picture in output order.
package struct DecodedFrame: @unchecked Sendable {
    package let picture: CodedPicture
    package let info: OutputInfo
    /// Nominal frames per second from the VUI or VPS, as (time scale, units in tick), when given.
    package let timing: (timeScale: Int, numUnitsInTick: Int)?
    /// What its samples mean.
    package let colour: ColourDescription
    /// Whether it is one field of two (field_seq_flag).
    package let isField: Bool

    /// Cropped size in luma samples.
    package var width: Int { picture.frame.width - info.window.left - info.window.right }
    package var height: Int { picture.frame.height - info.window.top - info.window.bottom }
}

/// What happened during decoding.
package struct DecodeReport: Sendable {
    package var picturesDecoded = 0
    package var picturesOutput = 0
    package var hashesChecked = 0
    package var hashMismatches = 0
    package var failedSlices = 0
    package var concealedCTUs = 0
    package var missingReferences = 0
    package var skippedRasl = 0
    /// Pictures of which nothing came, made up and put out in their place.
    package var concealedPictures = 0
    package var damagedUnits = 0
    /// From one IRAP picture to the next, where nothing came of the highest layer, which the VPS names.
    package var unseenPictures = 0
    /// The first few messages about damage, one line each.
    package var messages: [String] = []
    package init() {}

    /// Whether everything decoded as it was meant to.
    package var isClean: Bool {
        hashMismatches == 0 && failedSlices == 0 && concealedCTUs == 0 && missingReferences == 0 && damagedUnits == 0
            && unseenPictures == 0
    }

    mutating func note(_ message: String) { if messages.count < 20 { messages.append(message) } }

    /// What is true of many pictures is said of the first.
    mutating func noteOnce(_ message: String) { if !messages.contains(message) { note(message) } }
}
