// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

extension VerifiedStream {
    /// What is known of a layer.
    struct Layer {
        var message: ProtectionMessage
        /// Nil: the layer stays locked, and nothing of it is checked.
        var keys: StreamKey?
        var isChecked: Bool { message.isAuthenticated && keys != nil }
    }

    struct RunLayer: Hashable {
        let nonce: [UInt8]
        let layer: Int
    }

    /// How far a run has got in a layer.
    struct Progress {
        var version: UInt8
        /// Index of the next picture; of version 1, number of the next period.
        var next = 0
        var hasPicture = false
        var hasEnded = false
        /// And another run was to follow.
        var goesOn = false
        /// Counter of the last sealed unit under the layer's key: they ascend.
        var lastSealed: UInt64?
        /// Picture order counts of the period, of version 1.
        var counts = IntervalSet()
    }
}
