// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

@testable import YANG

extension Value {
  /// The text with module names as prefixes, whatever the type.
  var moduleQualifiedText: String { SchemaType(base: .string).canonicalText(of: self) { $0.name } }
}
