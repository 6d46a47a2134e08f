// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The XML namespaces of the protocol.
enum Namespace {
  /// RFC 6241.
  static let base: StaticString = "urn:ietf:params:xml:ns:netconf:base:1.0"
  /// RFC 5277: notifications and create-subscription.
  static let notification: StaticString = "urn:ietf:params:xml:ns:netconf:notification:1.0"
  /// RFC 6022: get-schema.
  static let monitoring: StaticString = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
  /// RFC 6243.
  static let withDefaults: StaticString = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
  /// RFC 7950: actions, and the children of error-info that it defines.
  static let yang: StaticString = "urn:ietf:params:xml:ns:yang:1"
}

/// Capability URIs of RFC 6241 and its companions.
enum CapabilityURI {
  static let base10 = "urn:ietf:params:netconf:base:1.0"
  static let base11 = "urn:ietf:params:netconf:base:1.1"
  static let candidate = "urn:ietf:params:netconf:capability:candidate:1.0"
  static let validate = "urn:ietf:params:netconf:capability:validate:1.1"
  static let rollbackOnError = "urn:ietf:params:netconf:capability:rollback-on-error:1.0"
  static let notification = "urn:ietf:params:netconf:capability:notification:1.0"
  static let interleave = "urn:ietf:params:netconf:capability:interleave:1.0"
  static let withDefaults = "urn:ietf:params:netconf:capability:with-defaults:1.0"
  static let yangLibrary = "urn:ietf:params:netconf:capability:yang-library:1.1"
}
