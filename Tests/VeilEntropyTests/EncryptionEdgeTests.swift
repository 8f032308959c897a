// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilCore
import VeilProtection

@testable import VeilEntropy

/// Hashes all that a decoder parses but for the values of bins that may change.
private final class ParseTrace: BinHook {
    private(set) var hash: UInt64 = 14_695_981_039_346_656_037
    private(set) var elements: Set<UInt8> = []
    func begin(_ unit: BinUnit) {}
    private func mix(_ value: Int) { hash = (hash ^ UInt64(truncatingIfNeeded: value)) &* 1_099_511_628_211 }
    func replace(_ run: BinRun) -> UInt32 {
        elements.insert(run.element.rawValue)
        mix(Int(run.element.rawValue) << 24 | Int(run.count) << 16 | Int(run.riceParam) << 8 | Int(run.baseLevel))
        mix(Int(run.prefix) << 40 | Int(run.flags.rawValue) << 32 | Int(run.frozen))
        return run.bins
    }
    func record(_ ctu: CodingTreeUnit) {
        mix(ctu.cuCount << 40 | ctu.puCount << 20 | ctu.tuCount)
        mix(ctu.coefficientCount)
        for i in 0..<ctu.tuCount { mix(Int(ctu.tus[i].cbf) << 8 | Int(ctu.tus[i].log2TrafoSize)) }
        for i in 0..<ctu.cuCount { mix(Int(ctu.cus[i].predMode.rawValue) << 8 | Int(ctu.cus[i].log2CbSize)) }
    }
}

private func parameters(_ variant: Int) -> SliceParameters {
    let scanFree = variant % 6 == 5
    let ctbLog2 = scanFree ? 6 : [6, 5, 4][variant % 3]
    var p = pictureParameters(width: 224, height: 160, ctbLog2: ctbLog2, firstTile: variant % 5 == 3 ? (1, 1) : nil)
    p.sliceType = [.b, .p, .i][(variant / 2) % 3]
    p.initType = 1
    p.sliceQpY = 30
    if scanFree {
        p.minCbLog2SizeY = 5
        p.minTbLog2SizeY = 4
    }
    p.maxTransformHierarchyDepthInter = 2
    p.maxTransformHierarchyDepthIntra = 1
    p.ampEnabledFlag = true
    p.pcmEnabledFlag = variant % 2 == 1
    p.log2MinIpcmCbSizeY = p.minCbLog2SizeY
    p.log2MinCuQpDeltaSize = p.minCbLog2SizeY
    p.signDataHidingEnabledFlag = variant % 4 == 2
    p.numRefIdxL0Active = 5
    p.numRefIdxL1Active = 4
    p.longTermMaskL0 = variant % 3 == 1 ? 0b10001 : 0
    p.longTermMaskL1 = variant % 3 == 1 ? 0b00010 : 0
    p.entropyCodingSyncEnabledFlag = variant % 5 == 2
    return p
}

private let unit = BinUnit(layer: 0, period: 3, pocDelta: 5, ctuAddress: 0)

private struct Tools {
    let p: SliceParameters
    let store: ContextStore
    let lines: AboveContext
    init(_ p: SliceParameters) {
        self.p = p
        store = ContextStore(picHeightInCtbs: p.picHeightInCtbsY)
        lines = AboveContext(picWidthInMinCbs: p.picWidthInLumaSamples >> p.minCbLog2SizeY)
    }

    func write(seed: UInt64, hook: (any BinHook)?) -> [UInt8] {
        let writer = SliceData.writer(
            parameters: p, store: store, lines: lines, scratch: SyntaxScratch(), contexts: ContextSet(),
            hook: hook.map { HookBox($0) },
            unit: unit)
        var generator = RandomCTU(seed: seed, parameters: p)
        generator.edges = true
        let isComplete = code(writer, p, before: { generator.fill($1, address: $0) })
        #expect(isComplete)
        return writer.outputBytes()
    }

    func recode(_ bytes: [UInt8], _ hook: any BinHook) -> [UInt8] {
        bytes.withUnsafeBufferPointer { data in
            let recoder = SliceData.recoder(
                parameters: p, data: data, store: store, lines: lines, scratch: SyntaxScratch(), contexts: ContextSet(),
                hook: HookBox(hook), unit: unit)
            let isComplete = code(recoder, p)
            #expect(isComplete)
            return recoder.outputBytes()
        }
    }

    func parse(_ bytes: [UInt8]) -> ParseTrace {
        let trace = ParseTrace()
        bytes.withUnsafeBufferPointer { data in
            let reader = SliceData.reader(
                parameters: p, data: data, store: store, lines: lines, scratch: SyntaxScratch(), contexts: ContextSet(),
                hook: HookBox(trace), unit: unit)
            let isComplete = code(reader, p, after: { trace.record($0) })
            #expect(isComplete)
        }
        return trace
    }
}

private let ring = KeyRing(layers: [LayerKey(layer: 0, id: "k", key: SecretBytes([UInt8](repeating: 7, count: 32)))])

private func encryption(_ profile: ElementProfile, _ cipher: CipherKind, feedback: Bool) throws -> Encryption {
    var options = Encryption.Options()
    options.profile = profile
    options.cipher = cipher
    options.feedback = feedback
    options.nonce = [UInt8](repeating: 4, count: 16)
    return try Encryption(options: options, layers: [0], keys: ring)
}

/// Streams that sit on the edges of every range: what is written encrypted equals what is encrypted afterwards,
/// parses to the same bins as the clear stream, and decrypts to it. Writing, recoding and reading are three
/// implementations of the code.
@Test(arguments: 0..<24, ElementProfile.allCases)
func edgesOfRangesStayInRange(variant: Int, profile: ElementProfile) throws {
    let tools = Tools(parameters(variant))
    let seed = UInt64(variant) + 40
    let made = try encryption(profile, [.aes128, .chaotic, .chacha20][variant % 3], feedback: variant % 2 == 0)
    let clear = tools.write(seed: seed, hook: nil)
    let inLoop = tools.write(seed: seed, hook: made.makeHook(layer: 0))
    #expect(inLoop.count == clear.count && inLoop != clear)
    let hook = try #require(made.makeHook(layer: 0))
    let after = tools.recode(clear, hook)
    #expect(after.elementsEqual(inLoop))
    let before = tools.parse(clear)
    let encrypted = tools.parse(inLoop)
    #expect(before.hash == encrypted.hash)
    if variant == 5 { #expect(before.elements.contains(BinElement.intraLumaMode.rawValue)) }
    let decryption = Decryption(keys: ring)
    try decryption.add(try #require(made.message(layer: 0, period: 3)))
    let back = tools.recode(inLoop, try #require(decryption.makeHook(layer: 0)))
    #expect(back.elementsEqual(clear))
}

/// Together the streams show every element.
@Test func edgeStreamsHaveEveryElement() {
    var seen: Set<UInt8> = []
    for variant in 0..<12 {
        let tools = Tools(parameters(variant))
        seen.formUnion(tools.parse(tools.write(seed: UInt64(variant) + 40, hook: nil)).elements)
    }
    #expect(seen == Set(BinElement.allCases.map(\.rawValue)))
}

/// Every element on its own is encrypted somewhere, and keeps the parse.
@Test(arguments: BinElement.allCases)
func elementsAreEncryptedAlone(element: BinElement) throws {
    var changed = 0
    for variant in [1, 5, 6, 9] {
        let tools = Tools(parameters(variant))
        let clear = tools.write(seed: 77, hook: nil)
        var options = Encryption.Options()
        options.profile = .maximal
        options.cipher = .aes128
        options.elements = ElementSet(element)
        let made = try Encryption(options: options, layers: [0], keys: ring)
        let encrypted = tools.recode(clear, try #require(made.makeHook(layer: 0)))
        #expect(encrypted.count == clear.count)
        if encrypted != clear { changed += 1 }
        #expect(tools.parse(encrypted).hash == tools.parse(clear).hash)
    }
    #expect(changed > 0)
}
