// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import YANG

/// The schemas that the tests' types were generated from, compiled as the agent does at its start.
enum Schemas {
  static let everything = compile(folder.appending(path: "yang"))
  static let product = compile(
    folder.deletingLastPathComponent().deletingLastPathComponent().appending(path: "yang"))

  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()

  private static func compile(_ folder: URL) -> Schema {
    do {
      return try Schema.compile(directory: folder.path).schema
    } catch {
      fatalError("\(error)")
    }
  }
}
