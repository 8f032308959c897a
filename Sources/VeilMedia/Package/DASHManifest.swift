// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// A DASH manifest (ISO/IEC 23009-1) whose representations are the layers of a stream.
struct DASHManifest {
    struct Representation {
        var layer: Int
        var codecs: String
        var width: Int
        var height: Int
        var sampleAspect: (width: Int, height: Int)?
        var bandwidth: Int
        /// Layers it is predicted from, directly or not.
        var dependencies: [Int]
        /// Where its segments begin, and where the last one ends.
        var starts: [Int]
        var protection: LayerPackage.Protection?
        var content = Content()
    }

    /// What a layer shows, of which others are no other rate.
    struct Content {
        /// AuxId of auxiliary pictures (Table F.2), 0 of others: 1 of alpha, 2 of depth.
        var auxId = 0
        var viewId = 0
        /// The eye that a view is for, as the stereoid scheme names it: l0, r0.
        var eye: String?

        /// In words; nil of what there is nothing to say.
        var name: String? {
            switch auxId {
            case 0: return eye.map { $0 == "l0" ? "left eye" : "right eye" } ?? (viewId > 0 ? "view \(viewId)" : nil)
            case 1: return "alpha"
            case 2: return "depth"
            default: return "auxiliary pictures"
            }
        }

        /// What its `AdaptationSet` says of auxiliary pictures (ISO/IEC 23009-1, 5.8).
        var properties: [String] {
            if auxId > 0 {
                return [
                    #"<SupplementalProperty schemeIdUri="urn:mpeg:hevc:2015:auxid:\#(auxId)"/>"#,
                    #"<Role schemeIdUri="urn:mpeg:dash:role:2011" value="supplementary"/>"#,
                ]
            }
            return []
        }

        /// What its `Representation` says of a view. Clients put together what is in one set.
        var view: [String] {
            eye.map { [#"<SupplementalProperty schemeIdUri="urn:mpeg:dash:stereoid:2011" value="\#($0)"/>"#] } ?? []
        }
    }

    struct Sound {
        var number: Int
        var codecs: String?
        var timeScale: Int
        var starts: [Int]
        var bandwidth: Int
        /// ISO 639-2; nil where nothing is said.
        var language: String?
        var name: String?
    }

    /// Ticks a second of the layers.
    var timeScale: Int
    var seconds: Double
    var representations: [Representation] = []
    var sounds: [Sound] = []

    /// What `ContentProtection` names: selective encryption as Docs/Format.md has it. It is said of a part of the
    /// representation (5.3.6): of a whole one clients take it as said that nothing can be decoded without the scheme,
    /// and leave out what they know none of, though the segments are plain ones.
    static let scheme = "urn:veil:selective-encryption:2"

    var text: String {
        var lines = [
            #"<?xml version="1.0" encoding="UTF-8"?>"#,
            #"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:veil="urn:veil:selective-encryption:2""#
                + #" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static""#
                + #" mediaPresentationDuration="\#(Self.duration(seconds))" minBufferTime="PT2S">"#, "  <Period>",
        ]
        // What shows something else is no other rate of the same pictures.
        for auxId in Set(representations.map(\.content.auxId)).sorted() {
            lines += adaptationSet(representations.filter { $0.content.auxId == auxId })
        }
        for s in sounds {
            lines += [
                #"    <AdaptationSet contentType="audio" mimeType="audio/mp4" segmentAlignment="true""#
                    + #" startWithSAP="1"\#(s.language.map { #" lang="\#(Self.escaped($0))""# } ?? "")>"#
            ]
            if let name = s.name { lines.append("      <Label>\(Self.escaped(name))</Label>") }
            lines += [
                #"      <Representation id="sound\#(s.number)""#
                    + (s.codecs.map { #" codecs="\#(Self.escaped($0))""# } ?? "") + #" bandwidth="\#(s.bandwidth)">"#
            ]
            lines += Self.template(name: "sound\(s.number)", timeScale: s.timeScale, starts: s.starts)
            lines += ["      </Representation>", "    </AdaptationSet>"]
        }
        lines += ["  </Period>", "</MPD>", ""]
        return lines.joined(separator: "\n")
    }

    private func adaptationSet(_ representations: [Representation]) -> [String] {
        var lines = [
            #"    <AdaptationSet contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">"#
        ]
        lines += (representations.first?.content.properties ?? []).map { "      " + $0 }
        for r in representations {
            var attributes =
                #"id="\#(r.layer)" codecs="\#(r.codecs)" width="\#(r.width)" height="\#(r.height)""#
                + #" bandwidth="\#(r.bandwidth)""#
            if let aspect = r.sampleAspect { attributes += #" sar="\#(aspect.width):\#(aspect.height)""# }
            if !r.dependencies.isEmpty {
                attributes += #" dependencyId="\#(r.dependencies.map(String.init).joined(separator: " "))""#
            }
            lines.append("      <Representation \(attributes)>")
            lines += r.content.view.map { "        " + $0 }
            if let p = r.protection {
                lines += [
                    "        <SubRepresentation>",
                    #"          <ContentProtection schemeIdUri="\#(Self.scheme)" value="\#(Self.escaped(p.cipher))""#
                        + #" veil:keyId="\#(Self.escaped(p.keyId))" veil:scheme="\#(Self.escaped(p.scheme))"/>"#,
                    "        </SubRepresentation>",
                ]
            }
            lines += Self.template(name: "layer\(r.layer)", timeScale: timeScale, starts: r.starts)
            lines.append("      </Representation>")
        }
        return lines + ["    </AdaptationSet>"]
    }

    private static func template(name: String, timeScale: Int, starts: [Int]) -> [String] {
        var lines = [
            #"        <SegmentTemplate timescale="\#(timeScale)" startNumber="1" initialization="\#(name)-init.mp4""#
                + #" media="\#(name)-$Number$.m4s">"#, "          <SegmentTimeline>",
        ]
        for (i, start) in starts.dropLast().enumerated() {
            lines.append(#"            <S t="\#(start)" d="\#(starts[i + 1] - start)"/>"#)
        }
        return lines + ["          </SegmentTimeline>", "        </SegmentTemplate>"]
    }

    private static func duration(_ seconds: Double) -> String { String(printf: "PT%.3fS", seconds) }

    static func escaped(_ text: String) -> String {
        text.with("&amp;", for: "&").with("&lt;", for: "<")
            .with("&quot;", for: "\"")
    }
}
