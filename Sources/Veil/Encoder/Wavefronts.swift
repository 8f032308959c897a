// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEncoder

/// Whether a stream's CTB rows are substreams of their own.
struct Wavefronts {
    /// entropy_coding_sync_enabled_flag, one value for all layers.
    let isOn: Bool
    /// The base layer has slices, which x265 makes of wavefronts only.
    let areNeeded: Bool

    /// What the x265 options say of wavefronts prevails over the setting, and that over what the preset has.
    init(_ settings: VideoEncoder.Settings) {
        let x265 = (settings.slices.map { [("slices", String($0))] } ?? []) + settings.x265Options
        areNeeded = (x265.last { $0.name == "slices" && $0.value != nil }?.value ?? "1") != "1"
        if let own = x265.last(where: { $0.name == "wpp" || $0.name == "no-wpp" }) {
            isOn = own.name == "wpp" && own.value != "0"
        } else {
            isOn =
                settings.wavefront
                ?? (areNeeded || EncoderPreset(name: settings.preset)?.tools.wavefront ?? true)
        }
    }
}
