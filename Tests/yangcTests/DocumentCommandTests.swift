// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

/// `yangc validate` and `yangc convert` from the command line; their data against yanglint's.
@Suite(.serialized) struct DocumentCommandTests {
  /// A folder that goes with the last reference.
  private final class Scratch {
    let url: URL
    init() throws {
      url = FileManager.default.temporaryDirectory.appendingPathComponent("yangc-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: url) }
    func write(_ name: String, _ text: String) throws {
      try Data(text.utf8).write(to: url.appendingPathComponent(name))
    }
  }

  private struct Outcome {
    let status: Int32
    let output: String
    let errors: String
  }

  private func run(_ program: String, _ arguments: [String], in folder: URL) throws -> Outcome {
    let process = Process()
    let output = Pipe()
    let errors = folder.appendingPathComponent("errors-\(UUID().uuidString)")
    FileManager.default.createFile(atPath: errors.path, contents: nil)
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: try String(contentsOf: errors, encoding: .utf8))
  }

  private func yangc(_ arguments: [String], in folder: URL) throws -> Outcome {
    // Test bundles stand beside the programs.
    let folders = CommandLine.arguments.prefix(1) + Bundle.allBundles.map(\.bundlePath)
    let program = folders.map {
      URL(fileURLWithPath: $0).deletingLastPathComponent().appendingPathComponent("yangc").path
    }
    .first { FileManager.default.isExecutableFile(atPath: $0) }
    return try run(try #require(program, "yangc is not built"), arguments, in: folder)
  }

  static let module = """
    module kinds { yang-version 1.1; namespace urn:kinds; prefix k;
      identity animal; identity dog { base animal; }
      container top {
        leaf name { type string; } leaf small { type int8 { range "0..100"; } } leaf big { type uint64; }
        leaf flag { type boolean; default true; } leaf price { type decimal64 { fraction-digits 2; } }
        leaf none { type empty; } leaf kind { type identityref { base animal; } } leaf data { type binary; }
        leaf set { type bits { bit a; bit b; } } leaf where { type instance-identifier { require-instance false; } }
        leaf any-of { type union { type int8; type uint64; type boolean; type empty; type string; } }
        leaf ref { type leafref { path ../item/id; } } container presence { presence yes; }
        list item { key 'id other'; unique text; leaf id { type uint32; } leaf other { type string; }
          leaf text { type string; } }
        leaf-list tag { type string; ordered-by user; } leaf-list number { type uint16; ordered-by user; }
        choice c { case one { leaf c1 { type string; } } case two { leaf c2 { type string; } } }
        must "not(small) or small < 50 or flag = 'false'" { error-message "too small"; error-app-tag tiny; }
      }
    }
    """

  static let documents = [
    #"{"kinds:top":{"name":"a \"b\" é\n","small":99,"flag":false,"big":"18446744073709551615","price":"1.50"}}"#,
    #"{"kinds:top":{"none":[null],"kind":"kinds:dog","data":"AQID","set":"b  a","where":"/kinds:top/item[id='1'][other='x']"}}"#,
    #"{"kinds:top":{"any-of":5,"tag":["z","a"],"number":[30,1],"presence":{},"c1":""}}"#,
    #"{"kinds:top":{"any-of":"300"}}"#, #"{"kinds:top":{"any-of":[null]}}"#,
    #"{"kinds:top":{"ref":1,"item":[{"text":"t","id":1,"other":"x"},{"id":2,"other":"y"}]}}"#,
    #"{"kinds:top":{"ref":3,"item":[{"id":1,"other":"x"}]}}"#, #"{"kinds:top":{"small":60}}"#,
    #"{"kinds:top":{"item":[{"id":1,"other":"x","text":"t"},{"id":2,"other":"x","text":"t"}]}}"#,
    #"{"kinds:top":{"item":[{"id":1}]}}"#, #"{"kinds:top":{"c1":"","c2":""}}"#, #"{"kinds:top":{"small":"5"}}"#,
    #"{"kinds:top":{"big":5}}"#, #"{"kinds:top":{"none":null}}"#, #"{"kinds:top":{"tag":"x"}}"#,
    #"{"kinds:top":{"no":1}}"#,
    #"{"top":{}}"#, "{}", #"{"kinds:top":{"small":1e1,"number":[100e-1]}}"#, #"{"kinds:top":{"price":"1.555"}}"#,
    #"{"kinds:top":{"kind":"cat"}}"#, #"{"kinds:top":{"flag":"true"}}"#, #"{"kinds:top":{"item":{}}}"#, "{", "[]",
    #"{"kinds:top":{"number":[1,1]}}"#, #"{"kinds:top":{"name":"\u00e9\u0021"}}"#, #"{"kinds:top":{"set":"a a"}}"#,
  ]

  @Test func verdictsAndCanonicalFormsAreYanglints() throws {
    let yanglint = try #require(
      ["/usr/bin/yanglint"].first { FileManager.default.isExecutableFile(atPath: $0) }, "yanglint is not installed")
    let scratch = try Scratch()
    try scratch.write("kinds.yang", Self.module)
    for document in Self.documents {
      try scratch.write("d.json", document)
      let ours = try yangc(["validate", "-m", "kinds.yang", "d.json"], in: scratch.url)
      let theirs = try run(yanglint, ["-f", "xml", "kinds.yang", "d.json"], in: scratch.url)
      #expect((ours.status == 0) == (theirs.status == 0), "\(document): \(ours.errors)\(theirs.errors)")
      #expect((ours.status == 0) == ours.errors.isEmpty)
      guard ours.status == 0, theirs.status == 0 else { continue }
      // Both as XML, then each other's XML as JSON.
      let xml = try yangc(["convert", "-f", "xml", "-m", "kinds.yang", "d.json"], in: scratch.url)
      // libyang writes the prefix of an identity where it need not.
      let plain = theirs.output.replacingOccurrences(of: " xmlns:k=\"urn:kinds\">k:dog", with: ">dog")
      #expect(xml.output == plain, "\(document)")
      try scratch.write("d.xml", xml.output)
      try scratch.write("theirs.xml", theirs.output)
      // An empty document is none to yanglint.
      if !xml.output.isEmpty { #expect(try run(yanglint, ["kinds.yang", "d.xml"], in: scratch.url).status == 0) }
      let compact = ["--compact", "-f", "json", "-m", "kinds.yang"]
      let json = try yangc(["convert"] + compact + ["d.json"], in: scratch.url)
      let again = try yangc(["convert"] + compact + ["d.xml", "theirs.xml"], in: scratch.url)
      #expect(again.output == json.output + json.output, "\(document)")
    }
  }

  @Test func allViolationsAreToldWithPathRuleAndValue() throws {
    let scratch = try Scratch()
    try scratch.write("kinds.yang", Self.module)
    try scratch.write(
      "d.xml",
      "<top xmlns='urn:kinds'><small>60</small><ref>7</ref><item><id>1</id><other>x</other><text>t</text></item>"
        + "<item><id>2</id><other>x</other><text>t</text></item></top>")
    let outcome = try yangc(["validate", "-p", ".", "d.xml"], in: scratch.url)
    #expect(outcome.status == 1)
    let lines = outcome.errors.split(separator: "\n").map(String.init).sorted()
    #expect(
      lines == [
        "d.xml: error: /kinds:top/kinds:item: several entries of 'item' have the same values, which are to be unique: "
          + "text = 't' [operation-failed, data-not-unique]",
        "d.xml: error: /kinds:top/kinds:ref: the value '7' refers to nothing: there is no such \"../item/id\" "
          + "[data-missing, instance-required]",
        "d.xml: error: /kinds:top: too small (must \"not(small) or small < 50 or flag = 'false'\") [operation-failed, tiny]",
      ])
  }

  @Test func problemsOfFilesAndModulesAreTold() throws {
    let scratch = try Scratch()
    try scratch.write("kinds.yang", Self.module)
    let missing = try yangc(["validate", "-m", "kinds.yang", "no.json"], in: scratch.url)
    #expect(missing.status == 1)
    #expect(missing.errors.hasPrefix("no.json: error: it cannot be read"))
    try scratch.write("d.json", "{}")
    let unknown = try yangc(["validate", "-m", "other", "d.json"], in: scratch.url)
    #expect(unknown.status == 1)
    #expect(unknown.errors.contains("other"))
    try scratch.write("bad.json", "{\n\n]")
    let broken = try yangc(["convert", "-f", "xml", "-m", "kinds.yang", "bad.json"], in: scratch.url)
    #expect(broken.status == 1)
    #expect(broken.errors.hasPrefix("bad.json:3: error: "))
  }
}
