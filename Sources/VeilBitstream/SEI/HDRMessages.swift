// SPDX-License-Identifier: GPL-2.0-or-later

extension SEIMessage {
    package static let masteringDisplayColourVolume = 137
    package static let contentLightLevelInfo = 144
    package static let alternativeTransferCharacteristics = 147

    /// The messages that say what a picture was mastered for (D.2.28, D.2.35, D.2.38).
    package static func messages(of colour: ColourDescription) -> [SEIMessage] {
        var result: [SEIMessage] = []
        if let display = colour.masteringDisplay {
            var w = BitWriter()
            for (i, number) in display.numbers.enumerated() { w.u(number, i < 8 ? 16 : 32) }
            result.append(SEIMessage(payloadType: masteringDisplayColourVolume, payload: w.bytes))
        }
        if let light = colour.contentLight {
            var w = BitWriter()
            w.u(light.maximum, 16)
            w.u(light.average, 16)
            result.append(SEIMessage(payloadType: contentLightLevelInfo, payload: w.bytes))
        }
        if let transfer = colour.alternativeTransfer {
            result.append(
                SEIMessage(
                    payloadType: alternativeTransferCharacteristics, payload: [UInt8(truncatingIfNeeded: transfer)]))
        }
        return result
    }

    /// What an SEI unit adds to what is known of its layer's pictures.
    package static func describe(_ nal: NALUnit, _ colour: inout ColourDescription) {
        guard let messages = try? messages(rbsp: nal.rbsp) else { return }
        for message in messages { message.describe(&colour) }
    }

    /// Adds what such a message says; others and those that are cut short say nothing.
    package func describe(_ colour: inout ColourDescription) {
        var r = BitReader(payload)
        switch payloadType {
        case Self.masteringDisplayColourVolume where payload.count >= 24:
            let numbers = (0..<10).map { (try? r.u($0 < 8 ? 16 : 32, "mastering_display_colour_volume")) ?? 0 }
            colour.masteringDisplay = ColourDescription.MasteringDisplay(numbers: numbers)
        case Self.contentLightLevelInfo where payload.count >= 4:
            let numbers = (0..<2).map { _ in (try? r.u(16, "content_light_level_info")) ?? 0 }
            colour.contentLight = ColourDescription.ContentLight(maximum: numbers[0], average: numbers[1])
        case Self.alternativeTransferCharacteristics where !payload.isEmpty:
            colour.alternativeTransfer = Int(payload[0])
        default: break
        }
    }
}
