// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import VeilSystem

/// Prints the man page, made from what the program says of itself; `make install` installs it.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Print the man page.", discussion: "veil manual > veil.1", shouldDisplay: false
    )

    func run() throws {
        struct Help: Decodable {
            struct Name: Decodable {
                let kind: String
                let name: String
                var text: String { kind == "short" ? "-\(name)" : "--\(name)" }
            }
            struct Argument: Decodable {
                let kind: String
                let names: [Name]?
                let valueName: String?
                let abstract: String?
                let defaultValue: String?
                let shouldDisplay: Bool
            }
            struct Command: Decodable {
                let commandName: String
                let abstract: String?
                let discussion: String?
                let arguments: [Argument]?
                let subcommands: [Command]?
                let shouldDisplay: Bool?
            }
            let command: Command
        }
        let help = try JSONDecoder().decode(Help.self, from: Data(VeilProgram._dumpHelp().utf8)).command
        var page =
            ".TH VEIL 1\n.SH NAME\nveil \\- \(Self.escaped(help.abstract ?? ""))\n.SH SYNOPSIS\n.B veil\n.I "
            + "verb\n[\\fIoptions\\fR]\n"
        page += ".SH DESCRIPTION\n\(Self.paragraphs(help.discussion ?? ""))\n.SH VERBS\n"
        for command in help.subcommands ?? [] where command.shouldDisplay ?? true && command.commandName != "help" {
            page += ".SS veil \(command.commandName)\n\(Self.escaped(command.abstract ?? ""))\n"
            for argument in command.arguments ?? []
            where argument.shouldDisplay
                && argument.names?.contains(where: { ["help", "version"].contains($0.name) }) != true
            {
                let value = argument.valueName.map { "\\fI\(Self.escaped($0))\\fR" } ?? ""
                switch argument.kind {
                case "positional": page += ".TP\n\(value)\n"
                case "flag": page += ".TP\n\(Self.names(argument.names?.map(\.text)))\n"
                default: page += ".TP\n\(Self.names(argument.names?.map(\.text))) \(value)\n"
                }
                page +=
                    Self.escaped(argument.abstract ?? "")
                    + (argument.defaultValue.map { " (default: \(Self.escaped($0)))" } ?? "") + "\n"
            }
            page += ".PP\n\(Self.paragraphs(command.discussion ?? ""))\n"
        }
        page += ".SH LICENSE\nGPL-2.0-or-later.\n"
        print(page, terminator: "")
    }

    private static func names(_ names: [String]?) -> String {
        (names ?? []).map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ")
    }

    private static func escaped(_ text: String) -> String {
        text.with("\\e", for: "\\").with("\\-", for: "-")
    }

    /// Text of a help screen: blank lines part paragraphs, and what is indented or a command stays line by line.
    private static func paragraphs(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let bare = line.trimmed
            if bare.isEmpty { return ".PP" }
            return line.hasPrefix("  ") || line.hasPrefix("veil ") ? ".br\n\\&\(escaped(String(line)))" : escaped(bare)
        }.joined(separator: "\n")
    }
}
