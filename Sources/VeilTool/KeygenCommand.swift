// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilProtection

struct KeygenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen", abstract: "Make a key file with a fresh key for each layer.",
        discussion: """
            EXAMPLES
              veil keygen -o keys.json --layers 2
              veil keygen -o keys.json --cipher aes-256-ctr --profile maximal
              veil keygen -o master.json --master            one key, from which those of the layers are derived
              veil keygen -o base.json --from keys.json --only-layer 0   for someone who may see the base layer
              veil keygen -o left.json --from keys.json --only-layer 0 --only-layer 1   both layers of the left eye
            """)

    @Option(name: .shortAndLong, help: "Key file to make, readable by its owner only; an existing one is left alone.")
    var output: String
    @Option(help: "Number of layers.")
    var layers: Int = 2
    @Option(help: "Keystream generator: chaotic, aes-128-ctr, aes-256-ctr, chacha20.")
    var cipher = Named(CipherKind.chaotic)
    @Option(help: "Encryption profile: paper or maximal.")
    var profile = Named(ElementProfile.paper)
    @Option(help: "Bits a key: 128, 192 or 256.")
    var bits: Int = 256
    @Flag(help: "Make one master key in place of a key a layer.")
    var master = false
    @Option(help: "Take a key from this key file, env:NAME or fd:N, in place of making one.")
    var from: String?
    @Option(help: "A layer whose key is taken, one or more: no other can be found from these.")
    var onlyLayer: [Int] = []
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        guard output != "-" else { throw ValidationError("keys go to a file, which others cannot read") }
        guard (1...63).contains(layers) else { throw ValidationError("--layers takes 1 to 63") }
        guard [128, 192, 256].contains(bits) else { throw ValidationError("--bits takes 128, 192 or 256") }
        guard (from == nil) == onlyLayer.isEmpty else { throw ValidationError("--from and --only-layer go together") }
        let ring: KeyRing
        if let from {
            ring = try KeyRing(reference: from).only(layers: Set(onlyLayer).sorted())
            try ring.write(path: output)
        } else if master {
            let data = try KeyRing.masterFile(
                layers: layers, cipher: cipher.value, profile: profile.value, keyBytes: bits / 8)
            try KeyRing.write(data, path: output)
            ring = try KeyRing(json: data, source: output)
        } else {
            ring = KeyRing.generate(layers: layers, cipher: cipher.value, profile: profile.value, keyBytes: bits / 8)
            try ring.write(path: output)
        }
        for key in ring.layers { info("layer \(key.layer): key id \(key.id)") }
    }
}
