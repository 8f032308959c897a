// SPDX-License-Identifier: GPL-2.0-or-later

/// What whoever decrypts lets through that somebody without keys may have done to a stream.
public struct VerificationOptions: Sendable, Equatable {
    /// Slices in the clear of layers whose keys are held, though no message says that the layer is not protected.
    public var allowsClear = false
    /// Streams joined one after the other where one of them is authenticated.
    public var allowsJoined = false
    /// Refuse streams without tags.
    public var requiresTags = false
    /// Refuse what was lost or left out on the way (pictures, sub-layers, layers, the end) as if it had been changed.
    public var isStrict = false
    public init() {}
}

/// What was found about where a stream comes from, while it was decrypted.
public struct VerificationReport: Sendable {
    /// Pictures whose tags were checked. Those that do not fit never get here: an error is thrown.
    public internal(set) var verifiedPictures = 0
    /// Pictures of authenticated layers that are missing, by layer.
    public internal(set) var missingPictures: [Int: Int] = [:]
    /// How many times another run began after or before an authenticated one: streams were joined.
    public internal(set) var joins = 0
    /// Joins are no reason to complain.
    public internal(set) var allowsJoined = false
    /// What else is missing, one line each.
    public internal(set) var losses: [String] = []
    /// Where the stream's format promises less than the present one.
    public internal(set) var warnings: [String] = []

    public init() {}

    /// Nothing that should be there is missing, and nothing was joined that was not to be.
    public var isWhole: Bool { missingPictures.isEmpty && losses.isEmpty && (joins == 0 || allowsJoined) }

    /// Everything found, one line each.
    public var lines: [String] {
        warnings
            + missingPictures.sorted { $0.key < $1.key }.map { layer, count in
                "layer \(layer): \(count) picture\(count == 1 ? " is" : "s are") missing"
            } + losses
            + (joins > 0
                ? ["\(joins + 1) streams were joined: which ones, and in which order, no tag tells"] : [])
    }
}
