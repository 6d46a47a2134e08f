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

  /// - Parameters:
  ///   - directory: of a private charon, and of the socket at which charon's plugin asks; relative to where the agent was
  ///     started, as is `plugin`.
  ///   - plugin: charon's plugin for PPKs, or `none`; the one beside the agent's program when nil, if it is there.
  func choice(directory: String, plugin: String?) -> CharonChoice {
    switch self {
    case .own:
      var settings = CharonSettings(directory: Self.absolute(directory))
      settings.ppkPlugin = plugin == "none" ? nil : plugin.map(Self.absolute) ?? Self.installedPlugin
      return .own(settings)
    case .none: return .none
    case .shared(let path):
      let settings = CharonSettings(directory: Self.absolute(directory))
      return .shared(socket: path, ppkSocket: plugin == "none" ? nil : settings.ppkSocketPath)
    }
  }

  /// The plugin where it is installed with the program, where packages have it, or where the build puts it.
  private static var installedPlugin: String? {
    guard let program = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(program) }
    let folders = String(cString: program).split(separator: "/").dropLast()
    let beside = "/" + folders.joined(separator: "/")
    let installed = "/" + folders.dropLast().joined(separator: "/") + "/lib/agentd"
    let build = "/" + folders.dropLast(2).joined(separator: "/") + "/charon-plugin"
    return [installed, "/usr/lib/agentd", beside, build].map { $0 + "/libstrongswan-agentd-ppk.so" }
      .first { access($0, R_OK) == 0 }
  }

  private static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
  }
}
