// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Parameter sets that ask for what Veil does not have. They end decoding only when a slice that is wanted needs
/// them: nobody may want theirs, and a damaged copy of a good set may look like one.
struct Refusals {
    private var errors: [String: SyntaxError] = [:]

    /// Puts a parameter set to the others, or remembers why not. Throws what is damaged, and what is refused where
    /// a good set of the same name stays in force.
    mutating func insert(_ nal: NALUnit, into sets: ParameterSetCollection) throws {
        let set = Self.name(nal.header.nalUnitType)
        do {
            try Self.checkDecodable(nal)
            if let id = try sets.insert(nal) { errors["\(set) \(id)"] = nil }
        } catch let error as SyntaxError {
            guard case .unsupported = error, nal.header.nalUnitType != .vps else { throw error }
            // Which one it would have been is not always known: then it stands for any that is missing.
            let id = ParameterSetCollection.identifier(of: nal)
            if let id, sets.has(nal.header.nalUnitType, id: id) { throw error }
            errors[id.map { "\(set) \($0)" } ?? set] = error
        }
    }

    /// What can be parsed is not always decoded. Sizes and depths that an SPS leaves to the VPS are looked at when a
    /// slice needs them.
    private static func checkDecodable(_ nal: NALUnit) throws {
        let layer = nal.header.nuhLayerId
        switch nal.header.nalUnitType {
        case .sps: try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: layer).checkDecodable()
        default: break
        }
    }

    /// Why a set is missing.
    func refusal(of set: String, id: Int) -> SyntaxError? { errors["\(set) \(id)"] ?? errors[set] }

    /// The refusals in force.
    var all: [SyntaxError] { errors.sorted { $0.key < $1.key }.map(\.value) }

    private static func name(_ type: NALUnitType) -> String { type == .vps ? "VPS" : type == .sps ? "SPS" : "PPS" }
}
