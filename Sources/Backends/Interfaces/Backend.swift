// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Synchronization

/// The backend of interfaces: which Linux link an interface of the configuration is, and how that link is now.
///
/// Links are looked up when they are asked for, so that one that appears, goes or gets another index is always shown as
/// it is.
public final class InterfacesBackend: Backend {
  typealias Mapping = AgentdInterfaces.InterfacesMapping.InterfaceMapping
  typealias State = AgentdInterfaces.InterfacesState.InterfaceState

  public let name = "interfaces"
  public let subscriptions = [Mapping.schemaPath]
  public let operationalPaths = [State.schemaPath]
  public let operations: [String] = []
  private let mappings = Mutex<KeyedList<Mapping>>([])

  public init() {}

  public func prepare(_ changes: ChangeSet) -> [Refusal] { [] }

  public func apply(_ changes: ChangeSet) {
    guard changes.changes[Mapping.schemaPath] != nil else { return }
    let configured = (try? AgentdInterfaces.InterfacesMapping.read(from: changes.newRoot))?.interfaceMapping ?? []
    mappings.withLock { $0 = configured }
  }

  public func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    let mappings = mappings.withLock { $0 }
    let wanted: [Mapping]
    if let key = try? request.key(of: State.self) {
      wanted = mappings[key: key].map { [$0] } ?? []
    } else {
      wanted = Array(mappings)
    }
    var rest = wanted.makeIterator()
    return AnyIterator {
      guard let mapping = rest.next() else { return nil }
      return LinkState.of(link: mapping.linuxName, named: mapping.xrName).interiorNode(request.schema)
    }
  }
}
