// SPDX-License-Identifier: GPL-2.0-or-later
import VeilEncoder

/// Whether a stream's CTB rows are substreams of their own.
package struct Wavefronts {
    /// entropy_coding_sync_enabled_flag, one value for all layers.
    package let isOn: Bool
    /// The base layer has slices, which x265 makes of wavefronts only.
    package let areNeeded: Bool

    /// `x265`: options of the base layer by their names on x265's command line; what they say of wavefronts prevails
    /// over `wanted`, and that over what the preset has.
    package init(preset: String, wanted: Bool?, x265: [(name: String, value: String?)]) {
        areNeeded = (x265.last { $0.name == "slices" && $0.value != nil }?.value ?? "1") != "1"
        if let own = x265.last(where: { $0.name == "wpp" || $0.name == "no-wpp" }) {
            isOn = own.name == "wpp" && own.value != "0"
        } else {
            isOn = wanted ?? (areNeeded || EncoderPreset(name: preset)?.tools.wavefront ?? true)
        }
    }
}
