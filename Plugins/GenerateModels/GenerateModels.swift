// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import PackagePlugin

/// Runs YANGCodegen over the modules of a target.
///
/// The target's folder holds `generate.conf` and `yang`, which may be a link. The package manager looks through that
/// link when it asks whether the target's files are still the same ones, so modules that are added, renamed or removed
/// make it plan anew; the contents of modules are inputs of the command.
@main
struct GenerateModels: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
    let folder = try Self.folder(of: target, in: context.package.directoryURL)
    let configuration = folder.appending(path: "generate.conf")
    let modules = folder.appending(path: "yang").resolvingSymlinksInPath()
    let output = context.pluginWorkDirectoryURL
    return [
      .buildCommand(
        displayName: "Generating Swift types of \(target.name) from YANG",
        executable: try context.tool(named: "YANGCodegen").url,
        arguments: [
          "--modules", modules.path, "--configuration", configuration.path, "--output", output.path,
          "--swift-module", target.name,
        ],
        inputFiles: [configuration] + Self.yangFiles(below: modules),
        outputFiles: try Self.outputNames(configuration).map { output.appending(path: $0) })
    ]
  }

  private static func folder(of target: Target, in package: URL) throws -> URL {
    for parent in ["Sources", "Tests"] {
      let folder = package.appending(path: parent).appending(path: target.name)
      if FileManager.default.fileExists(atPath: folder.appending(path: "generate.conf").path) { return folder }
    }
    throw Problem(description: "target \(target.name) has no generate.conf")
  }

  private static func yangFiles(below folder: URL) -> [URL] {
    guard let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil) else { return [] }
    return files.compactMap { $0 as? URL }.filter { $0.pathExtension == "yang" }.sorted { $0.path < $1.path }
  }

  /// The files that the tool will write: one for each module that the configuration asks for, and one for the rest.
  private static func outputNames(_ configuration: URL) throws -> [String] {
    var modules: Set<String> = []
    for line in try String(contentsOf: configuration, encoding: .utf8).split(separator: "\n") {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      guard words.count == 2 else { continue }
      switch words[0] {
      case "module": modules.insert(String(words[1]))
      case "root": modules.insert(String(words[1].drop { $0 == "/" }.prefix { $0 != ":" && $0 != "/" }))
      default: continue
      }
    }
    return (modules.sorted() + ["SharedTypes"]).map { $0 + ".swift" }
  }

  private struct Problem: Error, CustomStringConvertible {
    let description: String
  }
}
