// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

@testable import VeilEncoder

struct X265OptionTests {
    @Test(arguments: [
        ("keyint=4,bframes=2", ["keyint=4", "bframes=2"]), ("no-sao", ["no-sao"]), ("", []), (",a=1,,", ["a=1"]),
        (
            "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1),hdr10=1",
            ["master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)", "hdr10=1"]
        ),
        ("max-cll=1000,400,aud=1", ["max-cll=1000,400", "aud=1"]),
        ("zones=\"0,10,q=20\",aud=1", ["zones=0,10,q=20", "aud=1"]), ("zones='0,1,q=2'", ["zones=0,1,q=2"]),
        ("deblock=-1:-1,a=b=c", ["deblock=-1:-1", "a=b=c"]),
    ])
    func commas(text: String, wanted: [String]) {
        let options = X265Options.parse(text).map { $0.name + ($0.value.map { "=" + $0 } ?? "") }
        #expect(options == wanted)
    }

    /// However libx265 would read the name: what changes the memory it is given, or files, is refused.
    @Test(arguments: [
        "input-res=640x480", "input_res=64x64", "Input-CSP=i444", "input_csp=i400", "crop_rect=0,0,2,2", "fps=30",
        "copy-pic=0", "no-copy-pic", "no_copy_pic=1", "ctu-info=1", "ctu_info=4", "nalu-file=a", "analysis-load=a",
        "analysis_save=a", "no-annexb", "annexb=0", "repeat-headers=false", "--frame-dup", "field=1", "interlace=tff",
    ])
    func refusals(text: String) {
        #expect(X265Options.refused(X265Options.parse(text)) != nil)
    }

    @Test(arguments: ["copy-pic=1", "annexb", "no-field", "interlace=0", "field=false", "no-frame-dup", "ref=2,no-sao"])
    func allowed(text: String) {
        #expect(X265Options.refused(X265Options.parse(text)) == nil)
    }
}
