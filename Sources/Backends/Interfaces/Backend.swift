// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Netlink
import Synchronization
import YANG

/// The backend of interfaces: which Linux link an interface of the configuration is, what is configured on it, and how
/// it is now.
///
/// `apply` hands the desired state to a thread that brings the links to it and keeps them there: links that are absent
/// get it when they appear, also under a new index. What is right already is left alone, so that a restart of the agent
/// disturbs nothing; only addresses that the agent added, or that were configured, are ever removed.
public final class InterfacesBackend: Backend {
  typealias Mapping = AgentdInterfaces.InterfacesMapping.InterfaceMapping
  typealias State = AgentdInterfaces.InterfacesState.InterfaceState

  public let name = "interfaces"
  public let subscriptions: [String]
  public let operationalPaths = [State.schemaPath]
  public let operations: [String] = []
  /// Which links interfaces are, for those who work on them.
  public let ports: PortDirectory

  /// The two lists of interfaces: those that are there, and those that are to come. They are the same to Linux.
  private static let lists = ["interface", "interface-preconfigure"].map {
    "/Cisco-IOS-XR-um-interface-cfg:interfaces/\($0)"
  }
  /// What below an interface is this backend's. The rest belongs to those who serve tunnels and MACsec.
  private static let elements = [
    "interface-name", "sub-interface-type", "ipv4", "ipv6", "dampening", "encapsulation", "shutdown", "mtu", "logging",
    "bandwidth", "description",
  ]

  private let schema: Schema
  private let watcher: LinkWatcher
  private let converger: Converger
  private let notifier: StatusNotifier
  private let mappings = Mutex<KeyedList<Mapping>>([])

  /// - Parameters:
  ///   - ports: shared with the backends that put links of their own on interfaces.
  ///   - watcher: of the network namespace in which the interfaces are; it is the caller's to stop.
  /// - Throws: when the system gives no socket.
  public init(schema: Schema, ports: PortDirectory, watcher: LinkWatcher, events: EventBus) throws(InterfacesError) {
    self.schema = schema
    self.ports = ports
    self.watcher = watcher
    subscriptions =
      [Mapping.schemaPath]
      + Self.lists.flatMap { list in Self.elements.map { "\(list)/\($0)" } }.filter { schema.node(at: $0) != nil }
    do throws(NetlinkError) { converger = try Converger(ports: ports, watcher: watcher) } catch {
      throw InterfacesError(error.description)
    }
    let mapped = MappedLinks()
    self.mapped = mapped
    notifier = StatusNotifier(ports: ports, schema: schema, events: events) { [converger] link in
      converger.interfaces(using: link).union(mapped.interfaces(of: link))
    }
    subscription = watcher.subscribe { [notifier] in notifier.take($0) }
  }

  private let subscription: LinkWatcher.Subscription
  private let mapped: MappedLinks

  /// Ends the thread. Links stay as they are.
  public func shutdown() {
    watcher.cancel(subscription)
    converger.stop()
  }

  // MARK: Configuration

  public func prepare(_ changes: ChangeSet) -> [Refusal] {
    var refusals: [Refusal] = []
    for entry in touched(changes) {
      guard let node = changes.newRoot.node(at: entry.path)?.interior else { continue }
      do {
        let configuration = InterfaceConfiguration(try InterfaceConfiguration.Model(node))
        refusals += configuration.faults.map { fault in
          Refusal(path: Self.place(fault.elements, below: entry.path), reason: fault.reason)
        }
      } catch { refusals.append(Refusal(path: entry.path, reason: error.message)) }
    }
    return refusals + conflicts(changes)
  }

  /// Interfaces that would be one link, or are in both lists.
  private func conflicts(_ changes: ChangeSet) -> [Refusal] {
    let mapping = changes.changes[Mapping.schemaPath] != nil
    let entries = touched(changes)
    guard mapping || entries.contains(where: { changes.oldRoot.node(at: $0.path) == nil }) else { return [] }
    let linkNames = Self.linkNames(changes.newRoot)
    var refusals: [Refusal] = []
    var holders: [String: (name: String, path: InstancePath)] = [:]
    let isTouched = Set(entries.map(\.path))
    for (name, path) in interfaces(in: changes.newRoot) {
      let link = linkNames[name] ?? name
      guard let holder = holders.updateValue((name, path), forKey: link) else { continue }
      let place = isTouched.contains(path) ? path : isTouched.contains(holder.path) ? holder.path : path
      refusals.append(
        Refusal(
          path: place,
          reason: holder.name == name
            ? "\(name) is in both lists of interfaces" : "\(holder.name) and \(name) are both the Linux link \(link)"))
    }
    return refusals
  }

  public func apply(_ changes: ChangeSet) {
    if changes.changes[Mapping.schemaPath] != nil {
      let configured = (try? AgentdInterfaces.InterfacesMapping.read(from: changes.newRoot))?.interfaceMapping ?? []
      mappings.withLock { $0 = configured }
      mapped.set(configured.map { ($0.xrName, $0.linuxName) })
      ports.map(Dictionary(configured.map { ($0.xrName, $0.linuxName) }) { first, _ in first })
    }
    var desired: [String: DesiredInterface?] = [:]
    for entry in touched(changes) {
      let node = changes.newRoot.node(at: entry.path)?.interior
      // One that moves from one list to the other is in both sets of changes.
      if node == nil, desired[entry.name] != nil { continue }
      desired[entry.name] = .some(
        node.flatMap { try? InterfaceConfiguration.Model($0) }.map { InterfaceConfiguration($0).desired })
    }
    if !desired.isEmpty { converger.configure(desired) }
    converger.start()
  }

  /// The interfaces of which something changed, each once.
  private func touched(_ changes: ChangeSet) -> [(name: String, path: InstancePath)] {
    var seen: Set<InstancePath> = []
    var result: [(String, InstancePath)] = []
    for path in subscriptions where path != Mapping.schemaPath {
      for change in changes.changes[path] ?? [] {
        // /interfaces/interface[interface-name]
        let entry = InstancePath(Array(change.path.steps.prefix(2)))
        guard case .string(let name)? = entry.steps.last?.keys.first, seen.insert(entry).inserted else { continue }
        result.append((name, entry))
      }
    }
    return result
  }

  private static func place(_ elements: [InterfaceConfiguration.Element], below entry: InstancePath) -> InstancePath {
    var path = entry
    for element in elements {
      guard let child = path.steps.last?.schema.dataChildren(named: element.name).first else { return path }
      path = path.appending(child, keys: element.key.map { [.string($0)] } ?? [])
    }
    return path
  }

  private static func linkNames(_ root: InteriorNode) -> [String: String] {
    let mapping = (try? AgentdInterfaces.InterfacesMapping.read(from: root))?.interfaceMapping ?? []
    return Dictionary(mapping.map { ($0.xrName, $0.linuxName) }) { first, _ in first }
  }

  /// All configured interfaces.
  private func interfaces(in root: InteriorNode) -> [(name: String, path: InstancePath)] {
    var result: [(String, InstancePath)] = []
    for path in Self.lists {
      guard let list = schema.node(at: path), let above = list.dataParent,
        let entries = root.container(above)?.entries(list)
      else { continue }
      for entry in entries {
        guard case .string(let name)? = entry.keys.first else { continue }
        result.append((name, InstancePath([.init(schema: above), .init(schema: list, keys: entry.keys)])))
      }
    }
    return result
  }

  // MARK: State

  public func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    let mappings = mappings.withLock { $0 }
    let wanted: [String]
    let source: InterfaceState.Source
    if let key = try? request.key(of: State.self) {
      wanted = mappings[key: key] != nil || converger.isConfigured(key) ? [key] : []
      source = .kernel
    } else {
      wanted = Set(mappings.map(\.xrName)).union(converger.configured).sorted()
      source = wanted.isEmpty ? .kernel : .reading()
    }
    let state = InterfaceState(source: source, ports: ports)
    var rest = wanted.makeIterator()
    return AnyIterator { [converger] in
      guard let name = rest.next() else { return nil }
      return state.model(of: name, status: converger.status(of: name)).interiorNode(request.schema)
    }
  }
}

/// The interfaces that the mapping says a link is.
private final class MappedLinks: Sendable {
  private let interfaces = Mutex<[String: Set<String>]>([:])

  func set(_ mapping: [(interface: String, link: String)]) {
    var byLink: [String: Set<String>] = [:]
    for (interface, link) in mapping { byLink[link, default: []].insert(interface) }
    let result = byLink
    interfaces.withLock { $0 = result }
  }

  func interfaces(of link: String) -> Set<String> { interfaces.withLock { $0[link] ?? [] } }
}
