// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

@testable import VeilMedia

/// What a movie's user data may hold beside encrypted video.
@Suite struct UserDataTests {
    private func box(_ type: FourCC, _ body: [UInt8]) -> [UInt8] {
        var w = BoxWriter()
        w.box(type) { $0.append(body) }
        return w.bytes
    }

    private func data(_ type: UInt8, _ value: [UInt8]) -> [UInt8] { box("data", [0, 0, 0, type, 0, 0, 0, 0] + value) }
    private func handler(_ type: String) -> [UInt8] {
        box("hdlr", [UInt8](repeating: 0, count: 8) + Array(type.utf8) + [UInt8](repeating: 0, count: 13))
    }
    private let text = Array("A title".utf8)
    private let picture = [0xFF, 0xD8, 0xFF] + [UInt8](repeating: 0x5A, count: 40)
    private let titled = FourCC(0xA96E_616D)

    private func left(_ children: [UInt8]) throws -> (kept: [UInt8], left: [String]) {
        let (kept, left) = try TextualUserData.of(box("udta", children))
        return (kept, left.map(\.description))
    }

    @Test func textStays() throws {
        let items =
            box(titled, data(1, text)) + box("trkn", data(0, [0, 0, 0, 1, 0, 2, 0, 0]))
            + box("----", box("mean", [0, 0, 0, 0] + text) + box("name", [0, 0, 0, 0] + text) + data(1, text))
        let plain = box("meta", handler("mdta") + box("keys", [0, 0, 0, 0, 0, 0, 0, 0]) + box("ilst", items))
        let all =
            box(titled, text) + box("cprt", text) + box("meta", [0, 0, 0, 0] + handler("mdir") + box("ilst", items))
            + plain
        let (kept, names) = try left(all)
        #expect(names.isEmpty && kept == box("udta", all))
    }

    /// Under whatever name.
    @Test func picturesDoNot() throws {
        let meta = { self.box("meta", [0, 0, 0, 0] + self.handler("mdir") + $0) }
        let cases: [(String, [UInt8])] = [
            ("covr", meta(box("ilst", box("covr", data(13, picture))))),
            ("----", meta(box("ilst", box("----", box("mean", text) + box("name", text) + data(14, picture))))),
            ("....", meta(box("ilst", box(FourCC(1), data(13, picture))))),
            ("snal", meta(box("ilst", box("snal", data(0, picture))))),
            ("idat", meta(box("idat", picture))), ("iloc", meta(box("iloc", picture))),
            ("thmb", box("thmb", picture)), ("CNTH", box("CNTH", box("CNDA", picture))), ("XMP_", box("XMP_", picture)),
            ("uuid", box("uuid", picture)),
        ]
        for (name, child) in cases {
            let (kept, names) = try left(box(titled, text) + child)
            #expect(names == [name])
            #expect(Data(kept).range(of: Data(picture)) == nil && Data(kept).range(of: Data(text)) != nil, "\(name)")
        }
    }
}

/// Lines of y4m that are none.
@Suite struct FrameHeaderTests {
    @Test func whatFollowsTheWord() throws {
        let path = NSTemporaryDirectory() + "/frames-\(UInt64.random(in: 0 ... .max)).y4m"
        defer { unlink(path) }
        let frame = [UInt8](repeating: 90, count: 16 * 16 * 3 / 2)
        func frames(_ second: String, _ end: [UInt8] = [10]) throws -> Int {
            let bytes = Array("YUV4MPEG2 W16 H16 F25:1\nFRAME\n".utf8) + frame + Array(second.utf8) + end + frame
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let source = try VideoSource.open(path: path)
            var count = 0
            while try source.nextFrame() != nil { count += 1 }
            return count * (source.damage == nil ? 1 : -1)
        }
        #expect(try frames("FRAME") == 2)
        #expect(try frames("FRAME Ip XSTREAM") == 2)
        // One picture, and what follows is damaged.
        for other in [
            "FRAMEX", "FRAM", "frame", "FRAME" + String(repeating: "\0", count: 2000),
            "FRAME " + String(repeating: "x", count: 1100),
        ] {
            #expect(try frames(other) == -1, "\(other.prefix(10))")
        }
        #expect(try frames("FRAME", []) == -1)
    }
}
