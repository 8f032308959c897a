// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilCrypto

struct KeygenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen", abstract: "Make a key file with a fresh key for each layer.",
        discussion: """
            EXAMPLES
              veil keygen -o keys.json --layers 2
              veil keygen -o keys.json --cipher aes-256-ctr --profile maximal
            """)

    @Option(name: .shortAndLong, help: "Key file to make, readable by its owner only; an existing one is left alone.")
    var output: String
    @Option(help: "Number of layers.")
    var layers: Int = 2
    @Option(help: "Keystream generator: chaotic, aes-128-ctr, aes-256-ctr, chacha20.")
    var cipher: CipherKind = .chaotic
    @Option(help: "Encryption profile: paper or maximal.")
    var profile: Profile = .paper
    @Option(help: "Bits a key: 128, 192 or 256.")
    var bits: Int = 256
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        guard (1...63).contains(layers) else { throw ValidationError("--layers takes 1 to 63") }
        guard [128, 192, 256].contains(bits) else { throw ValidationError("--bits takes 128, 192 or 256") }
        let ring = KeyRing.generate(layers: layers, cipher: cipher, profile: profile, keyBytes: bits / 8)
        try ring.write(path: output)
        for key in ring.layers { info("layer \(key.layer): key id \(key.id)") }
    }
}
