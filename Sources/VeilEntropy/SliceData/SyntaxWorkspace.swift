// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// What one worker needs to read, write or recode slice data, kept from one substream to the next.
package final class SyntaxWorkspace {
    package let ctu = CodingTreeUnit()
    package let scratch = SyntaxScratch()
    package let contexts = ContextSet()
    package init() {}
}
