// SPDX-License-Identifier: GPL-2.0-or-later

/// profile_tier_level() (7.3.3). Compatibility and constraint bits are kept as they stand.
package struct ProfileTierLevel: Equatable, Sendable {
    package var generalProfileSpace = 0
    package var generalTierFlag = false
    package var generalProfileIdc = 1
    /// general_profile_compatibility_flag[ j ] in bit 31 - j.
    package var generalProfileCompatibilityFlags: UInt32 = 0
    /// The 48 bits from general_progressive_source_flag to general_inbld_flag.
    package var generalConstraintFlags: UInt64 = 0
    package var generalLevelIdc = 93
    package struct SubLayer: Equatable, Sendable {
        package var profile: UInt64?
        package var profileLow: UInt32 = 0
        package var levelIdc: Int?
    }
    package var subLayers: [SubLayer] = []

    package init() {}

    package init(_ r: inout BitReader, profilePresent: Bool, maxSubLayersMinus1: Int) throws {
        if profilePresent {
            generalProfileSpace = try r.u(2, "general_profile_space")
            generalTierFlag = try r.flag("general_tier_flag")
            generalProfileIdc = try r.u(5, "general_profile_idc")
            generalProfileCompatibilityFlags = UInt32(try r.u(32, "general_profile_compatibility_flag"))
            generalConstraintFlags = UInt64(try r.u(24, "general_constraint_flags")) << 24
            generalConstraintFlags |= UInt64(try r.u(24, "general_constraint_flags"))
        }
        generalLevelIdc = try r.u(8, "general_level_idc")
        var present: [(Bool, Bool)] = []
        for _ in 0..<maxSubLayersMinus1 {
            present.append((try r.flag("sub_layer_profile_present_flag"), try r.flag("sub_layer_level_present_flag")))
        }
        if maxSubLayersMinus1 > 0 {
            for _ in maxSubLayersMinus1..<8 { _ = try r.u(2, "reserved_zero_2bits") }
        }
        for (profile, level) in present {
            var sub = SubLayer()
            if profile {
                let high = UInt64(try r.u(32, "sub_layer_profile"))
                sub.profile = high << 32 | UInt64(try r.u(32, "sub_layer_profile"))
                sub.profileLow = UInt32(try r.u(24, "sub_layer_profile"))
            }
            if level { sub.levelIdc = try r.u(8, "sub_layer_level_idc") }
            subLayers.append(sub)
        }
    }

    package func write(to w: inout BitWriter, profilePresent: Bool, maxSubLayersMinus1: Int) {
        if profilePresent {
            w.u(generalProfileSpace, 2)
            w.flag(generalTierFlag)
            w.u(generalProfileIdc, 5)
            w.u(Int(generalProfileCompatibilityFlags), 32)
            w.u(Int(generalConstraintFlags >> 24), 24)
            w.u(Int(generalConstraintFlags & 0xFFFFFF), 24)
        }
        w.u(generalLevelIdc, 8)
        for i in 0..<maxSubLayersMinus1 {
            w.flag(i < subLayers.count && subLayers[i].profile != nil)
            w.flag(i < subLayers.count && subLayers[i].levelIdc != nil)
        }
        if maxSubLayersMinus1 > 0 { for _ in maxSubLayersMinus1..<8 { w.u(0, 2) } }
        for i in 0..<min(maxSubLayersMinus1, subLayers.count) {
            if let profile = subLayers[i].profile {
                w.u(Int(profile >> 32), 32)
                w.u(Int(profile & 0xFFFF_FFFF), 32)
                w.u(Int(subLayers[i].profileLow), 24)
            }
            if let level = subLayers[i].levelIdc { w.u(level, 8) }
        }
    }
}
