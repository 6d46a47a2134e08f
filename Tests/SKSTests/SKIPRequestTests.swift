// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Testing

@testable import SKS

@Suite struct SKIPRequestTests {
  private static let identifier = KeyIdentifier("D6d60F")

  @Test func targets() throws {
    let identifier = try #require(Self.identifier)
    #expect(SKIPRequest.capabilities.target == "/capabilities")
    #expect(SKIPRequest.newKey(remote: "KP-B", sizeInBits: nil).target == "/key?remoteSystemID=KP-B")
    #expect(SKIPRequest.newKey(remote: "KP-B", sizeInBits: 512).target == "/key?remoteSystemID=KP-B&size=512")
    #expect(SKIPRequest.key(identifier, remote: "KP-B").target == "/key/D6d60F?remoteSystemID=KP-B")
    #expect(SKIPRequest.entropy(bits: nil).target == "/entropy")
    #expect(SKIPRequest.entropy(bits: 128).target == "/entropy?minentropy=128")
  }

  @Test func namesArePercentEncoded() {
    #expect(
      SKIPRequest.newKey(remote: "a b&size=1#?é/%", sizeInBits: nil).target
        == "/key?remoteSystemID=a%20b%26size%3D1%23%3F%C3%A9%2F%25")
    #expect(SKIPRequest.newKey(remote: "A-z_0.9~", sizeInBits: nil).target == "/key?remoteSystemID=A-z_0.9~")
  }

  @Test func onlyKeyRequestsDeliverKeys() throws {
    let identifier = try #require(Self.identifier)
    #expect(SKIPRequest.newKey(remote: "B", sizeInBits: nil).deliversKey)
    #expect(SKIPRequest.key(identifier, remote: "B").deliversKey)
    #expect(!SKIPRequest.capabilities.deliversKey && !SKIPRequest.entropy(bits: nil).deliversKey)
  }
}

@Suite struct RemotePatternTests {
  @Test(arguments: [
    ("KP-B", "KP-B", true), ("KP-B", "KP-BB", false), ("KP-B", "kp-b", false), ("", "", true), ("", "a", false),
    ("*", "", true), ("*", "anything", true), ("KP-*", "KP-", true), ("KP-*", "KP", false),
    ("a*c*e", "abcde", true), ("a*c*e", "abcd", false), ("*ab", "aab", true), ("**a**", "bab", true),
    ("?", "a", true), ("?", "", false), ("?", "é", true), ("a?c", "abc", true),
    ("[abc]", "b", true), ("[abc]", "d", false), ("[!abc]", "d", true), ("[!abc]", "a", false),
    ("[a-f0-9]x", "7x", true), ("[a-f0-9]x", "gx", false), ("[]a]", "]", true), ("[!]a]", "]", false),
    ("[a-]", "-", true), ("[z-a]", "b", false), ("[", "[", true), ("[abc", "[abc", true), ("a[", "a[", true),
    ("[[:digit:]]", "5", true), ("[[:digit:]]", "a", false), ("[![:alpha:]_]", "_", false),
    ("[[:nonsense:]]", "n]", true),
    ("\\*", "*", true), ("\\*", "a", false), ("a\\", "a\\", true), ("[\\]]", "]", true),
    ("a.c", "abc", false), ("a+", "aa", false), ("^a$", "a", false),
    (".*", ".hidden", true), ("*", ".hidden", true), ("*", "a/b", true),
  ])
  func matches(pattern: String, name: String, expected: Bool) {
    #expect(RemotePattern(pattern).matches(name) == expected, "\(pattern) against \(name)")
  }

  @Test func manyStarsAreNotExponential() {
    let pattern = RemotePattern(String(repeating: "*a", count: 300) + "b")
    #expect(!pattern.matches(String(repeating: "a", count: 1_000)))
  }

  @Test func literalNames() {
    #expect(RemotePattern("KP-B").literalName == "KP-B")
    #expect(RemotePattern("KP\\*").literalName == "KP*")
    #expect(RemotePattern("[abc").literalName == "[abc")
    for pattern in ["*", "a?", "[ab]", "x[!y]"] { #expect(RemotePattern(pattern).literalName == nil) }
  }
}

@Suite struct RemoteSelectionTests {
  private func offer(_ remotes: [String]) -> KeyServiceCapabilities {
    KeyServiceCapabilities(
      offersEntropy: true, offersKeys: true, algorithm: "QKD", localSystem: "Alice", remoteSystems: remotes)
  }

  @Test func theConsumersChoiceComesBeforeTheProfiles() throws {
    let offer = offer(["B*", "C"])
    #expect(try RemoteSelection.select(requested: "Bob", configured: "C", capabilities: offer) == "Bob")
    #expect(try RemoteSelection.select(requested: nil, configured: "C", capabilities: offer) == "C")
  }

  @Test func whatIsNotServedIsRefused() {
    #expect(throws: KeyServiceError.remoteNotServed("Dave", offered: ["B*", "C"])) {
      try RemoteSelection.select(requested: nil, configured: "Dave", capabilities: offer(["B*", "C"]))
    }
  }

  @Test func theOnlyPossibleOneIsInferred() throws {
    for remotes in [["Bob"], ["Alice", "Bob"], ["Bob", "Alice", "Bob"]] {
      #expect(try RemoteSelection.select(requested: nil, configured: nil, capabilities: offer(remotes)) == "Bob")
    }
  }

  @Test func severalAreNamed() {
    #expect(throws: KeyServiceError.ambiguousRemote(candidates: ["Bob", "Carol", "Dave"])) {
      try RemoteSelection.select(
        requested: nil, configured: nil, capabilities: offer(["Alice", "Bob", "Carol", "Dave"]))
    }
  }

  @Test func aPatternOrNobodyCannotBeInferred() {
    for remotes in [["B*"], ["Alice"], ["Alice", "B?"]] {
      #expect(throws: KeyServiceError.undeterminedRemote(offered: remotes)) {
        try RemoteSelection.select(requested: nil, configured: nil, capabilities: offer(remotes))
      }
    }
  }
}
