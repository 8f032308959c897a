// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Testing

@testable import Veil

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
}
