// SPDX-License-Identifier: GPL-2.0-or-later
// What settings, hooks and errors of the library are made of. The modules behind have more, which is not for export.

// What samples mean.
@_exported import struct VeilBitstream.ColourDescription
@_exported import enum VeilBitstream.ColourNames
// Errors that the library's functions throw.
@_exported import enum VeilBitstream.CutError
@_exported import enum VeilBitstream.StreamError
@_exported import enum VeilBitstream.SyntaxError
@_exported import enum VeilCore.ChromaFormat
@_exported import enum VeilEncoder.BaseLayerError
@_exported import enum VeilEncoder.EncoderError
// Hooks and the runs of bins they see.
@_exported import enum VeilEntropy.BinElement
@_exported import protocol VeilEntropy.BinHook
@_exported import protocol VeilEntropy.BinHookProvider
@_exported import struct VeilEntropy.BinRun
@_exported import struct VeilEntropy.BinUnit
@_exported import enum VeilMedia.MediaError
// Keys, and what is encrypted with them.
@_exported import enum VeilProtection.CipherKind
@_exported import enum VeilProtection.DamagePolicy
@_exported import struct VeilProtection.ElementCounts
@_exported import enum VeilProtection.ElementProfile
@_exported import struct VeilProtection.ElementSet
@_exported import struct VeilProtection.EncryptableBins
@_exported import class VeilProtection.Encryption
@_exported import struct VeilProtection.EncryptionScope
@_exported import enum VeilProtection.EncryptionSpace
@_exported import enum VeilProtection.HiddenPictures
@_exported import enum VeilProtection.KeyError
@_exported import struct VeilProtection.KeyRing
@_exported import protocol VeilProtection.Keystream
@_exported import struct VeilProtection.LayerKey
@_exported import enum VeilProtection.ProtectionError
@_exported import struct VeilProtection.ProtectionMessage
@_exported import enum VeilProtection.Resynchronization
@_exported import enum VeilProtection.Scheme
@_exported import struct VeilProtection.SecretBytes
@_exported import struct VeilProtection.Sidecar
@_exported import struct VeilProtection.UnitNonce
@_exported import struct VeilProtection.VerificationOptions
@_exported import struct VeilProtection.VerificationReport
