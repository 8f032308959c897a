// SPDX-License-Identifier: GPL-2.0-or-later

/// What is damaged of the boxes that the tables of a movie lie in (ISO/IEC 14496-12, 8.1 to 8.5): boxes that do not fit
/// into those around them, and such that are not there. Pictures may be whole nonetheless.
enum MovieFlaws {
    /// Boxes that are looked into, by the one around them.
    private static let within: [FourCC: Set<FourCC>] = [
        "moov": ["trak", "mvex"], "trak": ["edts", "mdia", "tref"], "mdia": ["minf"], "minf": ["stbl"],
        "stbl": ["stsd"], "stsd": HEVCSampleEntry.types,
    ]
    private static let needed: [FourCC: [FourCC]] = [
        "trak": ["tkhd", "mdia"], "mdia": ["mdhd", "hdlr", "minf"], "minf": ["stbl"],
        "stbl": ["stsd"],
    ]
    /// Fields in front of what a box holds.
    private static let fields: [FourCC: Int] = ["stsd": 8]
    private static let fieldsOfEntry = 78

    static func of(_ box: Box) -> [IsoMediaError] {
        var rest = box
        var types: Set<FourCC> = []
        var result: [IsoMediaError] = []
        let inside = within[box.type] ?? []
        do {
            try rest.skip(HEVCSampleEntry.types.contains(box.type) ? fieldsOfEntry : fields[box.type] ?? 0)
            while let child = try rest.nextChild() {
                types.insert(child.type)
                if inside.contains(child.type) { result += of(child) }
            }
        } catch let error as IsoMediaError { return result + [error] } catch { return result }
        for type in needed[box.type] ?? [] where !types.contains(type) {
            result.append(.missing(box: type, in: box.type))
        }
        return result
    }
}
