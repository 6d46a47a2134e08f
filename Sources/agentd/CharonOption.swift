// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Glibc
import IPsec

/// `private`, `none`, or the path of a VICI socket.
enum CharonOption: ExpressibleByArgument, Equatable {
  case own
  case none
  case shared(String)

  init?(argument: String) {
    switch argument {
    case "private": self = .own
    case "none": self = .none
    case let path where path.hasPrefix("/"): self = .shared(path)
    default: return nil
    }
  }

  /// - Parameter directory: of a private charon; relative to where the agent was started.
  func choice(directory: String) -> CharonChoice {
    switch self {
    case .own: .own(CharonSettings(directory: Self.absolute(directory)))
    case .none: .none
    case .shared(let path): .shared(socket: path)
    }
  }

  private static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
  }
}
