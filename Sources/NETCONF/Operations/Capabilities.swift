// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The capabilities that the server announces in its hello and in ietf-netconf-monitoring.
enum Capabilities {
  static func list(schema: Schema, contentID: String) -> [String] {
    var list = [
      CapabilityURI.base10, CapabilityURI.base11, CapabilityURI.candidate, CapabilityURI.validate,
      CapabilityURI.rollbackOnError, CapabilityURI.notification, CapabilityURI.interleave,
      CapabilityURI.withDefaults + "?basic-mode=explicit",
    ]
    if let library = schema.module(named: "ietf-yang-library"), library.isImplemented {
      list.append(CapabilityURI.yangLibrary + "?revision=\(library.revision ?? "2019-01-04")&content-id=\(contentID)")
    }
    // Modules of YANG 1.1 are told by the YANG library only (RFC 7950 section 5.6.4).
    for module in schema.modules where module.isImplemented && module.yangVersion == .one {
      list.append(uri(of: module))
    }
    return list
  }

  /// RFC 6020 section 5.6.4.
  private static func uri(of module: Module) -> String {
    var uri = module.namespace + "?module=" + module.name
    if let revision = module.revision { uri += "&revision=" + revision }
    if !module.enabledFeatures.isEmpty { uri += "&features=" + module.enabledFeatures.joined(separator: ",") }
    if !module.deviatedBy.isEmpty { uri += "&deviations=" + module.deviatedBy.joined(separator: ",") }
    return uri
  }
}
