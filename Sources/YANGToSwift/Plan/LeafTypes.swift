// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Decides the Swift type of a leaf, and which of the types so needed are shared.
///
/// Enumerations, bits and unions of a typedef are one Swift type for all leafs that use the typedef; those written at
/// the leaf are nested in the type that the leaf stands in. A leafref is what its target is.
struct LeafTypes {
  /// Makes or finds a shared type in its module's namespace.
  let shared: SharedTypes

  /// The type of a leaf's values. Types of the leaf's own are added to `owner`.
  func type(of leaf: SchemaNode, in owner: PlannedType) -> SwiftType? {
    guard let type = leaf.type else { return nil }
    return swiftType(type, name: leaf.name, module: leaf.module, node: leaf, source: leaf.path, owner: owner)
  }

  /// The type that a value has: leafrefs followed to their end.
  static func resolved(_ type: SchemaType) -> SchemaType {
    var type = type
    while type.base == .leafref, let next = type.leafrefTarget?.type { type = next }
    return type
  }

  private func swiftType(
    _ written: SchemaType, name: String, module: Module, node: SchemaNode?, source: String, owner: PlannedType
  ) -> SwiftType {
    let type = Self.resolved(written)
    if type.secretEncoding != nil { return .named("Sealed") }
    switch type.base {
    case .binary: return .array(.named("UInt8"))
    case .boolean: return .named("Bool")
    case .decimal64: return .named("Decimal64")
    case .empty: return .named("Presence")
    case .instanceIdentifier: return .named("InstanceIdentifier")
    case .int8: return .named("Int8")
    case .int16: return .named("Int16")
    case .int32: return .named("Int32")
    case .int64: return .named("Int64")
    case .uint8: return .named("UInt8")
    case .uint16: return .named("UInt16")
    case .uint32: return .named("UInt32")
    case .uint64: return .named("UInt64")
    case .string, .leafref: return .named("String")
    case .identityref: return shared.identity(type)
    case .enumeration, .bits, .union:
      if let planned = shared.typedef(type, complete: complete) { return .planned(planned) }
      let planned = PlannedType(Self.kind(type), sourceName: name, module: module, node: node, source: source)
      owner.add(planned)
      complete(planned, type)
      return .planned(planned)
    }
  }

  /// What kind of type an enumeration, bits or union becomes; a union is still to be completed.
  static func kind(_ type: SchemaType) -> PlannedType.Kind {
    switch type.base {
    case .enumeration: .enumeration(type.enums)
    case .bits: .bits(type.bits)
    default: .union(.init(members: []))
    }
  }

  /// Fills a union's plan; types of its members nest in it.
  private func complete(_ planned: PlannedType, _ type: SchemaType) {
    guard type.base == .union else { return }
    var members: [PlannedType.UnionPlan.Member] = []
    var uses: [String: Int] = [:]
    for member in type.members {
      let resolved = Self.resolved(member)
      var name = member.typedefName ?? resolved.typedefName ?? resolved.base.rawValue
      uses[name, default: 0] += 1
      if let count = uses[name], count > 1 { name += "-\(count)" }
      if resolved.base == .empty {
        members.append(.init(sourceName: name, type: nil))
      } else {
        let source = "\(planned.source), union member \(members.count + 1)"
        let swift = swiftType(
          member, name: name, module: planned.module, node: nil, source: source, owner: planned)
        members.append(.init(sourceName: name, type: swift))
      }
    }
    planned.complete(.init(members: members))
  }
}
