// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A tree diagram (RFC 8340), laid out as pyang does it.
public struct TreeDiagram {
  /// What kind of tree the nodes are in, which decides their flags.
  private enum Mode: Equatable {
    case data, input, output, notification
    /// What is added to data that is configuration or not; operations that the augment itself adds show the same.
    case augment(isConfig: Bool)
  }

  private let schema: Schema
  /// The modules to show, each with its own nodes and what it adds to modules that are not shown.
  private let modules: [String]

  /// - Parameters:
  ///   - schema: compiled with `SchemaCompiler.keepsWritings`.
  ///   - modules: names of implemented modules.
  public init(schema: Schema, modules: [String]) {
    self.schema = schema
    self.modules = modules
  }

  public var text: String { modules.compactMap { schema.module(named: $0) }.map(text(of:)).joined(separator: "\n") }

  private func text(of module: Module) -> String {
    var lines: [String] = []
    let data = schema.root.children.filter { $0.module === module }
    lines += children(data, of: module, prefix: "", mode: .data, width: 0)
    let augments = schema.augments.filter { $0.module === module && !modules.contains($0.target.module.name) }
    if !augments.isEmpty { lines.append("") }
    for augment in augments {
      lines.append("  augment \(augment.path):")
      let mode: Mode =
        switch augment.target.kind {
        case .input: .input
        case .output: .output
        case .notification: .notification
        default: isInOperation(augment.target) ? .data : .augment(isConfig: augment.target.isConfig)
        }
      lines += children(augment.nodes.map(withoutShorthand), of: module, prefix: "  ", mode: mode, width: 0)
    }
    let rpcs = schema.rpcs.filter { $0.module === module }
    if !rpcs.isEmpty { lines += ["", "  rpcs:"] + children(rpcs, of: module, prefix: "  ", mode: .data, width: 0) }
    let notifications = schema.notifications.filter { $0.module === module }
    if !notifications.isEmpty {
      lines += ["", "  notifications:"]
      lines += children(notifications, of: module, prefix: "  ", mode: .notification, width: 0)
    }
    guard !lines.isEmpty else { return "" }
    return (["module: \(module.name)"] + lines).joined(separator: "\n") + "\n"
  }

  /// The node that an augment adds to a choice without a case of its own.
  private func withoutShorthand(_ node: SchemaNode) -> SchemaNode {
    guard node.kind == .case, node.children.count == 1, node.children[0].location == node.location else { return node }
    return node.children[0]
  }

  private func children(
    _ nodes: [SchemaNode], of module: Module, prefix: String, mode: Mode, width: Int
  ) -> [String] {
    let shown = nodes.filter { !($0.kind == .input || $0.kind == .output) || !$0.children.isEmpty }
    let width = width > 0 ? width : nameWidth(shown, of: module)
    var lines: [String] = []
    for (index, node) in shown.enumerated() {
      let mode = self.mode(below: node, mode)
      let below = prefix + (index == shown.count - 1 ? "   " : "  |")
      lines.append(line(node, of: module, prefix: below, mode: mode, width: width))
      let isTransparent = node.kind == .choice || node.kind == .case
      lines += children(node.children, of: module, prefix: below, mode: mode, width: isTransparent ? width - 3 : 0)
    }
    return lines
  }

  private func name(_ node: SchemaNode, of module: Module) -> String {
    node.module === module ? node.name : "\(node.module.prefix):\(node.name)"
  }

  private func nameWidth(_ nodes: [SchemaNode], of module: Module) -> Int {
    nodes.map { node in
      node.kind == .choice || node.kind == .case
        ? 3 + nameWidth(node.children, of: module) : name(node, of: module).count
    }.max() ?? 0
  }

  private func line(_ node: SchemaNode, of module: Module, prefix: String, mode: Mode, width: Int) -> String {
    let writing =
      schema.writings.indices.contains(node.id)
      ? schema.writings[node.id] : NodeWriting(type: node.type?.typedefName, isLeafref: false, features: [])
    let status =
      switch node.status {
      case .current: "+"
      case .deprecated: "x"
      case .obsolete: "o"
      }
    var line = prefix.dropLast() + status + "--"
    let flags = flags(of: node, mode)
    let name = name(node, of: module)
    switch node.kind {
    case .list:
      line += "\(flags) \(name)* [\(node.keys.map(\.name).joined(separator: " "))]"
    case .container: line += "\(flags) \(name)\(node.hasPresence ? "!" : "")"
    case .choice: line += "\(flags) (\(name))\(node.isMandatory ? "" : "?")"
    case .case: line += ":(\(name))"
    case .leaf, .leafList, .anydata, .anyxml:
      let isOptional = !node.isMandatory && !node.isKey
      let mark = node.kind == .leafList ? "*" : isOptional ? "?" : ""
      let padding = String(repeating: " ", count: max(0, width + 1 - name.count - mark.count))
      line += "\(flags) \(name)\(mark)\(padding)   \(typeName(of: node, writing))"
    default: line += "\(flags) \(name)"
    }
    if !writing.features.isEmpty { line += " {\(writing.features.joined(separator: ","))}?" }
    return String(line)
  }

  private func mode(below node: SchemaNode, _ mode: Mode) -> Mode {
    switch (node.kind, mode) {
    case (.input, _): return .input
    case (.action, .augment), (.notification, .augment), (.output, .augment): return mode
    case (_, .augment): return isInOperation(node) ? mode : .data
    case (.output, _): return .output
    default: return mode
    }
  }

  private func flags(of node: SchemaNode, _ mode: Mode) -> String {
    if mode == .input { return "-w" }
    switch node.kind {
    case .rpc, .action: return "-x"
    case .notification: return "-n"
    default: break
    }
    return switch mode {
    case .augment(let isConfig): (isInOperation(node) ? isConfig : node.isConfig) ? "rw" : "ro"
    case .data: isInOperation(node) ? "" : node.isConfig ? "rw" : "ro"
    default: "ro"
    }
  }

  /// True below an operation or notification whose kind of tree was not entered from its top.
  private func isInOperation(_ node: SchemaNode) -> Bool {
    var next = node.parent
    while let above = next {
      switch above.kind {
      case .rpc, .action, .input, .output, .notification: return true
      default: next = above.parent
      }
    }
    return false
  }

  private func typeName(of node: SchemaNode, _ writing: NodeWriting) -> String {
    switch node.kind {
    case .anydata: return "<anydata>"
    case .anyxml: return "<anyxml>"
    default: break
    }
    guard writing.isLeafref, let path = writing.type else { return writing.type ?? "" }
    // A prefix stands only where the module changes.
    var current = node.module.prefix
    let steps = path.split(separator: "/", omittingEmptySubsequences: false).map { step -> String in
      let parts = step.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { return String(step) }
      if parts[0] == current { return String(parts[1]) }
      current = String(parts[0])
      return String(step)
    }
    return "-> \(steps.joined(separator: "/"))"
  }
}
