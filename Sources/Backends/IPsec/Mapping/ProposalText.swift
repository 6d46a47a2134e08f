// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Proposals in charon's words.
enum ProposalText {
  /// What is offered where a list is empty, or where no policy fits.
  static let defaultEncryptions: [IKEv2Proposal.Encryption] = [.aesGCM256, .aesCBC256]
  static let defaultHashes: [IKEv2Proposal.Hash] = [.sha512, .sha384, .sha256]
  static let defaultGroups: [IKEv2Proposal.Group] = [.ecp384, .ecp521, .ecp256]

  /// The proposals that one of ours becomes: algorithms with integrity of their own (AES-GCM) cannot share a proposal
  /// with those without (RFC 7296, section 3.3), so it may be two, in the order in which their algorithms begin.
  static func ike(_ proposal: IKEv2Proposal) -> [String] {
    let encryptions = proposal.encryptions.isEmpty ? defaultEncryptions : proposal.encryptions
    let groups = (proposal.groups.isEmpty ? defaultGroups : proposal.groups).map(\.word)
    let integrities = proposal.integrities.isEmpty ? defaultHashes : proposal.integrities
    var prfs = proposal.prfs
    if prfs.isEmpty { prfs = proposal.integrities.isEmpty ? defaultHashes : proposal.integrities }
    let combined = encryptions.filter(\.isCombined).map(\.word)
    let plain = encryptions.filter { !$0.isCombined }.map(\.word)
    let prfWords = prfs.map { "prf" + $0.word }
    var texts: [(first: Int, text: String)] = []
    if !combined.isEmpty {
      let first = encryptions.firstIndex { $0.isCombined } ?? 0
      texts.append((first, (combined + prfWords + groups).joined(separator: "-")))
    }
    if !plain.isEmpty {
      let first = encryptions.firstIndex { !$0.isCombined } ?? 0
      texts.append((first, (plain + integrities.map(\.word) + prfWords + groups).joined(separator: "-")))
    }
    return texts.sorted { $0.first < $1.first }.map(\.text)
  }

  /// One transform set, with the group of perfect forward secrecy; nil when it has not both encryption and integrity.
  static func esp(_ set: TransformSet, pfs: IKEv2Proposal.Group?) -> String? {
    guard let encryption = set.encryption, let integrity = set.integrity else { return nil }
    return ([encryption.word, integrity.word] + (pfs.map { [$0.word] } ?? [])).joined(separator: "-")
  }
}

extension IKEv2Proposal.Encryption {
  /// It protects integrity as well.
  var isCombined: Bool { self == .aesGCM128 || self == .aesGCM256 }
  fileprivate var word: String {
    switch self {
    case .aesGCM128: "aes128gcm16"
    case .aesGCM256: "aes256gcm16"
    case .aesCBC128: "aes128"
    case .aesCBC192: "aes192"
    case .aesCBC256: "aes256"
    }
  }
}

extension IKEv2Proposal.Hash {
  fileprivate var word: String {
    switch self {
    case .sha1: "sha1"
    case .sha256: "sha256"
    case .sha384: "sha384"
    case .sha512: "sha512"
    }
  }
}

extension IKEv2Proposal.Group {
  fileprivate var word: String {
    switch self {
    case .ecp256: "ecp256"
    case .ecp384: "ecp384"
    case .ecp521: "ecp521"
    }
  }
}

extension TransformSet.Encryption {
  fileprivate var word: String {
    switch self {
    case .aes128: "aes128"
    case .aes192: "aes192"
    case .aes256: "aes256"
    }
  }
}

extension TransformSet.Integrity {
  fileprivate var word: String {
    switch self {
    case .sha1: "sha1"
    case .sha256: "sha256"
    case .sha384: "sha384"
    case .sha512: "sha512"
    }
  }
}
