// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

// The control interface: what an HTTP request on the control port does to the simulation. Every answer is one line of
// JSON. Parameters of a fault come as a JSON object in the body or as a query string, whichever is easier to type.
extension Simulation {
  mutating func control(_ request: HTTPRequest) -> HTTPResponse {
    let known: Set<String>
    switch (request.method, request.path) {
    case ("GET", ["stats"]): return json(statistics())
    case ("DELETE", ["stats"]):
      resetStatistics()
      return json(["reset": true])
    case ("GET", ["requests"]): return json(log)
    case ("GET", ["faults"]): return json(faults.entries.map(NumberedFault.init))
    case ("POST", ["faults"]): return addFault(request)
    case ("DELETE", ["faults"]):
      faults.removeAll()
      return json(["removed": true])
    case ("GET", ["keys"]):
      return json(Dictionary(uniqueKeysWithValues: instances.map { ($0.configuration.name, $0.store.identifiers) }))
    case ("DELETE", ["keys"]):
      for index in instances.indices { instances[index].store.removeAll() }
      return json(["removed": true])
    case ("DELETE", let path) where path.count == 2 && path[0] == "faults":
      guard let id = Int(path[1]), faults.remove(id) else { return .failure(404, "there is no fault '\(path[1])'") }
      return json(["removed": true])
    default:
      known = ["stats", "requests", "faults", "keys"]
    }
    guard let first = request.path.first, known.contains(first) else {
      return .failure(404, "known are /\(known.sorted().joined(separator: ", /"))")
    }
    return .failure(405, "\(request.method) is not possible here")
  }

  private mutating func addFault(_ request: HTTPRequest) -> HTTPResponse {
    do throws(SimulatorError) {
      let fault = try request.body.isEmpty ? Fault(pairs: request.query) : decodeJSON(Fault.self, from: request.body)
      return try json(["id": add(fault)])
    } catch {
      return .failure(400, error.description)
    }
  }

  /// Puts a fault in force; it must name an instance that exists.
  mutating func add(_ fault: Fault) throws(SimulatorError) -> Int {
    if let name = fault.instance, !instances.contains(where: { $0.configuration.name == name }) {
      throw SimulatorError(.fault, "there is no instance '\(name)'")
    }
    guard let id = faults.add(fault) else {
      throw SimulatorError(.fault, "there are already \(FaultTable.capacity) faults in force")
    }
    return id
  }

  private func json(_ value: some Encodable) -> HTTPResponse {
    HTTPResponse(status: 200, body: encodeJSON(value) + [.lineFeed])
  }
}

/// A fault in force with its number, as the control interface lists it.
private struct NumberedFault: Encodable {
  let entry: FaultTable.Entry

  private enum Key: String, CodingKey { case id }

  func encode(to encoder: any Encoder) throws {
    try entry.fault.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(entry.id, forKey: .id)
  }
}
