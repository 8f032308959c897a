// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia
import VeilSystem

@main
struct VeilProgram: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "veil",
        abstract: "Selectively encrypted scalable video (HEVC, SHVC).",
        discussion: """
            Exit status: 0 done; 1 failed, no output; 2 done, with damage, differing
            hashes or missing pictures; 3 done, slices left in the clear as asked;
            64 wrong usage; 130 interrupted, what was written plays; 141 closed pipe.
            """,
        version: VeilLibrary.version,
        subcommands: [
            KeygenCommand.self, EncodeCommand.self, EncryptCommand.self, DecryptCommand.self, RekeyCommand.self,
            DecodeCommand.self, InspectCommand.self,
            ViewCommand.self, PlayCommand.self,
            ExtractCommand.self, SplitCommand.self, JoinCommand.self, PackageCommand.self,
            MeasureCommand.self, EvaluateCommand.self, RandomnessCommand.self, CompareCommand.self, AttackCommand.self,
            NALCipherCommand.self,
            DemoCommand.self, ManualCommand.self,
        ])

    /// What help is asked about that is no verb: ArgumentParser would print the general help.
    private static func unknownVerb(_ arguments: [String]) -> String? {
        guard arguments.count > 2, arguments[1] == "help", !arguments[2].hasPrefix("-") else { return nil }
        let verbs: [any ParsableCommand.Type] = configuration.subcommands
        let isKnown = verbs.contains { verb in verb.configuration.commandName == arguments[2] }
        return isKnown || arguments[2] == "help" ? nil : arguments[2]
    }

    static func main() {
        // Reports of crashes would show memory, and keys with it.
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT, SIGQUIT] {
            VeilSystem.signal(signal, SIG_DFL)
        }
        StandardError.prepare()
        Interruption.listen()
        // Made into text, two names that are not UTF-8 would be one, and another file the one that is meant.
        for i in 0..<Int(CommandLine.argc) {
            guard let bytes = CommandLine.unsafeArgv[i], String(validatingCString: bytes) == nil else { continue }
            fail("argument \(i) ('\(String(cString: bytes))') is not UTF-8: rename the file, or lead it through a pipe")
            VeilSystem.exit(ExitCode.validationFailure.rawValue)
        }
        for argument in CommandLine.arguments {
            // --keys env:NAME, --keys=env:NAME
            if let value = argument.split(separator: "=", maxSplits: 1).last {
                ChildProcess.keepFromChildren(String(value))
            }
        }
        if let name = unknownVerb(CommandLine.arguments) {
            fail("there is no verb '\(name)': veil help lists them")
            VeilSystem.exit(ExitCode.validationFailure.rawValue)
        }
        // Nor is memory with keys written anywhere when the program crashes.
        let naming = ["--keys", "--old-keys", "--layer-file"]
        if CommandLine.arguments.contains(where: { word in word == "keygen" || naming.contains { word.hasPrefix($0) } })
        {
            var none = rlimit(rlim_cur: 0, rlim_max: 0)
            setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        }
        // A file that gets too large is an error like a full disk.
        signal(SIGXFSZ, SIG_IGN)
        var command: any ParsableCommand
        var isWhole = true
        do { command = try parseAsRoot() } catch {
            // The status says what was wrong even where nobody reads the message.
            signal(SIGPIPE, SIG_IGN)
            if exitCode(for: error) != .validationFailure { exit(withError: error) }
            fail(message(for: error))
            VeilSystem.exit(ExitCode.validationFailure.rawValue)
        }
        do {
            defer {
                for line in FoundDamage.take() {
                    isWhole = false
                    warn("\(line): what is whole is taken")
                }
            }
            try command.run()
        } catch MediaError.closedPipe {
            // As if SIGPIPE had ended it: whoever read had enough.
            VeilSystem.exit(141)
        } catch let error as ValidationError {
            OutputFolder.removeEmpty()
            fail("\(error)")
            VeilSystem.exit(ExitCode.validationFailure.rawValue)
        } catch let code as ExitCode where code.rawValue == 2 && Interruption.isRequested {
            // What is missing was not there yet.
        } catch let error where error is ExitCode || error is CleanExit || exitCode(for: error) != .failure {
            exit(withError: error)
        } catch {
            OutputFolder.removeEmpty()
            fail("\(error)")
            VeilSystem.exit(1)
        }
        if fflush(nil) != 0 {
            fail("standard output: cannot write: \(String(cString: strerror(errno)))")
            VeilSystem.exit(1)
        }
        if Interruption.isRequested {
            fail("interrupted")
            VeilSystem.exit(130)
        }
        if !isWhole { VeilSystem.exit(2) }
    }
}

/// A size given as WxH.
struct Size: ExpressibleByArgument {
    let width: Int
    let height: Int
    init?(argument: String) {
        let parts = argument.lowercased().split(separator: "x").compactMap { Int($0) }
        guard parts.count == 2, parts[0] > 0, parts[1] > 0 else { return nil }
        width = parts[0]
        height = parts[1]
    }
}

extension FrameRate: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

/// How raw input is described.
struct InputOptions: ParsableArguments {
    @Argument(help: "y4m, raw yuv, an HEVC stream, '-' for standard input, or any container ffmpeg reads.")
    var input: String
    @Option(help: "Size of raw input, as WxH.")
    var size: Size?
    @Option(help: "Frames per second of raw input: 25, 12.5, 30000/1001 (29.97 is that, too).")
    var fps: FrameRate?
    @Option(help: "Bits per sample of raw input (8, 10 or 12).")
    var inputDepth: Int?
    @Option(help: "Of an HEVC stream as the source: the layer to take; the highest by default.")
    var sourceLayer: Int?

    func validate() throws {
        guard sourceLayer.map({ (0...62).contains($0) }) ?? true else {
            throw ValidationError("--source-layer takes 0 to 62")
        }
        guard inputDepth.map({ [8, 10, 12].contains($0) }) ?? true else {
            throw ValidationError("--input-depth takes 8, 10 or 12")
        }
    }
}
